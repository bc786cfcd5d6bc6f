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
          broadcast hi: 2
        < a,c hi
        < a close 1008 replaced by a newer client of this name
        turn on-close a 1008 replaced by a newer client of this name
          list: c
          state a: Closed
          broadcast bye: 1
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
        "
        turn on-connect a
        < a refused 409 another client of this name is connected
        turn on-connect b
          list: nobody
        accept b
        read b
        turn on-close a 1008 replaced by a newer client of this name
        no turn
        ",
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
        "
        accept a
        read a
        < a close 1008 replaced by a newer client of this name
        turn on-close a 1008 replaced by a newer client of this name
          list: nobody
        accept b
        read b
        < b close 1008 replaced by a newer client of this name
        turn on-close b 1008 replaced by a newer client of this name
          list: nobody
        accept c
        read c
        no turn
        open: 1 connections, 0 requests
        ",
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
        "
        turn on-connect a
        < b refused 409 another client of this name is connected
        no turn
        < r 500 Invalid onRequest handler
        no turn
        turn on-connect c
        accept c
        read c
        open: 2 connections, 0 requests
        ",
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
        "
        turn on-connect a
        accept a
        read a
        accept b
        turn on-message a x
        < b close 1008 another client of this name is connected
        no turn
        ",
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
        "
        turn on-connect a
        commit 1 forget, record
        accept a
        read a
        < a close 1008 replaced by a newer client of this name
        turn on-close a 1008 replaced by a newer client of this name
        commit 2 record
        turn on-connect b
          list: nobody
        commit 3 record
        accept b
        read b
        turn on-message b x
        report on-message dropped: the guest trapped: 
        drop instance
        again 1 on-connect a
        again 2 on-close a 1008 replaced by a newer client of this name
        again 3 on-connect b
        no turn
        ",
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
        "
        turn on-connect a
        commit 1 forget, record
        accept a
        read a
        < a close 1008 replaced by a newer client of this name
        turn on-close a 1008 replaced by a newer client of this name
        report on-close dropped: the guest trapped: 
        drop instance
        again 1 on-connect a
        turn on-connect b
          list: nobody
        commit 2 record
        accept b
        read b
        turn on-close a 1008 replaced by a newer client of this name
          list: b
        commit 3 record
        no turn
        ",
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
        "
        turn on-connect a
        accept a
        read a
        commit 1 checkpoint
        drop instance
        woken with m
        < a close 1008 replaced by a newer client of this name
        turn on-close a 1008 replaced by a newer client of this name
          list: nobody
        turn on-connect b
          list: nobody
        accept b
        read b
        no turn
        ",
    );
}
