//! Events that settle later, and holds.

use crate::notation::check;

#[test]
fn an_event_settles_once_and_only_if_it_is_pending() {
    check(
        "
        handlers message
        > a connect
        turn
        > a send one
        > a send two
        > a send three
        turn pending e
        turn settle e; settle e; own f; settle f; settle f; done
        turn settle e; settle f
        ",
        "
        accept a
        read a
        no turn
        turn on-message a one
        turn on-message a two
        settle e: error: no event of this id is pending
        settle f: error: no event of this id is pending
        turn on-message a three
        settle e: error: no event of this id is pending
        settle f: error: no event of this id is pending
        ",
    );
}

#[test]
fn what_the_export_returns_stands_against_its_own_settlement() {
    check(
        "
        handlers request
        GET / -> r
        turn own e; settle e; fail returned
        GET / -> s
        turn own f; settle f fail settled; pending f
        ",
        "
        turn on-request r
        report on-request failed: returned
        < r 500 returned
        turn on-request s
        report on-request failed: settled
        < s 500 settled
        ",
    );
}

#[test]
fn settlements_take_effect_in_their_order_before_the_turns_own_end() {
    check(
        "
        handlers request
        GET / -> r
        GET / -> s
        GET / -> t
        turn pending e
        turn pending f
        turn settle f fail second; settle e fail first; respond t 200
        ",
        "
        turn on-request r
        turn on-request s
        turn on-request t
        report on-request failed: second
        report on-request failed: first
        < t 200
        < s 500 second
        < r 500 first
        ",
    );
}

#[test]
fn a_turn_that_leaves_too_many_events_pending_is_dropped() {
    check(
        "
        handlers message
        limit events_pending_max 2
        > a connect
        turn
        > a send 1
        > a send 2
        > a send 3
        > a send 4
        turn pending e
        turn pending f
        turn settle e; pending g
        turn send a x; pending h
        ",
        "
        accept a
        read a
        no turn
        turn on-message a 1
        turn on-message a 2
        turn on-message a 3
        turn on-message a 4
        report on-message dropped: more than 2 events have not settled
        drop instance
        ",
    );
}

#[test]
fn while_a_room_is_held_only_completions_pass() {
    check(
        "
        handlers message completed
        > a connect
        turn
        > a send one
        turn hold; hold; sleep s 10; sleep t 20; release; release; release; hold; hold; hold
        > a send two
        turn
        time 20
        turn release; release
        turn
        ",
        "
        accept a
        read a
        no turn
        turn on-message a one
        release: error: nothing is held
        no turn
        turn on-completed s
        turn on-completed t
        ",
    );
}

#[test]
fn events_that_were_held_back_come_in_their_order_after_the_release() {
    check(
        "
        handlers message request completed
        > a connect
        turn
        > a send one
        turn hold; sleep s 10
        GET / -> r
        > a send two
        time 10
        turn release
        turn respond r 200
        turn
        ",
        "
        accept a
        read a
        no turn
        turn on-message a one
        turn on-completed s
        turn on-request r
        < r 200
        turn on-message a two
        ",
    );
}

#[test]
fn holds_are_bounded() {
    check(
        "handlers request\n limit holds_max 2\n GET / -> r\n turn hold; hold; hold; respond r 200",
        "turn on-request r\n hold: error: the limit for nested holds is 2\n < r 200",
    );
}

#[test]
fn a_hold_that_lasts_too_long_starts_the_room_afresh() {
    check(
        "
        GET / -> r
        turn
        turn hold; respond r 200
        time 100
        GET / -> s
        time 29999
        turn
        time 30000
        turn
        turn respond s 200
        ",
        "
        turn on-start New
        turn on-request r
        < r 200
        no turn
        report events.hold overdue after 30000
        drop instance
        turn on-start Lost
        turn on-request s
        < s 200
        ",
    );
}

#[test]
fn a_hold_is_as_old_as_its_first_and_a_new_one_in_the_same_turn_is_new() {
    check(
        "
        handlers request completed
        GET / -> r
        turn hold; sleep s 20000; sleep t 25000; respond r 200
        time 20000
        turn hold
        deadline
        time 25000
        turn release; release; hold
        deadline
        ",
        "
        turn on-request r
        < r 200
        turn on-completed s
        deadline: 25000
        turn on-completed t
        deadline: 55000
        ",
    );
}
