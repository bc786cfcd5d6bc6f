//! What is done outside for a room that sleeps, dies, is copied or goes on with another version meanwhile.

use crate::notation::check;

/// The store was told to wake it only when nobody would wait for an answer any more.
#[test]
fn a_durable_room_that_is_worked_for_wakes_at_once_in_the_next_process() {
    check(
        "
        memory durable
        handlers request completed
        time 500
        GET / -> r
        turn rooms o party; sleep s 90000; respond r 200
        committed
        wakes
        answer o a
        turn
        committed
        wakes
",
        "
        turn on-request r
        commit 1 forget, record
        begin o rooms party
        < r 200
        wakes: 500
        turn on-completed o: a
        commit 2 record
        wakes: 90500
        ",
    );
}

#[test]
fn an_answer_that_a_crash_has_lost_is_asked_for_again() {
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
        turn put k v
        crash
        rebuild
        committed
        answer o c
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
        commit 2 record
        again 1 on-request r
        begin o rooms party
        commit 2 record
        turn on-completed o: c
        commit 3 record
        ",
    );
}

#[test]
fn a_room_may_sleep_meanwhile_and_is_woken_by_the_answer() {
    check(
        "
        handlers request completed
        GET / -> r
        turn rooms o party; respond r 200
        hibernate m
        committed
        asleep
        answer o a
        wake
        turn
",
        "
        turn on-request r
        begin o rooms party
        < r 200
        commit 1 checkpoint
        drop instance
        asleep
        woken with m
        turn on-completed o: a
        ",
    );
}

#[test]
fn in_another_process_it_is_begun_again() {
    check(
        "
        handlers request completed
        GET / -> r
        turn rooms o party a after b; respond r 200
        hibernate m
        committed
        crash
        committed
        answer o a
        wake
        turn
",
        "
        turn on-request r
        begin o rooms party a after b
        < r 200
        commit 1 checkpoint
        drop instance
        begin o rooms party a after b
        commit 2
        woken with m
        turn on-completed o: a
        ",
    );
}

#[test]
fn a_durable_room_that_is_made_again_has_it_begun_again() {
    check(
        "
        memory durable
        handlers request completed
        GET / -> r
        turn rooms o party; respond r 200
        committed
        crash
        rebuild
        committed
        answer o a b
        turn
        committed
        crash
        rebuild
        committed
        turn operations
",
        "
        turn on-request r
        commit 1 forget, record
        begin o rooms party
        < r 200
        again 1 on-request r
        begin o rooms party
        commit 2 record
        turn on-completed o: a b
        commit 3 record
        again 1 on-request r
        again 2
        again 3 on-completed o: a b
        commit 4 record
        no turn
        ",
    );
}

#[test]
fn a_copy_hears_that_it_was_interrupted() {
    check(
        "
        handlers request completed resume
        GET / -> r
        turn rooms o party; respond r 200
        hibernate m
        committed
        fork
        committed
        wake
        turn
        turn
        answer o a
        turn
",
        "
        turn on-request r
        begin o rooms party
        < r 200
        commit 1 checkpoint
        drop instance
        commit 2
        woken with m
        turn on-resume Forked
        turn on-completed o interrupted
        no turn
        ",
    );
}

#[test]
fn another_version_ends_what_the_old_one_had_begun_and_begins_its_own() {
    check(
        "
        memory durable
        handlers request completed
        GET / -> r
        turn rooms o party; respond r 200
        committed
        switch rooms p party; cancel o | cancel o; rooms q party b
        answer o a
        committed
        answer q b
        turn
        committed
        turn
",
        "
        turn on-request r
        commit 1 forget, record
        begin o rooms party
        < r 200
        switch
        cancel o: true
        cancel o: false
        forget o
        commit 2 checkpoint
        begin q rooms party b
        turn on-completed q: b
        commit 3 record
        no turn
        ",
    );
}

#[test]
fn what_is_interrupted_is_forgotten_unless_its_answer_is_there() {
    check(
        "
        handlers request completed
        GET / -> r
        turn rooms o party; rooms p party; sleep s 1000; respond r 200
        answer o a
        interrupt
        answer p b
        turn
        turn
        turn
        turn
",
        "
        turn on-request r
        begin o rooms party
        begin p rooms party
        < r 200
        forget p
        turn on-completed o: a
        turn on-completed s interrupted
        turn on-completed p interrupted
        no turn
        ",
    );
}
