//! What a guest may not do with streams, and why.

use crate::notation::check;

#[test]
fn one_stream_is_not_taken_for_another() {
    check(
        "
        handlers request completed stream drain response-closed
        GET / -> r
        turn open w r 200; fetch b https://a.test/ stream; connect s wss://a.test/
        answer b streams 200
        answer s connected
        turn
        turn write b a; write s a; send-on w a; send-on b a; close-on w; close-on b; may-write b; may-write w; break-off b; break-off s
        stream w end
        stream w closed 1000
        turn
        ",
        "
        turn on-request r
        < r 200 as w
        begin b fetch stream POST https://a.test/
        begin s connect wss://a.test/
        turn on-completed b streams: 200
        turn on-completed s connected
          write b a: error: the stream is a body that arrives, and takes no bytes
          write s a: error: the stream is a socket, and takes no bytes
          send-on w a: error: the stream is the body of an answer, and takes no messages
          send-on b a: error: the stream is a body that arrives, and takes no messages
          close-on w: error: the stream is the body of an answer, and is not closed with a frame
          close-on b: error: the stream is a body that arrives, and is not closed with a frame
          may-write b: error: the stream is a body that arrives, and cannot be written to
          may-write w: 262144
          break-off b: error: the stream is a body that arrives, and does not break off: finish or close it
          break-off s: error: the stream is a socket, and does not break off: finish or close it
        no turn
        ",
    );
}

#[test]
fn what_cannot_be_a_stream_is_refused() {
    check(
        "
        handlers request completed stream drain response-closed
        limit stream_credit_bytes 4
        GET / -> r
        GET / -> s
        turn open w r 204; open w r 205; open w r 304; open w r 99; open w r 101; open w r 200; open v r 200; respond r 200
        turn respond s 200; open v s 200; write w abcde; fetch o https://a.test/ streamed; connect p https://a.test/; connect p party/; finish w
        ",
        "
        turn on-request r
          open w r 204: error: an answer with status 204 has no body
          open w r 205: error: an answer with status 205 has no body
          open w r 304: error: an answer with status 304 has no body
          open w r 99: error: status 99 is not between 200 and 599
          open w r 101: error: status 101 is not between 200 and 599
          open v r 200: error: there is no such stream, or it has ended
          respond r 200: error: no such request waits for an answer
        < r 200 as w
        turn on-request s
          open v s 200: error: there is no such stream, or it has ended
          write w abcde: error: the limit is 4 bytes
          connect p https://a.test/: error: \"https://a.test/\" begins with another scheme than wss:// or ws://
          connect p party/: error: the room id is empty
        < s 200
        begin o fetch stream POST https://a.test/
        < w finished
        ",
    );
}

/// A fetch and a socket counted from their answer on, so that as many more could be open as operations.
#[test]
fn too_many_streams_are_refused_and_those_that_may_come_count() {
    check(
        "
        handlers request completed stream drain response-closed
        limit streams_open_max 2
        GET / -> r
        turn fetch o https://a.test/ stream; connect p wss://a.test/; fetch q https://a.test/ stream; cancel o; open w r 200; fetch q https://a.test/ stream; streams
        GET / -> s
        turn open v s 200; fetch x https://a.test/; finish w; open v s 200; streams
        answer p connected
        GET / -> t
        turn connect q wss://a.test/; streams
        turn open u t 200; finish v; connect q wss://a.test/; open u t 200; cancel q; open u t 200; streams
        ",
        "
        turn on-request r
          fetch q https://a.test/ stream: error: the limit for open streams is 2
          cancel o: true
          fetch q https://a.test/ stream: error: the limit for open streams is 2
          streams: 1
        begin p connect wss://a.test/
        < r 200 as w
        turn on-request s
          open v s 200: error: the limit for open streams is 2
          streams: 1
        begin x fetch POST https://a.test/
        < w finished
        < s 200 as v
        turn on-completed p connected
          connect q wss://a.test/: error: the limit for open streams is 2
          streams: 2
        turn on-request t
          open u t 200: error: the limit for open streams is 2
          open u t 200: error: the limit for open streams is 2
          cancel q: true
          streams: 2
        < v finished
        < t 200 as u
        ",
    );
}

#[test]
fn a_turn_writes_no_more_than_a_turn_may_send() {
    check(
        "
        handlers request completed stream drain response-closed
        limit turn_output_bytes_max 8
        limit turn_sends_max 3
        GET / -> r
        GET / -> s
        turn open w r 200; write w abcdefghi; write w abcd; write w ef; write w g; finish w
        turn open v s 200; write v abcde; finish v; open v s 200
        ",
        "
        turn on-request r
          write w abcdefghi: error: a turn can send 8 bytes
          write w g: error: a turn can send 3 bytes
        < r 200 as w
        < w abcd
        < w ef
        < w finished
        turn on-request s
          open v s 200: error: there is no such stream, or it has ended
        < s 200 as v
        < v abcde
        < v finished
        ",
    );
}

#[test]
fn a_close_code_that_may_not_be_sent_is_refused() {
    check(
        "
        handlers request completed stream drain response-closed
        GET / -> r
        turn connect o wss://a.test/; respond r 200
        answer o connected
        turn close-on o 1006; close-on o 999; close-on o 4000 bye
        ",
        "
        turn on-request r
        begin o connect wss://a.test/
        < r 200
        turn on-completed o connected
          close-on o 1006: error: close code 1006 may not be sent
          close-on o 999: error: close code 999 may not be sent
        < o close 4000 bye
        ",
    );
}

/// Its answer is kept until its caller has it, and a stream is not kept.
#[test]
fn a_call_of_a_durable_room_is_answered_whole() {
    check(
        "
        memory durable
        handlers request completed stream drain response-closed
        called a GET / hello -> r
        GET / -> s
        turn open w r 200; respond r 200 whole
        turn open w s 200; finish w
        committed
        committed
        ",
        "
        turn on-request r hello
          open w r 200: error: a call of a durable room is answered whole: its answer is kept until the caller has it
        commit 1 forget, record
        turn on-request s
        commit 2 record
        < r 200 whole
        < s 200 as w
        < w finished
        ",
    );
}
