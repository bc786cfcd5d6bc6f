//! Events that settle later, and holds.

use crate::notation::check;

#[test]
fn an_event_settles_once_and_only_if_it_is_pending() {
    check(
        "
        handlers message
        connect a
        turn
        message a one
        message a two
        message a three
        turn pending e
        turn settle e; settle e; own f; settle f; settle f; done
        turn settle e; settle f
        ",
        "
        accept a
        read a
        no turn
        > on-message a one
        > on-message a two
        settle e: error: no event of this id is pending
        settle f: error: no event of this id is pending
        > on-message a three
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
        request r
        turn own e; settle e; fail returned
        request s
        turn own f; settle f fail settled; pending f
        ",
        "
        > on-request r
        report on-request failed: returned
        respond r 500 returned
        > on-request s
        report on-request failed: settled
        respond s 500 settled
        ",
    );
}

#[test]
fn settlements_take_effect_in_their_order_before_the_turns_own_end() {
    check(
        "
        handlers request
        request r
        request s
        request t
        turn pending e
        turn pending f
        turn settle f fail second; settle e fail first; respond t 200
        ",
        "
        > on-request r
        > on-request s
        > on-request t
        report on-request failed: second
        report on-request failed: first
        respond t 200
        respond s 500 second
        respond r 500 first
        ",
    );
}

#[test]
fn a_turn_that_leaves_too_many_events_pending_is_dropped() {
    check(
        "
        handlers message
        limit events_pending_max 2
        connect a
        turn
        message a 1
        message a 2
        message a 3
        message a 4
        turn pending e
        turn pending f
        turn settle e; pending g
        turn send a x; pending h
        ",
        "
        accept a
        read a
        no turn
        > on-message a 1
        > on-message a 2
        > on-message a 3
        > on-message a 4
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
        connect a
        turn
        message a one
        turn hold; hold; sleep s 10; sleep t 20; release; release; release; hold; hold; hold
        message a two
        turn
        at 20
        turn release; release
        turn
        ",
        "
        accept a
        read a
        no turn
        > on-message a one
        release: error: nothing is held
        no turn
        > on-completed s
        > on-completed t
        ",
    );
}

#[test]
fn events_that_were_held_back_come_in_their_order_after_the_release() {
    check(
        "
        handlers message request completed
        connect a
        turn
        message a one
        turn hold; sleep s 10
        request r
        message a two
        at 10
        turn release
        turn respond r 200
        turn
        ",
        "
        accept a
        read a
        no turn
        > on-message a one
        > on-completed s
        > on-request r
        respond r 200
        > on-message a two
        ",
    );
}

#[test]
fn holds_are_bounded() {
    check(
        "handlers request\n limit holds_max 2\n request r\n turn hold; hold; hold; respond r 200",
        "> on-request r\n hold: error: the limit for nested holds is 2\n respond r 200",
    );
}

#[test]
fn a_hold_that_lasts_too_long_starts_the_room_afresh() {
    check(
        "
        request r
        turn
        turn hold; respond r 200
        at 100
        request s
        at 29999
        turn
        at 30000
        turn
        turn respond s 200
        ",
        "
        > on-start New
        > on-request r
        respond r 200
        no turn
        report events.hold overdue after 30000
        drop instance
        > on-start Lost
        > on-request s
        respond s 200
        ",
    );
}

#[test]
fn a_hold_is_as_old_as_its_first_and_a_new_one_in_the_same_turn_is_new() {
    check(
        "
        handlers request completed
        request r
        turn hold; sleep s 20000; sleep t 25000; respond r 200
        at 20000
        turn hold
        deadline
        at 25000
        turn release; release; hold
        deadline
        ",
        "
        > on-request r
        respond r 200
        > on-completed s
        deadline: 25000
        > on-completed t
        deadline: 55000
        ",
    );
}
