//! `on-connect`: a client is taken in or turned away when it has settled, and nothing comes before its 101.

use crate::notation::check;

#[test]
fn a_client_is_accepted_with_tags_and_listed_from_then_on() {
    check(
        "
        handlers connect message
        > a connect
        turn list; state a; accept a red,blue; list; list red; list green; state a; send a welcome
        > b connect
        turn list; broadcast hello; accept b; broadcast both
        > a send x
        turn state b; broadcast reds tag red; broadcast others except a
        ",
        "
        turn on-connect a
        list: nobody
        state a: Connecting
        list: a
        list red: a
        list green: nobody
        state a: Connecting red,blue
        < a welcome
        accept a
        read a
        turn on-connect b
        list: a
        broadcast hello: 1
        broadcast both: 2
        < a hello
        < a,b both
        accept b
        read b
        turn on-message a x
        state b: Open
        broadcast reds tag red: 1
        broadcast others except a: 1
        < a reds
        < b others
        ",
    );
}

#[test]
fn a_client_that_is_neither_accepted_nor_rejected_is_accepted_without_tags() {
    check(
        "handlers connect message\n > a connect\n turn\n > a send x\n turn list; state a",
        "turn on-connect a\n accept a\n read a\n turn on-message a x\n list: a\n state a: Open",
    );
}

#[test]
fn a_party_without_on_connect_accepts() {
    check(
        "handlers message\n > a connect\n turn\n > a send x\n turn list",
        "accept a\n read a\n no turn\n turn on-message a x\n list: a",
    );
}

#[test]
fn a_rejected_client_gets_the_response_and_is_gone() {
    check(
        "
        handlers connect close
        > a connect
        turn reject a 403 no; state a; send a x; accept a; reject a 404; close a
        > a close 1006
        turn
        > b connect
        turn list; state a
        quiet
        ",
        "
        turn on-connect a
        state a: Closing
        send a x: error: the connection is closed
        accept a: error: the connection is not connecting
        reject a 404: error: the connection is not connecting
        close a: error: the connection is closed
        < a refused 403 no
        no turn
        turn on-connect b
        list: nobody
        state a: none
        accept b
        read b
        quiet: no
        ",
    );
}

#[test]
fn a_rejection_must_be_a_response_that_can_be_sent() {
    check(
        "handlers connect\n > a connect\n turn reject a 200 ok; reject a 999 x; reject a 302 there",
        "
        turn on-connect a
        reject a 200 ok: error: the response cannot be sent: status 200 is not between 300 and 599
        reject a 999 x: error: the response cannot be sent: status 999 is not between 300 and 599
        < a refused 302 there
        ",
    );
}

#[test]
fn a_client_is_decided_about_once() {
    check(
        "
        handlers connect message
        > a connect
        turn accept a; accept a; reject a 403; pending e
        > b connect
        turn accept a; reject a 403; settle e
        > a send x
        turn accept a; accept b; accept zoe
        ",
        "
        turn on-connect a
        accept a: error: the connection is not connecting
        reject a 403: error: the connection is not connecting
        turn on-connect b
        accept a: error: the connection is not connecting
        reject a 403: error: the connection is not connecting
        accept a
        read a
        accept b
        read b
        turn on-message a x
        accept a: error: the connection is not connecting
        accept b: error: the connection is not connecting
        accept zoe: error: there is no such connection
        ",
    );
}

#[test]
fn tags_are_bounded() {
    let long = "x".repeat(256);
    let input = format!(
        "
        handlers connect
        > a connect
        turn accept a 1,2,3,4,5,6,7,8,9,10; accept a {long}y; accept a {long},2,3,4,5,6,7,8,9; list {long}
        "
    );
    let expected = format!(
        "
        turn on-connect a
        accept a 1,2,3,4,5,6,7,8,9,10: error: a connection can have 9 tags
        accept a {long}y: error: a tag has 1 to 256 characters
        list {long}: a
        accept a
        read a
        "
    );
    check(&input, &expected);
}

#[test]
fn a_failed_on_connect_is_a_101_and_a_close() {
    check(
        "
        handlers connect close
        > a connect
        turn fail bad token
        > a close 1011 bad token
        turn
        > b connect
        turn accept b; fail
        > b close 1011
        turn
        quiet
        ",
        "
        turn on-connect a
        report on-connect failed: bad token
        accept a
        read a
        < a close 1011 bad token
        no turn
        turn on-connect b
        report on-connect failed:
        accept b
        read b
        < b close 1011 Uncaught exception when connecting
        turn on-close b 1011
        quiet: yes
        ",
    );
}

#[test]
fn with_the_profile_of_partyserver_it_is_told_in_a_message_before_the_close() {
    check(
        "
        profile partyserver
        handlers connect close
        > a connect
        turn fail bad token
        > a close 1011 Uncaught exception during session setup
        turn
        ",
        "
        turn on-connect a
        report on-connect failed: bad token
        accept a
        read a
        < a {\"error\":\"Error: bad token\"}
        < a close 1011 Uncaught exception during session setup
        no turn
        ",
    );
}

#[test]
fn a_client_that_the_guest_closes_while_it_connects_gets_its_101_and_that_close() {
    check(
        "
        handlers connect close completed
        > a connect
        turn send a bye; close a 4001 full; close a; send a x; accept a; reject a 403; list
        > a close 4001 full
        turn
        > b connect
        turn sleep s 10; close b; pending e
        time 10
        turn settle e fail too late
        ",
        "
        turn on-connect a
        close a: error: the connection is closed
        send a x: error: the connection is closed
        accept a: error: the connection is not connecting
        reject a 403: error: the connection is not connecting
        list: nobody
        < a bye
        < a close 4001 full
        accept a
        read a
        turn on-close a 4001 full
        turn on-connect b
        < b close 1005
        turn on-completed s
        report on-connect failed: too late
        accept b
        read b
        ",
    );
}

#[test]
fn connections_are_bounded_also_while_a_turn_is_out() {
    check(
        "
        limit connections_max 2
        handlers message
        > a connect
        turn
        > b connect
        > c connect
        turn
        > d connect
        open
        ",
        "
        accept a
        read a
        no turn
        refused c: the room has 2 connections, which is its limit
        accept b
        read b
        no turn
        refused d: the room has 2 connections, which is its limit
        open: 2 connections, 0 requests
        ",
    );
}
