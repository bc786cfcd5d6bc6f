//! The alarm: at least once, never early, tried again when it fails, remembered by the store.

use crate::notation::check;

#[test]
fn an_alarm_rings_at_its_time_and_is_none_while_it_rings() {
    check(
        "
        handlers request alarm
        request r
        turn alarm 1000; alarm; respond r 200
        committed
        at 999
        turn
        at 1000
        at 1001
        turn alarm
        committed
        at 5000
        turn
        ",
        "
        > on-request r
        alarm: 1000
        commit 1 alarm 1000/0
        respond r 200
        no turn
        > on-alarm
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
        request r
        turn alarm 1; respond r 200
        committed
        deadline
        at 5000
        turn
        ",
        "
        > on-request r
        commit 1 alarm 1/0
        respond r 200
        deadline: 1
        > on-alarm
        commit 2
        ",
    );
}

#[test]
fn an_alarm_that_is_moved_or_cleared_after_it_was_due_does_not_ring() {
    check(
        "
        handlers request alarm
        request r
        turn alarm 1000; respond r 200
        request s
        at 1000
        turn alarm 2000; respond s 200
        turn
        request t
        at 2000
        turn alarm off; alarm; respond t 200
        turn
        deadline
        ",
        "
        > on-request r
        commit 1 alarm 1000/0
        > on-request s
        commit 2 alarm 2000/0
        no turn
        > on-request t
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
        request r
        turn alarm 1000; respond r 200
        at 1000
        turn fail 1
        at 2999
        turn
        at 3000
        turn fail 2
        at 7000
        turn trap 3
        at 15000
        turn fail 4
        at 31000
        turn fail 5
        at 63000
        turn fail 6
        at 127000
        turn fail 7
        deadline
        ",
        "
        > on-request r
        commit 1 alarm 1000/0
        > on-alarm
        report on-alarm failed: 1
        commit 2 alarm 3000/1
        no turn
        > on-alarm
        report on-alarm failed: 2
        commit 3 alarm 7000/2
        > on-alarm
        report on-alarm dropped: the guest trapped: 3
        drop instance
        commit 4 alarm 15000/3
        > on-alarm
        report on-alarm failed: 4
        commit 5 alarm 31000/4
        > on-alarm
        report on-alarm failed: 5
        commit 6 alarm 63000/5
        > on-alarm
        report on-alarm failed: 6
        commit 7 alarm 127000/6
        > on-alarm
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
        request r
        turn alarm 1000; respond r 200
        at 1000
        turn alarm 1500; pending e
        deadline
        request s
        at 1500
        turn settle e fail no matter; respond s 200
        deadline
        at 1500
        turn
        ",
        "
        > on-request r
        commit 1 alarm 1000/0
        > on-alarm
        commit 2 alarm 1500/0
        deadline: 901000
        > on-request s
        report on-alarm failed: no matter
        deadline: 1500
        > on-alarm
        commit 3
        ",
    );
}

#[test]
fn an_alarm_that_does_not_settle_in_time_has_failed() {
    check(
        "
        handlers request alarm
        request r
        turn alarm 1000; respond r 200
        at 1000
        turn pending e
        at 901000
        deadline
        ",
        "
        > on-request r
        commit 1 alarm 1000/0
        > on-alarm
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
        request r
        turn
        turn alarm 1000; respond r 200
        committed
        at 1000
        turn fail
        restart
        at 1000
        turn
        turn fail
        committed
        restart
        deadline
        at 3000
        turn
        turn pending e
        restart
        deadline
        ",
        "
        > on-start New
        > on-request r
        commit 1 alarm 1000/0
        respond r 200
        > on-alarm
        report on-alarm failed:
        commit 2 alarm 3000/1
        > on-start New
        > on-alarm
        report on-alarm failed:
        commit 2 alarm 3000/1
        deadline: 3000
        > on-start New
        > on-alarm
        deadline: 3000
        ",
    );
}

#[test]
fn a_pending_alarm_whose_memory_is_lost_is_tried_again() {
    check(
        "
        handlers request alarm
        request r
        turn alarm 1000; respond r 200
        committed
        at 1000
        turn pending e
        request s
        turn trap boom
        ",
        "
        > on-request r
        commit 1 alarm 1000/0
        respond r 200
        > on-alarm
        > on-request s
        report on-request dropped: the guest trapped: boom
        drop instance
        respond s 500 Uncaught exception when making a request
        commit 2 alarm 3000/1
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
        request r
        turn alarm 1000; respond r 200
        committed
        at 1000
        turn alarm 1500; hold; pending e
        committed
        at 1500
        at 31000
        turn
        ",
        "
        > on-request r
        commit 1 alarm 1000/0
        respond r 200
        > on-alarm
        commit 2 alarm 1500/0
        report events.hold overdue after 30000
        drop instance
        > on-alarm
        commit 3
        ",
    );
}
