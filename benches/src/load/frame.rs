//! WebSocket frames as a client writes and reads them (RFC 6455, section 5), without copying and without state.
//!
//! ```text
//! byte 0   FIN 1 | reserved 000 | opcode 4 bits
//! byte 1   MASK 1 bit | length 7 bits (126: two more bytes follow, 127: eight)
//! mask     4 bytes, in frames of the client only
//! payload
//! ```
//!
//! What must hold: a frame that breaks the protocol is an error, never skipped. Fragmented messages are refused: no
//! server has a reason to fragment the small messages that this tool sends, and a refusal is louder than support.

/// Longest payload that is read; a longer one is a server gone astray.
pub const PAYLOAD_BYTES_MAX: usize = 32 * 1024;

/// Most bytes that a server's header takes.
const HEADER_BYTES_MAX: usize = 10;

/// Most bytes of a whole frame of a server.
pub const FRAME_BYTES_MAX: usize = HEADER_BYTES_MAX + PAYLOAD_BYTES_MAX;

/// What a frame is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opcode {
    /// A text message.
    Text,
    /// A binary message.
    Binary,
    /// The end of the connection.
    Close,
    /// Asks for a pong.
    Ping,
    /// Answers a ping.
    Pong,
}

impl Opcode {
    fn bits(self) -> u8 {
        match self {
            Opcode::Text => 0x1,
            Opcode::Binary => 0x2,
            Opcode::Close => 0x8,
            Opcode::Ping => 0x9,
            Opcode::Pong => 0xA,
        }
    }

    fn from_bits(bits: u8) -> Result<Opcode, FrameError> {
        match bits {
            0x0 => Err(FrameError::Fragmented),
            0x1 => Ok(Opcode::Text),
            0x2 => Ok(Opcode::Binary),
            0x8 => Ok(Opcode::Close),
            0x9 => Ok(Opcode::Ping),
            0xA => Ok(Opcode::Pong),
            unknown => Err(FrameError::Opcode(unknown)),
        }
    }
}

/// How a server broke the protocol.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// A server must not mask.
    #[error("the server masked a frame")]
    Masked,
    /// A reserved bit is set though no extension was agreed.
    #[error("the server set a reserved bit")]
    Reserved,
    /// A message came in several frames.
    #[error("the server fragmented a message; this tool does not read that")]
    Fragmented,
    /// No such opcode.
    #[error("the server sent opcode {0:#x}")]
    Opcode(u8),
    /// More than this tool reads.
    #[error("the server sent {bytes} bytes in one frame; the limit is {PAYLOAD_BYTES_MAX}")]
    TooLong {
        /// Length that the header announced.
        bytes: u64,
    },
}

/// One whole frame of a server, where it lies in the read buffer.
#[derive(Debug, PartialEq, Eq)]
pub struct Frame<'a> {
    /// What it is.
    pub opcode: Opcode,
    /// What it carries.
    pub payload: &'a [u8],
    /// Bytes that the frame takes, header included.
    pub bytes: usize,
}

/// Reads the frame at the start of `bytes`; `None` when it is not all there yet.
pub fn parse(bytes: &[u8]) -> Result<Option<Frame<'_>>, FrameError> {
    let [first, second, ..] = *bytes else {
        return Ok(None);
    };
    if first & 0x70 != 0 {
        return Err(FrameError::Reserved);
    }
    let opcode = Opcode::from_bits(first & 0x0F)?;
    if first & 0x80 == 0 {
        return Err(FrameError::Fragmented);
    }
    if second & 0x80 != 0 {
        return Err(FrameError::Masked);
    }
    let (length, header) = match second {
        126 => match bytes.get(2..4) {
            Some(field) => (u64::from(u16::from_be_bytes([field[0], field[1]])), 4),
            None => return Ok(None),
        },
        127 => match bytes.get(2..10).and_then(|field| <[u8; 8]>::try_from(field).ok()) {
            Some(field) => (u64::from_be_bytes(field), 10),
            None => return Ok(None),
        },
        short => (u64::from(short), 2),
    };
    let payload_bytes = usize::try_from(length)
        .ok()
        .filter(|bytes| *bytes <= PAYLOAD_BYTES_MAX)
        .ok_or(FrameError::TooLong { bytes: length })?;
    let end = header + payload_bytes;
    Ok(bytes.get(header..end).map(|payload| Frame { opcode, payload, bytes: end }))
}

