//! Rooms that sleep: what keeps them awake, what they wake with, and what a restart makes of them.

use crate::notation::check;

#[test]
fn a_room_sleeps_when_its_checkpoint_is_durable_and_wakes_where_it_was() {
    check(
        "
        handlers connect message
        connect a
        turn accept a
        sleep one
        asleep
        committed
        asleep
        message a hello
        asleep
        wake
        turn send a back
        asleep
        ",
        "
        > on-connect a
        accept a
        read a
        commit 1 checkpoint
        awake
        drop instance
        asleep
        asleep
        woken with one
        > on-message a hello
        send a back
        awake
        ",
    );
}

#[test]
fn what_comes_while_the_memory_is_saved_finds_the_room_awake() {
    check(
        "
        handlers connect message
        connect a
        turn accept a
        sleep one
        message a hello
        committed
        asleep
        turn send a back
        sleep two
        message a again
        turn send a twice
        committed
        asleep
        ",
        "
        > on-connect a
        accept a
        read a
        commit 1 checkpoint
        awake
        > on-message a hello
        send a back
        commit 2 checkpoint
        > on-message a again
        send a twice
        awake
        ",
    );
}

#[test]
fn what_waits_or_is_under_way_keeps_a_room_awake() {
    check(
        "
        handlers connect message request
        sleep never-started
        connect a
        sleep arriving
        turn accept a; pending e
        sleep on-connect-pending
        committed
        request r
        sleep waiting
        wake
        turn put k v; respond r 200
        sleep uncommitted
        committed
        sleep committed
        committed
        sleep asleep
        ",
        "
        not now
        not now
        > on-connect a
        commit 1 checkpoint
        drop instance
        not now
        woken with on-connect-pending
        > on-request r
        commit 2 k=v
        not now
        respond r 200
        commit 3 checkpoint
        drop instance
        not now
        ",
    );
}

#[test]
fn sleeps_alarms_and_deadlines_wake_a_room_at_their_time() {
    check(
        "
        handlers request completed alarm
        request r
        turn sleep s 100; alarm 500; respond r 200
        committed
        sleep memory
        committed
        deadline
        at 100
        wake
        turn
        sleep memory
        committed
        deadline
        at 500
        wake
        turn
        ",
        "
        > on-request r
        commit 1 alarm 500/0
        respond r 200
        commit 2 checkpoint alarm 500/0
        drop instance
        deadline: 100
        woken with memory
        > on-completed s
        commit 3 checkpoint alarm 500/0
        drop instance
        deadline: 500
        woken with memory
        > on-alarm
        commit 4
        ",
    );
}

#[test]
fn after_a_restart_a_room_goes_on_and_is_told_first_who_has_gone() {
    check(
        "
        handlers start connect message close request completed response-closed
        connect a
        turn
        turn accept a
        request r
        turn sleep s 1000; pending e
        sleep memory
        committed
        restart
        asleep
        wake
        turn
        turn
        committed
        at 1000
        turn now
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
        asleep
        woken with memory
        > on-close a 1006 not clean
        > on-response-closed r
        > on-completed s
        now: 1000
        phase: Running
        ",
    );
}

#[test]
fn memory_that_storage_has_left_behind_is_not_used() {
    check(
        "
        handlers start request
        request r
        turn
        turn respond r 200
        keep memory
        committed
        request r
        turn put k v; respond r 200
        committed
        restart
        asleep
        request r
        turn get k
        ",
        "
        > on-start New
        > on-request r
        respond r 200
        commit 1 checkpoint
        > on-request r
        commit 2 k=v
        respond r 200
        awake
        > on-start Lost
        get k: v
        ",
    );
}

#[test]
fn turns_that_store_nothing_since_the_checkpoint_are_lost_by_a_crash_and_it_is_still_of_use() {
    check(
        "
        handlers start request
        request r
        turn
        turn respond r 200
        keep memory
        committed
        request r
        turn respond r 200
        restart
        request r
        wake
        turn respond r 200
        committed
        ",
        "
        > on-start New
        > on-request r
        respond r 200
        commit 1 checkpoint
        > on-request r
        respond r 200
        commit 2
        woken with memory
        > on-request r
        respond r 200
        ",
    );
}

