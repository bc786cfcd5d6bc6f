//! Rooms that go on elsewhere: what a copy is told, in which order, and what it begins with.

use crate::notation::check;

#[test]
fn a_copy_is_told_where_it_is_then_what_has_become_of_all_that_it_knew() {
    check(
        "
        handlers start resume connect message close request completed response-closed
        connect a
        turn
        turn accept a
        request r
        turn sleep s 1000; pending e
        sleep memory
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
        at 1000
        phase
        ",
        "
        > on-start New
        > on-connect a
        accept a
        read a
        > on-request r
        commit 1 checkpoint
        drop instance
        commit 2
        deadline: 30000
        asleep
        woken with memory
        > on-resume Forked
        > on-close a 1006 not clean
        > on-response-closed r
        > on-completed s interrupted
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
        connect a
        turn accept a; sleep s 1000; hold
        sleep memory
        committed
        fork
        wake
        turn
        turn release
        turn
        ",
        "
        > on-connect a
        accept a
        read a
        commit 1 checkpoint
        drop instance
        commit 2
        woken with memory
        > on-resume Forked
        > on-completed s interrupted
        > on-close a 1006 not clean
        ",
    );
}

#[test]
fn a_party_that_does_not_ask_where_it_is_is_told_the_rest() {
    check(
        "
        handlers request completed
        request r
        turn sleep s 1000; respond r 200
        sleep memory
        committed
        fork
        wake
        turn
        committed
        ",
        "
        > on-request r
        respond r 200
        commit 1 checkpoint
        drop instance
        commit 2
        woken with memory
        > on-completed s interrupted
        ",
    );
}

#[test]
fn a_copy_whose_memory_cannot_be_restored_starts_afresh_and_is_told_nothing_of_the_other() {
    check(
        "
        handlers start resume request completed
        request r
        turn
        turn sleep s 1000; respond r 200
        sleep memory
        committed
        fork
        wake failed
        request q
        turn
        turn respond q 200
        ",
        "
        > on-start New
        > on-request r
        respond r 200
        commit 1 checkpoint
        drop instance
        commit 2
        drop instance
        > on-start Lost
        > on-request q
        ",
    );
}
