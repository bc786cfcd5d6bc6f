//! Clients of one name: both are there, or the newer one takes the place of the older, or it is turned away.

use crate::notation::check;

#[test]
fn unless_it_is_said_otherwise_both_are_there() {
    check(
        "
        handlers connect close
        > a connect
        turn
        > b connect as a
        turn list
        turn
",
        "
        turn on-connect a
        accept a
        read a
        turn on-connect b
        list: a
        accept b
        read b
        no turn
        ",
    );
}

#[test]
fn the_newer_one_replaces_the_older_whose_close_is_heard_first() {
    check(
        "
        duplicate-key replace
        handlers connect message close
        > a connect
        turn
        > c connect
        turn
        > a send before
        > b connect as a
        > a send after
        turn broadcast hi
        turn list; state a; broadcast bye
        > a close 1008
        turn list
        turn
        turn
",
        "
        turn on-connect a
        accept a
        read a
        turn on-connect c
        accept c
        read c
        turn on-message a before
        < a,c hi
        close a 1008 replaced by a newer client of this name
        turn on-close a 1008 replaced by a newer client of this name
        list: c
        state a: Closed
        < c bye
        turn on-connect b
        list: c
        accept b
        read b
        no turn
        no turn
        ",
    );
}

#[test]
fn one_that_still_waits_for_its_101_gets_another_answer() {
    check(
        "
        duplicate-key replace
        handlers connect close
        > a connect
        turn pending e; own e
        > b connect as a
        turn settle e; list
        turn
        turn
",
        "",
    );
}

#[test]
fn of_three_the_last_one_stays() {
    check(
        "
        duplicate-key replace
        handlers close
        > a connect
        > b connect as a
        > c connect as a
        turn list
        turn list
        turn
        open
",
        "",
    );
}

#[test]
fn the_newer_one_is_refused_and_comes_in_when_the_older_has_gone() {
    check(
        "
        duplicate-key refuse
        handlers connect close
        > a connect
        > b connect as a
        turn pending e; own e
        turn
        GET / -> r
        turn
        > a close 1000
        > c connect as a
        turn
        open
",
        "",
    );
}

#[test]
fn one_whose_handshake_was_answered_at_the_deadline_is_refused_with_a_close() {
    check(
        "
        duplicate-key refuse
        handlers connect message
        > a connect
        turn
        > a send x
        > b connect as a
        time 3500
        turn
        turn
",
        "",
    );
}

/// What the room did without its guest is part of what is taken again.
#[test]
fn a_durable_room_that_is_made_again_comes_to_the_same() {
    check(
        "
        memory durable
        duplicate-key replace
        handlers connect message close
        > a connect
        turn
        committed
        > b connect as a
        turn put k v
        committed
        turn list
        committed
        > b send x
        turn trap
        rebuild
        turn list; get k
",
        "",
    );
}

#[test]
fn a_close_whose_turn_was_dropped_is_tried_once_more_and_the_newer_one_still_comes_in() {
    check(
        "
        memory durable
        duplicate-key replace
        handlers connect close
        > a connect
        turn
        committed
        > b connect as a
        turn trap
        rebuild
        turn list
        committed
        turn list
        committed
        turn
",
        "",
    );
}

#[test]
fn a_room_that_sleeps_wakes_for_the_newer_one_and_still_knows_the_older() {
    check(
        "
        duplicate-key replace
        handlers connect close
        > a connect
        turn
        hibernate m
        committed
        > b connect as a
        wake
        turn list
        turn list
        turn
",
        "",
    );
}
