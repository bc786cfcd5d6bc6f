//! Requests, byte by byte: what is answered, what is refused, and what is not waited for.

use party_core::limits::Limits;
use party_server::edge::limits::EdgeLimits;

use crate::world::{with_limits, with_world};

/// Sends `request` on a connection of its own and checks status line and body of the one response.
#[track_caller]
fn check(request: impl AsRef<[u8]>, status: &str, body: &str) {
    let request = request.as_ref();
    with_world(async |world| {
        let mut wire = world.dial().await;
        wire.push(request).await;
        let (head, found) = wire.response().await;
        let shown = String::from_utf8_lossy(&request[..request.len().min(200)]);
        assert_eq!((head.lines().next(), found.as_str()), (Some(status), body), "{shown}");
    });
}

fn post(path: &str, body: &str) -> String {
    format!("POST {path} HTTP/1.1\r\nhost: edge\r\ncontent-length: {}\r\n\r\n{body}", body.len())
}

#[test]
fn a_response_has_what_the_guest_gave_and_its_length() {
    with_world(async |world| {
        let mut wire = world.dial().await;
        wire.send(post("/party/room/and/more?a=b", "hello")).await;
        assert_eq!(wire.take_text().await, "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello");
        wire.send(post("/parties/main/other", "again")).await;
        assert_eq!(wire.response().await.1, "again", "the connection is kept alive");
    });
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    with_world(async |world| {
        let mut wire = world.dial().await;
        wire.send(post("/party/a", "one") + &post("/party/b", "two") + &post("/party/c", "three")).await;
        for expected in ["one", "two", "three"] {
            assert_eq!(wire.response().await.1, expected);
        }
    });
}

#[test]
fn every_method_but_connect_reaches_the_room() {
    for method in ["GET", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "PURGE"] {
        check(format!("{method} /party/room HTTP/1.1\r\nhost: edge\r\n\r\n"), "HTTP/1.1 200 OK", "");
    }
    check("HEAD /party/room HTTP/1.1\r\nhost: edge\r\n\r\n", "HTTP/1.1 200 OK", "");
    check(
        "CONNECT edge:80 HTTP/1.1\r\nhost: edge\r\n\r\n",
        "HTTP/1.1 405 Method Not Allowed",
        "this host is no proxy",
    );
}

#[test]
fn what_is_nothing_is_told_so() {
    check("GET / HTTP/1.1\r\nhost: edge\r\n\r\n", "HTTP/1.1 404 Not Found", "Not found");
    check("GET /party/ HTTP/1.1\r\nhost: edge\r\n\r\n", "HTTP/1.1 404 Not Found", "Not found");
    check("OPTIONS * HTTP/1.1\r\nhost: edge\r\n\r\n", "HTTP/1.1 404 Not Found", "Not found");
    check(
        "GET /parties/nope/room HTTP/1.1\r\nhost: edge\r\n\r\n",
        "HTTP/1.1 404 Not Found",
        "Party nope not found",
    );
    check(
        "GET /parties/deaf/room HTTP/1.1\r\nhost: edge\r\n\r\n",
        "HTTP/1.1 500 Internal Server Error",
        "No onRequest handler",
    );
    check(
        "GET /party/a/../b HTTP/1.1\r\nhost: edge\r\n\r\n",
        "HTTP/1.1 400 Bad Request",
        "the path holds a segment that is only dots",
    );
}

#[test]
fn a_room_that_needed_no_guest_sleeps_and_comes_again() {
    with_world(async |world| {
        for _ in 0..3 {
            let mut wire = world.dial().await;
            wire.send("GET /parties/mute/room HTTP/1.1\r\nhost: edge\r\n\r\n").await;
            assert_eq!(wire.response().await.1, "No onRequest handler");
            // Longer than a room stays awake that has nothing to do: it goes, and keeps its thread for no one.
            world.advance(30_000).await;
        }
    });
}

