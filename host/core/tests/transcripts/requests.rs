//! Requests: each is answered exactly once, by the guest or by the host.

use crate::notation::check;

#[test]
fn a_request_is_answered_in_its_turn() {
    check(
        "handlers request\n request r hello\n turn respond r 201 made",
        "> on-request r hello\n respond r 201 made",
    );
}

#[test]
fn a_request_is_answered_in_a_later_turn() {
    check(
        "
        handlers request completed
        request r
        turn sleep s 100; pending e
        at 100
        turn respond r 200 late; settle e
        quiet
        ",
        "
        > on-request r
        > on-completed s
        respond r 200 late
        quiet: yes
        ",
    );
}

#[test]
fn a_request_is_answered_once() {
    check(
        "
        handlers request
        request r
        turn respond r 200 one; respond r 200 two; pending e
        request s
        turn respond r 200 three; settle e fail too late; respond s 200
        ",
        "
        > on-request r
        respond r 200 two: error: no such request waits for an answer
        respond r 200 one
        > on-request s
        respond r 200 three: error: no such request waits for an answer
        report on-request failed: too late
        respond s 200
        ",
    );
}

#[test]
fn a_request_whose_event_ends_without_an_answer_is_a_500() {
    check(
        "
        handlers request
        request r
        turn
        request s
        turn pending e
        request t
        turn respond t 200; settle e
        ",
        "
        > on-request r
        respond r 500 Incorrect type for Promise: the Promise did not resolve to 'Response'.
        > on-request s
        > on-request t
        respond t 200
        respond s 500 Incorrect type for Promise: the Promise did not resolve to 'Response'.
        ",
    );
}

#[test]
fn a_failed_request_is_answered_with_its_message_and_status() {
    check(
        "
        handlers request
        request r
        turn fail boom
        request s
        turn fail 404 no such thing
        request t
        turn fail 99 odd
        request u
        turn fail
        ",
        "
        > on-request r
        report on-request failed: boom
        respond r 500 boom
        > on-request s
        report on-request failed: no such thing
        respond s 404 no such thing
        > on-request t
        report on-request failed: odd
        respond t 500 odd
        > on-request u
        report on-request failed:
        respond u 500 Uncaught exception when making a request
        ",
    );
}

#[test]
fn a_request_that_is_not_answered_in_time_is_a_504_and_its_event_has_ended() {
    check(
        "
        handlers request
        request r
        clock 1000
        turn pending e
        at 30999
        at 31000
        request s
        turn respond r 200; settle e; respond s 200
        ",
        "
        > on-request r
        report on-request overdue after 30000
        respond r 504 The room did not answer within 30000 ms
        > on-request s
        respond r 200: error: no such request waits for an answer
        settle e: error: no event of this id is pending
        respond s 200
        ",
    );
}

#[test]
fn what_a_handler_does_after_its_answer_is_bound_by_nothing() {
    check(
        "
        handlers request
        request r
        turn respond r 202 begun; pending e
        at 30000
        deadline
        request s
        turn settle e fail much later; respond s 200
        ",
        "
        > on-request r
        respond r 202 begun
        deadline: none
        > on-request s
        report on-request failed: much later
        respond s 200
        ",
    );
}

#[test]
fn a_guest_is_told_when_the_client_of_an_open_request_has_gone() {
    check(
        "
        handlers request response-closed
        request r
        turn pending e
        gone r
        turn respond r 200; settle e
        request s
        turn respond s 200
        gone s
        turn
        quiet
        ",
        "
        > on-request r
        > on-response-closed r
        respond r 200: error: no such request waits for an answer
        > on-request s
        respond s 200
        no turn
        quiet: yes
        ",
    );
}

#[test]
fn responses_are_bounded_and_must_be_sendable() {
    check(
        "
        handlers request
        limit response_body_bytes_max 4
        limit turn_output_bytes_max 6
        request r
        request s
        turn respond r 200 12345; respond r 101 no; pending e
        turn respond r 200 four; respond s 200 four; respond s 204
        ",
        "
        > on-request r
        respond r 200 12345: error: the limit for a response is 4 bytes
        respond r 101 no: error: the response cannot be sent: status 101 is not between 200 and 599
        > on-request s
        respond s 200 four: error: a turn can send 6 bytes
        respond r 200 four
        respond s 204
        ",
    );
}

#[test]
fn waiting_requests_are_bounded_and_so_are_unanswered_ones() {
    check(
        "
        handlers request
        limit requests_waiting_max 2
        limit requests_open_max 3
        request r
        request s
        request t
        turn pending e
        turn pending f
        request u
        request v
        open
        turn respond r 200; pending g
        request w
        ",
        "
        refused t: 2 requests wait for the room, which is its limit
        > on-request r
        > on-request s
        refused v: 3 requests wait for the room, which is its limit
        open: 0 connections, 3 requests
        > on-request u
        respond r 200
        ",
    );
}
