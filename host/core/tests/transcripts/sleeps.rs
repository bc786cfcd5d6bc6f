//! Sleeps: each completes once, never early, unless it is cancelled.

use crate::notation::check;

#[test]
fn a_sleep_completes_once_and_never_early() {
    check(
        "
        handlers request completed
        clock 500
        GET / -> r
        turn sleep s 100; respond r 200; operations
        deadline
        time 599
        turn
        time 600
        time 600
        turn now; operations
        time 700
        turn
        ",
        "
        turn on-request r
        operations: 1
        < r 200
        deadline: 600
        no turn
        turn on-completed s
        now: 600
        operations: 0
        no turn
        ",
    );
}

#[test]
fn sleeps_complete_in_order_of_their_time_then_of_their_start() {
    check(
        "
        handlers request completed
        GET / -> r
        turn sleep late 30; sleep one 10; sleep two 10; sleep now 0; respond r 200
        time 0
        turn
        time 30
        turn
        turn
        turn
        ",
        "
        turn on-request r
        < r 200
        turn on-completed now
        turn on-completed one
        turn on-completed two
        turn on-completed late
        ",
    );
}

#[test]
fn a_turn_that_a_completion_brings_is_not_before_its_time_whatever_the_clock_does() {
    check(
        "
        handlers request completed
        GET / -> r
        turn sleep s 100; respond r 200
        time 100
        clock 90
        turn now
        ",
        "
        turn on-request r
        < r 200
        turn on-completed s
        now: 100
        ",
    );
}

#[test]
fn a_cancelled_sleep_does_not_complete_whether_it_is_due_or_not() {
    check(
        "
        handlers request completed
        GET / -> r
        turn sleep s 100; sleep t 50; sleep u 200; respond r 200
        GET / -> q
        time 100
        turn cancel s; cancel s; cancel t; cancel u; respond q 200; operations
        time 200
        turn
        ",
        "
        turn on-request r
        < r 200
        turn on-request q
        cancel s: true
        cancel s: false
        cancel t: true
        cancel u: true
        operations: 0
        < q 200
        no turn
        ",
    );
}

#[test]
fn a_sleep_may_be_cancelled_in_the_turn_that_started_it_and_its_id_is_not_used_again() {
    check(
        "
        handlers request completed
        GET / -> r
        turn sleep s 10; cancel s; cancel s; sleep t 10; operations; respond r 200
        time 10
        turn cancel s; cancel t
        turn
        ",
        "
        turn on-request r
        cancel s: true
        cancel s: false
        operations: 1
        < r 200
        turn on-completed t
        cancel s: false
        cancel t: false
        no turn
        ",
    );
}

#[test]
fn a_completion_that_waits_can_still_be_cancelled_by_the_one_before_it() {
    check(
        "
        handlers request completed
        GET / -> r
        turn sleep s 10; sleep t 10; respond r 200
        time 10
        turn cancel t
        turn
        quiet
        ",
        "
        turn on-request r
        < r 200
        turn on-completed s
        cancel t: true
        no turn
        quiet: yes
        ",
    );
}

#[test]
fn open_operations_are_bounded() {
    check(
        "
        handlers request
        limit operations_open_max 2
        GET / -> r
        turn sleep s 10; sleep t 10; sleep u 10; cancel s; sleep v 10; respond r 200
        GET / -> q
        turn sleep w 10; cancel t; sleep w 10; respond q 200
        ",
        "
        turn on-request r
        sleep u 10: error: the limit for open operations is 2
        cancel s: true
        < r 200
        turn on-request q
        sleep w 10: error: the limit for open operations is 2
        cancel t: true
        < q 200
        ",
    );
}
