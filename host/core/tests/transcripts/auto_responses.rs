//! Auto-responses: when they are in force, and when no more.

use crate::notation::check;

#[test]
fn an_auto_response_is_in_force_before_anything_that_its_turn_sends() {
    check(
        "
        handlers connect message
        > a connect
        turn send a first; auto-response ping=pong; send a last
        auto-response
        > a send x
        turn auto-response =
        > a send x
        turn auto-response off
        auto-response
        ",
        "
        turn on-connect a
        auto-response ping=pong
        < a first
        < a last
        accept a
        read a
        auto-response: ping=pong
        turn on-message a x
        auto-response =
        turn on-message a x
        auto-response off
        auto-response: off
        ",
    );
}

#[test]
fn it_waits_for_what_it_depends_on_and_the_last_word_of_a_turn_counts() {
    check(
        "
        handlers connect message
        > a connect
        turn put k v; auto-response ping=pong; auto-response off; auto-response hello=there
        > a send x
        turn auto-response off
        committed
        ",
        "
        turn on-connect a
        commit 1 k=v
        turn on-message a x
        auto-response hello=there
        accept a
        read a
        auto-response off
        ",
    );
}

#[test]
fn what_changes_nothing_is_no_output() {
    check(
        "
        handlers connect
        > a connect
        turn auto-response off
        > b connect
        turn auto-response ping=pong
        > c connect
        turn auto-response ping=pong
        ",
        "
        turn on-connect a
        accept a
        read a
        turn on-connect b
        auto-response ping=pong
        accept b
        read b
        turn on-connect c
        accept c
        read c
        ",
    );
}

#[test]
fn texts_are_bounded_in_characters() {
    check(
        "
        handlers connect
        limit auto_response_chars_max 4
        > a connect
        turn auto-response größe=x; auto-response x=größe; auto-response größ=größ
        ",
        "
        turn on-connect a
        auto-response größe=x: error: the limit is 4 characters
        auto-response x=größe: error: the limit is 4 characters
        auto-response größ=größ
        accept a
        read a
        ",
    );
}

#[test]
fn a_failed_handler_keeps_it_and_a_dropped_turn_ends_it_with_the_life() {
    check(
        "
        handlers connect message
        > a connect
        turn auto-response ping=pong; fail oops
        > b connect
        turn auto-response hello=there; trap unreachable
        auto-response
        ",
        "
        turn on-connect a
        report on-connect failed: oops
        auto-response ping=pong
        accept a
        read a
        < a close 1011 oops
        turn on-connect b
        report on-connect dropped: the guest trapped: unreachable
        drop instance
        auto-response off
        accept b
        read b
        < b close 1011 Uncaught exception when connecting
        auto-response: off
        ",
    );
}

#[test]
fn a_commit_that_fails_takes_it_along() {
    check(
        "
        handlers connect message
        > a connect
        turn put k v; auto-response ping=pong
        commits fail
        crash
        auto-response
        ",
        "
        turn on-connect a
        commit 1 k=v
        report commit failed
        drop instance
        < a refused 503 the room could not be written
        auto-response: off
        ",
    );
}

#[test]
fn it_outlives_sleep_and_is_there_after_a_restart_before_the_room_is_woken() {
    check(
        "
        handlers message connect
        > a connect
        turn auto-response ping=pong
        hibernate one
        committed
        auto-response
        > a cut
        crash
        auto-response
        asleep
        committed
        wake failed
        committed
        auto-response
        ",
        "
        turn on-connect a
        auto-response ping=pong
        accept a
        read a
        commit 1 checkpoint
        drop instance
        auto-response: ping=pong
        commit 2
        auto-response: ping=pong
        asleep
        drop instance
        commit 3 forget
        auto-response off
        auto-response: off
        ",
    );
}

#[test]
fn a_room_whose_storage_has_moved_since_it_was_kept_begins_without() {
    check(
        "
        handlers connect message
        > a connect
        turn auto-response ping=pong
        keep one
        committed
        > a send x
        turn put k v
        committed
        crash
        auto-response
        ",
        "
        turn on-connect a
        auto-response ping=pong
        accept a
        read a
        commit 1 checkpoint
        turn on-message a x
        commit 2 k=v
        auto-response: off
        ",
    );
}
