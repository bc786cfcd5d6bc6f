//! `on-start` comes before everything, every other event waits until it has settled, and a failed one is tried
//! again by the next event.

use crate::notation::check;

#[test]
fn a_room_starts_before_its_first_event_and_only_once() {
    check(
        "
        > a connect
        turn
        turn
        > a send hello
        turn
        turn
        ",
        "
        turn on-start New
        turn on-connect a
        accept a
        read a
        turn on-message a hello
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
    check("handlers request\n GET / -> r\n turn respond r 200 ok", "turn on-request r\n < r 200 ok");
}

#[test]
fn every_event_but_completions_waits_for_a_pending_start() {
    check(
        "
        GET / -> r
        turn sleep s 10; pending start
        > a connect
        turn
        time 10
        turn settle start
        turn respond r 200 ok
        turn
        ",
        "
        turn on-start New
        no turn
        turn on-completed s
        turn on-request r
        < r 200 ok
        turn on-connect a
        accept a
        read a
        ",
    );
}

#[test]
fn a_start_may_settle_in_its_own_turn() {
    check(
        "GET / -> r\n turn own e; settle e; pending e\n turn respond r 200 ok",
        "turn on-start New\n turn on-request r\n < r 200 ok",
    );
}

#[test]
fn a_failed_start_commits_answers_the_event_that_it_was_for_and_is_tried_again_by_the_next() {
    check(
        "
        GET / -> r
        GET / -> s
        turn put k v; fail 418 no tea
        committed
        turn get k
        turn respond s 200 ok
        ",
        "
        turn on-start New
        report on-start failed: no tea
        commit 1 k=v
        drop instance
        < r 418 no tea
        turn on-start FailedBefore
        get k: v
        turn on-request s
        < s 200 ok
        ",
    );
}

#[test]
fn a_failed_start_rejects_a_client_that_waited_for_it() {
    check(
        "
        > a connect
        turn fail
        > b connect
        turn fail closed on mondays
        turn
        quiet
        ",
        "
        turn on-start New
        report on-start failed:
        drop instance
        < a refused 500 Uncaught exception when connecting
        turn on-start FailedBefore
        report on-start failed: closed on mondays
        drop instance
        < b refused 500 closed on mondays
        no turn
        quiet: yes
        ",
    );
}

#[test]
fn a_client_that_got_its_101_before_the_start_failed_is_closed() {
    check(
        "
        > a connect
        turn pending start
        time 3500
        time 30000
        ",
        "
        turn on-start New
        accept a
        report on-start overdue after 30000
        drop instance
        < a close 1011 on-start did not settle within 30000 ms
        ",
    );
}

#[test]
fn a_start_that_fails_in_a_later_turn_cancels_what_it_had_begun() {
    check(
        "
        GET / -> r
        turn sleep s 10; sleep long 500; pending start
        time 10
        turn settle start fail late
        time 500
        turn
        GET / -> t
        turn operations
        ",
        "
        turn on-start New
        turn on-completed s
        report on-start failed: late
        drop instance
        < r 500 late
        no turn
        turn on-start FailedBefore
        operations: 0
        ",
    );
}

#[test]
fn a_trap_anywhere_in_a_start_is_a_failed_start() {
    check(
        "
        GET / -> r
        turn trap boom
        GET / -> s
        turn sleep z 10; pending start
        time 10
        turn trap later
        GET / -> t
        turn
        ",
        "
        turn on-start New
        report on-start dropped: the guest trapped: boom
        drop instance
        < r 500 Uncaught exception when making a request
        turn on-start FailedBefore
        turn on-completed z
        report on-completed dropped: the guest trapped: later
        drop instance
        < s 500 Uncaught exception when making a request
        turn on-start FailedBefore
        ",
    );
}

#[test]
fn an_overdue_start_is_a_failed_start() {
    check(
        "
        GET / -> r
        GET / -> s
        turn pending start
        time 29999
        time 30000
        turn settle start
        turn
        ",
        "
        turn on-start New
        report on-start overdue after 30000
        drop instance
        < r 500 on-start did not settle within 30000 ms
        turn on-start FailedBefore
        settle start: error: no event of this id is pending
        turn on-request s
        < s 500 Incorrect type for Promise: the Promise did not resolve to 'Response'.
        ",
    );
}

#[test]
fn a_failed_start_costs_an_alarm_one_attempt_and_a_message_its_delivery() {
    check(
        "
        > a connect
        turn
        turn alarm 1000
        committed
        > a send one
        turn trap boom
        > a send two
        turn fail
        time 1000
        turn fail
        committed
        time 3000
        turn
        turn
        ",
        "
        turn on-start New
        turn on-connect a
        commit 1 alarm 1000/0
        accept a
        read a
        turn on-message a one
        report on-message dropped: the guest trapped: boom
        drop instance
        turn on-start Lost
        report on-start failed:
        drop instance
        turn on-start FailedBefore
        report on-start failed:
        drop instance
        report on-alarm failed:
        commit 2 alarm 3000/1
        turn on-start FailedBefore
        turn on-alarm
        commit 3
        ",
    );
}

#[test]
fn the_close_of_a_client_that_no_life_knew_starts_nothing() {
    check(
        "
        > a connect
        turn
        turn trap boom
        > a cut
        open
        turn
        open
        ",
        "
        turn on-start New
        turn on-connect a
        report on-connect dropped: the guest trapped: boom
        drop instance
        accept a
        read a
        < a close 1011 Uncaught exception when connecting
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
        > a connect
        GET / -> r
        turn trap boom
        > a cut
        > r cut
        turn fail
        turn
        quiet
        time 60000
        quiet
        ",
        "
        turn on-start New
        report on-start dropped: the guest trapped: boom
        drop instance
        < a refused 500 Uncaught exception when connecting
        turn on-start FailedBefore
        report on-start failed:
        drop instance
        < r 500 Uncaught exception when making a request
        no turn
        quiet: no
        quiet: yes
        ",
    );
}
