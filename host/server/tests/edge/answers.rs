//! What a client may be told, byte by byte: responses by RFC 9112, and after a 101 frames by RFC 6455.

/// One thing that the server has said.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Answer {
    /// A response: status and body.
    Response(u16, Vec<u8>),
    /// A frame: its first byte and its payload.
    Frame(u8, Vec<u8>),
}

impl Answer {
    /// Whether it is the end of a WebSocket.
    pub(crate) fn is_close(&self) -> bool {
        matches!(self, Answer::Frame(0x88, _))
    }
}

impl std::fmt::Debug for Answer {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (what, number, bytes) = match self {
            Answer::Response(status, body) => ("response", usize::from(*status), body),
            Answer::Frame(first, payload) => ("frame", usize::from(*first), payload),
        };
        let shown = bytes[..bytes.len().min(100)].escape_ascii();
        write!(formatter, "{what} {number} with {} bytes: {shown}", bytes.len())
    }
}

/// Takes apart all that came on one connection, or says what is wrong with it. To a HEAD no
/// body is answered, whatever the length: whether there was one, only the server knows. With `may_be_cut` the last thing may be half.
pub(crate) fn parse(bytes: &[u8], may_be_head: bool, may_be_cut: bool) -> Result<Vec<Answer>, String> {
    if bytes.is_empty() {
        return Ok(Vec::new());
    }
    let Some(head_bytes) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else {
        return if may_be_cut { Ok(Vec::new()) } else { Err("a head has no end".into()) };
    };
    let (head, rest) = (&bytes[..head_bytes], &bytes[head_bytes + 4..]);
    let (status, length) = parse_head(head)?;
    match (status, length) {
        (101, None) => Ok([vec![Answer::Response(101, vec![])], parse_frames(rest, may_be_cut)?].concat()),
        (100, None) => parse(rest, may_be_head, may_be_cut),
        (200.., None) if may_be_head => parse(rest, may_be_head, may_be_cut)
            .map(|more| [vec![Answer::Response(status, vec![])], more].concat()),
        (200.., Some(length)) => {
            let with_body = match rest.split_at_checked(length) {
                Some((body, rest)) => parse(rest, may_be_head, may_be_cut)
                    .map(|more| [vec![Answer::Response(status, body.into())], more].concat()),
                None if may_be_cut => Ok(Vec::new()),
                None => Err(format!("a body of {length} bytes has only {}", rest.len())),
            };
            with_body.or_else(|error| match may_be_head {
                true => parse(rest, may_be_head, may_be_cut)
                    .map(|more| [vec![Answer::Response(status, vec![])], more].concat()),
                false => Err(error),
            })
        }
        _ => Err(format!("status {status} with length {length:?}")),
    }
}

fn parse_head(head: &[u8]) -> Result<(u16, Option<usize>), String> {
    let wrong = |what: &str| format!("{what} in {:?}", head.escape_ascii().to_string());
    let head_text = std::str::from_utf8(head).map_err(|_| wrong("a byte that is no text"))?;
    let mut lines = head_text.split("\r\n");
    let status = lines.next().and_then(|line| match line.strip_prefix("HTTP/1.1 ") {
        Some(rest) => Some(rest),
        None => line.strip_prefix("HTTP/1.0 "),
    });
    let status = status.and_then(|rest| rest.get(..4)).and_then(|digits| digits.strip_suffix(' '));
    let status = status.and_then(|digits| digits.parse().ok()).ok_or_else(|| wrong("no status"))?;
    let mut length = None;
    for line in lines {
        let (name, value) = line.split_once(": ").ok_or_else(|| wrong("a line that is no header"))?;
        let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
        if name.is_empty() || !name.bytes().all(is_name) || value.contains(char::is_control) {
            return Err(wrong("a header that may not be"));
        }
        match name {
            "content-length" if length.is_some() => return Err(wrong("two lengths")),
            "content-length" => length = Some(value.parse().map_err(|_| wrong("a length that is none"))?),
            "transfer-encoding" => return Err(wrong("an encoding that nobody has asked for")),
            _ => {}
        }
    }
    Ok((status, length))
}

