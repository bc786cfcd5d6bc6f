//! Frames, whole and broken.

use bytes::Bytes;
use party_core::message::{CloseFrame, Message};

use super::super::write_queue::WriteQueue;
use super::{Fault, Frames, Received, encode, ping};

const BYTES_MAX: u32 = 1 << 20;
const MASK: [u8; 4] = [0x12, 0x34, 0x56, 0x78];

/// A client's frame: first byte as given, masked payload.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut wire = vec![first];
    match payload.len() {
        length @ 0..=125 => wire.push(0x80 | length as u8),
        length @ 126..=0xffff => {
            wire.push(0x80 | 126);
            wire.extend((length as u16).to_be_bytes());
        }
        length => {
            wire.push(0x80 | 127);
            wire.extend((length as u64).to_be_bytes());
        }
    }
    wire.extend(MASK);
    wire.extend(payload.iter().zip(MASK.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    wire
}

/// Everything that comes of some bytes, given in pieces of `step`, and what is written in answer.
fn run(wire: &[u8], step: usize) -> (Vec<Result<Received, Fault>>, Vec<u8>) {
    let (mut frames, mut out) = (Frames::new(BYTES_MAX), WriteQueue::default());
    let mut seen = Vec::new();
    'all: for piece in wire.chunks(step) {
        let mut input = piece;
        loop {
            match frames.next(&mut input, &mut out) {
                Ok(None) => break,
                Ok(Some(Received::Close(frame))) => {
                    frames.close(Some(&frame), &mut out);
                    seen.push(Ok(Received::Close(frame)));
                    break 'all;
                }
                Ok(Some(received)) => seen.push(Ok(received)),
                Err(fault) => {
                    seen.push(Err(fault));
                    break 'all;
                }
            }
        }
        assert!(input.is_empty(), "all bytes are taken");
    }
    (seen, written(&mut out))
}

fn written(out: &mut WriteQueue) -> Vec<u8> {
    let mut bytes = Vec::new();
    while !out.is_empty() {
        let (slices, count) = out.slices();
        let piece: Vec<u8> = slices[..count].iter().flat_map(|slice| slice.to_vec()).collect();
        out.advance(piece.len());
        bytes.extend(piece);
    }
    bytes
}

fn check(wire: &[u8], expected: &[Result<Received, Fault>], answer: &[u8]) {
    for step in [1, 3, usize::MAX] {
        let (seen, written) = run(wire, step);
        assert_eq!(seen, expected, "in steps of {step}");
        assert_eq!(written, answer, "in steps of {step}");
    }
}

fn text(text: &str) -> Result<Received, Fault> {
    Ok(Received::Message(Message::text(text)))
}

fn protocol(seen: &[Result<Received, Fault>]) -> bool {
    matches!(seen, [Err(Fault::Protocol(_))])
}

#[test]
fn messages_come_out_whole_however_their_bytes_arrive() {
    let mut wire = frame(0x81, b"hello");
    wire.extend(frame(0x82, &[0xff, 0x00]));
    wire.extend(frame(0x81, b""));
    wire.extend(frame(0x81, &[b'x'; 70_000]));
    let binary = Ok(Received::Message(Message::Binary(Bytes::from_static(&[0xff, 0x00]))));
    check(&wire, &[text("hello"), binary, text(""), text(&"x".repeat(70_000))], b"");
}

#[test]
fn fragments_are_joined_around_a_ping_and_a_split_character() {
    let mut wire = frame(0x01, &"é".as_bytes()[..1]);
    wire.extend(frame(0x89, b"now"));
    wire.extend(frame(0x80, &"é".as_bytes()[1..]));
    check(&wire, &[Ok(Received::Control), text("é")], b"\x8a\x03now");
}

#[test]
fn every_ping_has_its_pong_in_order() {
    let mut wire = frame(0x89, b"a");
    wire.extend(frame(0x89, b"b"));
    wire.extend(frame(0x8a, b"unasked"));
    check(
        &wire,
        &[Ok(Received::Control), Ok(Received::Control), Ok(Received::Control)],
        b"\x8a\x01a\x8a\x01b",
    );
}

#[test]
fn the_largest_message_passes_and_one_byte_more_does_not() {
    let largest = vec![7; BYTES_MAX as usize];
    let (seen, _) = run(&frame(0x82, &largest), usize::MAX);
    assert_eq!(seen, [Ok(Received::Message(Message::Binary(largest.clone().into())))]);

    let fault = Fault::TooLarge { bytes: 1_048_577, bytes_max: 1_048_576 };
    assert_eq!(fault.to_string(), "Message is too large: 1048577 > 1048576");
    let larger = frame(0x82, &[&largest[..], &[7]].concat());
    // The head is enough: nobody waits for a body that will be refused.
    assert_eq!(run(&larger[..14], usize::MAX).0, [Err(fault)]);

    let mut fragments = frame(0x02, &largest);
    fragments.extend(frame(0x80, &[7]));
    assert_eq!(run(&fragments, usize::MAX).0, [Err(fault)]);
}

