//! `on-connect`: a client is taken in or turned away when it has settled, and nothing comes before its 101.

use crate::notation::check;

#[test]
fn a_client_is_accepted_with_tags_and_listed_from_then_on() {
    check(
        "
        handlers connect message
        connect a
        turn list; state a; accept a red,blue; list; list red; list green; state a; send a welcome
        connect b
        turn list; broadcast hello; accept b; broadcast both
        message a x
        turn state b; broadcast reds tag red; broadcast others except a
        ",
        "
        > on-connect a
        list: nobody
        state a: Connecting
        list: a
        list red: a
        list green: nobody
        state a: Connecting red,blue
        send a welcome
        accept a
        read a
        > on-connect b
        list: a
        broadcast hello: 1
        broadcast both: 2
        broadcast a hello
        broadcast a,b both
        accept b
        read b
        > on-message a x
        state b: Open
        broadcast reds tag red: 1
        broadcast others except a: 1
        broadcast a reds
        broadcast b others
        ",
    );
}

#[test]
fn a_client_that_is_neither_accepted_nor_rejected_is_accepted_without_tags() {
    check(
        "handlers connect message\n connect a\n turn\n message a x\n turn list; state a",
        "> on-connect a\n accept a\n read a\n > on-message a x\n list: a\n state a: Open",
    );
}

#[test]
fn a_party_without_on_connect_accepts() {
    check(
        "handlers message\n connect a\n turn\n message a x\n turn list",
        "accept a\n read a\n no turn\n > on-message a x\n list: a",
    );
}

#[test]
fn a_rejected_client_gets_the_response_and_is_gone() {
    check(
        "
        handlers connect close
        connect a
        turn reject a 403 no; state a; send a x; accept a; reject a 404; close a
        closed a 1006
        turn
        connect b
        turn list; state a
        quiet
        ",
        "
        > on-connect a
        state a: Closing
        send a x: error: the connection is closed
        accept a: error: the connection is not connecting
        reject a 404: error: the connection is not connecting
        close a: error: the connection is closed
        reject a 403 no
        no turn
        > on-connect b
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
        "handlers connect\n connect a\n turn reject a 200 ok; reject a 999 x; reject a 302 there",
        "
        > on-connect a
        reject a 200 ok: error: the response cannot be sent: status 200 is not between 300 and 599
        reject a 999 x: error: the response cannot be sent: status 999 is not between 300 and 599
        reject a 302 there
        ",
    );
}

#[test]
fn a_client_is_decided_about_once() {
    check(
        "
        handlers connect message
        connect a
        turn accept a; accept a; reject a 403; pending e
        connect b
        turn accept a; reject a 403; settle e
        message a x
        turn accept a; accept b; accept zoe
        ",
        "
        > on-connect a
        accept a: error: the connection is not connecting
        reject a 403: error: the connection is not connecting
        > on-connect b
        accept a: error: the connection is not connecting
        reject a 403: error: the connection is not connecting
        accept a
        read a
        accept b
        read b
        > on-message a x
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
        connect a
        turn accept a 1,2,3,4,5,6,7,8,9,10; accept a {long}y; accept a {long},2,3,4,5,6,7,8,9; list {long}
        "
    );
    let expected = format!(
        "
        > on-connect a
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
        connect a
        turn fail bad token
        closed a 1011 bad token
        turn
        connect b
        turn accept b; fail
        closed b 1011
        turn
        quiet
        ",
        "
        > on-connect a
        report on-connect failed: bad token
        accept a
        read a
        close a 1011 bad token
        no turn
        > on-connect b
        report on-connect failed:
        accept b
        read b
        close b 1011 Uncaught exception when connecting
        > on-close b 1011
        quiet: yes
        ",
    );
}

#[test]
fn a_client_that_the_guest_closes_while_it_connects_gets_its_101_and_that_close() {
    check(
        "
        handlers connect close completed
        connect a
        turn send a bye; close a 4001 full; close a; send a x; accept a; reject a 403; list
        closed a 4001 full
        turn
        connect b
        turn sleep s 10; close b; pending e
        at 10
        turn settle e fail too late
        ",
        "
        > on-connect a
        close a: error: the connection is closed
        send a x: error: the connection is closed
        accept a: error: the connection is not connecting
        reject a 403: error: the connection is not connecting
        list: nobody
        send a bye
        close a 4001 full
        accept a
        read a
        > on-close a 4001 full
        > on-connect b
        close b
        > on-completed s
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
        connect a
        turn
        connect b
        connect c
        turn
        connect d
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