#[test]
fn what_is_no_http_is_refused_by_the_parser() {
    for garbage in
        ["\0\0\0\0\r\n\r\n", "GET\r\n\r\n", "GET / HTTP/3\r\n\r\n", "GET / HTTP/1.1\r\na b: c\r\n\r\n"]
    {
        with_world(async |world| {
            let mut wire = world.dial().await;
            wire.push(garbage.as_bytes()).await;
            let answer = wire.take_text().await;
            assert!(answer.starts_with("HTTP/1.1 400 ") || answer.is_empty(), "{garbage:?}: {answer}");
            assert!(wire.has_ended().await, "{garbage:?}");
            world.advance(EdgeLimits::default().close_ms_max).await;
            assert_eq!(world.server.connections(), 0);
        });
    }
}

#[test]
fn a_head_that_is_too_large_is_refused() {
    let many: String = (0..101).map(|number| format!("x-{number}: 1\r\n")).collect();
    let long = format!("x: {}\r\n", "y".repeat(40_000));
    for headers in [many, long] {
        let request = format!("GET /party/room HTTP/1.1\r\nhost: edge\r\n{headers}\r\n");
        check(request, "HTTP/1.1 431 Request Header Fields Too Large", "");
    }
}

#[test]
fn a_body_that_is_too_large_is_refused_before_it_is_read() {
    let limits = Limits { request_body_bytes_max: 100_000, ..Limits::default() };
    with_limits(limits, EdgeLimits::default(), async |world| {
        let mut wire = world.dial().await;
        wire.push(post("/party/room", &"x".repeat(300_000)).as_bytes()).await;
        let (head, body) = wire.response().await;
        assert!(head.starts_with("HTTP/1.1 413 ") && head.contains("\r\nconnection: close"), "{head}");
        assert_eq!(body, "the body is 300000 bytes; the limit is 100000");
        assert!(wire.has_ended().await);
        world.advance(EdgeLimits::default().close_ms_max).await;
        assert_eq!(world.server.connections(), 0);
    });
}

#[test]
fn a_chunked_body_is_bounded_too() {
    let limits = Limits { request_body_bytes_max: 10, ..Limits::default() };
    with_limits(limits, EdgeLimits::default(), async |world| {
        let head = "POST /party/room HTTP/1.1\r\nhost: edge\r\ntransfer-encoding: chunked\r\n\r\n";
        let mut wire = world.dial().await;
        wire.send(format!("{head}5\r\nhello\r\n5\r\nworld\r\n0\r\n\r\n")).await;
        assert_eq!(wire.response().await.1, "helloworld");
        wire.send(format!("{head}5\r\nhello\r\n6\r\nworld!\r\n0\r\n\r\n")).await;
        let (head, body) = wire.response().await;
        assert!(head.starts_with("HTTP/1.1 413 "), "{head}");
        assert_eq!(body, "the body is larger than the limit of 10 bytes");
    });
}

#[test]
fn all_bodies_together_are_bounded() {
    let edge = EdgeLimits { bodies_bytes_max: 1_000, ..EdgeLimits::default() };
    with_limits(Limits::default(), edge, async |world| {
        let mut first = world.dial().await;
        first.send(post("/party/wait", &"x".repeat(900))).await;
        let mut second = world.dial().await;
        second.send(post("/party/room", &"x".repeat(200))).await;
        let (head, body) = second.response().await;
        assert!(head.starts_with("HTTP/1.1 503 "), "{head}");
        assert_eq!(body, "the host holds as many request bodies as it may");
        drop(first);
        world.advance(EdgeLimits::default().half_open_ms_max).await;
        let mut third = world.dial().await;
        third.send(post("/party/room", &"x".repeat(200))).await;
        assert!(third.response().await.0.starts_with("HTTP/1.1 200 "));
    });
}

