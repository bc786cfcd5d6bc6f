//! Clients that end their sending. They may have gone, or have said all and wait: whoever waits gets its answer.

use party_server::edge::limits::EdgeLimits;

use crate::world::{upgrade, with_world};

/// How long the host waits with a client that may have gone.
const WAITS_MS: u64 = 5_000;

#[test]
fn a_client_that_has_said_all_gets_its_answer_and_the_end() {
    for request in [
        "GET /party/room HTTP/1.1\r\nhost: edge\r\n\r\n",
        "POST /party/room HTTP/1.1\r\nhost: edge\r\ncontent-length: 5\r\n\r\nhello",
        "POST /party/room HTTP/1.1\r\nhost: edge\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        "GET /elsewhere HTTP/1.1\r\nhost: edge\r\n\r\n",
    ] {
        for at_once in [true, false] {
            with_world(async |world| {
                let mut wire = world.dial().await;
                if at_once {
                    wire.write_and_end(request).await;
                } else {
                    wire.send(request).await;
                    wire.end_sending().await;
                }
                let (head, body) = wire.response().await;
                let expected = if request.contains("elsewhere") { "HTTP/1.1 404 " } else { "HTTP/1.1 200 " };
                assert!(head.starts_with(expected), "{head}");
                assert_eq!(body == "hello", request.contains("hello"));
                assert!(wire.has_ended().await, "{request}");
                assert_eq!(world.server.connections(), 0);
            });
        }
    }
}

#[test]
fn all_that_was_sent_at_once_before_the_end_is_answered() {
    with_world(async |world| {
        let mut wire = world.dial().await;
        let post = |body: &str| {
            format!("POST /party/room HTTP/1.1\r\nhost: edge\r\ncontent-length: 3\r\n\r\n{body}")
        };
        wire.write_and_end(post("one") + &post("two") + &post("six")).await;
        for expected in ["one", "two", "six"] {
            assert_eq!(wire.response().await.1, expected);
        }
        assert!(wire.has_ended().await);
    });
}

#[test]
fn a_large_answer_reaches_a_client_that_sends_no_more_whole() {
    with_world(async |world| {
        let mut wire = world.dial().await;
        let body = "x".repeat(1 << 20);
        let request = format!(
            "POST /party/room HTTP/1.1\r\nhost: edge\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        wire.send(request).await;
        wire.end_sending().await;
        world.advance(1_000).await;
        assert!(wire.response().await.1 == body, "all of it");
        assert!(wire.has_ended().await);
        assert_eq!(world.server.connections(), 0, "nobody waits for more");
    });
}

#[test]
fn a_room_may_take_some_time_for_it() {
    with_world(async |world| {
        let mut wire = world.dial().await;
        wire.send("GET /party/room?wait HTTP/1.1\r\nhost: edge\r\n\r\n").await;
        world.advance(20_000).await;
        wire.end_sending().await;
        world.advance(WAITS_MS - 1).await;
        assert!(!wire.has_ended().await);
        assert_eq!(world.server.connections(), 1);
        world.advance(1).await;
        assert!(wire.has_ended().await);
        assert_eq!(world.server.connections(), 0);
    });
    assert_eq!(WAITS_MS, EdgeLimits::default().half_open_ms_max);
}

#[test]
fn who_ends_before_all_is_said_is_answered_with_an_error_or_not_at_all() {
    for (request, status) in [
        ("", None),
        ("\r\n", None),
        ("GET /party/room HTTP/1.1\r\nhost: ed", None),
        ("POST /party/room HTTP/1.1\r\nhost: edge\r\ncontent-length: 5\r\n\r\nhell", Some("HTTP/1.1 400 ")),
        (
            "POST /party/room HTTP/1.1\r\nhost: edge\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n",
            Some("HTTP/1.1 400 "),
        ),
        (
            "POST /party/room HTTP/1.1\r\nhost: edge\r\ncontent-length: 5\r\nexpect: 100-continue\r\n\r\n",
            Some("HTTP/1.1 400 "),
        ),
    ] {
        with_world(async |world| {
            let mut wire = world.dial().await;
            wire.write_and_end(request).await;
            let answer = wire.take_text().await;
            println!("{request:?}: {answer:?}");
            let answer = answer.strip_prefix("HTTP/1.1 100 Continue\r\n\r\n").unwrap_or(&answer);
            assert_eq!(answer.get(..13), status, "{request:?}: {answer:?}");
            assert!(wire.has_ended().await, "{request:?}");
            assert_eq!(world.server.connections(), 0, "{request:?}");
        });
    }
}

#[test]
fn who_opens_a_websocket_and_sends_no_more_is_not_waited_for() {
    with_world(async |world| {
        let mut wire = world.dial().await;
        wire.send(upgrade("/parties/hesitant/room")).await;
        wire.end_sending().await;
        assert!(wire.has_ended().await);
        assert_eq!(world.server.connections(), 0);
    });
}