#[test]
fn a_memory_that_cannot_be_restored_is_a_fresh_start() {
    check(
        "
        handlers start request completed
        request r
        turn
        turn sleep s 1000; respond r 200
        sleep memory
        committed
        request r
        wake failed
        turn
        turn operations; respond r 200
        ",
        "
        > on-start New
        > on-request r
        respond r 200
        commit 1 checkpoint
        drop instance
        drop instance
        > on-start Lost
        > on-request r
        operations: 0
        respond r 200
        ",
    );
}

#[test]
fn a_sleeping_room_without_clients_may_be_forgotten_until_something_changes_without_its_guest() {
    check(
        "
        handlers request message
        request r
        turn respond r 200
        sleep memory
        asleep
        committed
        asleep
        connect a
        asleep
        ",
        "
        > on-request r
        respond r 200
        commit 1 checkpoint
        awake
        drop instance
        asleep, may be forgotten
        asleep
        ",
    );
}

#[test]
fn what_changes_without_its_guest_while_a_room_is_saved_keeps_it_from_being_forgotten() {
    check(
        "
        handlers request
        request r
        turn pending
        sleep memory
        at 30000
        committed
        asleep
        ",
        "
        > on-request r
        commit 1 checkpoint
        report on-request overdue after 30000
        respond r 504 The room did not answer within 30000 ms
        drop instance
        asleep
        ",
    );
}

/// An alarm that has rung and is not settled fails when its time is over, which changes the room's record. It says nothing
/// of the memory: that is what it was, and whoever restores it comes to the same.
#[test]
fn an_alarm_that_fails_for_its_time_while_the_room_sleeps_takes_no_memory_with_it() {
    check(
        "
        handlers start request alarm
        request r
        turn
        turn alarm 500; respond r 200
        committed
        at 500
        turn pending e
        sleep memory
        committed
        at 900500
        committed
        asleep
        restart
        asleep
        at 900600
        committed
        deadline
        at 902600
        wake
        turn settle e
        ",
        "
        > on-start New
        > on-request r
        commit 1 alarm 500/0
        respond r 200
        > on-alarm
        commit 2 checkpoint alarm 500/0
        drop instance
        report on-alarm overdue after 900000
        report on-alarm failed: on-alarm did not settle within 900000 ms
        commit 3 alarm 902500/1
        asleep
        commit 4 alarm 500/0
        asleep
        report on-alarm overdue after 900000
        report on-alarm failed: on-alarm did not settle within 900000 ms
        commit 5 alarm 902600/1
        deadline: 902600
        woken with memory
        > on-alarm
          settle e: error: no event of this id is pending
        commit 6
        ",
    );
}

#[test]
fn an_alarm_that_fails_for_its_time_while_the_room_is_saved_takes_no_memory_with_it() {
    check(
        "
        handlers start request alarm
        request r
        turn
        turn alarm 500; respond r 200
        committed
        at 500
        turn pending e
        sleep memory
        at 900500
        committed
        committed
        restart
        asleep
        request r
        wake
        turn respond r 200
        ",
        "
        > on-start New
        > on-request r
        commit 1 alarm 500/0
        respond r 200
        > on-alarm
        commit 2 checkpoint alarm 500/0
        report on-alarm overdue after 900000
        report on-alarm failed: on-alarm did not settle within 900000 ms
        commit 3 alarm 902500/1
        drop instance
        commit 4 alarm 500/0
        asleep
        woken with memory
        > on-request r
        ",
    );
}

#[test]
fn an_alarm_that_fails_for_its_time_while_there_is_no_host_takes_no_memory_with_it() {
    check(
        "
        handlers start request alarm
        request r
        turn
        turn alarm 500; respond r 200
        committed
        at 500
        turn pending e
        sleep memory
        committed
        clock 990000
        restart
        at 990000
        committed
        committed
        restart
        asleep
        at 990001
        request r
        wake
        turn respond r 200
        ",
        "
        > on-start New
        > on-request r
        commit 1 alarm 500/0
        respond r 200
        > on-alarm
        commit 2 checkpoint alarm 500/0
        drop instance
        commit 3 alarm 500/0
        report on-alarm overdue after 900000
        report on-alarm failed: on-alarm did not settle within 900000 ms
        commit 4 alarm 992000/1
        commit 5 alarm 500/0
        asleep
        report on-alarm overdue after 900000
        report on-alarm failed: on-alarm did not settle within 900000 ms
        commit 6 alarm 992001/1
        woken with memory
        > on-request r
        ",
    );
}
