//! `on-connect` that takes its time: when the 101 is sent, and what becomes of a client that goes meanwhile.

use crate::notation::check;

#[test]
fn the_handshake_is_answered_when_a_pending_on_connect_has_settled() {
    check(
        "
        handlers connect message completed
        connect a
        turn sleep s 100; accept a red; send a soon; pending e
        at 100
        turn list; settle e
        message a hi
        turn state a
        ",
        "
        > on-connect a
        send a soon
        > on-completed s
        list: a
        accept a
        read a
        > on-message a hi
        state a: Open red
        ",
    );
}

#[test]
fn at_the_accept_deadline_the_101_is_sent_and_messages_wait_until_on_connect_settles() {
    check(
        "
        handlers connect completed
        connect a
        turn sleep s 4000; pending e
        at 3499
        at 3500
        at 4000
        turn settle e
        deadline
        ",
        "
        > on-connect a
        accept a
        > on-completed s
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
        connect a
        turn hold; sleep s 5000
        clock 100
        connect b
        at 3599
        at 3600
        at 5000
        turn release
        turn
        ",
        "
        > on-connect a
        accept a
        read a
        accept b
        > on-completed s
        > on-connect b
        read b
        ",
    );
}

#[test]
fn a_client_that_got_its_101_at_the_deadline_is_closed_when_it_is_rejected() {
    check(
        "
        handlers connect completed close
        connect a
        turn sleep s 4000; pending e
        at 3500
        at 4000
        turn reject a 403 no; settle e
        closed a 1008
        turn
        quiet
        ",
        "
        > on-connect a
        accept a
        > on-completed s
        close a 1008 the connection was refused
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
        connect a
        turn reject a 403 no; pending e
        at 3500
        at 30000
        quiet
        ",
        "
        > on-connect a
        reject a 403 no
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
        connect a
        turn pending e
        at 3500
        at 30000
        ",
        "
        > on-connect a
        accept a
        report on-connect overdue after 30000
        report on-connect failed: on-connect did not settle within 30000 ms
        read a
        close a 1011 on-connect did not settle within 30000 ms
        ",
    );
}

#[test]
fn the_close_of_a_client_that_goes_while_it_connects_comes_after_its_on_connect() {
    check(
        "
        handlers connect close completed
        connect a
        turn sleep s 100; accept a red; pending e
        lost a
        turn
        at 100
        turn state a; list; send a x; settle e
        turn state a
        quiet
        deadline
        ",
        "
        > on-connect a
        no turn
        > on-completed s
        state a: Closing red
        list: nobody
        send a x: error: the connection is closed
        > on-close a 1006 not clean
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
        connect a
        connect b
        turn sleep s 100; pending e
        turn pending f
        lost a
        lost b
        turn
        at 100
        turn accept b; reject a 403; settle e; settle f fail never mind
        turn
        quiet
        ",
        "
        > on-connect a
        > on-connect b
        no turn
        > on-completed s
        accept b: error: the connection is not connecting
        reject a 403: error: the connection is not connecting
        report on-connect failed: never mind
        > on-close a 1006 not clean
        quiet: yes
        ",
    );
}
