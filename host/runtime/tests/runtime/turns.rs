//! Turns: what a guest is called with, what it can do, and how its turn ends.

use party_core::auto_response::AutoResponse;
use party_core::event::{Failure, LogLevel, Output, TurnEnd};
use party_core::http::{Header, Request, Response};
use party_core::limits::Limits;
use party_core::message::Message;

use crate::guests::{DONE, FAILED, Guest, PENDING, echo, logging};
use crate::room::{START, TestRoom, block_on, small_limits};

#[test]
fn a_message_comes_back_as_it_was_sent() {
    block_on(async {
        let mut room = TestRoom::of(&echo().build());
        let connection = room.connect().await;
        room.message(connection, Message::text("grüße")).await;
        room.message(connection, Message::Binary(vec![0, 159, 146, 150].into())).await;
        room.message(connection, Message::Binary(vec![7; 300_000].into())).await;
        let sent: Vec<&Output> =
            room.outputs.iter().filter(|output| matches!(output, Output::Send(..))).collect();
        let expected = [
            Output::Send(connection, Message::text("grüße")),
            Output::Send(connection, Message::Binary(vec![0, 159, 146, 150].into())),
            Output::Send(connection, Message::Binary(vec![7; 300_000].into())),
        ];
        assert_eq!(sent, expected.iter().collect::<Vec<_>>());
    });
}

#[test]
fn an_instance_keeps_its_memory_from_turn_to_turn() {
    let guest = echo().item("(global $count (mut i32) (i32.const 48))").on(
        "on-message",
        "(global.set $count (i32.add (global.get $count) (i32.const 1)))
         (i32.store8 (i32.const 3000) (global.get $count))
         (call $send (local.get $connection) (i32.const 0) (i32.const 3000) (i32.const 1) (i32.const 2048))
         (i32.const 1024)",
    );
    block_on(async {
        let mut room = TestRoom::of(&guest.build());
        let connection = room.connect().await;
        for _ in 0..3 {
            room.message(connection, Message::text("")).await;
        }
        assert_eq!(room.sent(), ["1", "2", "3"]);
    });
}

#[test]
fn an_export_ends_its_turn_as_it_says() {
    let guest = Guest::new().on("on-message", FAILED).on("on-alarm", PENDING).on("on-close", PENDING);
    block_on(async {
        let mut room = TestRoom::of(&guest.build());
        let connection = room.connect().await;
        let failure = Failure { message: "no".into(), stack: Some("here".into()), status: Some(418) };
        assert_eq!(room.end_of(connection, "").await, TurnEnd::Failed(failure));
        assert_eq!(room.ends[0], TurnEnd::Done);
        room.close(connection).await;
        assert_eq!(room.ends.last(), Some(&TurnEnd::Pending));
    });
}

