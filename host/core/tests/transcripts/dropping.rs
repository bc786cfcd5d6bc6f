//! A dropped turn leaves no trace, and the room goes on without its memory.

use crate::notation::check;

#[test]
fn a_dropped_turn_leaves_no_trace() {
    check(
        "
        handlers start message request completed connect
        connect a
        turn
        turn accept a red; attach a kept
        message a one
        message a two
        turn put k v; alarm 5000; send a x; broadcast y; attach a lost; sleep s 10; hold; close a; trap boom
        turn
        turn get k; page; alarm; operations; attachment a; state a; list red; bytes
        deadline
        ",
        "
        > on-start New
        > on-connect a
        accept a
        read a
        > on-message a one
        broadcast y: 1
        report on-message dropped: the guest trapped: boom
        drop instance
        > on-start Lost
        > on-message a two
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
        request r
        request s
        request t
        turn sleep z 10; pending e
        turn pending f
        turn respond r 200; settle f; cancel z; trap boom
        at 10
        turn
        quiet
        ",
        "
        > on-request r
        > on-request s
        > on-request t
        cancel z: true
        report on-request dropped: the guest trapped: boom
        drop instance
        respond r 500 Uncaught exception when making a request
        respond s 500 Uncaught exception when making a request
        respond t 500 Uncaught exception when making a request
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
        request r
        request s
        request t
        turn put k 1; respond r 200
        turn put k 2; respond s 200; trap boom
        turn get k; respond t 200
        committed
        ",
        "
        > on-request r
        commit 1 k=1
        > on-request s
        report on-request dropped: the guest trapped: boom
        drop instance
        > on-request t
        get k: 1
        respond r 200
        respond s 500 Uncaught exception when making a request
        respond t 200
        ",
    );
}

#[test]
fn a_client_whose_on_connect_is_dropped_is_closed_and_so_are_others_that_connect() {
    check(
        "
        handlers connect close
        connect a
        connect b
        connect c
        connect d
        turn accept a; pending e
        turn reject b 403; pending f
        turn close c 4000; pending g
        turn accept d; send d x; trap boom
        closed a 1011
        closed c 4000
        closed d 1011
        turn list; state a
        at 60000
        quiet
        ",
        "
        > on-connect a
        > on-connect b
        reject b 403
        > on-connect c
        close c 4000
        > on-connect d
        report on-connect dropped: the guest trapped: boom
        drop instance
        accept a
        read a
        close a 1011 Uncaught exception when connecting
        accept c
        read c
        accept d
        read d
        close d 1011 Uncaught exception when connecting
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
        connect a
        connect b
        turn accept a; pending e
        turn pending f
        at 3500
        lost b
        connect c
        turn trap boom
        deadline
        lost a
        turn
        ",
        "
        > on-connect a
        > on-connect b
        accept a
        accept b
        > on-connect c
        report on-connect dropped: the guest trapped: boom
        drop instance
        read a
        close a 1011 Uncaught exception when connecting
        accept c
        read c
        close c 1011 Uncaught exception when connecting
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
        connect a
        connect b
        turn
        closed a 1000
        closed b 1000
        turn pending e
        turn trap boom
        connect c
        turn
        message c x
        turn state a; state b; list
        ",
        "
        accept a
        read a
        accept b
        read b
        no turn
        > on-close a 1000
        > on-close b 1000
        report on-close dropped: the guest trapped: boom
        drop instance
        accept c
        read c
        no turn
        > on-message c x
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
        request r
        turn sleep s 10; respond r 200
        request t
        at 10
        request u
        turn trap boom
        turn respond u 200
        turn
        ",
        "
        > on-request r
        respond r 200
        > on-request t
        report on-request dropped: the guest trapped: boom
        drop instance
        respond t 500 Uncaught exception when making a request
        > on-request u
        respond u 200
        no turn
        ",
    );
}

#[test]
fn a_pending_event_of_the_life_before_cannot_be_settled() {
    check(
        "
        handlers request
        request r
        turn pending e
        request s
        turn trap boom
        request t
        turn settle e; respond r 200; hold; release; respond t 200
        ",
        "
        > on-request r
        > on-request s
        report on-request dropped: the guest trapped: boom
        drop instance
        respond r 500 Uncaught exception when making a request
        respond s 500 Uncaught exception when making a request
        > on-request t
        settle e: error: no event of this id is pending
        respond r 200: error: no such request waits for an answer
        respond t 200
        ",
    );
}
