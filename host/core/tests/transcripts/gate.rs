//! The output gate: outputs wait for every commit before them, and leave in the order of turns.

use crate::notation::check;

#[test]
fn outputs_wait_for_their_own_commit_and_for_earlier_ones() {
    check(
        "
        handlers message request
        > a connect
        turn
        > a send one
        > a send two
        GET / -> r
        turn put k 1; send a 1
        turn send a 2
        turn put k 2; send a 3; respond r 200
        committed
        committed
        > a send four
        turn send a 4
        ",
        "
        accept a
        read a
        no turn
        turn on-message a one
        commit 1 k=1
        turn on-message a two
        turn on-request r
        commit 2 k=2
        < a 1
        < a 2
        < a 3
        < r 200
        turn on-message a four
        < a 4
        ",
    );
}

#[test]
fn what_the_host_says_waits_as_well() {
    check(
        "
        handlers message request
        > a connect
        turn
        > a send one
        GET / -> r
        turn put k 1
        turn pending e
        time 30000
        > b connect
        turn
        committed
        ",
        "
        accept a
        read a
        no turn
        turn on-message a one
        commit 1 k=1
        turn on-request r
        report on-request overdue after 30000
        no turn
        < r 504 The room did not answer within 30000 ms
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
        GET / -> r
        GET / -> s
        GET / -> t
        turn put k 1; respond r 200
        turn put k 2; respond s 200
        turn
        committed
        turn get k; respond t 200
        ",
        "
        turn on-request r
        commit 1 k=1
        turn on-request s
        commit 2 k=2
        no turn
        < r 200
        turn on-request t
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
        GET / -> r
        GET / -> s
        GET / -> t
        turn put k 1; respond r 200
        turn respond s 200
        turn
        committed
        turn respond t 200
        ",
        "
        turn on-request r
        commit 1 k=1
        turn on-request s
        no turn
        < r 200
        < s 200
        turn on-request t
        < t 200
        ",
    );
}

#[test]
fn the_room_takes_no_further_event_when_too_many_bytes_wait() {
    check(
        "
        handlers request
        limit uncommitted_bytes_max 8
        GET / -> r
        GET / -> s
        GET / -> t
        turn put k 1; respond r 200 four
        turn respond s 200 ok
        turn
        committed
        turn respond t 200
        ",
        "
        turn on-request r
        commit 1 k=1
        turn on-request s
        no turn
        < r 200 four
        < s 200 ok
        turn on-request t
        < t 200
        ",
    );
}

#[test]
fn deadlines_pass_while_the_room_waits_for_a_commit() {
    check(
        "
        handlers request completed
        limit uncommitted_turns_max 1
        GET / -> r
        turn put k 1; sleep s 100; pending e
        time 100
        turn
        time 30000
        committed
        turn
        ",
        "
        turn on-request r
        commit 1 k=1
        no turn
        report on-request overdue after 30000
        < r 504 The room did not answer within 30000 ms
        turn on-completed s
        ",
    );
}