/// Appends a masked frame, as every client must send it.
pub fn append_masked(out: &mut Vec<u8>, opcode: Opcode, mask: [u8; 4], payload: &[u8]) {
    out.push(0x80 | opcode.bits());
    match payload.len() {
        short @ 0..=125 => out.push(0x80 | short as u8),
        middle @ 126..=0xFFFF => {
            out.push(0x80 | 126);
            out.extend_from_slice(&(middle as u16).to_be_bytes());
        }
        long => {
            out.push(0x80 | 127);
            out.extend_from_slice(&(long as u64).to_be_bytes());
        }
    }
    out.extend_from_slice(&mask);
    let start = out.len();
    out.extend_from_slice(payload);
    for (byte, key) in out[start..].iter_mut().zip(mask.iter().cycle()) {
        *byte ^= key;
    }
}

#[cfg(test)]
mod tests {
    use super::{Frame, FrameError, Opcode, PAYLOAD_BYTES_MAX, append_masked, parse};

    fn server_frame(payload: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0x81];
        match payload.len() {
            short @ 0..=125 => bytes.push(short as u8),
            middle @ 126..=0xFFFF => {
                bytes.push(126);
                bytes.extend_from_slice(&(middle as u16).to_be_bytes());
            }
            long => {
                bytes.push(127);
                bytes.extend_from_slice(&(long as u64).to_be_bytes());
            }
        }
        bytes.extend_from_slice(payload);
        bytes
    }

    #[test]
    fn a_frame_is_read_only_when_all_of_it_is_there() {
        for length in [0, 1, 64, 125, 126, 1_000, PAYLOAD_BYTES_MAX] {
            let payload = vec![b'x'; length];
            let mut bytes = server_frame(&payload);
            let whole = bytes.len();
            for cut in (0..whole).step_by(1 + whole / 200) {
                assert_eq!(parse(&bytes[..cut]), Ok(None), "{cut} of {whole} bytes");
            }
            bytes.extend_from_slice(b"next");
            let expected = Frame { opcode: Opcode::Text, payload: &payload, bytes: whole };
            assert_eq!(parse(&bytes), Ok(Some(expected)));
        }
    }

    #[test]
    fn every_breach_of_the_protocol_is_named() {
        assert_eq!(parse(&[0xC1, 0]), Err(FrameError::Reserved));
        assert_eq!(parse(&[0x81, 0x80]), Err(FrameError::Masked));
        assert_eq!(parse(&[0x01, 0]), Err(FrameError::Fragmented));
        assert_eq!(parse(&[0x80, 0]), Err(FrameError::Fragmented));
        assert_eq!(parse(&[0x83, 0]), Err(FrameError::Opcode(3)));
        let mut long = vec![0x82, 127];
        long.extend_from_slice(&u64::MAX.to_be_bytes());
        assert_eq!(parse(&long), Err(FrameError::TooLong { bytes: u64::MAX }));
    }

    #[test]
    fn a_masked_frame_carries_the_payload_under_its_mask() {
        let mask = [0x37, 0xFA, 0x21, 0x3D];
        let mut out = Vec::new();
        append_masked(&mut out, Opcode::Text, mask, b"Hello");
        // The example of RFC 6455, section 5.7.
        assert_eq!(out, [0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58]);
        for length in [126_usize, 70_000] {
            let mut out = Vec::new();
            append_masked(&mut out, Opcode::Binary, mask, &vec![0; length]);
            let header = if length > 0xFFFF { 14 } else { 8 };
            assert_eq!(out.len(), header + length);
            assert!(out[header..].iter().zip(mask.iter().cycle()).all(|(byte, key)| byte == key));
        }
    }
}
