//! Fetches: sent when their turn is durable, and again only if the guest has said so.

use crate::notation::check;

#[test]
fn a_fetch_is_sent_when_its_turn_is_durable_and_heard_once() {
    check(
        "
        handlers request completed
        GET / -> r
        turn fetch o https://a.test/x 5000 hello; put k v; respond r 200; operations
        committed
        answer o 404 nothing is there
        answer o 200 too late
        turn operations
        turn
        ",
        "
        turn on-request r
          operations: 1
        commit 1 k=v
        begin o fetch POST https://a.test/x hello
        < r 200
        turn on-completed o: 404 nothing is there
          operations: 0
        no turn
        ",
    );
}

#[test]
fn a_fetch_of_a_turn_whose_commit_fails_is_never_sent() {
    check(
        "
        handlers request completed
        GET / -> r
        turn fetch o https://a.test/ 5000; put k v; respond r 200
        commits fail
        ",
        "
        turn on-request r
        commit 1 k=v
        report commit failed
        drop instance
        < r 503 the room could not be written
        ",
    );
}

#[test]
fn who_waits_too_long_hears_that_and_the_fetch_is_given_up() {
    check(
        "
        handlers request completed
        GET / -> r
        turn fetch o https://a.test/ 5000; fetch p https://b.test/ 0; respond r 200
        deadline
        time 5000
        turn
        deadline
        answer o 200 late
        turn
        ",
        "
        turn on-request r
        begin o fetch POST https://a.test/
        begin p fetch POST https://b.test/
        < r 200
        deadline: 5000
        forget o
        turn on-completed o failed: Timeout
        deadline: 300000
        no turn
        ",
    );
}

#[test]
fn what_is_cancelled_is_given_up() {
    check(
        "
        handlers request completed
        GET / -> r
        turn fetch o https://a.test/ 0; respond r 200
        GET / -> s
        turn cancel o; respond s 200
        answer o 200 late
        turn
        ",
        "
        turn on-request r
        begin o fetch POST https://a.test/
        < r 200
        turn on-request s
          cancel o: true
        < s 200
        forget o
        no turn
        ",
    );
}

/// Whether it was heard is not known, unless the guest says that it does not matter.
#[test]
fn a_room_that_slept_and_goes_on_in_another_process_sends_again_only_what_may_be() {
    check(
        "
        handlers request completed
        GET / -> r
        turn fetch o https://a.test/ 0 hello; fetch p https://b.test/ resend hello; respond r 200
        hibernate m
        committed
        crash
        wake
        turn operations
        answer o 200 of a process before
        answer p 200 done
        turn operations
        turn
        ",
        "
        turn on-request r
        begin o fetch POST https://a.test/ hello
        begin p fetch resend POST https://b.test/ hello
        < r 200
        commit 1 checkpoint
        drop instance
        begin again p fetch resend POST https://b.test/ hello
        commit 2
        woken with m
        turn on-completed o interrupted
          operations: 1
        turn on-completed p: 200 done
          operations: 0
        no turn
        ",
    );
}

#[test]
fn a_durable_room_that_dies_sends_again_only_what_may_be() {
    check(
        "
        memory durable
        handlers request completed
        GET / -> r
        turn fetch o https://a.test/ 0; fetch p https://b.test/ resend; respond r 200
        committed
        crash
        rebuild
        committed
        turn operations
        committed
        answer p 200 done
        turn operations
        ",
        "
        turn on-request r
        commit 1 forget, record
        begin o fetch POST https://a.test/
        begin p fetch resend POST https://b.test/
        < r 200
        again 1 on-request r
        begin again p fetch resend POST https://b.test/
        commit 2 record
        turn on-completed o interrupted
          operations: 1
        commit 3 record
        turn on-completed p: 200 done
          operations: 0
        commit 4 record
        ",
    );
}

#[test]
fn what_nothing_can_be_fetched_from_is_refused() {
    check(
        "
        handlers request
        GET / -> r
        turn fetch o a.test 0; fetch p https://a.test/ 300001; operations; respond r 200
        ",
        "
        turn on-request r
          fetch o a.test 0: error: \"a.test\" is no full URL: it begins with https:// or http://
          fetch p https://a.test/ 300001: error: the timeout is 300001 ms; the limit is 300000
          operations: 0
        < r 200
        ",
    );
}
