//! A WebSocket's life and its ends.

use party_core::limits::Limits;
use party_server::edge::limits::EdgeLimits;

use crate::wire::{Frame, close, masked, text};
use crate::world::{SOCKET_BYTES, World, with_limits, with_world};

/// What the guest tells everyone when a connection has closed.
fn closed(code: u16, clean: bool) -> Frame {
    let [low, high] = code.to_le_bytes();
    Frame::binary(&[low, high, clean.into()])
}

#[test]
fn messages_come_back_and_reach_everyone() {
    with_world(async |world| {
        let mut alice = world.connect("/party/room").await;
        let mut bob = world.connect("/parties/main/room").await;
        alice.send(text("to me")).await;
        alice.send(masked(0x82, &[9; 70_000])).await;
        bob.send(text("broadcast")).await;
        assert_eq!(
            alice.frames().await,
            [Frame::text("to me"), Frame::binary(&[9; 70_000]), Frame::text("broadcast")]
        );
        assert_eq!(bob.frames().await, [Frame::text("broadcast")]);
    });
}

#[test]
fn a_close_is_answered_in_kind_and_reported_as_clean() {
    for (code, reason) in [(1000, ""), (4321, "done"), (1005, "")] {
        with_world(async |world| {
            let mut witness = world.connect("/party/room").await;
            let mut wire = world.connect("/party/room").await;
            let frame = if code == 1005 { masked(0x88, b"") } else { close(code, reason) };
            wire.send([text("last"), frame].concat()).await;
            let answers = wire.frames().await;
            assert_eq!(answers.last(), Some(&Frame::close(code, reason)), "{answers:?}");
            assert!(wire.has_ended().await);
            assert_eq!(witness.frames().await, [closed(code, true)]);
        });
    }
}

#[test]
fn what_follows_a_close_is_read_so_that_its_answer_is_not_lost() {
    with_world(async |world| {
        for rest in [text("and"), vec![0; 200_000]] {
            let mut wire = world.connect("/party/room").await;
            wire.push(&[close(1000, "bye"), rest].concat()).await;
            assert_eq!(wire.frames().await, [Frame::close(1000, "bye")]);
            assert!(wire.has_ended().await);
            assert_eq!(world.server.connections(), 1, "a socket that is closed with unread bytes is reset");
            wire.push(b"more").await;
            world.advance(EdgeLimits::default().close_ms_max - 1).await;
            assert_eq!(world.server.connections(), 1);
            world.advance(1).await;
            assert_eq!(world.server.connections(), 0);
        }
        let mut wire = world.connect("/party/room").await;
        wire.send(close(1000, "")).await;
        assert_eq!(world.server.connections(), 0, "who says no more is not waited for");
    });
}

/// How often it is tried: a guest that is kept from its processor for a millisecond yields in the middle of its turn, and then
/// the close that stands behind its messages goes first.
const TRIES: usize = 20;

#[test]
fn what_was_said_before_a_close_or_a_fault_is_still_answered() {
    for end in [close(1000, ""), masked(0xc1, b"reserved bit")] {
        with_world(async |world| {
            let mut last = Vec::new();
            for _ in 0..TRIES {
                let mut wire = world.connect("/party/room").await;
                wire.send([text("one"), text("two"), end.clone()].concat()).await;
                last = wire.frames().await;
                assert!(last.iter().any(|frame| frame.first == 0x88), "{last:?}");
                if last.starts_with(&[Frame::text("one"), Frame::text("two")]) {
                    return;
                }
            }
            panic!("not once in {TRIES} tries: {last:?}");
        });
    }
}

#[test]
fn a_lost_connection_is_reported_as_1006_and_not_clean() {
    with_world(async |world| {
        let mut witness = world.connect("/party/room").await;
        drop(world.connect("/party/room").await);
        assert_eq!(witness.frames().await, [closed(1006, false)]);
    });
}

