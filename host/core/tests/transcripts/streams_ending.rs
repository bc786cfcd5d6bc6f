//! How streams end with their room, or with the version that had them.

use crate::notation::check;

#[test]
fn a_head_that_a_failed_commit_holds_back_is_answered_instead() {
    check(
        "
        memory durable
        handlers request completed stream drain response-closed
        GET / -> r
        turn open w r 200; write w ab
        GET / -> s
        turn open v s 200; finish v
        commits fail
        ",
        "
        turn on-request r
        commit 1 forget, record
        turn on-request s
        commit 2 record
        report commit failed
        drop instance
        < r 503 the room could not be written
        < s 503 the room could not be written
        ",
    );
}

/// It had ended for the room, and its client waited for the rest.
#[test]
fn an_answer_whose_end_a_failed_commit_holds_back_breaks_off() {
    check(
        "
        memory durable
        handlers request completed stream drain response-closed
        GET / -> r
        turn open w r 200; write w ab
        committed
        GET / -> s
        turn open v s 200
        committed
        GET / -> t
        turn write w cd; finish w; respond t 200
        commits fail
        ",
        "
        turn on-request r
        commit 1 forget, record
        < r 200 as w
        < w ab
        turn on-request s
        commit 2 record
        < s 200 as v
        turn on-request t
        commit 3 record
        report commit failed
        drop instance
        < w breaks off
        < t 503 the room could not be written
        < v breaks off
        ",
    );
}

#[test]
fn what_a_hibernating_room_has_written_and_not_stored_breaks_off_with_a_failed_commit() {
    check(
        "
        handlers request completed stream drain response-closed
        GET / -> r
        turn open w r 200; write w ab
        GET / -> s
        turn put k v; write w cd; respond s 200
        committed
        GET / -> t
        turn put k w; write w ef; open v t 200
        commits fail
        ",
        "
        turn on-request r
        < r 200 as w
        < w ab
        turn on-request s
        commit 1 k=v
        < w cd
        < s 200
        turn on-request t
        commit 2 k=w
        report commit failed
        drop instance
        < t 503 the room could not be written
        < w breaks off
        ",
    );
}

#[test]
fn a_room_that_is_shut_down_breaks_its_streams_off() {
    check(
        "
        memory durable
        handlers request completed stream drain response-closed
        GET / -> r
        turn open w r 200; connect p wss://a.test/
        committed
        answer p connected
        turn
        GET / -> s
        turn open v s 200; finish v
        shut down
        stream p message hi
        committed
        committed
        ",
        "
        turn on-request r
        commit 1 forget, record
        < r 200 as w
        begin p connect wss://a.test/
        turn on-completed p connected
        commit 2 record
        turn on-request s
        commit 3 record
        < s 200 as v
        < v finished
        < w breaks off
        forget p
        ",
    );
}

#[test]
fn a_room_that_is_destroyed_says_its_last_words_before() {
    check(
        "
        handlers request completed stream drain response-closed
        GET / -> r
        turn put k v; open w r 200
        committed
        GET / -> s
        turn write w ab; open v s 200; write v cd; connect p wss://a.test/; destroy
        committed
        ",
        "
        turn on-request r
        commit 1 k=v
        < r 200 as w
        turn on-request s
        report destroyed
        commit 2 cleared destroy
        drop instance
        < w ab
        < s 200 as v
        < v cd
        < w breaks off
        < v breaks off
        ",
    );
}

#[test]
fn a_room_that_is_destroyed_finishes_what_it_says_it_does() {
    check(
        "
        memory durable
        handlers request completed stream drain response-closed
        GET / -> r
        turn open w r 200; connect p wss://a.test/
        committed
        answer p connected
        turn
        committed
        GET / -> s
        turn finish w; respond s 200; destroy
        committed
        ",
        "
        turn on-request r
        commit 1 forget, record
        < r 200 as w
        begin p connect wss://a.test/
        turn on-completed p connected
        commit 2 record
        turn on-request s
        report destroyed
        commit 3 cleared destroy
        drop instance
        < w finished
        < s 200
        forget p
        ",
    );
}

/// The answer had broken off before what was written to it left.
#[test]
fn another_version_finds_no_streams_and_the_old_one_s_last_words_come_before_their_end() {
    check(
        "
        memory durable
        handlers request completed stream drain response-closed
        GET / -> r
        turn open w r 200; write w ab; connect p wss://a.test/
        committed
        answer p connected
        turn
        committed
        GET / -> s
        turn pending e
        committed
        switch write w cd; send-on p bye; open v s 200; streams | streams
        committed
        ",
        "
        turn on-request r
        commit 1 forget, record
        < r 200 as w
        < w ab
        begin p connect wss://a.test/
        turn on-completed p connected
        commit 2 record
        turn on-request s
        commit 3 record
        switch
        streams: 3
        streams: 0
        commit 4 checkpoint
        < w cd
        < p message bye
        < s 200 as v
        < w breaks off
        forget p
        < v breaks off
        ",
    );
}

#[test]
fn an_answer_that_the_old_version_finishes_in_the_switch_is_whole() {
    check(
        "
        memory durable
        handlers request completed stream drain response-closed
        GET / -> r
        turn open w r 200; write w ab
        committed
        switch write w cd; finish w |
        committed
        ",
        "
        turn on-request r
        commit 1 forget, record
        < r 200 as w
        < w ab
        switch
        commit 2 checkpoint
        < w cd
        < w finished
        ",
    );
}

#[test]
fn the_new_version_answers_with_a_body_of_its_own() {
    check(
        "
        memory durable
        handlers request completed stream drain response-closed
        GET / -> r
        GET / -> s
        turn open w r 200
        committed
        turn pending e
        committed
        switch write w x | open v s 200; write v ab; streams
        committed
        GET / -> t
        turn write v cd; finish v; respond t 200
        committed
        ",
        "
        turn on-request r
        commit 1 forget, record
        < r 200 as w
        turn on-request s
        commit 2 record
        switch
        streams: 1
        commit 3 checkpoint
        < w x
        < w breaks off
        < s 200 as v
        < v ab
        turn on-request t
        commit 4 record
        < v cd
        < v finished
        < t 200
        ",
    );
}

#[test]
fn what_arrives_is_interrupted_when_its_time_is_over_and_what_is_written_is_not() {
    check(
        "
        memory durable
        handlers request completed stream drain response-closed
        GET / -> r
        turn open w r 200; fetch o https://a.test/ stream; connect p wss://a.test/; fetch q https://a.test/ stream
        committed
        answer o streams 200
        answer p connected
        turn
        turn
        committed
        committed
        interrupt
        stream o chunk ab
        turn streams
        turn
        turn
        GET / -> r2
        turn write w ab; streams; respond r2 200
        committed
        committed
        committed
        committed
        ",
        "
        turn on-request r
        commit 1 forget, record
        < r 200 as w
        begin o fetch stream POST https://a.test/
        begin p connect wss://a.test/
        begin q fetch stream POST https://a.test/
        turn on-completed o streams: 200
        commit 2 record
        turn on-completed p connected
        commit 3 record
        forget q
        forget o
        forget p
        turn on-completed q interrupted
          streams: 3
        commit 4 record
        turn on-stream o error interrupted: another version of the party takes over
        commit 5 record
        turn on-stream p error interrupted: another version of the party takes over
        commit 6 record
        turn on-request r2
          streams: 1
        commit 7 record
        < w ab
        < r2 200
        ",
    );
}
