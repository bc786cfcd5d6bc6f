//! A room that drops too many turns within a minute is suspended: everyone is turned away, and later it is tried
//! again.

use crate::notation::check;

#[test]
fn too_many_drops_within_a_minute_suspend_the_room() {
    check(
        "
        handlers message request connect
        limit drops_per_minute_max 1
        connect a
        connect b
        turn
        turn pending e
        request r
        connect c
        request s
        message a x
        turn trap one
        turn trap two
        phase
        deadline
        request t
        connect d
        message a y
        lost a
        turn
        at 59999
        quiet
        at 60000
        quiet
        phase
        request u
        turn respond u 200
        ",
        "
        > on-connect a
        accept a
        read a
        > on-connect b
        > on-request r
        report on-request dropped: the guest trapped: one
        drop instance
        accept b
        read b
        close b 1011 Uncaught exception when connecting
        respond r 500 Uncaught exception when making a request
        > on-connect c
        report on-connect dropped: the guest trapped: two
        drop instance
        accept c
        read c
        close c 1011 Uncaught exception when connecting
        report suspended after 2 drops until 60000
        respond s 503 the room is suspended after 2 dropped turns within a minute
        close a 1013 the room is suspended after 2 dropped turns within a minute
        phase: Suspended { until: Timestamp(60000) }
        deadline: 60000
        refused t: the room is suspended for 60000 ms more because it failed too often
        refused d: the room is suspended for 60000 ms more because it failed too often
        no turn
        quiet: no
        quiet: yes
        phase: Fresh(Lost)
        > on-request u
        respond u 200
        ",
    );
}

#[test]
fn drops_are_forgotten_after_a_minute() {
    check(
        "
        handlers request
        limit drops_per_minute_max 1
        request r
        turn trap one
        quiet
        deadline
        at 60000
        quiet
        request s
        turn trap two
        phase
        ",
        "
        > on-request r
        report on-request dropped: the guest trapped: one
        drop instance
        respond r 500 Uncaught exception when making a request
        quiet: no
        deadline: 60000
        quiet: yes
        > on-request s
        report on-request dropped: the guest trapped: two
        drop instance
        respond s 500 Uncaught exception when making a request
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
        request r
        turn alarm 1000; respond r 200
        committed
        request s
        turn trap boom
        at 1000
        deadline
        at 60000
        turn
        ",
        "
        > on-request r
        commit 1 alarm 1000/0
        respond r 200
        > on-request s
        report on-request dropped: the guest trapped: boom
        drop instance
        respond s 500 Uncaught exception when making a request
        report suspended after 1 drops until 60000
        deadline: 60000
        > on-alarm
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
        request r
        turn hold; sleep s 5000; respond r 200
        connect a
        at 3500
        connect b
        at 5000
        turn trap boom
        deadline
        ",
        "
        > on-request r
        respond r 200
        accept a
        > on-completed s
        report on-completed dropped: the guest trapped: boom
        drop instance
        report suspended after 1 drops until 65000
        close a 1013 the room is suspended after 1 dropped turns within a minute
        reject b 503 the room is suspended after 1 dropped turns within a minute
        deadline: 65000
        ",
    );
}