/// Sends `wire` as one of two clients: it is closed with `code`, the other one sees the error and the end.
async fn check_fault(world: &World, wire: &[u8], code: u16, reason: &str) {
    let mut witness = world.connect("/party/room").await;
    let mut culprit = world.connect("/party/room").await;
    culprit.push(wire).await;
    let frames = culprit.frames().await;
    assert_eq!(frames.last(), Some(&Frame::close(code, reason)));
    assert!(culprit.has_ended().await, "the sending half is closed at once");
    assert_eq!(witness.frames().await, [Frame::text(reason), closed(code, false)]);
    assert_eq!(world.server.connections(), 2, "the rest of its bytes is still awaited");
    culprit.push(&[0; 200_000]).await;
    world.advance(EdgeLimits::default().close_ms_max).await;
    assert_eq!(world.server.connections(), 1);
}

#[test]
fn a_message_that_is_too_large_is_1009_with_the_sizes() {
    with_world(async |world| {
        let wire = masked(0x81, &[b'x'; 1_048_577]);
        check_fault(world, &wire, 1009, "Message is too large: 1048577 > 1048576").await;
    });
}

#[test]
fn the_largest_message_is_taken() {
    with_limits(
        Limits { outbound_queue_bytes_max: 4 << 20, ..Limits::default() },
        EdgeLimits::default(),
        async |world| {
            let mut wire = world.connect("/party/room").await;
            let largest = vec![b'x'; 1_048_576];
            let frame = masked(0x81, &largest);
            assert_eq!(wire.push(&frame).await, frame.len());
            let frames = wire.frames().await;
            assert_eq!(frames.len(), 1);
            assert!(frames[0].payload == largest);
        },
    );
}

#[test]
fn text_that_is_not_utf8_is_1007() {
    with_world(async |world| {
        check_fault(world, &masked(0x81, b"\xff"), 1007, "a text message or close reason is not UTF-8").await;
    });
}

#[test]
fn a_frame_that_breaks_the_protocol_is_1002() {
    with_world(async |world| {
        let reason = "a frame from a client is not masked";
        check_fault(world, b"\x81\x02hi", 1002, reason).await;
    });
}

#[test]
fn the_guests_close_waits_for_its_answer() {
    with_world(async |world| {
        let mut witness = world.connect("/party/room").await;
        let mut wire = world.connect("/party/room").await;
        wire.send(text("cgo away")).await;
        assert_eq!(wire.frames().await, [Frame::close(4001, "go away")]);
        wire.send([text("ignored"), close(4001, "")].concat()).await;
        assert!(wire.has_ended().await);
        assert_eq!(witness.frames().await, [closed(4001, true)]);
    });
}

#[test]
fn a_close_that_is_never_answered_is_cut() {
    with_world(async |world| {
        let mut witness = world.connect("/party/room").await;
        let mut wire = world.connect("/party/room").await;
        wire.send(text("c")).await;
        assert_eq!(wire.frames().await, [Frame::close(4001, "")]);
        world.advance(4_999).await;
        assert!(!wire.has_ended().await);
        world.advance(1).await;
        assert!(wire.has_ended().await);
        assert_eq!(witness.frames().await, [closed(1006, false)]);
    });
}

#[test]
fn pings_are_answered_and_sent() {
    with_world(async |world| {
        let mut wire = world.connect("/party/room").await;
        wire.send(masked(0x89, b"are you there")).await;
        assert_eq!(wire.frames().await, [Frame { first: 0x8a, payload: b"are you there".into() }]);
        let ping = Frame { first: 0x89, payload: vec![] };
        for _ in 0..5 {
            world.advance(30_000).await;
            assert_eq!(wire.frames().await.as_slice(), std::slice::from_ref(&ping));
            wire.send(masked(0x8a, b"")).await;
        }
    });
}

