//! Bodies that their room does not read: what is not much is read away, so that the connection can go on.

use crate::world::with_world;

const POST: &str = "POST /parties/forgoer/room HTTP/1.1\r\nhost: edge\r\ntransfer-encoding: chunked\r\n\r\n";

fn chunk(bytes: usize) -> String {
    format!("{bytes:x}\r\n{}\r\n", "x".repeat(bytes))
}

#[test]
fn a_body_that_its_room_does_not_want_is_read_away_and_the_connection_goes_on() {
    with_world(async |world| {
        let mut wire = world.dial().await;
        for bytes in [1, 1_000, 500_000] {
            wire.send(POST).await;
            let (head, body) = wire.response().await;
            assert!(head.starts_with("HTTP/1.1 200 "), "before any of it has come: {head}");
            assert!(!head.contains("connection: close") && body.is_empty(), "{head}{body}");
            wire.send(chunk(bytes) + "0\r\n\r\n").await;
        }
        wire.send("GET /parties/teller/room HTTP/1.1\r\nhost: edge\r\nx-last: one\r\n\r\n").await;
        assert!(wire.response().await.1.contains("x-last:one"));
        assert_eq!(world.server.connections(), 1);
    });
}

#[test]
fn more_of_it_than_is_read_away_ends_the_connection() {
    with_world(async |world| {
        let mut wire = world.dial().await;
        wire.send(POST).await;
        assert!(wire.response().await.0.starts_with("HTTP/1.1 200 "));
        wire.push((chunk(600_000) + &chunk(600_000)).as_bytes()).await;
        assert!(wire.has_ended().await);
    });
}
