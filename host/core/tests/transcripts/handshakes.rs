//! `on-connect` that takes its time: when the 101 is sent, and what becomes of a client that goes meanwhile.

use crate::notation::check;

#[test]
fn the_handshake_is_answered_when_a_pending_on_connect_has_settled() {
    check(
        "
        handlers connect message completed
        > a connect
        turn sleep s 100; accept a red; send a soon; pending e
        time 100
        turn list; settle e
        > a send hi
        turn state a
        ",
        "
        turn on-connect a
        < a soon
        turn on-completed s
        list: a
        accept a
        read a
        turn on-message a hi
        state a: Open red
        ",
    );
}

#[test]
fn at_the_accept_deadline_the_101_is_sent_and_messages_wait_until_on_connect_settles() {
    check(
        "
        handlers connect completed
        > a connect
        turn sleep s 4000; pending e
        time 3499
        time 3500
        time 4000
        turn settle e
        deadline
        ",
        "
        turn on-connect a
        accept a
        turn on-completed s
        read a
        deadline: none
        ",
    );
}

#[test]
fn a_client_that_still_waits_for_its_turn_gets_its_101_at_the_deadline_too() {
    check(
        "
        handlers connect completed
        > a connect
        turn hold; sleep s 5000
        clock 100
        > b connect
        time 3599
        time 3600
        time 5000
        turn release
        turn
        ",
        "
        turn on-connect a
        accept a
        read a
        accept b
        turn on-completed s
        turn on-connect b
        read b
        ",
    );
}

#[test]
fn a_client_that_got_its_101_at_the_deadline_is_closed_when_it_is_rejected() {
    check(
        "
        handlers connect completed close
        > a connect
        turn sleep s 4000; pending e
        time 3500
        time 4000
        turn reject a 403 no; settle e
        > a close 1008
        turn
        quiet
        ",
        "
        turn on-connect a
        accept a
        turn on-completed s
        < a close 1008 the connection was refused
        no turn
        quiet: yes
        ",
    );
}

#[test]
fn a_rejected_client_gets_no_101_at_the_deadline() {
    check(
        "
        handlers connect
        > a connect
        turn reject a 403 no; pending e
        time 3500
        time 30000
        quiet
        ",
        "
        turn on-connect a
        < a refused 403 no
        report on-connect overdue after 30000
        report on-connect failed: on-connect did not settle within 30000 ms
        quiet: yes
        ",
    );
}

#[test]
fn an_on_connect_that_fails_after_the_early_101_is_a_close() {
    check(
        "
        handlers connect
        > a connect
        turn pending e
        time 3500
        time 30000
        ",
        "
        turn on-connect a
        accept a
        report on-connect overdue after 30000
        report on-connect failed: on-connect did not settle within 30000 ms
        read a
        < a close 1011 on-connect did not settle within 30000 ms
        ",
    );
}

#[test]
fn the_close_of_a_client_that_goes_while_it_connects_comes_after_its_on_connect() {
    check(
        "
        handlers connect close completed
        > a connect
        turn sleep s 100; accept a red; pending e
        > a cut
        turn
        time 100
        turn state a; list; send a x; settle e
        turn state a
        quiet
        deadline
        ",
        "
        turn on-connect a
        no turn
        turn on-completed s
        state a: Closing red
        list: nobody
        send a x: error: the connection is closed
        turn on-close a 1006 not clean
        state a: Closed red
        quiet: yes
        deadline: none
        ",
    );
}

#[test]
fn a_client_that_goes_while_it_connects_and_is_then_turned_away_has_no_close() {
    check(
        "
        handlers connect close completed
        > a connect
        > b connect
        turn sleep s 100; pending e
        turn pending f
        > a cut
        > b cut
        turn
        time 100
        turn accept b; reject a 403; settle e; settle f fail never mind
        turn
        quiet
        ",
        "
        turn on-connect a
        turn on-connect b
        no turn
        turn on-completed s
        accept b: error: the connection is not connecting
        reject a 403: error: the connection is not connecting
        report on-connect failed: never mind
        turn on-close a 1006 not clean
        quiet: yes
        ",
    );
}
