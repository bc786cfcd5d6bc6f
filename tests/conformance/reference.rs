//! What RFC 6455 demands of a server that gets some bytes, decided on all of them at once and as the RFC says it: the oracle
//! of `frames.rs`. It shares nothing with the host, not even what text is (RFC 3629, as its grammar has it).

/// A message: whether it is text, and what it says.
pub(crate) type Message = (bool, Vec<u8>);

/// How a connection must end, or that it need not.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum End {
    /// Nothing is wrong so far. `between` frames and messages, or in one.
    Open {
        /// Whether a message or frame could begin here.
        between: bool,
    },
    /// The client has closed with this code and reason, which are answered in kind (5.5.1).
    Closed(Vec<u8>),
    /// The connection must be failed with one of these codes (7.4.1).
    Failed(&'static [u16]),
}

/// What must come of some bytes.
#[derive(Debug)]
pub(crate) struct Verdict {
    /// The messages, in order: a server that sends back what it gets sends these, up to the end.
    pub(crate) messages: Vec<Message>,
    /// The payloads of the pongs, in order (5.5.3).
    pub(crate) pongs: Vec<Vec<u8>>,
    /// How it ends.
    pub(crate) end: End,
    /// Whether something follows the client's close, which nothing may.
    pub(crate) has_more: bool,
}

/// The frame breaks the protocol.
const BROKEN: End = End::Failed(&[1002]);
/// Text that is none.
const NO_TEXT: End = End::Failed(&[1007]);
/// The message is too large.
const TOO_LARGE: End = End::Failed(&[1009]);
/// A length with its highest bit set (5.2): it must fail, and is too large as well.
const NO_LENGTH: End = End::Failed(&[1002, 1009]);

/// Decides for a server that takes messages of at most so many bytes.
pub(crate) fn decide(bytes: &[u8], message_bytes_max: u64) -> Verdict {
    let mut verdict =
        Verdict { messages: vec![], pongs: vec![], end: End::Open { between: true }, has_more: false };
    verdict.end = walk(bytes, message_bytes_max, &mut verdict);
    verdict
}

fn walk(mut rest: &[u8], bytes_max: u64, verdict: &mut Verdict) -> End {
    let mut message: Option<Message> = None;
    loop {
        let Some((&first, after)) = rest.split_first() else {
            return End::Open { between: message.is_none() };
        };
        let (is_final, reserved, opcode) = (first >> 7 == 1, first >> 4 & 7, first & 15);
        let is_control = opcode >= 8;
        let is_allowed = match opcode {
            0 => message.is_some(),
            1 | 2 => message.is_none(),
            8..=10 => is_final,
            _ => false,
        };
        if reserved != 0 || !is_allowed {
            return BROKEN;
        }
        let Some((&second, after)) = after.split_first() else { return End::Open { between: false } };
        let (is_masked, short) = (second >> 7 == 1, second & 127);
        if !is_masked || is_control && short > 125 {
            return BROKEN;
        }
        let length_bytes = match short {
            126 => 2,
            127 => 8,
            _ => 0,
        };
        let Some((head, payload)) = after.split_at_checked(length_bytes + 4) else {
            return End::Open { between: false };
        };
        let (length, mask) = head.split_at(length_bytes);
        let length = match length {
            [] => u64::from(short),
            bytes => bytes.iter().fold(0, |length, byte| length << 8 | u64::from(*byte)),
        };
        if length >> 63 == 1 {
            return NO_LENGTH;
        }
        let before = message.as_ref().map_or(0, |(_, payload)| payload.len() as u64);
        if !is_control && before + length > bytes_max {
            return TOO_LARGE;
        }
        let here = payload.len().min(usize::try_from(length).unwrap_or(usize::MAX));
        let (payload, after) = payload.split_at(here);
        let is_whole = here as u64 == length;
        let plain = payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask);
        let plain: Vec<u8> = plain.collect();
        if !is_control {
            let (is_text, said) = message.get_or_insert((opcode == 1, vec![]));
            said.extend(plain);
            if *is_text && !is_utf8(said, is_final && is_whole) {
                return NO_TEXT;
            }
            if is_final && is_whole {
                verdict.messages.extend(message.take());
            }
        } else if is_whole {
            match opcode {
                8 => {
                    verdict.has_more = !after.is_empty();
                    return close(plain);
                }
                9 => verdict.pongs.push(plain),
                _ => {}
            }
        }
        if !is_whole {
            return End::Open { between: false };
        }
        rest = after;
    }
}

