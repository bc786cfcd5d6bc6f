//! Ids are never used twice once a commit can remember them, and time never runs backwards.

use crate::notation::check;

#[test]
fn ids_that_a_commit_can_remember_are_not_given_out_again_after_a_restart() {
    check(
        "
        handlers message request
        > a connect
        turn
        GET / -> r
        turn put k 1; sleep s 10; respond r 200
        committed
        > b connect
        crash
        > c connect
        turn
        > c send x
        turn state a; state c; sleep t 10; cancel s; cancel t
        ",
        "
        accept a
        read a
        no turn
        turn on-request r
        commit 1 k=1
        < r 200
        accept c
        read c
        no turn
        turn on-message c x
        state a: none
        state c: Open
        cancel s: false
        cancel t: true
        ",
    );
}

#[test]
fn every_life_has_an_incarnation_of_its_own() {
    check(
        "
        GET / -> r
        turn incarnation
        GET / -> s
        turn incarnation; respond r 200
        turn trap boom
        GET / -> t
        turn incarnation
        turn incarnation; fail
        GET / -> u
        turn incarnation
        ",
        "
        turn on-start New
        incarnation: 00000000000000000000000000000001
        turn on-request r
        incarnation: 00000000000000000000000000000001
        < r 200
        turn on-request s
        report on-request dropped: the guest trapped: boom
        drop instance
        < s 500 Uncaught exception when making a request
        turn on-start Lost
        incarnation: 00000000000000000000000000000004
        turn on-request t
        incarnation: 00000000000000000000000000000004
        report on-request failed:
        < t 500 Uncaught exception when making a request
        turn on-request u
        incarnation: 00000000000000000000000000000004
        < u 500 Incorrect type for Promise: the Promise did not resolve to 'Response'.
        ",
    );
}

#[test]
fn what_one_turn_logs_is_bounded_in_lines_and_bytes() {
    check(
        "
        handlers request
        limit turn_log_lines_max 3
        limit turn_log_bytes_max 8
        GET / -> r
        turn log one; log two; log three; log 4; log 5; log 6; respond r 200
        GET / -> s
        turn log again; trap boom
        ",
        "
        turn on-request r
        logged one
        logged two
        logged 4
        left out 3 lines
        < r 200
        turn on-request s
        logged again
        report on-request dropped: the guest trapped: boom
        drop instance
        < s 500 Uncaught exception when making a request
        ",
    );
}

#[test]
fn time_never_decreases_from_turn_to_turn() {
    check(
        "
        handlers request
        clock 1000
        GET / -> r
        turn now; respond r 200
        clock 400
        GET / -> s
        turn now; respond s 200
        clock 1001
        GET / -> t
        turn now; respond t 200
        ",
        "
        turn on-request r
        now: 1000
        < r 200
        turn on-request s
        now: 1000
        < s 200
        turn on-request t
        now: 1001
        < t 200
        ",
    );
}

#[test]
fn a_room_is_quiet_when_nothing_is_under_way() {
    check(
        "
        handlers request completed message
        quiet
        GET / -> r
        quiet
        turn put k 1; respond r 200
        quiet
        committed
        quiet
        GET / -> s
        turn pending e
        quiet
        GET / -> t
        turn settle e; hold; respond t 200
        quiet
        time 30000
        quiet
        time 90000
        quiet
        GET / -> u
        turn respond u 200; pending f
        quiet
        time 120000
        quiet
        > a connect
        quiet
        ",
        "
        quiet: yes
        quiet: no
        turn on-request r
        commit 1 k=1
        quiet: no
        < r 200
        quiet: yes
        turn on-request s
        quiet: no
        turn on-request t
        < t 200
        < s 500 Incorrect type for Promise: the Promise did not resolve to 'Response'.
        quiet: no
        report events.hold overdue after 30000
        drop instance
        quiet: no
        quiet: yes
        turn on-request u
        < u 200
        quiet: no
        quiet: yes
        quiet: no
        ",
    );
}
