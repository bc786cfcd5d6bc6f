//! A life that ends with a dropped turn is over in the store, too.

use crate::notation::check;

/// Once the checkpoint from before the turn stayed: if nobody asked before the room was forgotten, the host ended, or the room
/// was copied, the life that had ended went on, and what it had waited for ended a second time.
#[test]
fn a_life_that_ends_with_a_dropped_turn_is_over_in_the_store_too() {
    check(
        "
        handlers request start completed
        GET / -> r
        turn
        turn sleep z 900; respond r 200
        keep memory
        committed
        wakes
        GET / -> s
        turn trap boom
        wakes
        committed
        wakes
        crash
        GET / -> v
        turn
        turn operations; respond v 200
        ",
        "
        turn on-start New
        turn on-request r
        < r 200
        commit 1 checkpoint
        wakes: 900
        turn on-request s
        report on-request dropped: the guest trapped: boom
        drop instance
        < s 500 Uncaught exception when making a request
        commit 2 forget
        wakes: 900
        wakes: never
        turn on-start New
        turn on-request v
        operations: 0
        < v 200
        ",
    );
}

/// What is being saved when the turn is dropped is forgotten behind it; a life of which nothing is kept needs no commit.
#[test]
fn a_life_that_is_being_saved_is_over_all_the_same() {
    check(
        "
        handlers request start
        GET / -> s
        turn
        turn respond s 200
        keep memory
        GET / -> t
        turn trap boom
        committed
        committed
        GET / -> u
        turn
        turn trap boom
        crash
        GET / -> v
        turn
        ",
        "
        turn on-start New
        turn on-request s
        < s 200
        commit 1 checkpoint
        turn on-request t
        report on-request dropped: the guest trapped: boom
        drop instance
        commit 2 forget
        < t 500 Uncaught exception when making a request
        turn on-start Lost
        turn on-request u
        report on-request dropped: the guest trapped: boom
        drop instance
        < u 500 Uncaught exception when making a request
        turn on-start New
        ",
    );
}
