//! Unnamed rooms: a socket outside of rooms is heard of by `on-socket`, has one life, and leaves nothing.

use crate::notation::check;

#[test]
fn a_socket_is_accepted_when_on_socket_has_settled_and_its_room_is_over_when_it_has_gone() {
    check(
        "
        unnamed
        > a connect
        turn state a; send a welcome; sleep s 4000; pending e
        over
        time 3500
        time 4000
        turn settle e
        > a close 4000 bye
        turn list; state a
        over
        deadline
        turn
        ",
        "
        turn on-socket a
          state a: Connecting
        < a welcome
        over: no
        accept a
        turn on-completed s
        read a
        turn on-close a 4000 bye
          list: nobody
          state a: Closed
        over: yes
        deadline: none
        no turn
        ",
    );
}

#[test]
fn a_socket_that_was_not_taken_is_answered_with_the_failure() {
    check(
        "
        unnamed
        > a connect
        turn send a nobody hears this; fail 403 not you
        over
        ",
        "
        turn on-socket a
        report on-socket failed: not you
        < a nobody hears this
        < a refused 403 not you
        over: yes
        ",
    );
}

#[test]
fn a_failure_after_the_101_closes() {
    check(
        "
        unnamed
        > a connect
        turn sleep s 5000; pending e
        time 3500
        time 5000
        turn settle e fail too late
        > a close 1011 too late
        turn
        over
        ",
        "
        turn on-socket a
        accept a
        turn on-completed s
        report on-socket failed: too late
        read a
        < a close 1011 too late
        no turn
        over: yes
        ",
    );
}

#[test]
fn who_is_rejected_gets_the_response() {
    check(
        "
        unnamed
        > a connect
        turn reject a 404 nobody; sleep s 5; pending e
        over
        time 5
        turn settle e
        over
        ",
        "
        turn on-socket a
        < a refused 404 nobody
        over: no
        turn on-completed s
        over: yes
        ",
    );
}

#[test]
fn a_dropped_turn_of_on_socket_is_a_500_and_the_end() {
    check(
        "
        unnamed
        > a connect
        turn send a hello; trap unreachable
        over
        deadline
        ",
        "
        turn on-socket a
        report on-socket dropped: the guest trapped: unreachable
        drop instance
        < a refused 500 Uncaught exception when connecting
        over: yes
        deadline: none
        ",
    );
}

#[test]
fn a_dropped_turn_closes_the_client_instead_of_beginning_another_life() {
    check(
        "
        unnamed
        > a connect
        turn sleep s 100
        > a send x
        > a send y
        turn trap unreachable
        over
        time 100
        turn
        phase
        ",
        "
        turn on-socket a
        accept a
        read a
        turn on-message a x
        report on-message dropped: the guest trapped: unreachable
        drop instance
        < a close 1011 the handler of this socket was lost
        over: yes
        no turn
        phase: Running
        ",
    );
}

#[test]
fn a_dropped_turn_while_on_socket_is_pending_answers_the_client() {
    check(
        "
        unnamed
        > a connect
        turn sleep s 100; pending e
        time 100
        turn trap unreachable
        over
        ",
        "
        turn on-socket a
        turn on-completed s
        report on-completed dropped: the guest trapped: unreachable
        drop instance
        < a refused 500 Uncaught exception when connecting
        over: yes
        ",
    );
}

#[test]
fn an_on_socket_that_does_not_settle_has_failed() {
    check(
        "
        unnamed
        > a connect
        turn pending e
        time 3500
        time 30000
        > a close 1011
        turn
        over
        ",
        "
        turn on-socket a
        accept a
        report on-socket overdue after 30000
        report on-socket failed: on-socket did not settle within 30000 ms
        read a
        < a close 1011 on-socket did not settle within 30000 ms
        no turn
        over: yes
        ",
    );
}

#[test]
fn a_client_that_goes_while_on_socket_waits_is_told_of_when_it_has_settled() {
    check(
        "
        unnamed
        > a connect
        turn sleep s 100; pending e
        > a cut
        turn
        time 100
        turn settle e
        turn
        over
        ",
        "
        turn on-socket a
        no turn
        turn on-completed s
        turn on-close a 1006 not clean
        over: yes
        ",
    );
}

#[test]
fn a_close_that_is_pending_has_its_time_and_what_is_open_then_ends_with_it() {
    check(
        "
        unnamed
        > a connect
        turn
        > a close 1000
        turn sleep s 60000; pending e
        over
        time 29999
        over
        time 30000
        over
        deadline
        turn
        ",
        "
        turn on-socket a
        accept a
        read a
        turn on-close a 1000
        over: no
        over: no
        report on-close overdue after 30000
        report on-close failed: on-close did not settle within 30000 ms
        over: yes
        deadline: none
        no turn
        ",
    );
}

#[test]
fn messages_that_are_pending_take_of_the_credit() {
    check(
        "
        unnamed
        limit credit_events 2
        > a connect
        turn
        > a send x
        turn pending x
        credit a
        > a send y
        turn pending y
        credit a
        > a send z
        turn settle x; done
        credit a
        ",
        "
        turn on-socket a
        accept a
        read a
        turn on-message a x
        credit a: yes
        turn on-message a y
        credit a: no
        turn on-message a z
        credit a: yes
        ",
    );
}

#[test]
fn nothing_of_it_is_written_however_long_it_goes_on() {
    check(
        "
        unnamed
        > a connect
        turn
        > a send x
        turn send a hi; sleep s 100; hold; release
        time 100
        turn
        > a send y
        turn broadcast all
        wakes
        shut down
        over
        ",
        "
        turn on-socket a
        accept a
        read a
        turn on-message a x
        < a hi
        turn on-completed s
        turn on-message a y
          broadcast all: 1
        < a all
        wakes: never
        < a close 1001 going away
        over: yes
        ",
    );
}

#[test]
fn a_failure_without_words_is_an_answer_without_words() {
    check(
        "unnamed\n > a connect\n turn fail",
        "turn on-socket a\n report on-socket failed:\n < a refused 500",
    );
}

#[test]
fn other_events_that_are_pending_take_nothing_of_it() {
    check(
        "
        unnamed
        limit credit_events 1
        > a connect
        turn sleep s 5
        time 5
        turn pending c
        credit a
        > a send x
        turn pending x
        credit a
        ",
        "
        turn on-socket a
        accept a
        read a
        turn on-completed s
        credit a: yes
        turn on-message a x
        credit a: no
        ",
    );
}
