//! Calls to other rooms: begun when their turn is durable, answered once, and never made twice.

use crate::notation::check;

#[test]
fn a_call_is_made_when_its_turn_is_durable_and_answered_with_what_the_other_room_says() {
    check(
        "
        handlers request completed
        GET / -> r
        turn call o party/other hello; put k v; respond r 200; operations
        committed
        answer o 404 nobody is here
        answer o 200 too late
        turn operations
        turn
        ",
        "
        turn on-request r
          operations: 1
        commit 1 k=v
        begin o call party/other hello
        < r 200
        turn on-completed o: 404 nobody is here
          operations: 0
        no turn
        ",
    );
}

/// Whether it was made is not known, and it may have changed something.
#[test]
fn a_call_that_was_under_way_when_the_process_ended_is_not_made_again() {
    check(
        "
        handlers request completed
        GET / -> r
        turn call o party/other hello; rooms p party; respond r 200
        hibernate m
        committed
        crash
        wake
        turn operations
        answer o 200 of a process before
        turn
        ",
        "
        turn on-request r
        begin o call party/other hello
        begin p rooms party
        < r 200
        commit 1 checkpoint
        drop instance
        begin p rooms party
        commit 2
        woken with m
        turn on-completed o interrupted
          operations: 1
        no turn
        ",
    );
}

/// A durable room asks once more, and whoever it calls has it heard once.
#[test]
fn a_durable_room_asks_once_more_until_it_has_the_answer_for_good() {
    check(
        "
        memory durable
        handlers request completed
        GET / -> r
        turn call o party/other hello; rooms p party; respond r 200
        committed
        crash
        rebuild
        committed
        answer o 200 done
        turn operations
        crash
        rebuild
        committed
        answer o 200 done
        turn operations
        ",
        "
        turn on-request r
        commit 1 forget, record
        begin o call once party/other hello
        begin p rooms party
        < r 200
        again 1 on-request r
        begin again o call once party/other hello
        begin p rooms party
        commit 2 record
        turn on-completed o: 200 done
          operations: 1
        commit 3 record
        again 1 on-request r
        again 2
        begin again o call once party/other hello
        begin p rooms party
        commit 3 record
        turn on-completed o: 200 done
          operations: 1
        commit 4 record
        ",
    );
}

/// Nobody has heard of it: the turn that asked for it never was.
#[test]
fn a_call_of_a_turn_that_was_not_durable_is_never_made() {
    check(
        "
        memory durable
        handlers request completed
        GET / -> r
        turn call o party/other hello; respond r 200
        crash
        wakes
        ",
        "
        turn on-request r
        commit 1 forget, record
        wakes: never
        ",
    );
}

#[test]
fn what_no_room_can_be_asked_is_refused() {
    check(
        "
        handlers request
        GET / -> r
        turn call p PARTY/room; respond r 200
        ",
        "
        turn on-request r
          call p PARTY/room: error: party name \"PARTY\" is not allowed: use 1 to 64 of a-z, 0-9, _ and -
        < r 200
        ",
    );
}
