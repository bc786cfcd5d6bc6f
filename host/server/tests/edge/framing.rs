//! Where one request ends and the next begins: lengths, chunks and what else a client says about its body. Whoever stands
//! between a client and the host (a proxy) must not read that differently, or a client could hide a request in the body of
//! another: what two may read differently is refused, and the connection carries nothing after it.

use party_core::limits::Limits;
use party_server::edge::limits::EdgeLimits;

use crate::answers::{Answer, parse};
use crate::world::{World, with_limits, with_world};

/// What would be a request if the body before it ended there.
const HIDDEN: &str = "GET /party/hidden HTTP/1.1\r\nhost: edge\r\n\r\n";

/// A request with these headers, and all that follows them.
fn post(headers: &str, rest: &str) -> String {
    format!("POST /party/room HTTP/1.1\r\nhost: edge\r\n{headers}\r\n{rest}")
}

fn answer(status: u16, body: &str) -> Answer {
    Answer::Response(status, body.into())
}

/// Sends some bytes on a connection of its own: exactly these are the answers, and then it is closed, or not.
async fn check(world: &World, sent: &str, expected: &[Answer], is_closed: bool) {
    let mut wire = world.dial().await;
    wire.push(sent.as_bytes()).await;
    let arrived = wire.take().await;
    let answers = parse(&arrived, false, false).unwrap_or_else(|error| panic!("{error}\n{sent:?}"));
    assert_eq!(answers, expected, "{sent:?}");
    assert_eq!(wire.has_ended().await, is_closed, "{sent:?}");
}

#[test]
fn chunks_are_put_together() {
    with_world(async |world| {
        for chunks in [
            "5\r\nhello\r\n0\r\n\r\n",
            "1\r\nh\r\n4\r\nello\r\n0\r\n\r\n",
            "05\r\nhello\r\n000\r\n\r\n",
            "5;name=value;other=\"a b\"\r\nhello\r\n0;last\r\n\r\n",
            "5\r\nhello\r\n0\r\nx-trailer: kept by nobody\r\nanother: 1\r\n\r\n",
        ] {
            let request = post("transfer-encoding: chunked\r\n", chunks);
            check(world, &(request.clone() + &request), &[answer(200, "hello"), answer(200, "hello")], false)
                .await;
        }
        let upper = post("Transfer-Encoding: CHUNKED\r\n", "A\r\nhellohello\r\n0\r\n\r\n");
        check(world, &upper, &[answer(200, "hellohello")], false).await;
    });
}

#[test]
fn bad_chunks_are_refused_and_nothing_after_them_is_read() {
    with_world(async |world| {
        for chunks in [
            "x\r\nhello\r\n0\r\n\r\n",
            "\r\nhello\r\n0\r\n\r\n",
            "-5\r\nhello\r\n0\r\n\r\n",
            "+5\r\nhello\r\n0\r\n\r\n",
            "0x5\r\nhello\r\n0\r\n\r\n",
            "5\rhello\r\n0\r\n\r\n",
            "5\r\nhelloo\r\n0\r\n\r\n",
            "5\r\nhello0\r\n\r\n",
            "ffffffffffffffff1\r\nhello\r\n0\r\n\r\n",
            "5;\nname\r\nhello\r\n0\r\n\r\n",
            "5\r\nhello\r\n0\r\nbad trailer\r\n\r\n",
            "5\r\nhello\r\n0\r\n: nameless\r\n\r\n",
        ] {
            let mut wire = world.dial().await;
            wire.push((post("transfer-encoding: chunked\r\n", chunks) + HIDDEN).as_bytes()).await;
            let arrived = wire.take().await;
            let answers = parse(&arrived, false, false).unwrap_or_else(|error| panic!("{error}\n{chunks:?}"));
            let [Answer::Response(400, body)] = &answers[..] else { panic!("{chunks:?}: {answers:?}") };
            let body = String::from_utf8_lossy(body);
            assert!(body.starts_with("the body is broken: "), "{chunks:?}: {body}");
            assert!(wire.has_ended().await, "{chunks:?}");
            world.advance(EdgeLimits::default().close_ms_max).await;
            assert_eq!(world.server.connections(), 0, "{chunks:?}");
        }
    });
}

#[test]
fn what_stands_beside_chunks_is_bounded() {
    with_world(async |world| {
        let long = "x".repeat(100_000);
        for chunks in [
            format!("5;{long}\r\nhello\r\n0\r\n\r\n"),
            format!("5\r\nhello\r\n0\r\nx: {long}\r\n\r\n"),
            format!("5\r\nhello\r\n0\r\n{}\r\n", "x: 1\r\n".repeat(10_000)),
        ] {
            let mut wire = world.dial().await;
            wire.push(post("transfer-encoding: chunked\r\n", &chunks).as_bytes()).await;
            assert!(wire.take_text().await.starts_with("HTTP/1.1 400 "), "{}", &chunks[..40]);
            assert!(wire.has_ended().await);
        }
    });
}