#[test]
fn a_close_is_answered_with_its_own_code_and_reason() {
    let mut wire = frame(0x88, b"\x0f\xa0bye");
    wire.extend(frame(0x81, b"too late"));
    let (seen, answer) = run(&wire, usize::MAX);
    assert_eq!(seen, [Ok(Received::Close(CloseFrame::new(4000, "bye")))]);
    assert_eq!(answer, b"\x88\x05\x0f\xa0bye");
    check(&frame(0x88, b""), &[Ok(Received::Close(CloseFrame::no_code()))], b"\x88\x00");
}

#[test]
fn a_close_code_that_may_not_be_sent_is_a_fault() {
    for code in [0_u16, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, 65535] {
        let (seen, _) = run(&frame(0x88, &code.to_be_bytes()), usize::MAX);
        assert_eq!(seen, [Err(Fault::Protocol("a close has a code that may not be sent"))], "{code}");
    }
}

#[test]
fn a_fault_is_found_with_the_first_byte_that_proves_it() {
    // (whole frame, bytes of it after which it must be refused)
    let cases = [
        (frame(0xc1, b"hi"), 1),
        (frame(0x83, b"hi"), 1),
        (frame(0x09, b"hi"), 1),
        (frame(0x80, b"hi"), 1),
        (b"\x81\x02hi".to_vec(), 2),
        (frame(0x89, &[0; 126]), 2),
        (frame(0x81, b"ok\xf4\x90later"), 10),
        (frame(0x01, b"\xffrest"), 7),
    ];
    for (wire, bytes) in cases {
        assert!(run(&wire[..bytes - 1], 1).0.is_empty(), "{wire:?} is not refused too early");
        assert!(matches!(run(&wire[..bytes], 1).0[..], [Err(_)]), "{wire:?} is refused after {bytes}");
    }
}

#[test]
fn a_length_alone_costs_nothing() {
    let mut frames = Frames::new(32 << 20);
    let wire = frame(0x82, &vec![0; 20 << 20]);
    assert_eq!(frames.next(&mut &wire[..100], &mut WriteQueue::default()), Ok(None));
    let (_, partial) = frames.message.as_ref().unwrap();
    assert!(partial.bytes.capacity() <= 64 << 10, "{}", partial.bytes.capacity());
}

#[test]
fn a_large_message_in_pieces_is_one_allocation_of_its_size() {
    let mut frames = Frames::new(32 << 20);
    let wire = frame(0x82, &vec![3; 5_000_000]);
    let mut seen = None;
    for mut piece in wire.chunks(60_000) {
        seen = frames.next(&mut piece, &mut WriteQueue::default()).unwrap();
        if let Some((_, partial)) = &frames.message {
            assert!(partial.bytes.capacity() <= 5_000_000);
        }
    }
    let Some(Received::Message(message)) = seen else { panic!("{seen:?}") };
    assert_eq!(message.len(), 5_000_000);
}

#[test]
fn text_that_is_not_utf8_is_a_fault() {
    check(&frame(0x81, b"\xc3\x28"), &[Err(Fault::BadText)], b"");
    check(&frame(0x81, b"\xf0\x9f\x98"), &[Err(Fault::BadText)], b"");
    check(&frame(0x81, b"\xed\xa0\x80"), &[Err(Fault::BadText)], b"");
    check(&frame(0x88, b"\x03\xe8\xff"), &[Err(Fault::BadText)], b"");
    let mut wire = frame(0x01, b"\xce\xba");
    wire.extend(frame(0x80, b"\xff"));
    check(&wire, &[Err(Fault::BadText)], b"");
}

#[test]
fn frames_that_break_the_protocol_are_faults() {
    let unmasked = b"\x81\x02hi".to_vec();
    let reserved_bit = frame(0xc1, b"hi");
    let reserved_opcode = frame(0x83, b"hi");
    let reserved_control = frame(0x8b, b"");
    let long_ping = frame(0x89, &[0; 126]);
    let fragmented_ping = frame(0x09, b"");
    let nothing_to_continue = frame(0x80, b"hi");
    let half_a_code = frame(0x88, b"\x03");
    let not_continued = [frame(0x01, b"a"), frame(0x81, b"b")].concat();
    let cases = [
        unmasked,
        reserved_bit,
        reserved_opcode,
        reserved_control,
        long_ping,
        fragmented_ping,
        nothing_to_continue,
        half_a_code,
        not_continued,
    ];
    for wire in cases {
        let (seen, answer) = run(&wire, usize::MAX);
        assert!(protocol(&seen), "{wire:?}: {seen:?}");
        assert!(answer.is_empty(), "the caller closes");
    }
}

