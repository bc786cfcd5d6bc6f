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
        commit 2 forget
        wakes: 900
        < s 500 Uncaught exception when making a request
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

/// A wake that cannot be is the end of a life, too: the checkpoint that nobody could use must not be there for anybody else.
#[test]
fn a_memory_that_cannot_be_restored_is_over_in_the_store() {
    check(
        "
        handlers connect message
        > a connect
        turn accept a; sleep z 900
        hibernate one
        committed
        wakes
        > a send hello
        wake failed
        turn send a new
        committed
        wakes
        crash
        > b connect
        turn operations
        ",
        "
        turn on-connect a
        accept a
        read a
        commit 1 checkpoint
        drop instance
        wakes: 900
        drop instance
        commit 2 forget
        turn on-message a hello
        < a new
        wakes: never
        turn on-connect b
          operations: 0
        accept b
        read b
        ",
    );
}

/// Being dropped is remembered only by a room that is awake, so that does not sleep; but what it has in its variables is kept
/// all the same. Once a room that trapped once a minute was never kept.
#[test]
fn a_room_that_dropped_a_turn_lately_is_kept_and_stays_awake() {
    check(
        "
        handlers request start
        GET / -> r
        turn
        turn trap boom
        GET / -> s
        turn
        turn respond s 200
        hibernate one
        keep one
        committed
        asleep
        ",
        "
        turn on-start New
        turn on-request r
        report on-request dropped: the guest trapped: boom
        drop instance
        < r 500 Uncaught exception when making a request
        turn on-start Lost
        turn on-request s
        < s 200
        not now
        commit 1 checkpoint
        awake
        ",
    );
}

/// Nobody who is told something meanwhile is told more than without the checkpoint; so a disk that hangs over it keeps nobody
/// waiting. What a turn stores comes after it, and is waited for.
#[test]
fn outputs_do_not_wait_for_a_checkpoint() {
    check(
        "
        handlers request
        GET / -> r
        turn respond r 200
        keep one
        GET / -> s
        turn respond s 200
        GET / -> t
        turn put k v; respond t 200
        GET / -> u
        turn respond u 200
        committed
        committed
        ",
        "
        turn on-request r
        < r 200
        commit 1 checkpoint
        turn on-request s
        < s 200
        turn on-request t
        commit 2 k=v
        turn on-request u
        < t 200
        < u 200
        ",
    );
}
