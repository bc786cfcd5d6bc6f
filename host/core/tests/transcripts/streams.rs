//! What streams are to a room: answers that are written in pieces, bodies that arrive, sockets of its own.

use crate::notation::check;

#[test]
fn an_answer_is_written_in_pieces_within_its_credit() {
    check(
        "
        handlers request completed stream drain response-closed
        limit stream_credit_bytes 10
        GET / -> r
        turn open w r 200; write w abcd; may-write w; write w efghij; may-write w; write w k; streams
        open
        quiet
        stream w taken 4
        turn
        stream w taken 6
        turn may-write w; write w k; finish w; write w l; finish w; streams
        open
        quiet
        ",
        "
        turn on-request r
          may-write w: 6
          may-write w: 0
          write w k: error: the other side has not taken what was written
          streams: 1
        < r 200 as w
        < w abcd
        < w efghij
        open: 0 connections, 1 requests
        quiet: no
        no turn
        turn on-drain w 10
          may-write w: 10
          write w l: error: there is no such stream, or it has ended
          finish w: error: there is no such stream, or it has ended
          streams: 0
        < w k
        < w finished
        open: 0 connections, 0 requests
        quiet: yes
        ",
    );
}

/// It was refused for the last byte of its credit, and waited for ever for what nobody had to take.
#[test]
fn one_write_of_any_size_fits_while_there_is_credit_at_all() {
    check(
        "
        handlers request completed stream drain response-closed
        limit stream_credit_bytes 10
        GET / -> r
        turn open w r 200; write w abcdefghi; write w abcdefghij; may-write w; write w
        stream w taken 9
        turn may-write w; write w x
        stream w taken 10
        turn may-write w; write w x
        ",
        "
        turn on-request r
          may-write w: 0
          write w: error: the other side has not taken what was written
        < r 200 as w
        < w abcdefghi
        < w abcdefghij
        turn on-drain w 9
          may-write w: 0
          write w x: error: the other side has not taken what was written
        turn on-drain w 10
          may-write w: 10
        < w x
        ",
    );
}

#[test]
fn what_is_written_waits_for_the_commits_before_it() {
    check(
        "
        memory durable
        handlers request completed stream drain response-closed
        GET / -> r
        turn open w r 200; write w ab
        GET / -> s
        turn write w cd; respond s 200
        GET / -> t
        turn finish w; respond t 200
        open
        committed
        committed
        committed
        ",
        "
        turn on-request r
        commit 1 forget, record
        turn on-request s
        commit 2 record
        turn on-request t
        commit 3 record
        open: 0 connections, 0 requests
        < r 200 as w
        < w ab
        < w cd
        < s 200
        < w finished
        < t 200
        ",
    );
}

#[test]
fn a_room_without_on_drain_may_write_again_all_the_same() {
    check(
        "
        handlers request
        limit stream_credit_bytes 4
        GET / -> r
        turn open w r 200; write w abcd
        stream w taken 2
        turn
        GET / -> s
        turn may-write w; write w ef; finish w; respond s 200
        ",
        "
        turn on-request r
        < r 200 as w
        < w abcd
        no turn
        turn on-request s
          may-write w: 2
        < w ef
        < w finished
        < s 200
        ",
    );
}

#[test]
fn a_body_arrives_in_pieces_and_ends() {
    check(
        "
        handlers request completed stream drain response-closed
        limit credit_events 2
        GET / -> r
        turn fetch o https://a.test/ stream; respond r 200; streams
        answer o streams 200
        stream o chunk ab
        credit o
        stream o chunk cd
        credit o
        stream o end
        turn streams
        turn
        credit o
        turn
        turn streams
        stream o chunk ef
        turn
        quiet
        ",
        "
        turn on-request r
          streams: 0
        begin o fetch stream POST https://a.test/
        < r 200
        credit o: yes
        credit o: no
        turn on-completed o streams: 200
          streams: 1
        turn on-stream o chunk ab
        credit o: no
        turn on-stream o chunk cd
        turn on-stream o end
          streams: 0
        no turn
        quiet: yes
        ",
    );
}

#[test]
fn a_body_that_is_wanted_no_more_is_forgotten() {
    check(
        "
        memory durable
        handlers request completed stream drain response-closed
        GET / -> r
        turn fetch o https://a.test/ stream; respond r 200
        committed
        answer o streams 206
        stream o chunk ab
        turn
        committed
        turn finish o; finish o; streams
        stream o chunk cd
        stream o end
        committed
        turn
        ",
        "
        turn on-request r
        commit 1 forget, record
        begin o fetch stream POST https://a.test/
        < r 200
        turn on-completed o streams: 206
        commit 2 record
        turn on-stream o chunk ab
          finish o: error: there is no such stream, or it has ended
          streams: 0
        commit 3 record
        forget o
        no turn
        ",
    );
}