/// 5.5.1 and 7.4: no code, or one that may stand there, and a reason that is text.
fn close(payload: Vec<u8>) -> End {
    match &payload[..] {
        [] => End::Closed(payload),
        [_] => BROKEN,
        [high, low, reason @ ..] => match u16::from(*high) << 8 | u16::from(*low) {
            // 1004 to 1006 and 1015 are never sent, 1012 to 1014 have been registered since; up to 2999 nothing else is.
            0..=999 | 1004..=1006 | 1015..=2999 | 5000.. => BROKEN,
            _ if !is_utf8(reason, true) => NO_TEXT,
            _ => End::Closed(payload),
        },
    }
}

/// RFC 3629, 4: whether some bytes are characters, the last of which need be whole only `if is_whole`.
fn is_utf8(mut bytes: &[u8], is_whole: bool) -> bool {
    while let Some((&first, rest)) = bytes.split_first() {
        let tails: &[(u8, u8)] = match first {
            0x00..=0x7f => &[],
            0xc2..=0xdf => &[(0x80, 0xbf)],
            0xe0 => &[(0xa0, 0xbf), (0x80, 0xbf)],
            0xed => &[(0x80, 0x9f), (0x80, 0xbf)],
            0xe1..=0xef => &[(0x80, 0xbf), (0x80, 0xbf)],
            0xf0 => &[(0x90, 0xbf), (0x80, 0xbf), (0x80, 0xbf)],
            0xf1..=0xf3 => &[(0x80, 0xbf), (0x80, 0xbf), (0x80, 0xbf)],
            0xf4 => &[(0x80, 0x8f), (0x80, 0xbf), (0x80, 0xbf)],
            _ => return false,
        };
        let here = tails.len().min(rest.len());
        let fits = |(byte, (from, to)): (&u8, &(u8, u8))| (from..=to).contains(&byte);
        if !rest.iter().zip(tails).all(fits) || here < tails.len() && is_whole {
            return false;
        }
        bytes = &rest[here..];
    }
    true
}

#[test]
fn the_reference_decides_as_the_rfc_says() {
    let end = |bytes: &[u8]| decide(bytes, 1_000).end;
    assert_eq!(end(b""), End::Open { between: true });
    assert_eq!(end(b"\x81"), End::Open { between: false });
    assert_eq!(end(b"\x01\x80\0\0\0\0"), End::Open { between: false });
    assert_eq!(end(b"\x88\x80\0\0\0\0\xff"), End::Closed(vec![]));
    assert_eq!(end(b"\x88\x83\0\0\0\0\x03\xe8a"), End::Closed(b"\x03\xe8a".to_vec()));
    let broken: [&[u8]; 9] = [
        b"\xc1",
        b"\x83",
        b"\x80",
        b"\x09",
        b"\x81\x00",
        b"\x89\xfe",
        b"\x01\x80\0\0\0\0\x81",
        b"\x88\x81\0\0\0\0a",
        b"\x88\x82\0\0\0\0\x03\xed",
    ];
    for bytes in broken {
        assert_eq!(end(bytes), BROKEN, "{bytes:?}");
    }
    for bytes in [&b"\x81\x82\0\0\0\0\xff"[..], b"\x81\x81\0\0\0\0\xc3", b"\x88\x83\0\0\0\0\x03\xe8\xff"] {
        assert_eq!(end(bytes), NO_TEXT, "{bytes:?}");
    }
    assert_eq!(end(b"\x01\x81\0\0\0\0\xc3"), End::Open { between: false });
    assert_eq!(end(b"\x82\xfe\x03\xe9\0\0\0\0"), TOO_LARGE);
    assert_eq!(end(b"\x82\xff\x80\0\0\0\0\0\0\0\0\0\0\0"), NO_LENGTH);
    let verdict = decide(b"\x01\x81\x01\0\0\0i\x89\x81\0\0\0\0p\x80\x81\0\0\0\0i\x82\x80\0\0\0\0", 2);
    assert_eq!(verdict.messages, [(true, b"hi".to_vec()), (false, vec![])]);
    assert_eq!((verdict.pongs, verdict.end), (vec![b"p".to_vec()], End::Open { between: true }));
}

#[test]
fn the_reference_knows_text() {
    for whole in ["", "a", "é", "€", "𐍈", "\u{d7ff}\u{e000}\u{10ffff}"] {
        let bytes = whole.as_bytes();
        assert!(is_utf8(bytes, true));
        for cut in 0..bytes.len() {
            assert!(is_utf8(&bytes[..cut], false));
            assert_eq!(is_utf8(&bytes[..cut], true), whole.is_char_boundary(cut));
        }
    }
    for none in [
        &b"\x80"[..],
        b"\xc0",
        b"\xc1",
        b"\xe0\x9f",
        b"\xed\xa0",
        b"\xf0\x8f",
        b"\xf4\x90",
        b"\xf5",
        b"\xc3a",
    ] {
        assert!(!is_utf8(none, false), "{none:?}");
    }
}