#[test]
fn a_slow_body_is_not_waited_for() {
    with_world(async |world| {
        let mut wire = world.dial().await;
        wire.send("POST /party/room HTTP/1.1\r\nhost: edge\r\ncontent-length: 100\r\n\r\n").await;
        for _ in 0..59 {
            world.advance(1_000).await;
            wire.send("x").await;
        }
        assert_eq!(wire.take_text().await, "");
        world.advance(1_000).await;
        let (head, body) = wire.response().await;
        assert!(head.starts_with("HTTP/1.1 408 "), "{head}");
        assert_eq!(body, "the body has not come within 60000 ms");
        assert!(wire.has_ended().await);
    });
}

#[test]
fn a_slow_head_is_cut() {
    with_world(async |world| {
        let mut wire = world.dial().await;
        for byte in "GET /party/room HTTP/1.1\r\nhost".bytes().take(29) {
            wire.send([byte]).await;
            world.advance(1_000).await;
        }
        assert!(!wire.has_ended().await);
        world.advance(1_000).await;
        assert!(wire.has_ended().await);
        assert_eq!(world.server.connections(), 0);
    });
}

#[test]
fn a_connection_that_says_nothing_is_cut_and_so_is_one_that_idles() {
    with_world(async |world| {
        let mut silent = world.dial().await;
        let mut idle = world.dial().await;
        world.advance(20_000).await;
        idle.send(post("/party/room", "")).await;
        assert!(idle.response().await.0.starts_with("HTTP/1.1 200 "));
        world.advance(10_000).await;
        assert!(silent.has_ended().await && !idle.has_ended().await);
        world.advance(20_000).await;
        assert!(idle.has_ended().await);
        assert_eq!(world.server.connections(), 0);
    });
}

#[test]
fn a_request_that_waits_for_its_room_is_not_cut() {
    with_limits(
        Limits { request_deadline_ms: 300_000, ..Limits::default() },
        EdgeLimits::default(),
        async |world| {
            let mut wire = world.dial().await;
            wire.send(post("/party/wait", "")).await;
            world.advance(299_999).await;
            assert!(!wire.has_ended().await);
            world.advance(1).await;
            assert!(wire.response().await.0.starts_with("HTTP/1.1 5"));
        },
    );
}

#[test]
fn a_response_that_is_not_read_is_cut_and_one_that_is_read_slowly_is_not() {
    with_world(async |world| {
        let large = post("/party/room", &"x".repeat(1 << 20));
        let (mut slow, mut stalled) = (world.dial().await, world.dial().await);
        slow.push(large.as_bytes()).await;
        stalled.push(large.as_bytes()).await;
        let mut read = 0;
        for _ in 0..5 {
            world.advance(29_000).await;
            read += slow.take_some(200_000).await;
        }
        assert_eq!(read, 1_000_000);
        assert_eq!(world.server.connections(), 1, "the stalled one is gone");
        assert!(read + slow.take().await.len() > 1 << 20, "the slow one gets all of it");
        assert!(stalled.take().await.len() < 1 << 20);
    });
}

#[test]
fn a_client_that_leaves_is_noticed_while_its_request_waits() {
    with_world(async |world| {
        let mut wire = world.dial().await;
        wire.send(post("/party/wait", "")).await;
        drop(wire);
        // It might have ended only its sending.
        world.advance(EdgeLimits::default().half_open_ms_max - 1).await;
        assert_eq!(world.server.connections(), 1);
        world.advance(1).await;
        assert_eq!(world.server.connections(), 0);
    });
}

#[test]
fn no_more_clients_are_taken_than_there_are_places() {
    let edge = EdgeLimits { connections_max: 2, ..EdgeLimits::default() };
    with_limits(Limits::default(), edge, async |world| {
        let first = world.dial().await;
        let _second = world.connect("/party/room").await;
        let refused = world.server.inject(tokio::io::duplex(1).1).unwrap_err();
        assert_eq!(refused.to_string(), "2 clients are connected, which is the limit");
        drop(first);
        world.settle().await;
        assert_eq!(world.server.connections(), 1);
        world.connect("/party/room").await;
    });
}
