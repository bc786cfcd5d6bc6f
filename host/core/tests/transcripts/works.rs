//! What is done for a room outside of it: begun, answered, overdue, forgotten.

use crate::notation::check;

#[test]
fn what_a_turn_asks_for_is_begun_when_that_turn_is_durable_and_answered_once() {
    check(
        "
        handlers request completed
        GET / -> r
        turn rooms o party a; put k v; respond r 200; operations
        committed
        answer o a1 a2
        answer o a3
        turn operations
        turn
        answer o a4
        turn
",
        "
        turn on-request r
        operations: 1
        commit 1 k=v
        begin o rooms party a
        < r 200
        turn on-completed o: a1 a2
        operations: 0
        no turn
        no turn
        ",
    );
}

#[test]
fn what_is_cancelled_is_forgotten_and_its_answer_heard_by_nobody() {
    check(
        "
        handlers request completed
        GET / -> r
        turn rooms o party; rooms p party; cancel p; respond r 200
        GET / -> s
        turn cancel o; respond s 200; operations
        answer o a
        turn
",
        "
        turn on-request r
          cancel p: true
        begin o rooms party
        < r 200
        turn on-request s
          cancel o: true
          operations: 0
        < s 200
        forget o
        no turn
        ",
    );
}

#[test]
fn who_is_not_answered_in_time_hears_that() {
    check(
        "
        handlers request completed
        GET / -> r
        turn rooms o party; respond r 200
        deadline
        time 30000
        answer o a
        turn
        turn
",
        "
        turn on-request r
        begin o rooms party
        < r 200
        deadline: 30000
        forget o
        turn on-completed o failed: Timeout
        no turn
        ",
    );
}

#[test]
fn an_answer_that_comes_while_a_turn_is_out_waits_for_its_own() {
    check(
        "
        handlers request completed
        GET / -> r
        turn rooms o party; respond r 200
        GET / -> s
        turn meanwhile answer o a; respond s 200; operations
        turn
",
        "
        turn on-request r
        begin o rooms party
        < r 200
        turn on-request s
          operations: 1
        < s 200
        turn on-completed o: a
        ",
    );
}

/// It was on the clock still: the room heard nothing of the answer, or of both.
#[test]
fn what_was_answered_while_a_turn_was_out_is_not_overdue_any_more() {
    check(
        "
        handlers request completed
        GET / -> r
        turn rooms o party; respond r 200
        GET / -> s
        turn meanwhile answer o a; respond s 200
        deadline
        time 30000
        turn
        turn
",
        "
        turn on-request r
        begin o rooms party
        < r 200
        turn on-request s
        < s 200
        deadline: none
        turn on-completed o: a
        no turn
        ",
    );
}

/// The second answer, or the deadline, was heard instead of the first.
#[test]
fn of_several_answers_while_a_turn_is_out_the_first_is_heard_and_tried_again() {
    check(
        "
        memory durable
        handlers request completed
        GET / -> r
        turn rooms o party; respond r 200
        committed
        GET / -> s
        turn meanwhile answer o a; meanwhile answer o b; respond s 200
        committed
        time 30000
        turn trap
        rebuild
        turn
        committed
        turn
",
        "
        turn on-request r
        commit 1 forget, record
        begin o rooms party
        < r 200
        turn on-request s
        commit 2 record
        < s 200
        turn on-completed o: a
        report on-completed dropped: the guest trapped:
        drop instance
        again 1 on-request r
        again 2 on-request s
        turn on-completed o: a
        commit 3 record
        no turn
        ",
    );
}

#[test]
fn an_answer_to_what_its_turn_cancels_is_heard_by_nobody_and_nobody_is_told_to_forget_it() {
    check(
        "
        handlers request completed
        GET / -> r
        turn rooms o party; rooms p party; respond r 200
        GET / -> s
        turn meanwhile answer o a; cancel o; cancel p; respond s 200
        turn
",
        "
        turn on-request r
        begin o rooms party
        begin p rooms party
        < r 200
        turn on-request s
          cancel o: true
          cancel p: true
        < s 200
        forget p
        no turn
        ",
    );
}

#[test]
fn an_answer_to_a_life_that_its_turn_ends_is_heard_by_nobody() {
    check(
        "
        handlers request completed
        GET / -> r
        turn rooms o party; rooms p party; respond r 200
        GET / -> s
        turn meanwhile answer o a; trap
        turn
        quiet
        time 60000
        quiet
",
        "
        turn on-request r
        begin o rooms party
        begin p rooms party
        < r 200
        turn on-request s
        report on-request dropped: the guest trapped:
        drop instance
        forget p
        < s 500 Uncaught exception when making a request
        no turn
        quiet: no
        quiet: yes
        ",
    );
}