#[test]
fn a_client_that_answers_nothing_is_cut_after_interval_and_timeout() {
    with_world(async |world| {
        let mut witness = world.connect("/party/room").await;
        let mut silent = world.connect("/party/room").await;
        world.advance(30_000).await;
        witness.send(masked(0x8a, b"")).await;
        world.advance(29_999).await;
        assert!(!silent.has_ended().await);
        world.advance(1).await;
        silent.frames().await;
        assert!(silent.has_ended().await);
        assert!(witness.frames().await.contains(&closed(1006, false)));
    });
}

#[test]
fn a_slow_reader_is_closed_at_its_bound_and_the_others_are_not() {
    let limits = Limits { outbound_queue_bytes_max: 256 << 10, ..Limits::default() };
    with_limits(limits, EdgeLimits::default(), async |world| {
        let mut talker = world.connect("/party/room").await;
        let mut slow = world.connect("/party/room").await;
        let message = format!("b{}", "x".repeat(50_000));
        let mut heard = 0;
        for _ in 0..20 {
            talker.send(text(&message)).await;
            heard += talker.frames().await.iter().filter(|frame| frame.payload == message.as_bytes()).count();
        }
        assert_eq!(heard, 20, "whoever reads is not held up");
        // The slow one reads nothing, so the close cannot reach it: it is cut, and the room is told.
        world.advance(EdgeLimits::default().close_ms_max).await;
        assert_eq!(talker.frames().await, [closed(1006, false)]);
        let arrived = slow.take().await.len();
        assert!(arrived <= SOCKET_BYTES, "{arrived}");
        assert!(slow.has_ended().await);
    });
}

#[test]
fn a_slow_reader_that_reads_again_sees_why_it_was_closed() {
    let limits = Limits { outbound_queue_bytes_max: 256 << 10, ..Limits::default() };
    with_limits(limits, EdgeLimits::default(), async |world| {
        let mut talker = world.connect("/party/room").await;
        let mut slow = world.connect("/party/room").await;
        let message = format!("b{}", "x".repeat(50_000));
        for _ in 0..10 {
            talker.send(text(&message)).await;
            talker.frames().await;
        }
        let last = slow.frames().await.pop().unwrap();
        assert_eq!((last.first, &last.payload[..2]), (0x88, &1013_u16.to_be_bytes()[..]));
        slow.send(close(1013, "")).await;
        assert!(slow.has_ended().await);
        assert_eq!(talker.frames().await, [closed(1013, true)]);
    });
}

#[test]
fn a_socket_is_not_read_before_its_room_is_ready() {
    with_world(async |world| {
        let mut wire = world.dial().await;
        wire.send(crate::world::upgrade("/parties/hesitant/room")).await;
        world.advance(3_500).await;
        assert!(wire.response().await.0.starts_with("HTTP/1.1 101 "));
        let flood = text("hello").repeat(100_000);
        let taken = wire.push(&flood).await;
        assert!(taken <= SOCKET_BYTES, "{taken} bytes were taken from a client that must wait");
    });
}

#[test]
fn a_client_that_asks_for_pongs_and_takes_none_is_no_longer_read() {
    with_world(async |world| {
        let mut wire = world.connect("/party/room").await;
        let flood = masked(0x89, &[b'p'; 125]).repeat(20_000);
        let taken = wire.push(&flood).await;
        assert!(taken <= 4 * SOCKET_BYTES, "{taken} bytes of pings were taken, and their pongs held");
        let pongs = wire.frames().await.len();
        assert!(pongs > SOCKET_BYTES / 127, "when it reads, it gets them: {pongs}");
    });
}

#[test]
fn a_flood_of_frames_is_taken_in_turns() {
    with_world(async |world| {
        let mut wire = world.connect("/party/room").await;
        let flood: Vec<u8> = (0..500).flat_map(|number| text(&number.to_string())).collect();
        wire.send(flood).await;
        let frames = wire.frames().await;
        let expected: Vec<_> = (0..500).map(|number| Frame::text(&number.to_string())).collect();
        assert_eq!(frames, expected);
    });
}
