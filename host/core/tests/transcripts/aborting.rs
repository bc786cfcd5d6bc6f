//! Rooms that abort: their turn is dropped, and they start afresh.

use crate::notation::check;

#[test]
fn what_waits_for_the_event_is_told_why_and_everyone_else_that_the_room_failed() {
    check(
        "
        handlers start request connect message
        GET / -> r
        turn
        turn pending e
        GET / -> s
        turn put k v; respond r 200; abort enough
        > a connect
        turn
        turn abort not you
        ",
        "
        turn on-start New
        turn on-request r
        turn on-request s
        report on-request dropped: the room aborted: enough
        drop instance
        < s 500 enough
        < r 500 Uncaught exception when making a request
        turn on-start Lost
        turn on-connect a
        report on-connect dropped: the room aborted: not you
        drop instance
        accept a
        read a
        < a close 1011 not you
        ",
    );
}

/// A durable room does not go back to the moment before the turn: it was told not to.
#[test]
fn a_durable_room_gives_its_life_up_before_anyone_is_told() {
    check(
        "
        memory durable
        handlers start request
        GET / -> r
        turn
        turn put k v; respond r 200
        committed
        committed
        GET / -> s
        turn abort enough
        committed
        crash
        GET / -> t
        turn
        ",
        "
        turn on-start New
        commit 1 forget, record
        turn on-request r
        commit 2 record
        < r 200
        turn on-request s
        report on-request dropped: the room aborted: enough
        drop instance
        commit 3 k=v forget
        < s 500 enough
        turn on-start New
        commit 4 forget, record
        ",
    );
}

/// Then the start has failed.
#[test]
fn a_start_that_aborts_is_tried_again_by_the_next_event() {
    check(
        "
        handlers start request
        GET / -> r
        turn abort not now
        GET / -> s
        turn
        turn respond s 200
        ",
        "
        turn on-start New
        report on-start dropped: the room aborted: not now
        drop instance
        < r 500 not now
        turn on-start FailedBefore
        turn on-request s
        < s 200
        ",
    );
}