#[test]
fn a_socket_brings_messages_until_its_end_also_after_it_was_closed() {
    check(
        "
        handlers request completed stream drain response-closed
        limit stream_credit_bytes 4
        GET / -> r
        turn connect o wss://a.test/b; respond r 200
        answer o connected
        turn send-on o abcd; send-on o e; may-write o
        stream o message hi
        stream o taken 4
        turn
        turn may-write o; send-on o e; close-on o 1000 bye; send-on o f; close-on o; finish o; streams
        stream o message still
        turn
        stream o closed 1000 bye
        turn streams; close-on o
        quiet
        ",
        "
        turn on-request r
        begin o connect wss://a.test/b
        < r 200
        turn on-completed o connected
          send-on o e: error: the other side has not taken what was written
          may-write o: 0
        < o message abcd
        turn on-stream o message hi
        turn on-drain o 4
          may-write o: 4
          send-on o f: error: there is no such stream, or it has ended
          close-on o: error: there is no such stream, or it has ended
          finish o: error: there is no such stream, or it has ended
          streams: 1
        < o message e
        < o close 1000 bye
        turn on-stream o message still
        turn on-stream o closed 1000 bye
          streams: 0
          close-on o: error: there is no such stream, or it has ended
        quiet: yes
        ",
    );
}

#[test]
fn a_socket_to_another_room_ends_by_itself() {
    check(
        "
        memory durable
        handlers request completed stream drain response-closed
        GET / -> r
        turn connect o party/other/below?x=1; connect p party/other; connect q party/a/é; connect s party/; respond r 200
        committed
        answer o connected
        answer p connected
        turn finish o
        turn
        committed
        committed
        stream o closed 1005
        stream p error the network is gone
        turn streams
        turn streams
        ",
        "
        turn on-request r
          connect q party/a/é: error: the URL \"/é\" holds what must be percent-encoded
          connect s party/: error: the room id is empty
        commit 1 forget, record
        begin o connect party/other/below?x=1
        begin p connect party/other
        < r 200
        turn on-completed o connected
        commit 2 record
        turn on-completed p connected
        commit 3 record
        < o close 1005
        turn on-stream o closed 1005
          streams: 1
        commit 4 record
        turn on-stream p error the network is gone
          streams: 0
        commit 5 record
        ",
    );
}

#[test]
fn the_client_of_an_answer_goes() {
    check(
        "
        handlers request completed stream drain response-closed
        GET / -> r
        turn open w r 200; write w ab
        > r cut
        open
        turn write w cd; finish w; streams
        open
        quiet
        ",
        "
        turn on-request r
        < r 200 as w
        < w ab
        open: 0 connections, 1 requests
        turn on-response-closed r
          write w cd: error: there is no such stream, or it has ended
          finish w: error: there is no such stream, or it has ended
          streams: 0
        open: 0 connections, 0 requests
        quiet: yes
        ",
    );
}

/// What the turn has written is for nobody; the room hears so after it.
#[test]
fn the_client_goes_while_a_turn_writes_to_it() {
    check(
        "
        memory durable
        handlers request completed stream drain response-closed
        GET / -> r
        turn open w r 200
        GET / -> s
        turn meanwhile > r cut; write w ab; respond s 200
        committed
        committed
        turn write w cd
        ",
        "
        turn on-request r
        commit 1 forget, record
        turn on-request s
        commit 2 record
        < r 200 as w
        < w ab
        < s 200
        turn on-response-closed r
          write w cd: error: there is no such stream, or it has ended
        commit 3 record
        ",
    );
}

#[test]
fn an_answer_is_broken_off_by_the_guest() {
    check(
        "
        memory durable
        handlers request completed stream drain response-closed
        GET / -> r
        turn open w r 200; write w ab
        committed
        GET / -> s
        turn write w cd; break-off w; write w ef; break-off w; streams; open v s 200
        open
        committed
        ",
        "
        turn on-request r
        commit 1 forget, record
        < r 200 as w
        < w ab
        turn on-request s
          write w ef: error: there is no such stream, or it has ended
          break-off w: error: there is no such stream, or it has ended
          streams: 0
        commit 2 record
        open: 0 connections, 1 requests
        < w cd
        < w breaks off
        < s 200 as v
        ",
    );
}
