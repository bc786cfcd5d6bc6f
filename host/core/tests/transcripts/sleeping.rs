//! Rooms that sleep: what keeps them awake, what they wake with, and what a restart makes of them.

use crate::notation::check;

#[test]
fn a_room_sleeps_when_its_checkpoint_is_durable_and_wakes_where_it_was() {
    check(
        "
        handlers connect message
        > a connect
        turn accept a
        hibernate one
        asleep
        committed
        asleep
        > a send hello
        asleep
        wake
        turn send a back
        asleep
        ",
        "
        turn on-connect a
        accept a
        read a
        commit 1 checkpoint
        awake
        drop instance
        asleep
        asleep
        woken with one
        turn on-message a hello
        < a back
        awake
        ",
    );
}

#[test]
fn what_comes_while_the_memory_is_saved_finds_the_room_awake() {
    check(
        "
        handlers connect message
        > a connect
        turn accept a
        hibernate one
        > a send hello
        committed
        asleep
        turn send a back
        hibernate two
        > a send again
        turn send a twice
        committed
        asleep
        ",
        "
        turn on-connect a
        accept a
        read a
        commit 1 checkpoint
        awake
        turn on-message a hello
        < a back
        commit 2 checkpoint
        turn on-message a again
        < a twice
        awake
        ",
    );
}

#[test]
fn what_waits_or_is_under_way_keeps_a_room_awake() {
    check(
        "
        handlers connect message request
        hibernate never-started
        > a connect
        hibernate arriving
        turn accept a; pending e
        hibernate on-connect-pending
        committed
        GET / -> r
        hibernate waiting
        wake
        turn put k v; respond r 200
        hibernate uncommitted
        committed
        hibernate committed
        committed
        hibernate asleep
        ",
        "
        not now
        not now
        turn on-connect a
        commit 1 checkpoint
        drop instance
        not now
        woken with on-connect-pending
        turn on-request r
        commit 2 k=v
        not now
        < r 200
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
        GET / -> r
        turn sleep s 100; alarm 500; respond r 200
        committed
        hibernate memory
        committed
        deadline
        time 100
        wake
        turn
        hibernate memory
        committed
        deadline
        time 500
        wake
        turn
        ",
        "
        turn on-request r
        commit 1 alarm 500/0
        < r 200
        commit 2 checkpoint alarm 500/0
        drop instance
        deadline: 100
        woken with memory
        turn on-completed s
        commit 3 checkpoint alarm 500/0
        drop instance
        deadline: 500
        woken with memory
        turn on-alarm
        commit 4
        ",
    );
}

#[test]
fn after_a_restart_a_room_goes_on_and_is_told_first_who_has_gone() {
    check(
        "
        handlers start connect message close request completed response-closed
        > a connect
        turn
        turn accept a
        GET / -> r
        turn sleep s 1000; pending e
        hibernate memory
        committed
        crash
        asleep
        wake
        turn
        turn
        committed
        time 1000
        turn now
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
        asleep
        woken with memory
        turn on-close a 1006 not clean
        turn on-response-closed r
        turn on-completed s
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
        GET / -> r
        turn
        turn respond r 200
        keep memory
        committed
        GET / -> r
        turn put k v; respond r 200
        committed
        crash
        asleep
        GET / -> r
        turn get k
        ",
        "
        turn on-start New
        turn on-request r
        < r 200
        commit 1 checkpoint
        turn on-request r
        commit 2 k=v
        < r 200
        awake
        turn on-start Lost
        get k: v
        ",
    );
}

#[test]
fn turns_that_store_nothing_since_the_checkpoint_are_lost_by_a_crash_and_it_is_still_of_use() {
    check(
        "
        handlers start request
        GET / -> r
        turn
        turn respond r 200
        keep memory
        committed
        GET / -> r
        turn respond r 200
        crash
        GET / -> r
        wake
        turn respond r 200
        committed
        ",
        "
        turn on-start New
        turn on-request r
        < r 200
        commit 1 checkpoint
        turn on-request r
        < r 200
        commit 2
        woken with memory
        turn on-request r
        < r 200
        ",
    );
}

#[test]
fn a_memory_that_cannot_be_restored_is_a_fresh_start() {
    check(
        "
        handlers start request completed
        GET / -> r
        turn
        turn sleep s 1000; respond r 200
        hibernate memory
        committed
        GET / -> r
        wake failed
        committed
        turn
        turn operations; respond r 200
        ",
        "
        turn on-start New
        turn on-request r
        < r 200
        commit 1 checkpoint
        drop instance
        drop instance
        commit 2 forget
        turn on-start Lost
        turn on-request r
        operations: 0
        < r 200
        ",
    );
}

#[test]
fn a_sleeping_room_without_clients_may_be_forgotten_until_something_changes_without_its_guest() {
    check(
        "
        handlers request message
        GET / -> r
        turn respond r 200
        hibernate memory
        asleep
        committed
        asleep
        > a connect
        asleep
        ",
        "
        turn on-request r
        < r 200
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
        GET / -> r
        turn pending
        hibernate memory
        time 30000
        committed
        asleep
        ",
        "
        turn on-request r
        commit 1 checkpoint
        report on-request overdue after 30000
        < r 504 The room did not answer within 30000 ms
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
        GET / -> r
        turn
        turn alarm 500; respond r 200
        committed
        time 500
        turn pending e
        hibernate memory
        committed
        time 900500
        committed
        asleep
        crash
        asleep
        time 900600
        committed
        deadline
        time 902600
        wake
        turn settle e
        ",
        "
        turn on-start New
        turn on-request r
        commit 1 alarm 500/0
        < r 200
        turn on-alarm
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
        turn on-alarm
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
        GET / -> r
        turn
        turn alarm 500; respond r 200
        committed
        time 500
        turn pending e
        hibernate memory
        time 900500
        committed
        committed
        crash
        asleep
        GET / -> r
        wake
        turn respond r 200
        ",
        "
        turn on-start New
        turn on-request r
        commit 1 alarm 500/0
        < r 200
        turn on-alarm
        commit 2 checkpoint alarm 500/0
        report on-alarm overdue after 900000
        report on-alarm failed: on-alarm did not settle within 900000 ms
        commit 3 alarm 902500/1
        drop instance
        commit 4 alarm 500/0
        asleep
        woken with memory
        turn on-request r
        ",
    );
}

#[test]
fn an_alarm_that_fails_for_its_time_while_there_is_no_host_takes_no_memory_with_it() {
    check(
        "
        handlers start request alarm
        GET / -> r
        turn
        turn alarm 500; respond r 200
        committed
        time 500
        turn pending e
        hibernate memory
        committed
        clock 990000
        crash
        time 990000
        committed
        committed
        crash
        asleep
        time 990001
        GET / -> r
        wake
        turn respond r 200
        ",
        "
        turn on-start New
        turn on-request r
        commit 1 alarm 500/0
        < r 200
        turn on-alarm
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
        turn on-request r
        ",
    );
}
