//! A dropped turn leaves no trace, and the room goes on without its memory.

use crate::notation::check;

#[test]
fn a_dropped_turn_leaves_no_trace() {
    check(
        "
        handlers start message request completed connect
        > a connect
        turn
        turn accept a red; attach a kept
        > a send one
        > a send two
        turn put k v; alarm 5000; send a x; broadcast y; attach a lost; sleep s 10; hold; close a; trap boom
        turn
        turn get k; page; alarm; operations; attachment a; state a; list red; bytes
        deadline
        ",
        "
        turn on-start New
        turn on-connect a
        accept a
        read a
        turn on-message a one
        broadcast y: 1
        report on-message dropped: the guest trapped: boom
        drop instance
        turn on-start Lost
        turn on-message a two
        get k: none
        page: nothing
        alarm: none
        operations: 0
        attachment a: kept
        state a: Open red
        list red: a
        bytes: 0
        deadline: 60000
        ",
    );
}

#[test]
fn a_dropped_turn_gives_back_what_it_cancelled_to_nobody_and_answers_what_it_answered() {
    check(
        "
        handlers request completed
        GET / -> r
        GET / -> s
        GET / -> t
        turn sleep z 10; pending e
        turn pending f
        turn respond r 200; settle f; cancel z; trap boom
        time 10
        turn
        quiet
        ",
        "
        turn on-request r
        turn on-request s
        turn on-request t
        cancel z: true
        report on-request dropped: the guest trapped: boom
        drop instance
        < r 500 Uncaught exception when making a request
        < s 500 Uncaught exception when making a request
        < t 500 Uncaught exception when making a request
        no turn
        quiet: no
        ",
    );
}

#[test]
fn earlier_turns_stand_though_their_commits_are_still_under_way() {
    check(
        "
        handlers request
        GET / -> r
        GET / -> s
        GET / -> t
        turn put k 1; respond r 200
        turn put k 2; respond s 200; trap boom
        turn get k; respond t 200
        committed
        ",
        "
        turn on-request r
        commit 1 k=1
        turn on-request s
        report on-request dropped: the guest trapped: boom
        drop instance
        turn on-request t
        get k: 1
        < r 200
        < s 500 Uncaught exception when making a request
        < t 200
        ",
    );
}

#[test]
fn a_client_whose_on_connect_is_dropped_is_closed_and_so_are_others_that_connect() {
    check(
        "
        handlers connect close
        > a connect
        > b connect
        > c connect
        > d connect
        turn accept a; pending e
        turn reject b 403; pending f
        turn close c 4000; pending g
        turn accept d; send d x; trap boom
        > a close 1011
        > c close 4000
        > d close 1011
        turn list; state a
        time 60000
        quiet
        ",
        "
        turn on-connect a
        turn on-connect b
        < b refused 403
        turn on-connect c
        < c close 4000
        turn on-connect d
        report on-connect dropped: the guest trapped: boom
        drop instance
        accept a
        read a
        < a close 1011 Uncaught exception when connecting
        accept c
        read c
        accept d
        read d
        < d close 1011 Uncaught exception when connecting
        no turn
        quiet: yes
        ",
    );
}

#[test]
fn a_client_that_got_its_101_early_is_only_closed_and_one_that_has_gone_is_forgotten() {
    check(
        "
        handlers connect message close
        > a connect
        > b connect
        turn accept a; pending e
        turn pending f
        time 3500
        > b cut
        > c connect
        turn trap boom
        deadline
        > a cut
        turn
        ",
        "
        turn on-connect a
        turn on-connect b
        accept a
        accept b
        turn on-connect c
        report on-connect dropped: the guest trapped: boom
        drop instance
        read a
        < a close 1011 Uncaught exception when connecting
        accept c
        read c
        < c close 1011 Uncaught exception when connecting
        deadline: 63500
        no turn
        ",
    );
}

#[test]
fn a_connection_whose_on_close_is_dropped_is_forgotten() {
    check(
        "
        handlers close message
        > a connect
        > b connect
        turn
        > a close 1000
        > b close 1000
        turn pending e
        turn trap boom
        > c connect
        turn
        > c send x
        turn state a; state b; list
        ",
        "
        accept a
        read a
        accept b
        read b
        no turn
        turn on-close a 1000
        turn on-close b 1000
        report on-close dropped: the guest trapped: boom
        drop instance
        accept c
        read c
        no turn
        turn on-message c x
        state a: none
        state b: none
        list: c
        ",
    );
}

#[test]
fn what_waits_in_the_mailbox_waits_for_the_new_life_but_completions() {
    check(
        "
        handlers request completed
        GET / -> r
        turn sleep s 10; respond r 200
        GET / -> t
        time 10
        GET / -> u
        turn trap boom
        turn respond u 200
        turn
        ",
        "
        turn on-request r
        < r 200
        turn on-request t
        report on-request dropped: the guest trapped: boom
        drop instance
        < t 500 Uncaught exception when making a request
        turn on-request u
        < u 200
        no turn
        ",
    );
}

#[test]
fn a_pending_event_of_the_life_before_cannot_be_settled() {
    check(
        "
        handlers request
        GET / -> r
        turn pending e
        GET / -> s
        turn trap boom
        GET / -> t
        turn settle e; respond r 200; hold; release; respond t 200
        ",
        "
        turn on-request r
        turn on-request s
        report on-request dropped: the guest trapped: boom
        drop instance
        < r 500 Uncaught exception when making a request
        < s 500 Uncaught exception when making a request
        turn on-request t
        settle e: error: no event of this id is pending
        respond r 200: error: no such request waits for an answer
        < t 200
        ",
    );
}
