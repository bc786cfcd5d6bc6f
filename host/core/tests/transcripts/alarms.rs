//! The alarm: at least once, never early, tried again when it fails, remembered by the store.

use crate::notation::check;

#[test]
fn an_alarm_rings_at_its_time_and_is_none_while_it_rings() {
    check(
        "
        handlers request alarm
        GET / -> r
        turn alarm 1000; alarm; respond r 200
        committed
        time 999
        turn
        time 1000
        time 1001
        turn alarm
        committed
        time 5000
        turn
        ",
        "
        turn on-request r
        alarm: 1000
        commit 1 alarm 1000/0
        < r 200
        no turn
        turn on-alarm
        alarm: none
        commit 2
        no turn
        ",
    );
}

#[test]
fn an_alarm_in_the_past_rings_at_once() {
    check(
        "
        handlers request alarm
        clock 5000
        GET / -> r
        turn alarm 1; respond r 200
        committed
        deadline
        time 5000
        turn
        ",
        "
        turn on-request r
        commit 1 alarm 1/0
        < r 200
        deadline: 1
        turn on-alarm
        commit 2
        ",
    );
}

#[test]
fn an_alarm_that_is_moved_or_cleared_after_it_was_due_does_not_ring() {
    check(
        "
        handlers request alarm
        GET / -> r
        turn alarm 1000; respond r 200
        GET / -> s
        time 1000
        turn alarm 2000; respond s 200
        turn
        GET / -> t
        time 2000
        turn alarm off; alarm; respond t 200
        turn
        deadline
        ",
        "
        turn on-request r
        commit 1 alarm 1000/0
        turn on-request s
        commit 2 alarm 2000/0
        no turn
        turn on-request t
        alarm: none
        commit 3
        no turn
        deadline: none
        ",
    );
}

#[test]
fn a_failing_alarm_is_tried_six_more_times_and_given_up() {
    check(
        "
        handlers request alarm
        GET / -> r
        turn alarm 1000; respond r 200
        time 1000
        turn fail 1
        time 2999
        turn
        time 3000
        turn fail 2
        time 7000
        turn trap 3
        time 15000
        turn fail 4
        time 31000
        turn fail 5
        time 63000
        turn fail 6
        time 127000
        turn fail 7
        deadline
        ",
        "
        turn on-request r
        commit 1 alarm 1000/0
        turn on-alarm
        report on-alarm failed: 1
        commit 2 alarm 3000/1
        no turn
        turn on-alarm
        report on-alarm failed: 2
        commit 3 alarm 7000/2
        turn on-alarm
        report on-alarm dropped: the guest trapped: 3
        drop instance
        commit 4 alarm 15000/3
        turn on-alarm
        report on-alarm failed: 4
        commit 5 alarm 31000/4
        turn on-alarm
        report on-alarm failed: 5
        commit 6 alarm 63000/5
        turn on-alarm
        report on-alarm failed: 6
        commit 7 alarm 127000/6
        turn on-alarm
        report on-alarm failed: 7
        report alarm given up
        commit 8
        deadline: none
        ",
    );
}

#[test]
fn an_alarm_that_is_set_while_it_rings_replaces_the_retry_and_waits_for_the_end() {
    check(
        "
        handlers request alarm
        GET / -> r
        turn alarm 1000; respond r 200
        time 1000
        turn alarm 1500; pending e
        deadline
        GET / -> s
        time 1500
        turn settle e fail no matter; respond s 200
        deadline
        time 1500
        turn
        ",
        "
        turn on-request r
        commit 1 alarm 1000/0
        turn on-alarm
        commit 2 alarm 1500/0
        deadline: 901000
        turn on-request s
        report on-alarm failed: no matter
        deadline: 1500
        turn on-alarm
        commit 3
        ",
    );
}

#[test]
fn an_alarm_that_does_not_settle_in_time_has_failed() {
    check(
        "
        handlers request alarm
        GET / -> r
        turn alarm 1000; respond r 200
        time 1000
        turn pending e
        time 901000
        deadline
        ",
        "
        turn on-request r
        commit 1 alarm 1000/0
        turn on-alarm
        report on-alarm overdue after 900000
        report on-alarm failed: on-alarm did not settle within 900000 ms
        commit 2 alarm 903000/1
        deadline: 903000
        ",
    );
}

#[test]
fn a_ringing_alarm_rings_again_after_a_restart_with_what_was_durable() {
    check(
        "
        GET / -> r
        turn
        turn alarm 1000; respond r 200
        committed
        time 1000
        turn fail
        crash
        time 1000
        turn
        turn fail
        committed
        crash
        deadline
        time 3000
        turn
        turn pending e
        crash
        deadline
        ",
        "
        turn on-start New
        turn on-request r
        commit 1 alarm 1000/0
        < r 200
        turn on-alarm
        report on-alarm failed:
        commit 2 alarm 3000/1
        turn on-start New
        turn on-alarm
        report on-alarm failed:
        commit 2 alarm 3000/1
        deadline: 3000
        turn on-start New
        turn on-alarm
        deadline: 3000
        ",
    );
}

#[test]
fn a_pending_alarm_whose_memory_is_lost_is_tried_again() {
    check(
        "
        handlers request alarm
        GET / -> r
        turn alarm 1000; respond r 200
        committed
        time 1000
        turn pending e
        GET / -> s
        turn trap boom
        committed
        ",
        "
        turn on-request r
        commit 1 alarm 1000/0
        < r 200
        turn on-alarm
        turn on-request s
        report on-request dropped: the guest trapped: boom
        drop instance
        commit 2 alarm 3000/1
        < s 500 Uncaught exception when making a request
        ",
    );
}

/// The simulation found this one: the deadline of the second alarm had passed after `on_time`, so that a driver
/// would have been woken again at once.
#[test]
fn an_alarm_that_waits_for_another_is_due_as_soon_as_that_one_is_overdue() {
    check(
        "
        handlers request alarm
        GET / -> r
        turn alarm 1000; respond r 200
        committed
        time 1000
        turn alarm 1500; hold; pending e
        committed
        time 1500
        time 31000
        turn
        ",
        "
        turn on-request r
        commit 1 alarm 1000/0
        < r 200
        turn on-alarm
        commit 2 alarm 1500/0
        report events.hold overdue after 30000
        drop instance
        turn on-alarm
        commit 3
        ",
    );
}