#[test]
fn our_close_stands_behind_what_was_queued_and_waits_for_its_answer() {
    let (mut frames, mut out) = (Frames::new(BYTES_MAX), WriteQueue::default());
    out.push_message(encode(&Message::text("last")), 4);
    frames.close(Some(&CloseFrame::new(1001, "away")), &mut out);
    assert_eq!(written(&mut out), b"\x81\x04last\x88\x06\x03\xe9away");
    let mut wire = frame(0x81, b"on its way");
    wire.extend(frame(0x88, b"\x03\xe9"));
    let mut input = &wire[..];
    assert_eq!(frames.next(&mut input, &mut out), Ok(Some(Received::Message(Message::text("on its way")))));
    assert_eq!(frames.next(&mut input, &mut out), Ok(Some(Received::Close(CloseFrame::new(1001, "")))));
    assert!(out.is_empty(), "an answer is not answered");
}

#[test]
fn a_close_after_a_fault_is_written() {
    let (mut frames, mut out) = (Frames::new(BYTES_MAX), WriteQueue::default());
    let wire = frame(0x81, b"\xff");
    assert_eq!(frames.next(&mut &wire[..], &mut out), Err(Fault::BadText));
    frames.close(Some(&CloseFrame::new(1007, "")), &mut out);
    assert_eq!(written(&mut out), b"\x88\x02\x03\xef");
}

#[test]
fn a_close_without_a_code_that_may_be_sent_has_none() {
    for close in [None, Some(CloseFrame::lost()), Some(CloseFrame::no_code())] {
        let (mut frames, mut out) = (Frames::new(BYTES_MAX), WriteQueue::default());
        frames.close(close.as_ref(), &mut out);
        assert_eq!(written(&mut out), b"\x88\x00");
    }
}

#[test]
fn a_message_is_encoded_with_the_shortest_length() {
    let head =
        |length: usize| encode(&Message::Binary(vec![0; length].into()))[..10.min(length + 2)].to_vec();
    assert_eq!(encode(&Message::text("hi")), &b"\x81\x02hi"[..]);
    assert_eq!(head(125)[..2], [0x82, 125]);
    assert_eq!(head(126)[..4], [0x82, 126, 0, 126]);
    assert_eq!(head(65_535)[..4], [0x82, 126, 0xff, 0xff]);
    assert_eq!(head(65_536)[..10], [0x82, 127, 0, 0, 0, 0, 0, 1, 0, 0]);
    assert_eq!(ping(), &b"\x89\x00"[..]);
}

/// A stream of numbers that is the same for the same seed (splitmix64).
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }
}

/// Frames as a client might send them, most of them right, some not.
fn random_frames(numbers: &mut Numbers) -> Vec<u8> {
    let mut wire = Vec::new();
    let mut within = false;
    for _ in 0..1 + numbers.below(8) {
        let texts: [&[u8]; 8] = [
            b"",
            b"hello",
            "h\u{e9}".as_bytes(),
            b"\xc3",
            b"\xa9",
            b"\xff",
            "\u{1f600}".as_bytes(),
            b"\x03\xe8",
        ];
        let mut payload: Vec<u8> =
            (0..numbers.below(3)).flat_map(|_| texts[numbers.below(8) as usize].to_vec()).collect();
        if numbers.below(10) == 0 {
            payload = vec![b'x'; numbers.below(300) as usize];
        }
        let is_final = numbers.below(3) > 0;
        let opcode = match numbers.below(20) {
            0 => numbers.below(16) as u8,
            1 => 8,
            2 | 3 => 9,
            4 => 10,
            _ if within => 0,
            _ => 1 + numbers.below(2) as u8,
        };
        let first = opcode | if is_final || opcode & 8 != 0 { 0x80 } else { 0 };
        if opcode < 3 {
            within = !is_final;
        }
        let mut bytes = frame(first, &payload);
        match numbers.below(40) {
            0 => bytes[0] ^= 1 << numbers.below(8),
            1 => bytes[1] ^= 0x80,
            _ => {}
        }
        wire.extend(bytes);
    }
    wire
}

