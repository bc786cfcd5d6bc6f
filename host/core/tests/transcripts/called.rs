//! Called by durable rooms: however often a call is asked, it is heard once.

use crate::notation::check;

#[test]
fn what_was_answered_is_answered_again_and_heard_once() {
    check(
        "
        memory durable
        handlers request
        called a GET / hello -> r
        turn put k v; respond r 200 done
        committed
        called a GET / hello -> s
        turn
        called b GET / hello -> t
        turn respond t 200 other
        ",
        "
        turn on-request r hello
        commit 1 forget, record
        < r 200 done
        < s 200 done
        no turn
        turn on-request t hello
        commit 2 record
        ",
    );
}

#[test]
fn whoever_asks_once_more_while_it_is_open_has_the_same_answer() {
    check(
        "
        handlers request message
        > c connect
        turn
        called a GET / -> r
        called a GET / -> s
        turn pending e
        turn
        called a GET / -> t
        turn
        > c send go
        turn respond r 200 done; settle e ok
        ",
        "
        accept c
        read c
        no turn
        turn on-request r
        no turn
        no turn
        turn on-message c go
        < r 200 done
        < s 200 done
        < t 200 done
        ",
    );
}

/// The host dies between the answer and whoever waits for it.
#[test]
fn an_answer_outlives_the_host() {
    check(
        "
        memory durable
        handlers request
        called a GET / hello -> r
        turn respond r 200 done
        committed
        crash
        called a GET / hello -> s
        rebuild
        committed
        turn
        ",
        "
        turn on-request r hello
        commit 1 forget, record
        < r 200 done
        again 1 on-request r hello
        commit 2 record
        < s 200 done
        no turn
        ",
    );
}

/// The same through a checkpoint.
#[test]
fn an_answer_is_kept_with_the_memory() {
    check(
        "
        memory durable
        handlers request
        called a GET / hello -> r
        turn respond r 200 done
        committed
        hibernate m
        committed
        crash
        called a GET / hello -> s
        wake
        turn
        committed
        ",
        "
        turn on-request r hello
        commit 1 forget, record
        < r 200 done
        commit 2 checkpoint
        drop instance
        commit 3 record
        woken with m
        no turn
        < s 200 done
        ",
    );
}

/// A client would be gone; whoever calls asks once more, and the handler that was at work answers that.
#[test]
fn a_call_that_was_heard_when_the_host_died_is_answered_when_it_is_asked_once_more() {
    check(
        "
        memory durable
        handlers request completed response-closed
        GET / -> c
        turn pending f
        called a GET / -> r
        turn sleep o 1000; pending e
        committed
        committed
        crash
        rebuild
        committed
        turn
        called a GET / -> s
        turn
        time 1000
        turn respond r 200 done; settle e ok
        committed
        committed
        ",
        "
        turn on-request c
        commit 1 forget, record
        turn on-request r
        commit 2 record
        again 1 on-request c
        again 2 on-request r
        commit 3 record
        turn on-response-closed c
        commit 4 record
        no turn
        turn on-completed o
        commit 5 record
        < r 200 done
        < s 200 done
        ",
    );
}

/// What was not durable was never heard.
#[test]
fn a_call_whose_turn_was_not_durable_is_heard_when_it_is_asked_once_more() {
    check(
        "
        memory durable
        handlers request
        called a GET / hello -> r
        turn respond r 200 done
        crash
        called a GET / hello -> s
        turn respond s 200 again
        committed
        ",
        "
        turn on-request r hello
        commit 1 forget, record
        turn on-request s hello
        commit 1 forget, record
        < s 200 again
        ",
    );
}

/// The room does not know what it had heard, since nobody wrote it down.
#[test]
fn a_room_that_is_not_durable_does_not_hear_a_call_of_before_again() {
    check(
        "
        handlers request
        called a GET / hello -> r
        turn put k v; respond r 200 done
        committed
        crash
        clock 10
        called a GET / hello -> s
        turn
        called b GET / hello -> t
        turn respond t 200 done
        ",
        "
        turn on-request r hello
        commit 1 k=v
        < r 200 done
        interrupted s
        no turn
        turn on-request t hello
        < t 200 done
        ",
    );
}

#[test]
fn a_call_is_forgotten_when_its_caller_has_the_answer_or_its_time_has_passed() {
    check(
        "
        handlers request
        called a GET / -> r
        turn respond r 200 done
        clock 35000
        called a GET / -> s
        turn
        called b GET / -> t
        turn respond t 200 done
        called b gone
        called b GET / -> u
        turn
        ",
        "
        turn on-request r
        < r 200 done
        < s 504 The call came too late
        no turn
        turn on-request t
        < t 200 done
        turn on-request u
        < u 500 Incorrect type for Promise: the Promise did not resolve to 'Response'.
        ",
    );
}

#[test]
fn a_caller_that_waits_no_more_is_a_client_that_is_gone() {
    check(
        "
        handlers request response-closed
        called a GET / -> r
        turn pending e
        called a GET / -> s
        called a gone
        turn
        turn
        ",
        "
        turn on-request r
        interrupted s
        turn on-response-closed r
        no turn
        ",
    );
}

#[test]
fn a_dropped_turn_answers_a_call_and_leaves_it_unheard() {
    check(
        "
        memory durable
        handlers request
        called a GET / -> r
        turn respond r 200
        committed
        called b GET / -> s
        turn put k v; trap
        rebuild
        called b GET / -> t
        turn
        ",
        "
        turn on-request r
        commit 1 forget, record
        < r 200
        turn on-request s
        report on-request dropped: the guest trapped: 
        < s 500 Uncaught exception when making a request
        drop instance
        again 1 on-request r
        < t 500 Uncaught exception when making a request
        no turn
        ",
    );
}

/// They ask the room as it will be in the next host.
#[test]
fn a_host_that_ends_answers_clients_and_no_calls() {
    check(
        "
        memory durable
        handlers request
        called a GET / -> r
        turn pending e
        committed
        GET / -> c
        called b GET / -> s
        shut down
        ",
        "
        turn on-request r
        commit 1 forget, record
        < c 503 going away
        ",
    );
}
