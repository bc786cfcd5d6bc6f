//! Ids are never used twice once a commit can remember them, and time never runs backwards.

use crate::notation::check;

#[test]
fn ids_that_a_commit_can_remember_are_not_given_out_again_after_a_restart() {
    check(
        "
        handlers message request
        connect a
        turn
        request r
        turn put k 1; sleep s 10; respond r 200
        committed
        connect b
        restart
        connect c
        turn
        message c x
        turn state a; state c; sleep t 10; cancel s; cancel t
        ",
        "
        accept a
        read a
        no turn
        > on-request r
        commit 1 k=1
        respond r 200
        accept c
        read c
        no turn
        > on-message c x
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
        request r
        turn incarnation
        request s
        turn incarnation; respond r 200
        turn trap boom
        request t
        turn incarnation
        turn incarnation; fail
        request u
        turn incarnation
        ",
        "
        > on-start New
        incarnation: 00000000000000000000000000000001
        > on-request r
        incarnation: 00000000000000000000000000000001
        respond r 200
        > on-request s
        report on-request dropped: the guest trapped: boom
        drop instance
        respond s 500 Uncaught exception when making a request
        > on-start Lost
        incarnation: 00000000000000000000000000000004
        > on-request t
        incarnation: 00000000000000000000000000000004
        report on-request failed:
        respond t 500 Uncaught exception when making a request
        > on-request u
        incarnation: 00000000000000000000000000000004
        respond u 500 Incorrect type for Promise: the Promise did not resolve to 'Response'.
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
        request r
        turn log one; log two; log three; log 4; log 5; log 6; respond r 200
        request s
        turn log again; trap boom
        ",
        "
        > on-request r
        logged one
        logged two
        logged 4
        left out 3 lines
        respond r 200
        > on-request s
        logged again
        report on-request dropped: the guest trapped: boom
        drop instance
        respond s 500 Uncaught exception when making a request
        ",
    );
}

#[test]
fn time_never_decreases_from_turn_to_turn() {
    check(
        "
        handlers request
        clock 1000
        request r
        turn now; respond r 200
        clock 400
        request s
        turn now; respond s 200
        clock 1001
        request t
        turn now; respond t 200
        ",
        "
        > on-request r
        now: 1000
        respond r 200
        > on-request s
        now: 1000
        respond s 200
        > on-request t
        now: 1001
        respond t 200
        ",
    );
}

#[test]
fn a_room_is_quiet_when_nothing_is_under_way() {
    check(
        "
        handlers request completed message
        quiet
        request r
        quiet
        turn put k 1; respond r 200
        quiet
        committed
        quiet
        request s
        turn pending e
        quiet
        request t
        turn settle e; hold; respond t 200
        quiet
        at 30000
        quiet
        at 90000
        quiet
        request u
        turn respond u 200; pending f
        quiet
        at 120000
        quiet
        connect a
        quiet
        ",
        "
        quiet: yes
        quiet: no
        > on-request r
        commit 1 k=1
        quiet: no
        respond r 200
        quiet: yes
        > on-request s
        quiet: no
        > on-request t
        respond t 200
        respond s 500 Incorrect type for Promise: the Promise did not resolve to 'Response'.
        quiet: no
        report events.hold overdue after 30000
        drop instance
        quiet: no
        quiet: yes
        > on-request u
        respond u 200
        quiet: no
        quiet: yes
        quiet: no
        ",
    );
}
