//! Requests: each is answered exactly once, by the guest or by the host.

use crate::notation::check;

#[test]
fn a_request_is_answered_in_its_turn() {
    check(
        "handlers request\n GET / hello -> r\n turn respond r 201 made",
        "turn on-request r hello\n < r 201 made",
    );
}

#[test]
fn a_request_is_answered_in_a_later_turn() {
    check(
        "
        handlers request completed
        GET / -> r
        turn sleep s 100; pending e
        time 100
        turn respond r 200 late; settle e
        quiet
        ",
        "
        turn on-request r
        turn on-completed s
        < r 200 late
        quiet: yes
        ",
    );
}

#[test]
fn a_request_is_answered_once() {
    check(
        "
        handlers request
        GET / -> r
        turn respond r 200 one; respond r 200 two; pending e
        GET / -> s
        turn respond r 200 three; settle e fail too late; respond s 200
        ",
        "
        turn on-request r
        respond r 200 two: error: no such request waits for an answer
        < r 200 one
        turn on-request s
        respond r 200 three: error: no such request waits for an answer
        report on-request failed: too late
        < s 200
        ",
    );
}

#[test]
fn a_request_whose_event_ends_without_an_answer_is_a_500() {
    check(
        "
        handlers request
        GET / -> r
        turn
        GET / -> s
        turn pending e
        GET / -> t
        turn respond t 200; settle e
        ",
        "
        turn on-request r
        < r 500 Incorrect type for Promise: the Promise did not resolve to 'Response'.
        turn on-request s
        turn on-request t
        < t 200
        < s 500 Incorrect type for Promise: the Promise did not resolve to 'Response'.
        ",
    );
}

#[test]
fn a_failed_request_is_answered_with_its_message_and_status() {
    check(
        "
        handlers request
        GET / -> r
        turn fail boom
        GET / -> s
        turn fail 404 no such thing
        GET / -> t
        turn fail 99 odd
        GET / -> u
        turn fail
        ",
        "
        turn on-request r
        report on-request failed: boom
        < r 500 boom
        turn on-request s
        report on-request failed: no such thing
        < s 404 no such thing
        turn on-request t
        report on-request failed: odd
        < t 500 odd
        turn on-request u
        report on-request failed:
        < u 500 Uncaught exception when making a request
        ",
    );
}

#[test]
fn a_request_that_is_not_answered_in_time_is_a_504_and_its_event_has_ended() {
    check(
        "
        handlers request
        GET / -> r
        clock 1000
        turn pending e
        time 30999
        time 31000
        GET / -> s
        turn respond r 200; settle e; respond s 200
        ",
        "
        turn on-request r
        report on-request overdue after 30000
        < r 504 The room did not answer within 30000 ms
        turn on-request s
        respond r 200: error: no such request waits for an answer
        settle e: error: no event of this id is pending
        < s 200
        ",
    );
}

#[test]
fn what_a_handler_does_after_its_answer_is_bound_by_nothing() {
    check(
        "
        handlers request
        GET / -> r
        turn respond r 202 begun; pending e
        time 30000
        deadline
        GET / -> s
        turn settle e fail much later; respond s 200
        ",
        "
        turn on-request r
        < r 202 begun
        deadline: none
        turn on-request s
        report on-request failed: much later
        < s 200
        ",
    );
}

#[test]
fn a_guest_is_told_when_the_client_of_an_open_request_has_gone() {
    check(
        "
        handlers request response-closed
        GET / -> r
        turn pending e
        > r cut
        turn respond r 200; settle e
        GET / -> s
        turn respond s 200
        > s cut
        turn
        quiet
        ",
        "
        turn on-request r
        turn on-response-closed r
        respond r 200: error: no such request waits for an answer
        turn on-request s
        < s 200
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
        GET / -> r
        GET / -> s
        turn respond r 200 12345; respond r 101 no; pending e
        turn respond r 200 four; respond s 200 four; respond s 204
        ",
        "
        turn on-request r
        respond r 200 12345: error: the limit for a response is 4 bytes
        respond r 101 no: error: the response cannot be sent: status 101 is not between 200 and 599
        turn on-request s
        respond s 200 four: error: a turn can send 6 bytes
        < r 200 four
        < s 204
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
        GET / -> r
        GET / -> s
        GET / -> t
        turn pending e
        turn pending f
        GET / -> u
        GET / -> v
        open
        turn respond r 200; pending g
        GET / -> w
        ",
        "
        refused t: 2 requests wait for the room, which is its limit
        turn on-request r
        turn on-request s
        refused v: 3 requests wait for the room, which is its limit
        open: 0 connections, 3 requests
        turn on-request u
        < r 200
        ",
    );
}
