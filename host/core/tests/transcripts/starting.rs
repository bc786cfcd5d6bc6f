//! `on-start` comes before everything, every other event waits until it has settled, and a failed one is tried
//! again by the next event.

use crate::notation::check;

#[test]
fn a_room_starts_before_its_first_event_and_only_once() {
    check(
        "
        connect a
        turn
        turn
        message a hello
        turn
        turn
        ",
        "
        > on-start New
        > on-connect a
        accept a
        read a
        > on-message a hello
        no turn
        ",
    );
}

#[test]
fn a_room_without_events_does_not_start() {
    check("turn\n quiet", "no turn\n quiet: yes");
}

#[test]
fn a_party_without_on_start_goes_straight_to_the_event() {
    check("handlers request\n request r\n turn respond r 200 ok", "> on-request r\n respond r 200 ok");
}

#[test]
fn every_event_but_completions_waits_for_a_pending_start() {
    check(
        "
        request r
        turn sleep s 10; pending start
        connect a
        turn
        at 10
        turn settle start
        turn respond r 200 ok
        turn
        ",
        "
        > on-start New
        no turn
        > on-completed s
        > on-request r
        respond r 200 ok
        > on-connect a
        accept a
        read a
        ",
    );
}

#[test]
fn a_start_may_settle_in_its_own_turn() {
    check(
        "request r\n turn own e; settle e; pending e\n turn respond r 200 ok",
        "> on-start New\n > on-request r\n respond r 200 ok",
    );
}

#[test]
fn a_failed_start_commits_answers_the_event_that_it_was_for_and_is_tried_again_by_the_next() {
    check(
        "
        request r
        request s
        turn put k v; fail 418 no tea
        committed
        turn get k
        turn respond s 200 ok
        ",
        "
        > on-start New
        report on-start failed: no tea
        commit 1 k=v
        drop instance
        respond r 418 no tea
        > on-start FailedBefore
        get k: v
        > on-request s
        respond s 200 ok
        ",
    );
}

#[test]
fn a_failed_start_rejects_a_client_that_waited_for_it() {
    check(
        "
        connect a
        turn fail
        connect b
        turn fail closed on mondays
        turn
        quiet
        ",
        "
        > on-start New
        report on-start failed:
        drop instance
        reject a 500 Uncaught exception when connecting
        > on-start FailedBefore
        report on-start failed: closed on mondays
        drop instance
        reject b 500 closed on mondays
        no turn
        quiet: yes
        ",
    );
}

#[test]
fn a_client_that_got_its_101_before_the_start_failed_is_closed() {
    check(
        "
        connect a
        turn pending start
        at 3500
        at 30000
        ",
        "
        > on-start New
        accept a
        report on-start overdue after 30000
        drop instance
        close a 1011 on-start did not settle within 30000 ms
        ",
    );
}

#[test]
fn a_start_that_fails_in_a_later_turn_cancels_what_it_had_begun() {
    check(
        "
        request r
        turn sleep s 10; sleep long 500; pending start
        at 10
        turn settle start fail late
        at 500
        turn
        request t
        turn operations
        ",
        "
        > on-start New
        > on-completed s
        report on-start failed: late
        drop instance
        respond r 500 late
        no turn
        > on-start FailedBefore
        operations: 0
        ",
    );
}

#[test]
fn a_trap_anywhere_in_a_start_is_a_failed_start() {
    check(
        "
        request r
        turn trap boom
        request s
        turn sleep z 10; pending start
        at 10
        turn trap later
        request t
        turn
        ",
        "
        > on-start New
        report on-start dropped: the guest trapped: boom
        drop instance
        respond r 500 Uncaught exception when making a request
        > on-start FailedBefore
        > on-completed z
        report on-completed dropped: the guest trapped: later
        drop instance
        respond s 500 Uncaught exception when making a request
        > on-start FailedBefore
        ",
    );
}

#[test]
fn an_overdue_start_is_a_failed_start() {
    check(
        "
        request r
        request s
        turn pending start
        at 29999
        at 30000
        turn settle start
        turn
        ",
        "
        > on-start New
        report on-start overdue after 30000
        drop instance
        respond r 500 on-start did not settle within 30000 ms
        > on-start FailedBefore
        settle start: error: no event of this id is pending
        > on-request s
        respond s 500 Incorrect type for Promise: the Promise did not resolve to 'Response'.
        ",
    );
}

#[test]
fn a_failed_start_costs_an_alarm_one_attempt_and_a_message_its_delivery() {
    check(
        "
        connect a
        turn
        turn alarm 1000
        committed
        message a one
        turn trap boom
        message a two
        turn fail
        at 1000
        turn fail
        committed
        at 3000
        turn
        turn
        ",
        "
        > on-start New
        > on-connect a
        commit 1 alarm 1000/0
        accept a
        read a
        > on-message a one
        report on-message dropped: the guest trapped: boom
        drop instance
        > on-start Lost
        report on-start failed:
        drop instance
        > on-start FailedBefore
        report on-start failed:
        drop instance
        report on-alarm failed:
        commit 2 alarm 3000/1
        > on-start FailedBefore
        > on-alarm
        commit 3
        ",
    );
}

#[test]
fn the_close_of_a_client_that_no_life_knew_starts_nothing() {
    check(
        "
        connect a
        turn
        turn trap boom
        lost a
        open
        turn
        open
        ",
        "
        > on-start New
        > on-connect a
        report on-connect dropped: the guest trapped: boom
        drop instance
        accept a
        read a
        close a 1011 Uncaught exception when connecting
        open: 1 connections, 0 requests
        no turn
        open: 0 connections, 0 requests
        ",
    );
}

#[test]
fn what_has_gone_meanwhile_starts_nothing() {
    check(
        "
        connect a
        request r
        turn trap boom
        lost a
        gone r
        turn fail
        turn
        quiet
        at 60000
        quiet
        ",
        "
        > on-start New
        report on-start dropped: the guest trapped: boom
        drop instance
        reject a 500 Uncaught exception when connecting
        > on-start FailedBefore
        report on-start failed:
        drop instance
        respond r 500 Uncaught exception when making a request
        no turn
        quiet: no
        quiet: yes
        ",
    );
}
