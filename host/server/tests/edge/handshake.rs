//! Opening a WebSocket, byte by byte.

use crate::wire::{Frame, text};
use crate::world::{upgrade, with_world};

#[test]
fn a_handshake_is_answered_with_what_the_standard_asks_and_no_more() {
    with_world(async |world| {
        let mut wire = world.dial().await;
        wire.send(upgrade("/party/room?_pk=me")).await;
        assert_eq!(
            wire.take_text().await,
            "HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: Upgrade\r\n\
             sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"
        );
    });
}

#[test]
fn frames_right_behind_the_handshake_are_not_lost() {
    with_world(async |world| {
        let mut wire = world.dial().await;
        let mut bytes = upgrade("/party/room").into_bytes();
        bytes.extend(text("one"));
        bytes.extend(text("two"));
        let (now, later) = bytes.split_at(bytes.len() - 3);
        wire.send(now).await;
        assert!(wire.response().await.0.starts_with("HTTP/1.1 101 "));
        assert_eq!(wire.frames().await, [Frame::text("one")]);
        wire.send(later).await;
        assert_eq!(wire.frames().await, [Frame::text("two")]);
    });
}

#[test]
fn a_handshake_may_follow_a_request_on_the_same_connection() {
    with_world(async |world| {
        let mut wire = world.dial().await;
        wire.send("POST /party/room HTTP/1.1\r\nhost: edge\r\ncontent-length: 5\r\n\r\nhello").await;
        assert_eq!(wire.response().await.1, "hello");
        wire.send(upgrade("/party/room")).await;
        assert!(wire.response().await.0.starts_with("HTTP/1.1 101 "));
        wire.send(text("hi")).await;
        assert_eq!(wire.frames().await, [Frame::text("hi")]);
    });
}

#[test]
fn what_is_refused_says_why() {
    let cases = [
        (upgrade("/parties/nope/room"), 404, "Party nope not found"),
        (upgrade("/elsewhere"), 404, "Not found"),
        (
            upgrade("/party/room").replace("version: 13", "version: 8"),
            426,
            "the WebSocket version must be 13",
        ),
        (upgrade("/party/room").replace("GET", "POST"), 400, "a WebSocket is opened with GET and HTTP/1.1"),
        (
            upgrade("/party/room").replace("dGhl", ""),
            400,
            "the sec-websocket-key header must be 16 bytes in base64",
        ),
        (upgrade("/party/room").replace("host: edge\r\n", ""), 400, "the host header is missing"),
        (
            upgrade(&format!("/party/{}", "x".repeat(1_025))),
            400,
            "the room id is 1025 bytes; the limit is 1024",
        ),
    ];
    for (request, status, body) in cases {
        with_world(async |world| {
            let mut wire = world.dial().await;
            wire.send(&request).await;
            let (head, found) = wire.response().await;
            assert!(head.starts_with(&format!("HTTP/1.1 {status} ")), "{request}\n{head}");
            assert_eq!(found, body);
            assert_eq!(head.contains("sec-websocket-version: 13"), status == 426, "{head}");
        });
    }
}

#[test]
fn a_party_that_never_settles_gets_its_client_at_the_deadline() {
    with_world(async |world| {
        let mut wire = world.dial().await;
        wire.send(upgrade("/parties/hesitant/room")).await;
        world.advance(3_499).await;
        assert_eq!(wire.take_text().await, "");
        world.advance(1).await;
        assert!(wire.response().await.0.starts_with("HTTP/1.1 101 "));
    });
}

#[test]
fn a_client_that_leaves_before_its_answer_leaves_nothing_behind() {
    with_world(async |world| {
        let mut wire = world.dial().await;
        wire.send(upgrade("/parties/hesitant/room")).await;
        assert_eq!(world.server.connections(), 1);
        drop(wire);
        world.settle().await;
        assert_eq!(world.server.connections(), 0);
    });
}

#[test]
fn a_party_without_on_connect_takes_everyone() {
    with_world(async |world| {
        let mut wire = world.connect("/parties/deaf/room").await;
        wire.send(text("hi")).await;
        assert_eq!(wire.frames().await, [Frame::text("hi")]);
    });
}
