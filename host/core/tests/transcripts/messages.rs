//! Messages: in order, within credit, to whoever is open.

use crate::notation::check;

#[test]
fn messages_of_one_connection_arrive_in_order() {
    check(
        "
        handlers message
        > a connect
        > b connect
        turn
        > a send one
        > b send uno
        > a send two
        turn send a 1
        turn send a 2; send b 2
        turn
        ",
        "
        accept a
        read a
        accept b
        read b
        no turn
        turn on-message a one
        < a 1
        turn on-message b uno
        < a 2
        < b 2
        turn on-message a two
        ",
    );
}

#[test]
fn a_connection_has_credit_for_so_many_events() {
    check(
        "
        handlers message
        limit credit_events 2
        > a connect
        > b connect
        turn
        > a send one
        credit a
        > a send two
        credit a
        credit b
        turn
        credit a
        ",
        "
        accept a
        read a
        accept b
        read b
        no turn
        credit a: yes
        credit a: no
        credit b: yes
        turn on-message a one
        credit a: yes
        ",
    );
}

#[test]
fn a_connection_has_credit_for_so_many_bytes_and_one_message_always_fits() {
    check(
        "
        handlers message
        limit credit_bytes 4
        > a connect
        turn
        credit a
        > a send abc
        credit a
        > a send much longer than the credit
        credit a
        turn
        credit a
        turn
        credit a
        ",
        "
        accept a
        read a
        no turn
        credit a: yes
        credit a: yes
        credit a: no
        turn on-message a abc
        credit a: no
        turn on-message a much longer than the credit
        credit a: yes
        ",
    );
}

#[test]
fn credit_is_repaid_also_for_messages_that_nobody_takes() {
    check(
        "
        handlers connect
        limit credit_events 1
        > a connect
        turn
        > a send unheard
        credit a
        turn
        credit a
        ",
        "
        turn on-connect a
        accept a
        read a
        credit a: no
        no turn
        credit a: yes
        ",
    );
}

#[test]
fn a_failed_on_message_is_reported_and_its_turn_commits() {
    check(
        "
        handlers message
        > a connect
        turn
        > a send x
        turn put k v; send a sent; fail oops
        committed
        ",
        "
        accept a
        read a
        no turn
        turn on-message a x
        report on-message failed: oops
        commit 1 k=v
        < a sent
        ",
    );
}

#[test]
fn nothing_is_heard_from_a_connection_that_the_guest_has_closed_but_its_close() {
    check(
        "
        handlers message close error
        > a connect
        turn
        > a send one
        > a send two
        > a broken too large
        turn close a 4000 enough; state a
        turn
        > a close 4000 enough
        turn state a; send a x; close a; attachment a
        turn state a
        ",
        "
        accept a
        read a
        no turn
        turn on-message a one
        state a: Closing
        < a close 4000 enough
        turn on-error a too large
        turn on-close a 4000 enough
        state a: Closed
        send a x: error: the connection is closed
        close a: error: the connection is closed
        attachment a:
        no turn
        ",
    );
}

#[test]
fn a_pending_on_close_keeps_the_connection_known_until_it_settles() {
    check(
        "
        handlers close completed
        > a connect
        turn
        > a close 1000 bye
        turn sleep s 10; attach a x; pending e
        time 10
        turn state a; attachment a; settle e
        quiet
        > b connect
        turn
        > b cut
        turn pending f
        time 30010
        quiet
        ",
        "
        accept a
        read a
        no turn
        turn on-close a 1000 bye
        turn on-completed s
        state a: Closed
        attachment a: x
        quiet: yes
        accept b
        read b
        no turn
        turn on-close b 1006 not clean
        report on-close overdue after 30000
        report on-close failed: on-close did not settle within 30000 ms
        quiet: yes
        ",
    );
}

#[test]
fn frames_are_bounded_in_size_number_and_bytes() {
    check(
        "
        handlers message
        limit message_out_bytes_max 5
        limit turn_sends_max 3
        limit turn_output_bytes_max 12
        > a connect
        > b connect
        turn
        > a send x
        turn send a toolong; broadcast toolong; broadcast five5; broadcast x; send a 5five; send b x
        > a send x
        turn send a 55555; send a 55555; send a 333; send a 22
        ",
        "
        accept a
        read a
        accept b
        read b
        no turn
        turn on-message a x
        send a toolong: error: the limit is 5 bytes
        broadcast toolong: error: the limit is 5 bytes
        broadcast five5: 2
        broadcast x: error: a turn can send 3
        send b x: error: a turn can send 3
        < a,b five5
        < a 5five
        turn on-message a x
        send a 333: error: a turn can send 12
        < a 55555
        < a 55555
        < a 22
        ",
    );
}

#[test]
fn only_codes_that_may_be_sent_close_a_connection() {
    check(
        "
        handlers message
        > a connect
        turn
        > a send x
        turn close a 1002; close a 1005; close a 1006; close a 2999; close a 3000 fine
        ",
        "
        accept a
        read a
        no turn
        turn on-message a x
        close a 1002: error: close code 1002 may not be sent
        close a 1005: error: close code 1005 may not be sent
        close a 1006: error: close code 1006 may not be sent
        close a 2999: error: close code 2999 may not be sent
        < a close 3000 fine
        ",
    );
}

#[test]
fn a_broadcast_to_nobody_sends_nothing() {
    check(
        "handlers request\n GET / -> r\n turn broadcast x; respond r 200",
        "turn on-request r\n broadcast x: 0\n < r 200",
    );
}

#[test]
fn attachments_are_kept_with_the_connection_within_their_bound() {
    check(
        "
        handlers message
        limit attachment_bytes_max 4
        > a connect
        turn
        > a send x
        turn attachment a; attach a four; attachment a; attach a five5; attachment a; attach zoe x
        > a send x
        turn attachment a
        ",
        "
        accept a
        read a
        no turn
        turn on-message a x
        attachment a:
        attachment a: four
        attach a five5: error: the limit is 4 bytes
        attachment a: four
        attach zoe x: error: there is no such connection
        turn on-message a x
        attachment a: four
        ",
    );
}
