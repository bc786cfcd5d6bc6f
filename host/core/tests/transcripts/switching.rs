//! A room that goes on with another version: what both say in their turn stands, what the old one had begun ends.

use crate::notation::check;

#[test]
fn what_the_old_version_had_begun_ends_before_the_switch_and_what_both_say_leaves_with_it() {
    check(
        "
        memory durable
        handlers request connect message
        > a connect
        turn accept a
        GET / -> r
        turn pending e
        committed
        committed
        switch put k v; send a bye | get k; send a hi; put j w
        committed
",
        "
        turn on-connect a
        commit 1 forget, record
        turn on-request r
        commit 2 record
        accept a
        read a
        switch
        get k: v
        < r 500 Uncaught exception when making a request
        commit 3 j=w k=v checkpoint
        < a bye
        < a hi
        ",
    );
}

/// Its handshake was answered with 101 as well, and it was closed.
#[test]
fn a_client_that_is_turned_away_in_the_switch_hears_nothing_else() {
    check(
        "
        memory durable
        handlers connect close
        > a connect
        > b connect
        turn pending e
        turn pending f
        committed
        committed
        switch reject a 403 not by the old | reject b 403 not by the new
        committed
        open
        time 3500
",
        "
        turn on-connect a
        commit 1 forget, record
        turn on-connect b
        commit 2 record
        switch
        commit 3 checkpoint
        < a refused 403 not by the old
        < b refused 403 not by the new
        open: 0 connections, 0 requests
        ",
    );
}

/// It was answered with 500, and then again.
#[test]
fn a_request_that_is_answered_in_the_switch_has_that_answer() {
    check(
        "
        memory durable
        handlers request
        GET / -> r
        GET / -> q
        turn pending e
        turn pending f
        committed
        committed
        switch respond r 200 by the old | respond q 200 by the new
        committed
        open
",
        "
        turn on-request r
        commit 1 forget, record
        turn on-request q
        commit 2 record
        switch
        commit 3 checkpoint
        < r 200 by the old
        < q 200 by the new
        open: 0 connections, 0 requests
        ",
    );
}
