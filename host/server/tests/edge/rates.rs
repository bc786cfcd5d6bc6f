//! Clients that are faster than they may be.

use crate::wire::{Frame, Wire, close, masked, text};
use crate::world::{World, upgrade, with_edge};

/// The texts that arrive when all is quiet.
async fn texts(wire: &mut Wire<'_>) -> Vec<String> {
    let text = |frame: Frame| String::from_utf8(frame.payload).expect("it is text");
    wire.frames().await.into_iter().map(text).collect()
}

#[test]
fn a_websocket_that_sends_too_fast_is_read_as_fast_as_it_may_and_nothing_is_lost() {
    with_edge("messages_per_second_max = 10", async |world| {
        let mut wire = world.connect("/party/room").await;
        let all: Vec<u8> = (0..40).flat_map(|number| text(&number.to_string())).collect();
        wire.send(&all).await;
        // A second's worth, and the one that is over.
        let mut next = 11;
        assert_eq!(texts(&mut wire).await, (0..next).map(|number| number.to_string()).collect::<Vec<_>>());
        for _ in 0..29 {
            world.advance(99).await;
            assert_eq!(texts(&mut wire).await, [""; 0]);
            world.advance(1).await;
            assert_eq!(texts(&mut wire).await, [next.to_string()]);
            next += 1;
        }
        // What it says behind is heard, too.
        wire.send(close(1000, "bye")).await;
        world.advance(100).await;
        assert_eq!(wire.frames().await, [Frame::close(1000, "bye")]);
        assert!(wire.has_ended().await);
    });
}

#[test]
fn another_websocket_of_the_room_does_not_wait_with_it() {
    with_edge("messages_per_second_max = 1", async |world| {
        let (mut fast, mut slow) = (world.connect("/party/room").await, world.connect("/party/room").await);
        for _ in 0..5 {
            fast.send(text("a")).await;
        }
        assert_eq!(texts(&mut fast).await.len(), 2);
        slow.send(text("b")).await;
        assert_eq!(texts(&mut slow).await, ["b"]);
    });
}

#[test]
fn bytes_are_counted_as_they_come_also_those_of_a_message_that_is_not_whole() {
    with_edge("bytes_per_second_max = 65_536", async |world| {
        let mut wire = world.connect("/party/room").await;
        let message = masked(0x82, &vec![7; 400_000]);
        // A second's worth is read, and one read more; as much waits in between.
        let mut sent = wire.push(&message).await;
        assert!((130_000..=200_000).contains(&sent), "{sent} bytes are taken");
        let mut seconds = 0;
        while sent < message.len() {
            world.advance(1_000).await;
            sent += wire.push(&message[sent..]).await;
            seconds += 1;
        }
        assert!((3..=4).contains(&seconds), "{seconds} s");
        assert!(wire.frames().await.is_empty(), "the last of it waits");
        world.advance(4_000).await;
        assert_eq!(wire.frames().await.len(), 1);
    });
}

#[test]
fn pings_count_and_who_waits_is_not_taken_for_dead() {
    with_edge("messages_per_second_max = 1", async |world| {
        let mut wire = world.connect("/party/room").await;
        for _ in 0..100 {
            wire.send(masked(0x89, b"")).await;
        }
        assert_eq!(wire.frames().await.len(), 2);
        world.advance(10_000).await;
        assert_eq!(wire.frames().await.len(), 10);
        // It is read now and then, so it is heard.
        world.advance(80_000).await;
        assert!(!wire.has_ended().await);
    });
}

const GET: &str = "GET /parties/teller/room HTTP/1.1\r\nhost: edge\r\n\r\n";

async fn status(world: &World, from: &str, request: &str) -> (String, String) {
    let mut wire = world.dial_from(from).await;
    wire.send(request).await;
    let (head, body) = wire.response().await;
    (head, body)
}

#[test]
fn an_address_that_asks_too_often_is_told_when_to_come_again() {
    with_edge("requests_per_second_max = 2", async |world| {
        for _ in 0..2 {
            assert!(status(world, "192.0.2.1", GET).await.0.starts_with("HTTP/1.1 200 "));
        }
        for request in [GET, &upgrade("/party/room"), "GET /asset HTTP/1.1\r\nhost: edge\r\n\r\n"] {
            let (head, body) = status(world, "192.0.2.1", request).await;
            assert!(head.starts_with("HTTP/1.1 429 ") && head.contains("\r\nretry-after: 1"), "{head}");
            assert_eq!(body, "192.0.2.1 asks too often: 2 requests in a second are the limit");
        }
        assert!(status(world, "192.0.2.2", GET).await.0.starts_with("HTTP/1.1 200 "));
        world.advance(500).await;
        assert!(status(world, "192.0.2.1", &upgrade("/party/room")).await.0.starts_with("HTTP/1.1 101 "));
        assert!(status(world, "192.0.2.1", GET).await.0.starts_with("HTTP/1.1 429 "));
        // On one connection as on many; without a body it goes on.
        let mut wire = world.dial_from("2001:db8::1").await;
        for expected in ["200", "200", "429", "429"] {
            wire.send(GET).await;
            assert!(wire.response().await.0.starts_with(&format!("HTTP/1.1 {expected} ")));
        }
        assert!(!wire.has_ended().await);
        assert!(status(world, "2001:db8::2", GET).await.0.starts_with("HTTP/1.1 429 "), "it is the same /64");
    });
}

#[test]
fn the_clients_of_a_trusted_proxy_are_told_apart_and_all_others_are_one() {
    let settings =
        "requests_per_second_max = 1\nconnects_per_second_max = 1\ntrusted_proxies = [\"10.0.0.1\"]";
    with_edge(settings, async |world| {
        let of =
            |client: &str| GET.replacen("\r\n\r\n", &format!("\r\nx-forwarded-for: {client}\r\n\r\n"), 1);
        for client in ["192.0.2.1", "192.0.2.2", "192.0.2.3"] {
            assert!(status(world, "10.0.0.1", &of(client)).await.0.starts_with("HTTP/1.1 200 "), "{client}");
        }
        assert!(status(world, "10.0.0.1", &of("192.0.2.1")).await.0.starts_with("HTTP/1.1 429 "));
        let mut wire = world.dial_from("10.0.0.2").await;
        for (client, expected) in [("192.0.2.4", "200"), ("192.0.2.5", "429")] {
            wire.send(of(client)).await;
            assert!(wire.response().await.0.starts_with(&format!("HTTP/1.1 {expected} ")), "{client}");
        }
    });
}

#[test]
fn an_address_that_connects_too_often_is_told_so_and_closed() {
    with_edge("connects_per_second_max = 2", async |world| {
        let (_first, _second) = (world.dial_from("192.0.2.1").await, world.dial_from("192.0.2.1").await);
        let mut third = world.dial_from("192.0.2.1").await;
        let (head, body) = third.response().await;
        assert!(head.starts_with("HTTP/1.1 429 ") && head.contains("\r\nretry-after: 1"), "{head}");
        assert_eq!(body, "your address connects too often; wait and try again");
        assert!(third.has_ended().await);
        assert_eq!(world.server.connections(), 2, "it holds no place");
        assert!(status(world, "192.0.2.2", GET).await.0.starts_with("HTTP/1.1 200 "));
        world.advance(500).await;
        assert!(status(world, "192.0.2.1", GET).await.0.starts_with("HTTP/1.1 200 "));
    });
}