/// What tungstenite makes of the same bytes: the messages, and whether they end in a close or a fault.
fn by_tungstenite(wire: &[u8], bytes_max: u32) -> (Vec<Message>, Option<End>) {
    use tokio_tungstenite::tungstenite::protocol::{
        Message as Theirs, Role, WebSocketConfig, WebSocketContext,
    };
    use tokio_tungstenite::tungstenite::{Error, error::CapacityError};

    let config = WebSocketConfig::default()
        .max_message_size(Some(bytes_max as usize))
        .max_frame_size(Some(bytes_max as usize));
    let mut context = WebSocketContext::from_partially_read(wire.to_vec(), Role::Server, Some(config));
    let mut messages = Vec::new();
    loop {
        match context.read(&mut Dry) {
            Ok(Theirs::Text(text)) => messages.push(Message::text(text.as_str())),
            Ok(Theirs::Binary(bytes)) => messages.push(Message::Binary(bytes)),
            Ok(Theirs::Ping(_) | Theirs::Pong(_) | Theirs::Frame(_)) => {}
            Ok(Theirs::Close(frame)) => {
                let code = frame.map_or(1005, |frame| u16::from(frame.code));
                // It takes a code that may not be sent for a close, and answers with 1002.
                return (messages, Some(if code == 1002 { End::Fault(1002) } else { End::Close(code) }));
            }
            Err(Error::Io(_)) => return (messages, None),
            Err(Error::Utf8(_)) => return (messages, Some(End::Fault(1007))),
            Err(Error::Capacity(CapacityError::MessageTooLong { .. })) => {
                return (messages, Some(End::Fault(1009)));
            }
            Err(_) => return (messages, Some(End::Fault(1002))),
        }
    }
}

/// How a connection ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum End {
    Close(u16),
    Fault(u16),
}

/// A stream that has nothing to read and takes what is written.
struct Dry;

impl std::io::Read for Dry {
    fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
        Err(std::io::ErrorKind::WouldBlock.into())
    }
}

impl std::io::Write for Dry {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

fn by_us(wire: &[u8], bytes_max: u32, step: usize) -> (Vec<Message>, Option<End>) {
    let (mut frames, mut out) = (Frames::new(bytes_max), WriteQueue::default());
    let mut messages = Vec::new();
    for mut input in wire.chunks(step) {
        loop {
            match frames.next(&mut input, &mut out) {
                Ok(None) => break,
                Ok(Some(Received::Message(message))) => messages.push(message),
                Ok(Some(Received::Control)) => {}
                Ok(Some(Received::Close(frame))) => return (messages, Some(End::Close(frame.code))),
                Err(Fault::TooLarge { .. }) => return (messages, Some(End::Fault(1009))),
                Err(Fault::BadText) => return (messages, Some(End::Fault(1007))),
                Err(Fault::Protocol(_)) => return (messages, Some(End::Fault(1002))),
                Err(Fault::NoMemory(refused)) => panic!("{refused}"),
            }
        }
    }
    (messages, None)
}

/// Both must agree on every message and on whether there is a fault. Of several faults in the same bytes each may
/// tell another first, and ours is found earlier: so where ours has a fault, theirs has one or waits for more.
#[test]
fn random_frames_mean_the_same_to_us_and_to_tungstenite() {
    let (mut faults, mut closes) = (0, 0);
    for seed in 0..20_000 {
        let mut numbers = Numbers(seed);
        let wire = random_frames(&mut numbers);
        let bytes_max = [128, 1 << 20][numbers.below(2) as usize];
        let theirs = by_tungstenite(&wire, bytes_max);
        for step in [1, 1 + numbers.below(40) as usize, usize::MAX] {
            let ours = by_us(&wire, bytes_max, step);
            assert_eq!(ours.0, theirs.0, "seed {seed}, steps of {step}");
            match (ours.1, theirs.1) {
                (Some(End::Fault(_)), Some(End::Fault(_)) | None) => faults += 1,
                (ours, theirs) => {
                    assert_eq!(ours, theirs, "seed {seed}, steps of {step}");
                    closes += usize::from(ours.is_some());
                }
            }
        }
    }
    assert!(
        faults > 5_000 && closes > 1_000,
        "{faults} faults and {closes} closes are too few to prove anything"
    );
}

/// Bytes that nobody meant as frames end in a fault or wait for more, whatever they are.
#[test]
fn noise_never_panics() {
    for seed in 0..20_000 {
        let mut numbers = Numbers(seed);
        let wire: Vec<u8> = (0..64).map(|_| numbers.next() as u8).collect();
        by_us(&wire, 1 << 20, 1 + (seed % 7) as usize);
    }
}