fn parse_frames(mut bytes: &[u8], may_be_cut: bool) -> Result<Vec<Answer>, String> {
    let mut frames = Vec::new();
    while !bytes.is_empty() {
        if frames.last().is_some_and(Answer::is_close) {
            return Err("something follows a close".into());
        }
        match split_frame(bytes) {
            Some((first, payload, rest)) => {
                check_frame(first, bytes[1], payload)?;
                frames.push(Answer::Frame(first, payload.into()));
                bytes = rest;
            }
            None if may_be_cut => break,
            None => return Err("a frame is not whole".into()),
        }
    }
    Ok(frames)
}

/// First byte, payload, and what follows; `None` if the frame is not whole.
fn split_frame(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (head, rest) = bytes.split_at_checked(2)?;
    let (length, rest) = match head[1] {
        126 => {
            let (length, rest) = rest.split_first_chunk()?;
            (u16::from_be_bytes(*length).into(), rest)
        }
        127 => {
            let (length, rest) = rest.split_first_chunk()?;
            (usize::try_from(u64::from_be_bytes(*length)).ok()?, rest)
        }
        length => (length.into(), rest),
    };
    let (payload, rest) = rest.split_at_checked(length)?;
    Some((head[0], payload, rest))
}

/// RFC 6455, 5.1 to 5.5: nothing is masked or reserved, lengths are the shortest, control frames are short. That
/// messages are whole in one frame is our own way.
fn check_frame(first: u8, second: u8, payload: &[u8]) -> Result<(), String> {
    let shortest = match payload.len() {
        0..126 => payload.len() as u8,
        126..0x1_0000 => 126,
        _ => 127,
    };
    let is_sound = match first {
        0x81 => std::str::from_utf8(payload).is_ok(),
        0x82 => true,
        0x88 => match payload {
            [] => true,
            [high, low, reason @ ..] => {
                let code = u16::from_be_bytes([*high, *low]);
                payload.len() < 126
                    && matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999)
                    && std::str::from_utf8(reason).is_ok()
            }
            [_] => false,
        },
        0x89 | 0x8a => payload.len() < 126,
        _ => false,
    };
    match is_sound && second == shortest {
        true => Ok(()),
        false => Err(format!("a frame {first:#x} {second:#x} with {:?}", payload.escape_ascii().to_string())),
    }
}

#[test]
fn what_a_server_may_not_say_is_found() {
    let response = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n";
    let switch = "HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\n\r\n";
    let sound = [format!("{response}hi{response}ho"), format!("{switch}\u{1}"), switch.into()];
    assert_eq!(parse(sound[0].as_bytes(), false, false).unwrap().len(), 2);
    assert!(parse(sound[1].as_bytes(), false, false).is_err(), "half a frame");
    assert_eq!(parse(sound[1].as_bytes(), false, true).unwrap().len(), 1);
    assert_eq!(parse(format!("{response}{response}hi").as_bytes(), true, false).unwrap().len(), 2);
    for unsound in [
        response.to_owned(),
        format!("{response}hi!"),
        format!("{response}{response}hi"),
        response.replace("content-length: 2\r\n", ""),
        response.replace("content-length", "content length"),
        response.replace("\r\n\r\n", "\r\ncontent-length: 2\r\n\r\nhi"),
        response.replace("200", "2x0"),
        response.replace("HTTP/1.1 ", ""),
    ] {
        assert!(parse(unsound.as_bytes(), false, false).is_err(), "{unsound}");
    }
    for unsound in [
        &b"\x01\x00"[..],
        b"\xc1\x00",
        b"\x81\x80\0\0\0\0",
        b"\x81\x01\xff",
        b"\x81\x7e\x00\x01x",
        b"\x88\x01\x03",
        b"\x88\x02\x03\xed",
        b"\x88\x00\x8a\x00",
        b"\x83\x00",
    ] {
        assert!(parse(&[switch.as_bytes(), unsound].concat(), false, false).is_err(), "{unsound:?}");
    }
}
