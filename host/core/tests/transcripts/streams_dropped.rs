//! Streams whose turns are dropped, and whose life ends with one.

use crate::notation::check;

/// The guest went on with what came behind it, and never knew of the hole.
#[test]
fn a_body_of_which_a_piece_was_dropped_breaks_off() {
    check(
        "
        memory durable
        handlers request completed stream drain response-closed
        GET / -> r
        turn fetch o https://a.test/ stream; respond r 200
        committed
        answer o streams 200
        turn
        committed
        stream o chunk ab
        stream o chunk cd
        stream o end
        turn trap
        rebuild
        turn streams
        turn
        committed
        ",
        "
        turn on-request r
        commit 1 forget, record
        begin o fetch stream POST https://a.test/
        < r 200
        turn on-completed o streams: 200
        commit 2 record
        turn on-stream o chunk ab
        report on-stream dropped: the guest trapped: 
        forget o
        drop instance
        again 1 on-request r
        again 2 on-completed o streams: 200
        turn on-stream o error the turn that was to receive a piece of it was dropped
          streams: 0
        commit 3 record
        no turn
        ",
    );
}

#[test]
fn the_end_of_a_stream_whose_turn_was_dropped_is_told_once_more() {
    check(
        "
        memory durable
        handlers request completed stream drain response-closed
        GET / -> r
        turn connect o wss://a.test/; connect p wss://a.test/; respond r 200
        committed
        answer o connected
        answer p connected
        turn
        turn
        committed
        committed
        stream o closed 1000 bye
        stream p error broken
        turn trap
        rebuild
        turn streams
        committed
        turn trap
        rebuild
        turn trap
        rebuild
        turn
        ",
        "
        turn on-request r
        commit 1 forget, record
        begin o connect wss://a.test/
        begin p connect wss://a.test/
        < r 200
        turn on-completed o connected
        commit 2 record
        turn on-completed p connected
        commit 3 record
        turn on-stream o closed 1000 bye
        report on-stream dropped: the guest trapped: 
        drop instance
        again 1 on-request r
        again 2 on-completed o connected
        again 3 on-completed p connected
        turn on-stream o closed 1000 bye
          streams: 1
        commit 4 record
        turn on-stream p error broken
        report on-stream dropped: the guest trapped: 
        drop instance
        again 1 on-request r
        again 2 on-completed o connected
        again 3 on-completed p connected
        again 4 on-stream o closed 1000 bye
        turn on-stream p error broken
        report on-stream dropped: the guest trapped: 
        drop instance
        again 1 on-request r
        again 2 on-completed o connected
        again 3 on-completed p connected
        again 4 on-stream o closed 1000 bye
        no turn
        ",
    );
}

#[test]
fn what_was_taken_is_given_back_once_though_its_turn_was_dropped() {
    check(
        "
        memory durable
        handlers request completed stream drain response-closed
        limit stream_credit_bytes 4
        GET / -> r
        turn open w r 200; write w abcd
        committed
        stream w taken 4
        turn write w lost; trap
        rebuild
        turn may-write w; write w efgh; may-write w
        committed
        stream w taken 4
        turn trap
        rebuild
        turn trap
        rebuild
        GET / -> s
        turn may-write w; respond s 200
        ",
        "
        turn on-request r
        commit 1 forget, record
        < r 200 as w
        < w abcd
        turn on-drain w 4
        report on-drain dropped: the guest trapped: 
        drop instance
        again 1 on-request r
        turn on-drain w 4
          may-write w: 4
          may-write w: 0
        commit 2 record
        < w efgh
        turn on-drain w 4
        report on-drain dropped: the guest trapped: 
        drop instance
        again 1 on-request r
        again 2 on-drain w 4
        turn on-drain w 4
        report on-drain dropped: the guest trapped: 
        drop instance
        again 1 on-request r
        again 2 on-drain w 4
        turn on-request s
          may-write w: 4
        commit 3 record
        ",
    );
}

