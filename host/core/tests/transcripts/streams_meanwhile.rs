//! Streams of a room that sleeps, dies or is copied meanwhile.

use crate::notation::check;

#[test]
fn an_answer_goes_on_after_a_sleep() {
    check(
        "
        handlers request completed stream drain response-closed
        limit stream_credit_bytes 4
        GET / -> r
        turn open w r 200; write w abcd
        hibernate m
        committed
        asleep
        open
        stream w taken 1
        asleep
        stream w taken 1
        asleep
        wake
        turn may-write w; write w ef; finish w
        quiet
        ",
        "
        turn on-request r
        < r 200 as w
        < w abcd
        commit 1 checkpoint
        drop instance
        asleep
        open: 0 connections, 1 requests
        asleep
        asleep
        woken with m
        turn on-drain w 2
          may-write w: 2
        < w ef
        < w finished
        quiet: yes
        ",
    );
}

#[test]
fn a_durable_room_s_answer_goes_on_after_a_sleep() {
    check(
        "
        memory durable
        handlers request completed stream drain response-closed
        limit stream_credit_bytes 4
        GET / -> r
        turn open w r 200; write w abcd
        committed
        hibernate m
        committed
        asleep
        wakes
        stream w taken 4
        wake
        turn may-write w; write w ef; finish w
        committed
        hibernate n
        committed
        asleep
        wakes
        ",
        "
        turn on-request r
        commit 1 forget, record
        < r 200 as w
        < w abcd
        commit 2 checkpoint
        drop instance
        asleep
        wakes: 0
        woken with m
        turn on-drain w 4
          may-write w: 4
        commit 3 record
        < w ef
        < w finished
        commit 4 checkpoint
        drop instance
        asleep, may be forgotten
        wakes: never
        ",
    );
}

#[test]
fn what_arrives_wakes_the_room_unless_it_is_of_nothing() {
    check(
        "
        handlers request completed stream drain response-closed
        GET / -> r
        turn fetch o https://a.test/ stream; connect p wss://a.test/; respond r 200
        answer o streams 200
        answer p connected
        turn
        turn finish o
        hibernate m
        committed
        asleep
        stream o chunk ab
        asleep
        turn
        stream p message hi
        wake
        turn
        ",
        "
        turn on-request r
        begin o fetch stream POST https://a.test/
        begin p connect wss://a.test/
        < r 200
        turn on-completed o streams: 200
        turn on-completed p connected
        forget o
        commit 1 checkpoint
        drop instance
        asleep
        asleep
        no turn
        woken with m
        turn on-stream p message hi
        ",
    );
}

/// It was put in the mailbox and woke the room, to be heard by nobody.
#[test]
fn what_a_stream_that_is_over_still_brings_keeps_no_room() {
    check(
        "
        handlers request completed stream drain response-closed
        limit stream_credit_bytes 2
        GET / -> r
        turn fetch o https://a.test/ stream; open w r 200; write w ab
        answer o streams 200
        turn finish o; finish w
        hibernate m
        committed
        asleep
        stream o chunk ab
        stream o end
        stream w taken 2
        asleep
        ",
        "
        turn on-request r
        begin o fetch stream POST https://a.test/
        < r 200 as w
        < w ab
        turn on-completed o streams: 200
        forget o
        < w finished
        commit 1 checkpoint
        drop instance
        asleep, may be forgotten
        asleep, may be forgotten
        ",
    );
}

#[test]
fn a_hibernating_room_in_another_process_hears_that_its_streams_are_gone() {
    check(
        "
        handlers request completed stream drain response-closed
        time 500
        GET / -> r
        turn open w r 200; fetch o https://a.test/ stream; connect p wss://a.test/
        answer o streams 200
        answer p connected
        turn
        turn
        hibernate m
        committed
        wakes
        stream o chunk ab
        crash
        asleep
        stream o chunk cd
        stream w taken 1000000
        wake
        turn streams
        turn write w ab
        turn send-on p hi; streams
        turn
        committed
        quiet
        ",
        "
        turn on-request r
        < r 200 as w
        begin o fetch stream POST https://a.test/
        begin p connect wss://a.test/
        turn on-completed o streams: 200
        turn on-completed p connected
        commit 1 checkpoint
        drop instance
        wakes: 500
        commit 2
        asleep
        woken with m
        turn on-response-closed r
          streams: 2
        turn on-stream o error interrupted: the host was restarted
          write w ab: error: there is no such stream, or it has ended
        turn on-stream p error interrupted: the host was restarted
          send-on p hi: error: there is no such stream, or it has ended
          streams: 0
        no turn
        quiet: yes
        ",
    );
}

