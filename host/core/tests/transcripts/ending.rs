//! The end of a room: a commit failed, or it is shut down. Nobody is left without an answer.

use crate::notation::check;

#[test]
fn a_failed_commit_drops_what_depended_on_it_and_tells_everyone() {
    check(
        "
        handlers message request
        > a connect
        turn
        > a send one
        > a send two
        GET / -> r
        turn put k 1; send a 1
        turn put k 2; send a 2
        commits fail
        turn
        GET / -> s
        > b connect
        > a send three
        > a cut
        commits fail
        crash
        GET / -> t
        turn get k; list; respond t 200
        ",
        "
        accept a
        read a
        no turn
        turn on-message a one
        commit 1 k=1
        turn on-message a two
        commit 2 k=2
        report commit failed
        drop instance
        < r 503 the room could not be written
        < a close 1011 the room could not be written
        no turn
        refused s: the room is ending; try again
        refused b: the room is ending; try again
        turn on-request t
        get k: none
        list: nobody
        < t 200
        ",
    );
}

#[test]
fn a_failed_commit_leaves_what_was_durable_before_it() {
    check(
        "
        handlers request
        GET / -> r
        GET / -> s
        turn put k 1; respond r 200
        turn put k 2; respond s 200
        committed
        commits fail
        crash
        GET / -> t
        turn get k; respond t 200
        ",
        "
        turn on-request r
        commit 1 k=1
        turn on-request s
        commit 2 k=2
        < r 200
        report commit failed
        drop instance
        < s 503 the room could not be written
        turn on-request t
        get k: 1
        < t 200
        ",
    );
}

#[test]
fn answers_that_a_failed_commit_held_back_are_given_otherwise() {
    check(
        "
        handlers connect request message close
        > a connect
        turn
        > b connect
        > c connect
        > d connect
        GET / -> r
        GET / -> s
        > a send x
        turn put k 1; accept b
        turn reject c 403 no
        turn pending e
        turn respond r 200
        turn fail
        turn close a 4000 bye
        time 3500
        commits fail
        ",
        "
        turn on-connect a
        accept a
        read a
        turn on-connect b
        commit 1 k=1
        turn on-connect c
        turn on-connect d
        turn on-request r
        turn on-request s
        report on-request failed:
        turn on-message a x
        report commit failed
        drop instance
        < c refused 503 the room could not be written
        < r 503 the room could not be written
        < s 503 the room could not be written
        < a close 1011 the room could not be written
        < b refused 503 the room could not be written
        < d refused 503 the room could not be written
        ",
    );
}

#[test]
fn a_client_turned_away_by_a_failed_start_is_told_again_if_that_was_held_back() {
    check(
        "
        handlers start connect request completed
        GET / -> r
        turn
        turn put k 1; respond r 200; sleep z 4000; hold
        > a connect
        > b connect
        time 3500
        > c connect
        time 4000
        turn trap boom
        turn fail no
        turn fail no
        turn fail no
        commits fail
        ",
        "
        turn on-start New
        turn on-request r
        commit 1 k=1
        turn on-completed z
        report on-completed dropped: the guest trapped: boom
        drop instance
        turn on-start Lost
        report on-start failed: no
        drop instance
        turn on-start FailedBefore
        report on-start failed: no
        drop instance
        turn on-start FailedBefore
        report on-start failed: no
        drop instance
        report commit failed
        drop instance
        < a refused 503 the room could not be written
        < b refused 503 the room could not be written
        < c refused 503 the room could not be written
        < r 503 the room could not be written
        ",
    );
}

#[test]
fn a_room_that_is_shut_down_tells_everyone_once_its_commits_are_durable() {
    check(
        "
        handlers connect request message
        > a connect
        turn
        > b connect
        turn pending e
        > c connect
        turn reject c 403 no; pending f
        GET / -> r
        turn put k 1; pending g
        GET / -> s
        > d connect
        > a send x
        shut down
        turn
        GET / -> t
        > a cut
        deadline
        committed
        shut down
        quiet
        ",
        "
        turn on-connect a
        accept a
        read a
        turn on-connect b
        turn on-connect c
        < c refused 403 no
        turn on-request r
        commit 1 k=1
        no turn
        refused t: the room is ending; try again
        deadline: none
        < s 503 going away
        < d refused 503 going away
        < r 503 going away
        < a close 1001 going away
        < b refused 503 going away
        quiet: no
        ",
    );
}

#[test]
fn a_commit_that_fails_while_a_room_shuts_down_changes_what_is_said_not_who_is_told() {
    check(
        "
        handlers connect request
        > a connect
        turn
        GET / -> r
        turn put k 1; respond r 200
        shut down
        commits fail
        ",
        "
        turn on-connect a
        accept a
        read a
        turn on-request r
        commit 1 k=1
        report commit failed
        drop instance
        < a close 1011 the room could not be written
        < r 503 the room could not be written
        ",
    );
}