#[test]
fn a_status_that_is_none_is_left_out_of_a_failure() {
    let guest = Guest::new()
        .item(r#"(data (i32.const 4000) "\01\00\00\00\80\04\00\00\02\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\01\00\07\00")"#)
        .on("on-message", "(i32.const 4000)");
    block_on(async {
        let mut room = TestRoom::of(&guest.build());
        let connection = room.connect().await;
        let failure = Failure { message: "no".into(), stack: None, status: None };
        assert_eq!(room.end_of(connection, "").await, TurnEnd::Failed(failure));
    });
}

#[test]
fn a_request_arrives_whole_and_is_answered() {
    let guest = logging()
        .import("responses", "respond", "(param i64 i32 i32 i32 i32 i64 i32 i32)")
        .on(
            "on-request",
            "(call $log (i32.const 0) (local.get $method) (local.get $method_bytes))
             (call $log (i32.const 1) (local.get $uri) (local.get $uri_bytes))
             (call $log (i32.const 2) (i32.load (local.get $headers)) (i32.load offset=4 (local.get $headers)))
             (call $log (i32.const 3) (i32.load offset=8 (local.get $headers)) (i32.load offset=12 (local.get $headers)))
             (call $log (i32.const 4) (i32.wrap_i64 (local.get $body)) (local.get $body_bytes))
             (call $respond (local.get $request) (i32.const 201) (local.get $headers) (local.get $headers_count)
               (i32.const 0) (local.get $body) (local.get $body_bytes) (i32.const 2048))
             (i32.const 1024)",
        );
    let header = Header { name: "x-a".into(), value: b"b\xff".to_vec().into() };
    let request = Request {
        method: "POST".into(),
        uri: "http://localhost/parties/party/room?q=%20".into(),
        headers: vec![header.clone()],
        body: "the body".into(),
        body_waits: false,
    };
    block_on(async {
        let mut room = TestRoom::of(&guest.build());
        let id = room.request(request).await;
        let response = Response { status: 201, headers: vec![header], body: "the body".into() };
        assert!(room.outputs.contains(&Output::Respond(id, response)), "{:?}", room.outputs);
        let logged = room.logged();
        assert_eq!(
            logged,
            ["POST", "http://localhost/parties/party/room?q=%20", "x-a", "b\u{fffd}", "the body"]
        );
        let levels: Vec<LogLevel> = room.logs.iter().map(|line| line.level).collect();
        use LogLevel::{Debug, Error, Info, Trace, Warn};
        assert_eq!(levels, [Trace, Debug, Info, Warn, Error]);
    });
}

#[test]
fn what_is_put_is_there_in_the_next_turn() {
    let guest = echo()
        .import("storage", "put", "(param i32 i32 i32 i32 i32)")
        .import("storage", "get", "(param i32 i32 i32)")
        .item(r#"(data (i32.const 3000) "key")"#)
        .on(
            "on-message",
            // The answer to get: the result's discriminant at 0, the option's at 8, the list at 12.
            "(call $get (i32.const 3000) (i32.const 3) (i32.const 2048))
             (if (i32.load8_u (i32.const 2056)) (then
               (call $send (local.get $connection) (i32.const 0)
                 (i32.load (i32.const 2060)) (i32.load (i32.const 2064)) (i32.const 2104))))
             (call $put (i32.const 3000) (i32.const 3) (local.get $text) (local.get $bytes) (i32.const 2048))
             (i32.const 1024)",
        );
    block_on(async {
        let mut room = TestRoom::of(&guest.build());
        let connection = room.connect().await;
        room.message(connection, Message::text("one")).await;
        room.message(connection, Message::text("two")).await;
        room.message(connection, Message::text("three")).await;
        assert_eq!(room.sent(), ["one", "two"]);
    });
}

#[test]
fn a_sleep_completes_with_the_operation_s_id() {
    let guest = logging()
        .import("operations", "sleep", "(param i64 i32)")
        .import("connections", "send", "(param i64 i32 i32 i32 i32)")
        .item("(global $operation (mut i64) (i64.const 0)) (global $from (mut i64) (i64.const 0))")
        .item(r#"(data (i32.const 3000) "slept")"#)
        .on(
            "on-message",
            "(call $sleep (i64.const 250) (i32.const 2048))
             (global.set $operation (i64.load (i32.const 2056)))
             (global.set $from (local.get $connection))
             (i32.const 1024)",
        )
        .on(
            "on-completed",
            "(if (i64.ne (local.get $operation) (global.get $operation)) (then (unreachable)))
             (if (i32.ne (local.get $outcome) (i32.const 0)) (then (unreachable)))
             (call $send (global.get $from) (i32.const 0) (i32.const 3000) (i32.const 5) (i32.const 2048))
             (i32.const 1024)",
        );
    block_on(async {
        let mut room = TestRoom::of(&guest.build());
        let connection = room.connect().await;
        room.message(connection, Message::text("")).await;
        room.advance(249).await;
        assert_eq!(room.sent(), [""; 0]);
        room.advance(1).await;
        assert_eq!(room.sent(), ["slept"]);
    });
}

#[test]
fn an_auto_response_is_set_ended_and_bounded() {
    // Sets the message's first byte as what is answered, and the whole message as the answer; the empty message ends it.
    let guest = Guest::new()
        .import("connections", "set-auto-response", "(param i32 i32 i32 i32 i32 i32)")
        .import("connections", "send", "(param i64 i32 i32 i32 i32)")
        .on(
            "on-message",
            "(call $set-auto-response
               (i32.ne (local.get $bytes) (i32.const 0)) (local.get $text) (i32.const 1)
               (local.get $text) (local.get $bytes) (i32.const 2048))
             (if (i32.load8_u (i32.const 2048)) (then
               (call $send (local.get $connection) (i32.const 1) (i32.const 2056) (i32.const 12) (i32.const 4096))))
             (i32.const 1024)",
        );
    block_on(async {
        let limits = Limits { auto_response_chars_max: 4, ..small_limits() };
        let mut room = TestRoom::with_limits(&guest.build(), limits);
        let connection = room.connect().await;
        for text in ["pong", "pong!", ""] {
            assert_eq!(room.end_of(connection, text).await, TurnEnd::Done);
        }
        let told = |output: &&Output| matches!(output, Output::AutoResponse(_) | Output::Send(..));
        let pair = AutoResponse { request: "p".into(), response: "pong".into() };
        // The error `too-large`, the sixth of its variant, with its bound.
        let too_large = Message::Binary([5, 0, 0, 0, 0, 0, 0, 0, 4, 0, 0, 0].to_vec().into());
        let expected = [
            Output::AutoResponse(Some(pair)),
            Output::Send(connection, too_large),
            Output::AutoResponse(None),
        ];
        assert_eq!(room.outputs.iter().filter(told).collect::<Vec<_>>(), expected.iter().collect::<Vec<_>>());
    });
}

#[test]
fn reads_of_the_room_answer() {
    let text_reads = ["project", "party", "id", "incarnation"];
    let mut guest = logging()
        .import("room", "now", "(result i64)")
        .import("room", "usage", "(param i32)")
        .item(r#"(data (i32.const 3000) "NAMEGONE")"#)
        .import("room", "var", "(param i32 i32 i32)");
    let mut body = String::new();
    for read in text_reads {
        guest = guest.import("room", read, "(param i32)");
        body.push_str(&format!(
            "(call ${read} (i32.const 2048))
             (call $log (i32.const 2) (i32.load (i32.const 2048)) (i32.load (i32.const 2052)))\n"
        ));
    }
    body.push_str(&format!(
        "(if (i64.ne (call $now) (i64.const {now})) (then (unreachable)))
         (call $var (i32.const 3000) (i32.const 4) (i32.const 2048))
         (call $log (i32.load8_u (i32.const 2048)) (i32.load (i32.const 2052)) (i32.load (i32.const 2056)))
         (call $var (i32.const 3004) (i32.const 4) (i32.const 2048))
         (if (i32.load8_u (i32.const 2048)) (then (unreachable)))
         (call $usage (i32.const 2048))
         (if (i64.ne (i64.load (i32.const 2048)) (i64.const 131072)) (then (unreachable)))
         (if (i64.ne (i64.load (i32.const 2056)) (i64.const {memory_bytes_max})) (then (unreachable)))
         (if (i32.ne (i32.load (i32.const 2080)) (i32.const 1)) (then (unreachable)))
         {DONE}",
        now = START.0,
        memory_bytes_max = small_limits().memory_bytes_max,
    ));
    let guest = guest.on("on-message", &body);
    block_on(async {
        let mut room = TestRoom::with_limits(&guest.build(), small_limits());
        let connection = room.connect().await;
        assert_eq!(room.end_of(connection, "").await, TurnEnd::Done);
        let incarnation = format!("{:032x}", 7);
        assert_eq!(room.logged(), ["project", "party", "room", incarnation.as_str(), "test"]);
        assert_eq!(room.instance().memory_bytes(), 131_072);
    });
}

#[test]
fn chance_is_the_seed_s_and_never_repeats_within_a_turn() {
    let guest = logging().import("random", "bytes", "(param i32 i32)").on(
        "on-message",
        "(call $bytes (i32.const 16) (i32.const 2048))
         (call $log (i32.const 2) (i32.load (i32.const 2048)) (i32.load (i32.const 2052)))
         (call $bytes (i32.const 16) (i32.const 2048))
         (call $log (i32.const 2) (i32.load (i32.const 2048)) (i32.load (i32.const 2052)))
         (call $bytes (i32.const -1) (i32.const 2048))
         (if (i32.ne (i32.load (i32.const 2052)) (i32.const 65536)) (then (unreachable)))
         (i32.const 1024)",
    );
    let guest = guest.build();
    let drawn = || {
        block_on(async {
            let mut room = TestRoom::of(&guest);
            let connection = room.connect().await;
            room.message(connection, Message::text("")).await;
            assert_eq!(room.end_of(connection, "").await, TurnEnd::Done);
            room.logs.iter().map(|line| line.text.clone()).collect::<Vec<_>>()
        })
    };
    let first = drawn();
    assert_eq!(first.len(), 4);
    assert!((1..4).all(|index| !first[..index].contains(&first[index])), "{first:?}");
    assert_eq!(first, drawn());
}

#[test]
fn fuel_is_counted_per_turn() {
    let guest = Guest::new().item("(global $n (mut i32) (i32.const 0))").on(
        "on-message",
        "(global.set $n (i32.const 0))
         (loop $again
           (global.set $n (i32.add (global.get $n) (i32.const 1)))
           (br_if $again (i32.lt_u (global.get $n) (i32.const 1000))))
         (i32.const 1024)",
    );
    block_on(async {
        let mut room = TestRoom::of(&guest.build());
        let connection = room.connect().await;
        room.message(connection, Message::text("")).await;
        let first = room.instance().fuel_used();
        assert!((7_000..20_000).contains(&first), "{first}");
        room.message(connection, Message::text("")).await;
        assert_eq!(room.instance().fuel_used(), first);
    });
}
