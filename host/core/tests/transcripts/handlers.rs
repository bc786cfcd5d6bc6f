//! What is missing is answered as PartyKit does; nothing that is missing is called.

use crate::notation::check;

#[test]
fn a_request_to_a_party_without_on_request_is_a_500() {
    check(
        "handlers start\n GET / -> r\n turn\n turn",
        "turn on-start New\n < r 500 Invalid onRequest handler\n no turn",
    );
}

#[test]
fn messages_errors_and_closes_that_nobody_takes_are_dropped() {
    check(
        "
        handlers connect
        > a connect
        turn
        > a send x
        > a broken too large
        > a close 1009
        turn
        quiet
        ",
        "
        turn on-connect a
        accept a
        read a
        no turn
        quiet: yes
        ",
    );
}

#[test]
fn an_alarm_that_nobody_takes_is_settled() {
    check(
        "
        handlers request
        GET / -> r
        turn alarm 1000; respond r 200
        committed
        time 1000
        turn
        committed
        crash
        deadline
        ",
        "
        turn on-request r
        commit 1 alarm 1000/0
        < r 200
        commit 2
        no turn
        deadline: none
        ",
    );
}

#[test]
fn a_completion_that_nobody_takes_ends_its_operation() {
    check(
        "
        handlers request
        GET / -> r
        turn sleep s 10; respond r 200
        quiet
        time 10
        turn
        quiet
        ",
        "
        turn on-request r
        < r 200
        quiet: no
        no turn
        quiet: yes
        ",
    );
}

#[test]
fn the_client_of_an_open_request_may_go_without_the_guest_being_told() {
    check(
        "
        handlers request
        GET / -> r
        turn pending e
        > r cut
        turn
        GET / -> s
        turn respond r 200; settle e; respond s 200
        quiet
        ",
        "
        turn on-request r
        no turn
        turn on-request s
        respond r 200: error: no such request waits for an answer
        < s 200
        quiet: yes
        ",
    );
}
