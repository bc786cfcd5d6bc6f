//! Durable rooms: what each commit does to what is kept of the memory, and what is made again of that.

use crate::notation::check;

#[test]
fn a_life_begins_with_a_new_journal_and_every_turn_goes_to_its_end() {
    check(
        "
        memory durable
        handlers start request
        GET / -> r
        turn
        turn put k v; respond r 200
        GET / -> q
        turn get k; respond q 200
        committed
        committed
        committed
        ",
        "
        turn on-start New
        commit 1 forget, record
        turn on-request r
        commit 2 record
        turn on-request q
          get k: v
        commit 3 record
        < r 200
        < q 200
        ",
    );
}

#[test]
fn a_checkpoint_brings_the_tables_up_to_date_also_while_events_wait_and_commits_are_under_way() {
    check(
        "
        memory durable
        handlers request
        GET / -> r
        turn put k v; put j w; respond r 200
        GET / -> q
        keep memory
        turn delete k; get j; respond q 200
        committed
        committed
        keep memory
        ",
        "
        turn on-request r
        commit 1 forget, record
        commit 2 j=w k=v checkpoint
        turn on-request q
          delete k: true
          get j: w
        commit 3 record
        < r 200
        commit 4 -k checkpoint
        ",
    );
}

#[test]
fn after_a_crash_no_acknowledged_turn_is_lost_and_the_room_hears_who_has_gone() {
    check(
        "
        memory durable
        handlers start connect close message request completed response-closed
        > a connect
        turn
        turn accept a
        committed
        committed
        GET / -> r
        turn sleep s 1000; put k v; pending e
        committed
        > a send lost with the host
        turn put k x; send a unseen
        crash
        rebuild
        turn
        turn operations; get k
        time 1000
        turn
        ",
        "
        turn on-start New
        commit 1 forget, record
        turn on-connect a
        commit 2 record
        accept a
        read a
        turn on-request r
        commit 3 record
        turn on-message a lost with the host
        commit 4 record
        again 1 on-start New
        again 2 on-connect a
        again 3 on-request r
        commit 4 record
        turn on-close a 1006 not clean
        commit 5 record
        turn on-response-closed r
          operations: 1
          get k: v
        commit 6 record
        turn on-completed s
        commit 7 record
        ",
    );
}

#[test]
fn a_dropped_turn_takes_the_room_back_to_the_moment_before_it() {
    check(
        "
        memory durable
        handlers connect message request
        > a connect
        turn accept a
        GET / -> r
        turn put k v; respond r 200
        GET / -> q
        turn put k x; trap oops
        GET / -> p
        turn                         # not before all that it had done can be read
        committed
        committed
        rebuild
        turn get k; respond p 200
        ",
        "
        turn on-connect a
        commit 1 forget, record
        turn on-request r
        commit 2 record
        turn on-request q
        report on-request dropped: the guest trapped: oops
        drop instance
        no turn
        accept a
        read a
        < r 200
        < q 500 Uncaught exception when making a request
        again 1 on-connect a
        again 2 on-request r
        turn on-request p
          get k: v
        commit 3 record
        ",
    );
}

#[test]
fn a_dropped_completion_is_tried_once_more_and_then_told_to_be_dropped() {
    check(
        "
        memory durable
        handlers request completed
        GET / -> r
        turn sleep s 10; respond r 200
        committed
        time 10
        turn trap oops
        rebuild
        turn trap oops
        rebuild
        turn operations
        ",
        "
        turn on-request r
        commit 1 forget, record
        < r 200
        turn on-completed s
        report on-completed dropped: the guest trapped: oops
        drop instance
        again 1 on-request r
        turn on-completed s
        report on-completed dropped: the guest trapped: oops
        drop instance
        again 1 on-request r
        turn on-completed s dropped
          operations: 0
        commit 2 record
        ",
    );
}

#[test]
fn a_room_with_a_full_journal_takes_no_turn_before_it_is_saved() {
    check(
        "
        memory durable
        handlers request
        limit journal_records_max 1
        GET / -> r
        turn respond r 200
        GET / -> q
        turn respond q 200
        GET / -> p
        turn
        keep memory
        turn respond p 200
        ",
        "
        turn on-request r
        commit 1 forget, record
        turn on-request q
        commit 2 record
        no turn
        commit 3 checkpoint
        turn on-request p
        commit 4 record
        ",
    );
}

#[test]
fn a_suspended_room_stands_in_the_store_only() {
    check(
        "
        memory durable
        handlers connect message close request
        limit drops_per_minute_max 1
        > a connect
        turn accept a
        committed
        > a send one
        turn trap oops
        rebuild
        > a send two
        turn trap oops
        GET / -> r
        deadline
        asleep
        time 60000
        deadline
        asleep
        crash
        rebuild
        turn
        ",
        "
        turn on-connect a
        commit 1 forget, record
        accept a
        read a
        turn on-message a one
        report on-message dropped: the guest trapped: oops
        drop instance
        again 1 on-connect a
        turn on-message a two
        report on-message dropped: the guest trapped: oops
        drop instance
        report suspended after 2 drops until 60000
        < a close 1013 the room is suspended after 2 dropped turns within a minute
        refused r: the room is suspended for 60000 ms more because it failed too often
        deadline: 60000
        asleep
        deadline: none
        asleep, may be forgotten
        again 1 on-connect a
        commit 2 record
        turn on-close a 1006 not clean
        commit 3 record
        ",
    );
}
