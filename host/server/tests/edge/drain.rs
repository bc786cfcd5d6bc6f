//! The end of a server.

use crate::wire::{Frame, close, text};
use crate::world::{upgrade, with_world};

#[test]
fn a_drain_says_goodbye_and_waits_for_what_is_under_way() {
    with_world(async |world| {
        let mut idle = world.dial().await;
        idle.send("GET /party/room HTTP/1.1\r\nhost: edge\r\n\r\n").await;
        idle.response().await;
        let mut sending = world.dial().await;
        sending.send("POST /party/room HTTP/1.1\r\nhost: edge\r\ncontent-length: 5\r\n\r\nhel").await;
        let mut socket = world.connect("/party/room").await;

        let mut drain = Box::pin(world.server.drain(world.after_ms(10_000)));
        assert!(world.quiet(&mut drain).await.is_none());
        assert!(idle.has_ended().await, "an idle connection is closed at once");
        assert_eq!(socket.frames().await, [Frame::close(1001, "the host is shutting down")]);
        socket.send(close(1001, "")).await;
        assert!(socket.has_ended().await);
        assert!(world.quiet(&mut drain).await.is_none());
        sending.send("lo").await;
        let (head, body) = sending.response().await;
        assert!(head.starts_with("HTTP/1.1 200 ") && head.contains("connection: close"), "{head}");
        assert_eq!(body, "hello");
        assert!(sending.has_ended().await);
        assert_eq!(world.quiet(&mut drain).await, Some(0));
    });
}

#[test]
fn what_is_not_done_by_the_deadline_is_cut() {
    with_world(async |world| {
        let mut waiting = world.dial().await;
        waiting.send("GET /party/wait HTTP/1.1\r\nhost: edge\r\n\r\n").await;
        let mut socket = world.connect("/party/room").await;
        let mut drain = Box::pin(world.server.drain(world.after_ms(1_000)));
        assert!(world.quiet(&mut drain).await.is_none());
        tokio::select! {
            biased;
            cut = &mut drain => panic!("{cut} were cut before the deadline"),
            () = world.advance(999) => {}
        }
        let (cut, ()) = tokio::join!(drain, world.advance(1));
        assert_eq!(cut, 2);
        socket.frames().await;
        assert!(socket.has_ended().await && waiting.has_ended().await);
        assert_eq!(world.server.connections(), 0);
    });
}

/// A clock that was set back by an hour made the drain an hour longer, with all that was to come after it.
#[test]
fn what_is_not_done_by_the_deadline_is_cut_although_the_clock_is_set_back() {
    with_world(async |world| {
        world.advance(3_600_000).await;
        let mut waiting = world.dial().await;
        waiting.send("GET /party/wait HTTP/1.1\r\nhost: edge\r\n\r\n").await;
        let mut drain = Box::pin(world.server.drain(world.after_ms(1_000)));
        assert!(world.quiet(&mut drain).await.is_none());
        world.set_clock(100);
        tokio::select! {
            biased;
            cut = &mut drain => panic!("{cut} were cut before the deadline"),
            () = world.advance(999) => {}
        }
        tokio::select! {
            biased;
            cut = &mut drain => assert_eq!(cut, 1),
            () = world.advance(10) => panic!("nobody was cut by the deadline"),
        }
    });
}

#[test]
fn nothing_new_begins_while_it_drains() {
    with_world(async |world| {
        let mut early = world.dial().await;
        early.send(&upgrade("/party/room").as_bytes()[..40]).await;
        let mut socket = world.connect("/party/room").await;
        let mut drain = Box::pin(world.server.drain(world.after_ms(10_000)));
        assert!(world.quiet(&mut drain).await.is_none());
        early.push(&upgrade("/party/room").as_bytes()[40..]).await;
        let answer = early.take_text().await;
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 503 "), "{answer}");
        socket.frames().await;
        socket.push(&text("too late")).await;
        assert!(socket.frames().await.is_empty(), "a socket that closes takes no message");
    });
}
