//! A room that drops too many turns within a minute is suspended: everyone is turned away, and later it is tried
//! again.

use crate::notation::check;

#[test]
fn too_many_drops_within_a_minute_suspend_the_room() {
    check(
        "
        handlers message request connect
        limit drops_per_minute_max 1
        > a connect
        > b connect
        turn
        turn pending e
        GET / -> r
        > c connect
        GET / -> s
        > a send x
        turn trap one
        turn trap two
        phase
        deadline
        GET / -> t
        > d connect
        > a send y
        > a cut
        turn
        time 59999
        quiet
        time 60000
        quiet
        phase
        GET / -> u
        turn respond u 200
        ",
        "
        turn on-connect a
        accept a
        read a
        turn on-connect b
        turn on-request r
        report on-request dropped: the guest trapped: one
        drop instance
        accept b
        read b
        < b close 1011 Uncaught exception when connecting
        < r 500 Uncaught exception when making a request
        turn on-connect c
        report on-connect dropped: the guest trapped: two
        drop instance
        accept c
        read c
        < c close 1011 Uncaught exception when connecting
        report suspended after 2 drops until 60000
        < s 503 the room is suspended after 2 dropped turns within a minute
        < a close 1013 the room is suspended after 2 dropped turns within a minute
        phase: Suspended { until: Timestamp(60000) }
        deadline: 60000
        refused t: the room is suspended for 60000 ms more because it failed too often
        refused d: the room is suspended for 60000 ms more because it failed too often
        no turn
        quiet: no
        quiet: yes
        phase: Fresh(Lost)
        turn on-request u
        < u 200
        ",
    );
}

#[test]
fn drops_are_forgotten_after_a_minute() {
    check(
        "
        handlers request
        limit drops_per_minute_max 1
        GET / -> r
        turn trap one
        quiet
        deadline
        time 60000
        quiet
        GET / -> s
        turn trap two
        phase
        ",
        "
        turn on-request r
        report on-request dropped: the guest trapped: one
        drop instance
        < r 500 Uncaught exception when making a request
        quiet: no
        deadline: 60000
        quiet: yes
        turn on-request s
        report on-request dropped: the guest trapped: two
        drop instance
        < s 500 Uncaught exception when making a request
        phase: Fresh(Lost)
        ",
    );
}

#[test]
fn an_alarm_waits_for_the_end_of_the_suspension() {
    check(
        "
        handlers request alarm
        limit drops_per_minute_max 0
        GET / -> r
        turn alarm 1000; respond r 200
        committed
        GET / -> s
        turn trap boom
        time 1000
        deadline
        time 60000
        turn
        ",
        "
        turn on-request r
        commit 1 alarm 1000/0
        < r 200
        turn on-request s
        report on-request dropped: the guest trapped: boom
        drop instance
        < s 500 Uncaught exception when making a request
        report suspended after 1 drops until 60000
        deadline: 60000
        turn on-alarm
        commit 2
        ",
    );
}

#[test]
fn a_client_that_waits_for_its_turn_is_rejected_and_one_with_an_early_101_is_closed() {
    check(
        "
        handlers request completed connect
        limit drops_per_minute_max 0
        GET / -> r
        turn hold; sleep s 5000; respond r 200
        > a connect
        time 3500
        > b connect
        time 5000
        turn trap boom
        deadline
        ",
        "
        turn on-request r
        < r 200
        accept a
        turn on-completed s
        report on-completed dropped: the guest trapped: boom
        drop instance
        report suspended after 1 drops until 65000
        < a close 1013 the room is suspended after 1 dropped turns within a minute
        < b refused 503 the room is suspended after 1 dropped turns within a minute
        deadline: 65000
        ",
    );
}

/// The minute is one of the host's clock: once a clock that was set back by an hour kept the room from being saved for that hour.
#[test]
fn drops_are_forgotten_after_a_minute_although_the_clock_was_set_back() {
    check(
        "
        handlers request
        clock 7200000
        GET / -> r
        turn trap boom
        time 3600000
        deadline
        GET / -> s
        turn respond s 200
        hibernate memory
        time 3660000
        hibernate memory
        ",
        "
        turn on-request r
        report on-request dropped: the guest trapped: boom
        drop instance
        < r 500 Uncaught exception when making a request
        deadline: 3660000
        turn on-request s
        < s 200
        not now
        commit 1 checkpoint
        ",
    );
}
