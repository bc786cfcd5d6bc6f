//! Auto-responses at the socket: what is answered, in which order, and how much of it is held for who does not read.

use party_core::limits::Limits;
use party_server::edge::limits::EdgeLimits;

use crate::wire::{Frame, close, masked, text};
use crate::world::{SOCKET_BYTES, with_limits, with_world};

const ROOM: &str = "/parties/polite/room";

#[test]
fn only_the_whole_text_is_answered_in_however_many_frames() {
    with_world(async |world| {
        let mut wire = world.connect(ROOM).await;
        let mut witness = world.connect(ROOM).await;
        let fragments = [masked(0x01, b"pi"), masked(0x89, b"!"), masked(0x80, b"ng")].concat();
        wire.send([text("ping"), fragments].concat()).await;
        let pong = || Frame::text("pong");
        assert_eq!(wire.frames().await, [pong(), Frame { first: 0x8a, payload: b"!".into() }, pong()]);
        // The guest echoes what is left to it.
        for other in [masked(0x82, b"ping"), text("pin"), text("pings"), text("Ping"), text("pong"), text("")]
        {
            wire.send(&other).await;
            let echo = wire.frames().await;
            assert_eq!(echo.len(), 1, "{other:?}");
            assert_eq!(masked(echo[0].first, &echo[0].payload), other);
        }
        assert_eq!(witness.frames().await, [], "nobody else sees anything of it");
    });
}

#[test]
fn an_answer_stands_behind_what_the_room_has_said_before_it_and_before_what_it_says_after() {
    with_world(async |world| {
        let mut talker = world.connect(ROOM).await;
        let mut reader = world.connect(ROOM).await;
        let large = |letter: &str| format!("b{}", letter.repeat(SOCKET_BYTES));
        // The reader takes nothing: all that it is told waits in the host.
        talker.send(text(&large("x"))).await;
        reader.send([text("ping"), text("ping")].concat()).await;
        talker.send(text(&large("y"))).await;
        reader.send(text("ping")).await;
        let pong = || Frame::text("pong");
        let expected = [Frame::text(&large("x")), pong(), pong(), Frame::text(&large("y")), pong()];
        assert!(reader.frames().await == expected);
    });
}

#[test]
fn a_client_that_asks_for_answers_and_takes_none_is_no_longer_read() {
    with_world(async |world| {
        let mut wire = world.connect(ROOM).await;
        let ping = text("ping");
        let flood = ping.repeat(100_000);
        let taken = wire.push(&flood).await;
        assert!(taken <= 4 * SOCKET_BYTES, "{taken} bytes of requests were taken, and their answers held");
        assert_eq!(world.server.connections(), 1, "it is held up, not closed");
        // When it reads, it gets one for each, in order with the rest.
        let frames = wire.frames().await;
        assert_eq!(frames.len(), taken / ping.len());
        assert!(frames.iter().all(|frame| *frame == Frame::text("pong")));
        let rest = ping[taken % ping.len()..].to_vec();
        wire.send([rest, text("still here")].concat()).await;
        assert_eq!(wire.frames().await.last(), Some(&Frame::text("still here")));
    });
}

#[test]
fn answers_count_among_what_waits_to_be_read() {
    let limits = Limits { outbound_queue_bytes_max: 100, ..Limits::default() };
    with_limits(limits, EdgeLimits::default(), async |world| {
        let mut wire = world.connect(ROOM).await;
        let mut witness = world.connect(ROOM).await;
        wire.push(&text("ping").repeat(100_000)).await;
        let last = wire.frames().await.pop().unwrap();
        assert_eq!(last, Frame::close(1013, "100 bytes wait to be read; the limit is 100"));
        wire.push(&close(1013, "")).await;
        world.advance(EdgeLimits::default().close_ms_max).await;
        let [closed] = &witness.frames().await[..] else { panic!("one close is told") };
        assert_eq!(closed.first, 0x82, "{closed:?}");
    });
}

#[test]
fn whoever_is_closing_is_not_answered() {
    with_world(async |world| {
        let mut wire = world.connect(ROOM).await;
        wire.send([text("ping"), close(1000, ""), text("ping")].concat()).await;
        assert_eq!(wire.frames().await, [Frame::text("pong"), Frame::close(1000, "")]);
        assert!(wire.has_ended().await);
    });
}