#[test]
fn an_answer_whose_turns_are_dropped_is_tried_once_more_and_then_ends_as_dropped() {
    check(
        "
        memory durable
        handlers request completed
        GET / -> r
        turn rooms o party; respond r 200
        committed
        answer o a
        turn trap
        rebuild
        answer o b
        turn trap
        rebuild
        turn
        committed
        turn
",
        "
        turn on-request r
        commit 1 forget, record
        begin o rooms party
        < r 200
        turn on-completed o: a
        report on-completed dropped: the guest trapped:
        drop instance
        again 1 on-request r
        turn on-completed o: a
        report on-completed dropped: the guest trapped:
        drop instance
        again 1 on-request r
        turn on-completed o dropped
        commit 2 record
        no turn
        ",
    );
}

#[test]
fn a_fresh_start_forgets_it() {
    check(
        "
        handlers request completed start
        GET / -> r
        turn
        turn rooms o party; respond r 200
        GET / -> s
        turn trap
        answer o a
        turn
        turn
",
        "
        turn on-start New
        turn on-request r
        begin o rooms party
        < r 200
        turn on-request s
        report on-request dropped: the guest trapped: 
        drop instance
        forget o
        < s 500 Uncaught exception when making a request
        no turn
        no turn
        ",
    );
}

#[test]
fn an_asset_is_read_when_its_turn_is_durable_and_may_not_be_there() {
    check(
        "
        handlers request completed
        GET / -> r
        turn asset o /a.txt; asset p /b.txt; put k v; respond r 200; operations
        committed
        answer o asset 200 hello
        turn operations
        answer p asset none
        turn operations
        answer p asset 200 late
        turn
",
        "
        turn on-request r
        operations: 2
        commit 1 k=v
        begin o asset /a.txt
        begin p asset /b.txt
        < r 200
        turn on-completed o: asset 200 hello
        operations: 1
        turn on-completed p: no asset
        operations: 0
        no turn
        ",
    );
}

#[test]
fn what_is_no_path_of_an_asset_is_not_begun() {
    check(
        "
        handlers request completed
        GET / -> r
        turn asset o a.txt; asset p /a?b; asset q; respond r 200; operations
",
        "
        turn on-request r
        asset o a.txt: error: \"a.txt\" is no path of an asset: it begins with / and has no query
        asset p /a?b: error: \"/a?b\" is no path of an asset: it begins with / and has no query
        asset q: error: \"\" is no path of an asset: it begins with / and has no query
        operations: 0
        < r 200
        ",
    );
}

/// What it reads changes nothing: it may be read once more, however often nobody knows what became of it.
#[test]
fn a_room_that_sleeps_while_an_asset_is_read_wakes_for_it_and_reads_it_again_in_another_process() {
    check(
        "
        handlers request completed
        GET / -> r
        turn asset o /a.txt; asset p /b.txt; respond r 200
        hibernate m
        committed
        answer o asset 200 hello
        wake
        turn operations
        hibernate n
        committed
        crash
        wake
        answer p asset 200 there
        turn operations
        turn
",
        "
        turn on-request r
        begin o asset /a.txt
        begin p asset /b.txt
        < r 200
        commit 1 checkpoint
        drop instance
        woken with m
        turn on-completed o: asset 200 hello
        operations: 1
        commit 2 checkpoint
        drop instance
        begin p asset /b.txt
        commit 3
        woken with n
        turn on-completed p: asset 200 there
        operations: 0
        no turn
        ",
    );
}

#[test]
fn a_durable_room_whose_host_dies_reads_again_and_one_that_has_heard_does_not() {
    check(
        "
        memory durable
        handlers request completed
        GET / -> r
        turn asset o /a.txt; asset p /b.txt; respond r 200
        committed
        answer o asset 200 hello
        turn
        committed
        answer p asset none
        crash
        rebuild
        committed
        answer p asset 200 there
        turn operations
        committed
        turn
",
        "
        turn on-request r
        commit 1 forget, record
        begin o asset /a.txt
        begin p asset /b.txt
        < r 200
        turn on-completed o: asset 200 hello
        commit 2 record
        again 1 on-request r
        again 2 on-completed o: asset 200 hello
        begin p asset /b.txt
        commit 3 record
        turn on-completed p: asset 200 there
        operations: 0
        commit 4 record
        no turn
        ",
    );
}
