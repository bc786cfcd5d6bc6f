//! The end of a room: a commit failed, or it is shut down. Nobody is left without an answer.

use crate::notation::check;

#[test]
fn a_failed_commit_drops_what_depended_on_it_and_tells_everyone() {
    check(
        "
        handlers message request
        connect a
        turn
        message a one
        message a two
        request r
        turn put k 1; send a 1
        turn put k 2; send a 2
        commit failed
        turn
        request s
        connect b
        message a three
        lost a
        commit failed
        restart
        request t
        turn get k; list; respond t 200
        ",
        "
        accept a
        read a
        no turn
        > on-message a one
        commit 1 k=1
        > on-message a two
        commit 2 k=2
        report commit failed
        drop instance
        respond r 503 the room could not be written
        close a 1011 the room could not be written
        no turn
        refused s: the room is ending; try again
        refused b: the room is ending; try again
        > on-request t
        get k: none
        list: nobody
        respond t 200
        ",
    );
}

#[test]
fn a_failed_commit_leaves_what_was_durable_before_it() {
    check(
        "
        handlers request
        request r
        request s
        turn put k 1; respond r 200
        turn put k 2; respond s 200
        committed
        commit failed
        restart
        request t
        turn get k; respond t 200
        ",
        "
        > on-request r
        commit 1 k=1
        > on-request s
        commit 2 k=2
        respond r 200
        report commit failed
        drop instance
        respond s 503 the room could not be written
        > on-request t
        get k: 1
        respond t 200
        ",
    );
}

#[test]
fn answers_that_a_failed_commit_held_back_are_given_otherwise() {
    check(
        "
        handlers connect request message close
        connect a
        turn
        connect b
        connect c
        connect d
        request r
        request s
        message a x
        turn put k 1; accept b
        turn reject c 403 no
        turn pending e
        turn respond r 200
        turn fail
        turn close a 4000 bye
        at 3500
        commit failed
        ",
        "
        > on-connect a
        accept a
        read a
        > on-connect b
        commit 1 k=1
        > on-connect c
        > on-connect d
        > on-request r
        > on-request s
        report on-request failed:
        > on-message a x
        report commit failed
        drop instance
        reject c 503 the room could not be written
        respond r 503 the room could not be written
        respond s 503 the room could not be written
        close a 1011 the room could not be written
        reject b 503 the room could not be written
        reject d 503 the room could not be written
        ",
    );
}

#[test]
fn a_client_turned_away_by_a_failed_start_is_told_again_if_that_was_held_back() {
    check(
        "
        handlers start connect request completed
        request r
        turn
        turn put k 1; respond r 200; sleep z 4000; hold
        connect a
        connect b
        at 3500
        connect c
        at 4000
        turn trap boom
        turn fail no
        turn fail no
        turn fail no
        commit failed
        ",
        "
        > on-start New
        > on-request r
        commit 1 k=1
        > on-completed z
        report on-completed dropped: the guest trapped: boom
        drop instance
        > on-start Lost
        report on-start failed: no
        drop instance
        > on-start FailedBefore
        report on-start failed: no
        drop instance
        > on-start FailedBefore
        report on-start failed: no
        drop instance
        report commit failed
        drop instance
        reject a 503 the room could not be written
        reject b 503 the room could not be written
        reject c 503 the room could not be written
        respond r 503 the room could not be written
        ",
    );
}

#[test]
fn a_room_that_is_shut_down_tells_everyone_once_its_commits_are_durable() {
    check(
        "
        handlers connect request message
        connect a
        turn
        connect b
        turn pending e
        connect c
        turn reject c 403 no; pending f
        request r
        turn put k 1; pending g
        request s
        connect d
        message a x
        shut down
        turn
        request t
        lost a
        deadline
        committed
        shut down
        quiet
        ",
        "
        > on-connect a
        accept a
        read a
        > on-connect b
        > on-connect c
        reject c 403 no
        > on-request r
        commit 1 k=1
        no turn
        refused t: the room is ending; try again
        deadline: none
        respond s 503 going away
        reject d 503 going away
        respond r 503 going away
        close a 1001 going away
        reject b 503 going away
        quiet: no
        ",
    );
}

#[test]
fn a_commit_that_fails_while_a_room_shuts_down_changes_what_is_said_not_who_is_told() {
    check(
        "
        handlers connect request
        connect a
        turn
        request r
        turn put k 1; respond r 200
        shut down
        commit failed
        ",
        "
        > on-connect a
        accept a
        read a
        > on-request r
        commit 1 k=1
        report commit failed
        drop instance
        close a 1011 the room could not be written
        respond r 503 the room could not be written
        ",
    );
}
