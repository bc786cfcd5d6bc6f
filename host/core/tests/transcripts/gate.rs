//! The output gate: outputs wait for every commit before them, and leave in the order of turns.

use crate::notation::check;

#[test]
fn outputs_wait_for_their_own_commit_and_for_earlier_ones() {
    check(
        "
        handlers message request
        connect a
        turn
        message a one
        message a two
        request r
        turn put k 1; send a 1
        turn send a 2
        turn put k 2; send a 3; respond r 200
        committed
        committed
        message a four
        turn send a 4
        ",
        "
        accept a
        read a
        no turn
        > on-message a one
        commit 1 k=1
        > on-message a two
        > on-request r
        commit 2 k=2
        send a 1
        send a 2
        send a 3
        respond r 200
        > on-message a four
        send a 4
        ",
    );
}

#[test]
fn what_the_host_says_waits_as_well() {
    check(
        "
        handlers message request
        connect a
        turn
        message a one
        request r
        turn put k 1
        turn pending e
        at 30000
        connect b
        turn
        committed
        ",
        "
        accept a
        read a
        no turn
        > on-message a one
        commit 1 k=1
        > on-request r
        report on-request overdue after 30000
        no turn
        respond r 504 The room did not answer within 30000 ms
        accept b
        read b
        ",
    );
}

#[test]
fn the_room_takes_no_further_event_when_too_many_commits_are_under_way() {
    check(
        "
        handlers request
        limit uncommitted_turns_max 2
        request r
        request s
        request t
        turn put k 1; respond r 200
        turn put k 2; respond s 200
        turn
        committed
        turn get k; respond t 200
        ",
        "
        > on-request r
        commit 1 k=1
        > on-request s
        commit 2 k=2
        no turn
        respond r 200
        > on-request t
        get k: 2
        ",
    );
}

#[test]
fn turns_that_only_wait_for_an_earlier_commit_count_too() {
    check(
        "
        handlers request
        limit uncommitted_turns_max 2
        request r
        request s
        request t
        turn put k 1; respond r 200
        turn respond s 200
        turn
        committed
        turn respond t 200
        ",
        "
        > on-request r
        commit 1 k=1
        > on-request s
        no turn
        respond r 200
        respond s 200
        > on-request t
        respond t 200
        ",
    );
}

#[test]
fn the_room_takes_no_further_event_when_too_many_bytes_wait() {
    check(
        "
        handlers request
        limit uncommitted_bytes_max 8
        request r
        request s
        request t
        turn put k 1; respond r 200 four
        turn respond s 200 ok
        turn
        committed
        turn respond t 200
        ",
        "
        > on-request r
        commit 1 k=1
        > on-request s
        no turn
        respond r 200 four
        respond s 200 ok
        > on-request t
        respond t 200
        ",
    );
}

#[test]
fn deadlines_pass_while_the_room_waits_for_a_commit() {
    check(
        "
        handlers request completed
        limit uncommitted_turns_max 1
        request r
        turn put k 1; sleep s 100; pending e
        at 100
        turn
        at 30000
        committed
        turn
        ",
        "
        > on-request r
        commit 1 k=1
        no turn
        report on-request overdue after 30000
        respond r 504 The room did not answer within 30000 ms
        > on-completed s
        ",
    );
}
