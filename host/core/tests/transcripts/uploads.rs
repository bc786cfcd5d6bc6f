//! Bodies of requests that wait with their clients until the room reads them.

use crate::notation::check;

#[test]
fn a_body_is_read_in_pieces_and_answered() {
    check(
        "
        handlers request completed stream
        GET / waits -> r
        turn read b r; read c r; may-write b; write b x; streams; pending e
        stream b chunk ab
        stream b chunk cd
        stream b end
        turn
        turn
        turn streams; settle e; respond r 200 all
        quiet
        ",
        "
        turn on-request r waits
          read c r: error: the body of this request is being read
          may-write b: error: the stream is a body that arrives, and cannot be written to
          write b x: error: the stream is a body that arrives, and takes no bytes
          streams: 1
        read r as b
        turn on-stream b chunk ab
        turn on-stream b chunk cd
        turn on-stream b end
          streams: 0
        < r 200 all
        quiet: yes
        ",
    );
}

#[test]
fn nothing_is_read_of_a_request_that_is_answered() {
    check(
        "
        handlers request completed stream
        GET / waits -> r
        turn respond r 413 no; read b r
        GET / waits -> s
        turn open w s 200; read b s; finish w; read c s
        turn
        ",
        "
        turn on-request r waits
          read b r: error: there is no such stream, or it has ended
        < r 413 no
        turn on-request s waits
          read c s: error: there is no such stream, or it has ended
        < s 200 as w
        read s as b
        < w finished
        no turn
        ",
    );
}

#[test]
fn what_is_not_wanted_is_forgotten() {
    check(
        "
        handlers request completed stream
        GET / waits -> r
        turn read b r; pending e
        stream b chunk ab
        turn finish b; finish b; settle e; respond r 200 enough
        stream b chunk cd
        turn
        quiet
        ",
        "
        turn on-request r waits
        read r as b
        turn on-stream b chunk ab
          finish b: error: there is no such stream, or it has ended
        forget operation-1
        < r 200 enough
        no turn
        quiet: yes
        ",
    );
}

/// Whoever sends waits for a guest that is busy with what has come.
#[test]
fn nothing_more_is_read_while_the_guest_is_busy_with_a_piece() {
    check(
        "
        handlers request completed stream
        GET / waits -> r
        turn read b r; pending e
        stream b chunk ab
        credit b
        turn pending f
        credit b
        hibernate m
        committed
        credit b
        GET / -> s
        wake
        turn settle f; respond s 200
        credit b
        ",
        "
        turn on-request r waits
        read r as b
        credit b: yes
        turn on-stream b chunk ab
        credit b: no
        commit 1 checkpoint
        drop instance
        credit b: no
        woken with m
        turn on-request s
        < s 200
        credit b: yes
        ",
    );
}

/// A client that sends for a minute has not been waiting for a minute.
#[test]
fn the_time_for_an_answer_counts_from_what_came_last() {
    check(
        "
        handlers request completed stream
        clock 0
        GET / waits -> r
        turn read b r; pending e
        deadline
        time 20000
        stream b chunk ab
        turn
        deadline
        time 49999
        stream b end
        turn
        deadline
        time 79998
        time 79999
        ",
        "
        turn on-request r waits
        read r as b
        deadline: 30000
        turn on-stream b chunk ab
        deadline: 50000
        turn on-stream b end
        deadline: 79999
        report on-request overdue after 30000
        < r 504 The room did not answer within 30000 ms
        ",
    );
}

#[test]
fn a_body_arrives_while_its_room_sleeps() {
    check(
        "
        handlers request completed stream
        GET / waits -> r
        turn read b r; pending e
        hibernate m
        committed
        asleep
        stream b chunk ab
        wake
        turn
        hibernate n
        committed
        stream b end
        wake
        turn settle e; respond r 200 all
        quiet
        ",
        "
        turn on-request r waits
        read r as b
        commit 1 checkpoint
        drop instance
        asleep
        woken with m
        turn on-stream b chunk ab
        commit 2 checkpoint
        drop instance
        woken with n
        turn on-stream b end
        < r 200 all
        quiet: yes
        ",
    );
}

#[test]
fn after_a_crash_the_body_is_gone_with_its_client() {
    check(
        "
        handlers request completed stream response-closed
        GET / waits -> r
        turn read b r; pending e
        hibernate m
        committed
        crash
        wake
        turn
        turn
        quiet
        ",
        "
        turn on-request r waits
        read r as b
        commit 1 checkpoint
        drop instance
        commit 2
        woken with m
        turn on-response-closed r
        turn on-stream b error interrupted: the host was restarted
        quiet: no
        ",
    );
}

#[test]
fn a_durable_room_hears_after_a_crash_that_the_body_broke_off() {
    check(
        "
        memory durable
        handlers request completed stream response-closed
        GET / waits -> r
        turn read b r; pending e
        committed
        stream b chunk ab
        turn put k v
        committed
        crash
        rebuild
        turn
        turn
        committed
        quiet
        ",
        "
        turn on-request r waits
        commit 1 forget, record
        read r as b
        turn on-stream b chunk ab
        commit 2 record
        again 1 on-request r waits
        again 2 on-stream b chunk ab
        commit 3 record
        turn on-response-closed r
        commit 4 record
        turn on-stream b error interrupted: the host was restarted
        commit 5 record
        quiet: no
        ",
    );
}

#[test]
fn a_body_that_nobody_could_write_down_is_not_read() {
    check(
        "
        memory durable
        handlers request completed stream response-closed
        GET / waits -> r
        turn read b r; pending e
        commits fail
        ",
        "
        turn on-request r waits
        commit 1 forget, record
        report commit failed
        drop instance
        < r 503 the room could not be written
        ",
    );
}

#[test]
fn a_body_of_which_a_piece_was_dropped_breaks_off() {
    check(
        "
        memory durable
        handlers request completed stream response-closed
        GET / waits -> r
        turn read b r; pending e
        committed
        stream b chunk ab
        turn trap no
        stream b chunk cd
        rebuild
        turn
        turn
        turn
        ",
        "
        turn on-request r waits
        commit 1 forget, record
        read r as b
        turn on-stream b chunk ab
        report on-stream dropped: the guest trapped: no
        forget operation-1
        drop instance
        again 1 on-request r waits
        turn on-stream b error the turn that was to receive a piece of it was dropped
        commit 2 record
        no turn
        no turn
        ",
    );
}

#[test]
fn a_switch_ends_a_body_that_arrives() {
    check(
        "
        handlers request completed stream
        GET / waits -> r
        turn read b r; pending e
        switch
        stream b chunk ab
        turn
        committed
        quiet
        ",
        "
        turn on-request r waits
        read r as b
        switch
        < r 500 Uncaught exception when making a request
        commit 1 checkpoint
        no turn
        forget operation-1
        quiet: yes
        ",
    );
}

#[test]
fn its_client_goes_while_it_is_read() {
    check(
        "
        handlers request completed stream response-closed
        GET / waits -> r
        turn read b r; pending e
        stream b error its client has gone
        > r cut
        turn
        turn settle e
        quiet
        ",
        "
        turn on-request r waits
        read r as b
        turn on-stream b error its client has gone
        turn on-response-closed r
        quiet: yes
        ",
    );
}