#[test]
fn a_length_that_is_none_or_another_is_refused() {
    with_world(async |world| {
        for headers in [
            "content-length: 5\r\ncontent-length: 6\r\n",
            "content-length: 5, 6\r\n",
            "content-length: 5, 5\r\n",
            "content-length: -5\r\n",
            "content-length: +5\r\n",
            "content-length: 0x5\r\n",
            "content-length: 5 5\r\n",
            "content-length: five\r\n",
            "content-length:\r\n",
            "content-length: 18446744073709551616\r\n",
        ] {
            check(world, &(post(headers, "hello") + HIDDEN), &[answer(400, "")], true).await;
        }
        // hyper keeps the two largest numbers for itself, and calls them too large as it calls a head.
        check(world, &post("content-length: 18446744073709551615\r\n", HIDDEN), &[answer(431, "")], true)
            .await;
        let refusal = "the body is 18446744073709551613 bytes; the limit is 33554432";
        check(
            world,
            &post("content-length: 18446744073709551613\r\n", HIDDEN),
            &[answer(413, refusal)],
            true,
        )
        .await;
        let twice = post("content-length: 5\r\ncontent-length: 5\r\n", "hello");
        check(world, &(twice.clone() + &twice), &[answer(200, "hello"), answer(200, "hello")], false).await;
    });
}

#[test]
fn chunks_win_over_a_length_and_the_connection_ends() {
    with_world(async |world| {
        for headers in [
            "content-length: 3\r\ntransfer-encoding: chunked\r\n",
            "transfer-encoding: chunked\r\ncontent-length: 3\r\n",
        ] {
            let request = post(headers, "5\r\nhello\r\n0\r\n\r\n");
            check(world, &(request + HIDDEN), &[answer(200, "hello")], true).await;
        }
    });
}

#[test]
fn an_encoding_that_is_not_understood_is_refused() {
    with_world(async |world| {
        let refusal = "the only transfer-encoding that is understood is \"chunked\"";
        for coding in ["gzip, chunked", "chunked, chunked", "identity, chunked"] {
            let request = post(&format!("transfer-encoding: {coding}\r\n"), "5\r\nhello\r\n0\r\n\r\n");
            check(world, &(request + HIDDEN), &[answer(501, refusal)], true).await;
        }
        let two =
            post("transfer-encoding: gzip\r\ntransfer-encoding: chunked\r\n", "5\r\nhello\r\n0\r\n\r\n");
        check(world, &(two + HIDDEN), &[answer(501, refusal)], true).await;
        for coding in ["gzip", "chunked, gzip", "xchunked", "chunked;q=1", "\u{b}chunked", "identity"] {
            let request = post(&format!("transfer-encoding: {coding}\r\n"), "5\r\nhello\r\n0\r\n\r\n");
            check(world, &(request + HIDDEN), &[answer(400, "")], true).await;
        }
    });
}

#[test]
fn an_old_client_cannot_send_chunks() {
    let request = post("transfer-encoding: chunked\r\n", "5\r\nhello\r\n0\r\n\r\n").replace("/1.1", "/1.0");
    with_world(async |world| {
        let mut wire = world.dial().await;
        wire.push((request + HIDDEN).as_bytes()).await;
        let arrived = wire.take_text().await;
        assert!(
            arrived.starts_with("HTTP/1.1 400 ") && arrived.matches("HTTP/1.1").count() == 1,
            "{arrived}"
        );
        assert!(wire.has_ended().await);
    });
}

#[test]
fn a_client_that_asks_first_is_told_to_go_on_or_not() {
    let expect = "content-length: 5\r\nexpect: 100-continue\r\n";
    with_world(async |world| {
        let mut wire = world.dial().await;
        wire.send(post(expect, "")).await;
        assert_eq!(wire.take_text().await, "HTTP/1.1 100 Continue\r\n\r\n");
        wire.send("hello").await;
        assert_eq!(wire.response().await.1, "hello");
        // Whoever does not wait need not be told.
        wire.send(post(expect, "again")).await;
        let answer = wire.take_text().await;
        assert!(answer.ends_with("\r\n\r\nagain"), "{answer}");
        let old = post(expect, "hello").replace("/1.1", "/1.0");
        wire.send(old).await;
        assert!(wire.take_text().await.starts_with("HTTP/1.0 200 "), "1xx is not known to HTTP/1.0");
        assert!(wire.has_ended().await);
    });
    let limits = Limits { request_body_bytes_max: 4, ..Limits::default() };
    with_limits(limits, EdgeLimits::default(), async |world| {
        for (path, status) in [("/party/room", 413), ("/parties/nope/room", 404), ("/elsewhere", 404)] {
            let mut wire = world.dial().await;
            wire.send(post(expect, "").replace("/party/room", path)).await;
            let (head, _) = wire.response().await;
            assert!(head.starts_with(&format!("HTTP/1.1 {status} ")), "{head}");
            assert!(wire.has_ended().await, "it would have to guess whether the body still comes");
        }
    });
}
