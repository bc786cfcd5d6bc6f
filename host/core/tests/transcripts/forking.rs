//! Rooms that go on elsewhere: what a copy is told, in which order, and what it begins with.

use crate::notation::check;

#[test]
fn a_copy_is_told_where_it_is_then_what_has_become_of_all_that_it_knew() {
    check(
        "
        handlers start resume connect message close request completed response-closed
        > a connect
        turn
        turn accept a
        GET / -> r
        turn sleep s 1000; pending e
        hibernate memory
        committed
        fork
        deadline
        asleep
        wake
        turn
        turn
        turn
        turn now
        committed
        time 1000
        phase
        ",
        "
        turn on-start New
        turn on-connect a
        accept a
        read a
        turn on-request r
        commit 1 checkpoint
        drop instance
        commit 2
        deadline: 30000
        asleep
        woken with memory
        turn on-resume Forked
        turn on-close a 1006 not clean
        turn on-response-closed r
        turn on-completed s interrupted
        now: 0
        phase: Running
        ",
    );
}

#[test]
fn a_copy_of_a_room_that_is_held_is_told_what_passes_a_hold_before_the_rest() {
    check(
        "
        handlers resume connect message close completed
        > a connect
        turn accept a; sleep s 1000; hold
        hibernate memory
        committed
        fork
        wake
        turn
        turn release
        turn
        ",
        "
        turn on-connect a
        accept a
        read a
        commit 1 checkpoint
        drop instance
        commit 2
        woken with memory
        turn on-resume Forked
        turn on-completed s interrupted
        turn on-close a 1006 not clean
        ",
    );
}

#[test]
fn a_party_that_does_not_ask_where_it_is_is_told_the_rest() {
    check(
        "
        handlers request completed
        GET / -> r
        turn sleep s 1000; respond r 200
        hibernate memory
        committed
        fork
        wake
        turn
        committed
        ",
        "
        turn on-request r
        < r 200
        commit 1 checkpoint
        drop instance
        commit 2
        woken with memory
        turn on-completed s interrupted
        ",
    );
}

#[test]
fn a_copy_whose_memory_cannot_be_restored_starts_afresh_and_is_told_nothing_of_the_other() {
    check(
        "
        handlers start resume request completed
        GET / -> r
        turn
        turn sleep s 1000; respond r 200
        hibernate memory
        committed
        fork
        wake failed
        GET / -> q
        turn
        turn respond q 200
        committed
        committed
        ",
        "
        turn on-start New
        turn on-request r
        < r 200
        commit 1 checkpoint
        drop instance
        commit 2
        drop instance
        commit 3 forget
        turn on-start Lost
        turn on-request q
        < q 200
        ",
    );
}