#[test]
fn the_beginning_of_a_stream_whose_turn_was_dropped_comes_before_what_it_has_brought() {
    check(
        "
        memory durable
        handlers request completed stream drain response-closed
        GET / -> r
        turn fetch o https://a.test/ stream; respond r 200
        committed
        answer o streams 200
        stream o chunk ab
        turn trap
        rebuild
        turn streams
        committed
        turn
        ",
        "
        turn on-request r
        commit 1 forget, record
        begin o fetch stream POST https://a.test/
        < r 200
        turn on-completed o streams: 200
        report on-completed dropped: the guest trapped: 
        drop instance
        again 1 on-request r
        turn on-completed o streams: 200
          streams: 1
        commit 2 record
        turn on-stream o chunk ab
        commit 3 record
        ",
    );
}

#[test]
fn a_stream_whose_beginning_was_dropped_twice_is_forgotten() {
    check(
        "
        memory durable
        handlers request completed stream drain response-closed
        GET / -> r
        turn connect o wss://a.test/; respond r 200
        committed
        answer o connected
        stream o message hi
        turn trap
        rebuild
        turn trap
        rebuild
        turn streams
        turn
        ",
        "
        turn on-request r
        commit 1 forget, record
        begin o connect wss://a.test/
        < r 200
        turn on-completed o connected
        report on-completed dropped: the guest trapped: 
        drop instance
        again 1 on-request r
        turn on-completed o connected
        report on-completed dropped: the guest trapped: 
        forget o
        drop instance
        again 1 on-request r
        turn on-completed o dropped
          streams: 0
        commit 2 record
        no turn
        ",
    );
}

#[test]
fn what_a_dropped_turn_wrote_is_not_sent_and_its_answer_goes_on() {
    check(
        "
        memory durable
        handlers request completed stream drain response-closed
        GET / -> r
        turn open w r 200; write w ab
        committed
        GET / -> s
        turn write w lost; finish w; trap
        rebuild
        GET / -> t
        turn write w cd; finish w; respond t 200
        committed
        ",
        "
        turn on-request r
        commit 1 forget, record
        < r 200 as w
        < w ab
        turn on-request s
        report on-request dropped: the guest trapped: 
        < s 500 Uncaught exception when making a request
        drop instance
        again 1 on-request r
        turn on-request t
        commit 2 record
        < w cd
        < w finished
        < t 200
        ",
    );
}

#[test]
fn a_life_that_ends_breaks_all_of_its_streams_off_and_the_next_hears_nothing_of_them() {
    check(
        "
        handlers request completed stream drain response-closed
        GET / -> r
        turn open w r 200; write w ab; fetch o https://a.test/ stream; connect p wss://a.test/; connect q wss://a.test/
        answer o streams 200
        turn
        answer p connected
        turn
        answer q connected
        stream o chunk ab
        GET / -> s
        turn trap
        stream o chunk cd
        stream p message hi
        stream w taken 1000000
        turn streams; trap
        stream o end
        turn
        quiet
        ",
        "
        turn on-request r
        < r 200 as w
        < w ab
        begin o fetch stream POST https://a.test/
        begin p connect wss://a.test/
        begin q connect wss://a.test/
        turn on-completed o streams: 200
        turn on-completed p connected
        turn on-completed q connected
        report on-completed dropped: the guest trapped: 
        drop instance
        < w breaks off
        forget o
        forget p
        forget q
        turn on-request s
          streams: 0
        report on-request dropped: the guest trapped: 
        drop instance
        < s 500 Uncaught exception when making a request
        no turn
        quiet: no
        ",
    );
}

/// Its operation had ended and its stream not begun, so nobody closed it.
#[test]
fn a_socket_that_has_just_been_opened_for_a_life_that_ends_is_forgotten() {
    check(
        "
        handlers request completed stream drain response-closed
        GET / -> r
        turn connect o wss://a.test/; pending e
        GET / -> s
        answer o connected
        stream o message hi
        turn abort because
        turn
        ",
        "
        turn on-request r
        begin o connect wss://a.test/
        turn on-request s
        report on-request dropped: the room aborted: because
        drop instance
        < s 500 because
        forget o
        < r 500 Uncaught exception when making a request
        no turn
        ",
    );
}