#[test]
fn a_durable_room_that_is_made_again_hears_that_its_streams_are_gone() {
    check(
        "
        memory durable
        handlers request completed stream drain response-closed
        limit stream_credit_bytes 4
        time 500
        GET / -> r
        turn open w r 200; write w abcd; fetch o https://a.test/ stream; connect p wss://a.test/
        committed
        answer o streams 200
        answer p connected
        turn
        turn
        stream o chunk ab
        stream w taken 4
        turn
        turn may-write w; write w efgh
        committed
        committed
        committed
        committed
        wakes
        crash
        rebuild
        turn may-write w; streams
        turn
        turn write w x; streams
        turn
        committed
        committed
        committed
        committed
        wakes
        ",
        "
        turn on-request r
        commit 1 forget, record
        < r 200 as w
        < w abcd
        begin o fetch stream POST https://a.test/
        begin p connect wss://a.test/
        turn on-completed o streams: 200
        commit 2 record
        turn on-completed p connected
        commit 3 record
        turn on-stream o chunk ab
        commit 4 record
        turn on-drain w 4
          may-write w: 4
        commit 5 record
        < w efgh
        wakes: 500
        again 1 on-request r
        again 2 on-completed o streams: 200
        again 3 on-completed p connected
        again 4 on-stream o chunk ab
        again 5 on-drain w 4
        commit 6 record
        turn on-response-closed r
          may-write w: error: there is no such stream, or it has ended
          streams: 2
        commit 7 record
        turn on-stream o error interrupted: the host was restarted
        commit 8 record
        turn on-stream p error interrupted: the host was restarted
          write w x: error: there is no such stream, or it has ended
          streams: 0
        commit 9 record
        no turn
        wakes: never
        ",
    );
}

#[test]
fn what_was_to_become_a_stream_is_begun_again_or_interrupted() {
    check(
        "
        memory durable
        handlers request completed stream drain response-closed
        GET / -> r
        turn fetch o https://a.test/ streamed-resend hello; fetch p https://a.test/ stream; connect q wss://a.test/; respond r 200
        committed
        answer o streams 200
        answer q connected
        crash
        rebuild
        answer p streams 201
        answer o streams 201
        turn
        turn meanwhile answer q connected
        turn streams
        committed
        committed
        committed
        committed
        ",
        "
        turn on-request r
        commit 1 forget, record
        begin o fetch resend stream POST https://a.test/ hello
        begin p fetch stream POST https://a.test/
        begin q connect wss://a.test/
        < r 200
        again 1 on-request r
        begin again o fetch resend stream POST https://a.test/ hello
        commit 2 record
        turn on-completed p interrupted
        commit 3 record
        turn on-completed q interrupted
        commit 4 record
        turn on-completed o streams: 201
          streams: 1
        commit 5 record
        forget p
        forget q
        ",
    );
}

#[test]
fn a_copy_hears_that_streams_broke_off_where_it_was_before() {
    check(
        "
        handlers resume request completed stream drain response-closed
        GET / -> r
        turn open w r 200; connect p wss://a.test/
        answer p connected
        turn
        hibernate m
        committed
        fork
        wake
        turn streams
        turn
        turn
        turn
        ",
        "
        turn on-request r
        < r 200 as w
        begin p connect wss://a.test/
        turn on-completed p connected
        commit 1 checkpoint
        drop instance
        commit 2
        woken with m
        turn on-resume Forked
          streams: 2
        turn on-response-closed r
        turn on-stream p error interrupted: the host was restarted
        no turn
        ",
    );
}

#[test]
fn a_room_that_goes_on_elsewhere_keeps_the_answers_whose_clients_wait() {
    check(
        "
        handlers request completed stream drain response-closed
        GET / -> r
        GET / -> s
        turn open w r 200; write w ab
        turn open v s 200
        hibernate m
        committed
        going on r
        wake
        turn write w cd; finish w; streams
        turn
        ",
        "
        turn on-request r
        < r 200 as w
        < w ab
        turn on-request s
        < s 200 as v
        commit 1 checkpoint
        drop instance
        woken with m
        turn on-response-closed s
          streams: 0
        < w cd
        < w finished
        no turn
        ",
    );
}
