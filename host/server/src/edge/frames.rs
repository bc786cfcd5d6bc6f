//! The WebSocket protocol of one connection, without its socket: bytes in, messages out; closes in, bytes out.
//!
//! RFC 6455, section 5, on the server's side, without extensions. It is written here, and not left to tungstenite,
//! for what that cannot give: bytes are taken from the buffer that a whole thread reads into, so an idle connection
//! keeps no buffer of its own; a message is unmasked into one allocation of its exact size; a fault is found with
//! the first byte that proves it (the strict behaviour in the Autobahn testsuite), not when the frame is whole. A
//! test holds both against each other on random frames.
//!
//! A frame as it comes from a client:
//!
//! ```text
//! byte 0         fin, 3 reserved bits, 4 bits opcode: 0 more of the message, 1 text, 2 binary, 8 close, 9 ping, 10 pong
//! byte 1         mask (always 1), 7 bits length; 126 and 127: the length follows
//! 0, 2 or 8      the length, most significant byte first
//! 4              the mask
//! rest           the payload, masked
//! ```

use bytes::{Bytes, BytesMut};
use party_core::large::{self, NoMemory};
use party_core::message::{CloseFrame, Message, Text};
use thiserror::Error;

use super::write_queue::WriteQueue;

/// The longest head of a frame, in bytes.
const HEAD_BYTES_MAX: usize = 14;
/// The longest payload of a control frame, in bytes.
const CONTROL_BYTES_MAX: u64 = 125;
/// What is allocated for a message before its bytes have come, in bytes. From there on it grows with them, so that
/// a length alone costs nothing.
const FIRST_BYTES: u64 = 64 << 10;

const CONTINUATION: u8 = 0;
const TEXT: u8 = 1;
const BINARY: u8 = 2;
const CLOSE: u8 = 8;
const PING: u8 = 9;
const PONG: u8 = 10;

/// Something that came from the client.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Received {
    /// A message.
    Message(Message),
    /// A ping, whose pong is in the queue, or a pong.
    Control,
    /// The client closes, or answers our close. Nothing follows.
    Close(CloseFrame),
}

/// Why a connection cannot go on.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
pub(crate) enum Fault {
    /// The message is larger than the limit.
    #[error("Message is too large: {bytes} > {bytes_max}")]
    TooLarge {
        /// Its size, as far as it is known.
        bytes: u64,
        /// The limit.
        bytes_max: u64,
    },
    /// There is no memory for the message.
    #[error(transparent)]
    NoMemory(#[from] NoMemory),
    /// Text that is not UTF-8.
    #[error("a text message or close reason is not UTF-8")]
    BadText,
    /// A frame that the protocol does not allow.
    #[error("{0}")]
    Protocol(&'static str),
}

/// A frame whose payload is coming.
#[derive(Debug)]
struct Frame {
    opcode: u8,
    is_final: bool,
    mask: [u8; 4],
    bytes: u64,
    /// Bytes of the payload that have been taken.
    taken: u64,
}

/// A message, or the payload of a control frame, that is not whole yet.
#[derive(Debug, Default)]
struct Partial {
    bytes: Vec<u8>,
    /// So many of them are known to be UTF-8; only for text.
    text_bytes: usize,
}

/// The state of the protocol.
#[derive(Debug)]
pub(crate) struct Frames {
    bytes_max: u64,
    head: [u8; HEAD_BYTES_MAX],
    head_bytes: usize,
    frame: Option<Frame>,
    /// The message that is coming: what it began as, and what has come.
    message: Option<(u8, Partial)>,
    /// The payload of the control frame that is coming.
    control: Vec<u8>,
    has_closed: bool,
}

impl Frames {
    /// A server's side that takes messages of at most so many bytes.
    pub(crate) fn new(message_bytes_max: u32) -> Frames {
        Frames {
            bytes_max: message_bytes_max.into(),
            head: [0; HEAD_BYTES_MAX],
            head_bytes: 0,
            frame: None,
            message: None,
            control: Vec::new(),
            has_closed: false,
        }
    }

    /// Takes the next thing out of `input`; `None` when all of it is taken and more is needed. After a
    /// [`Received::Close`] or a fault it must not be called again.
    pub(crate) fn next(
        &mut self,
        input: &mut &[u8],
        out: &mut WriteQueue,
    ) -> Result<Option<Received>, Fault> {
        loop {
            let mut frame = match self.frame.take() {
                Some(frame) => frame,
                None => match self.take_head(input)? {
                    Some(frame) => frame,
                    None => return Ok(None),
                },
            };
            self.take_payload(&mut frame, input)?;
            if frame.taken < frame.bytes {
                self.frame = Some(frame);
                return Ok(None);
            }
            if let Some(received) = self.finish(&frame, out)? {
                return Ok(Some(received));
            }
        }
    }

    /// Begins to close. Without a frame, or with a code that may not be sent, the close has no code.
    pub(crate) fn close(&mut self, frame: Option<&CloseFrame>, out: &mut WriteQueue) {
        if !std::mem::replace(&mut self.has_closed, true) {
            out.push_control(encode_close(frame));
        }
    }

    /// A head, once all of it has come. What is wrong with it is told as soon as it is seen.
    fn take_head(&mut self, input: &mut &[u8]) -> Result<Option<Frame>, Fault> {
        loop {
            let wanted = self.check_head()?;
            if self.head_bytes == wanted {
                self.head_bytes = 0;
                return self.open_frame().map(Some);
            }
            let (now, rest) = input.split_at(input.len().min(wanted - self.head_bytes));
            if now.is_empty() {
                return Ok(None);
            }
            self.head[self.head_bytes..][..now.len()].copy_from_slice(now);
            self.head_bytes += now.len();
            *input = rest;
        }
    }

    /// Checks what has come of a head; how long it is, as far as that is known.
    fn check_head(&self) -> Result<usize, Fault> {
        let [first, second, ..] = self.head;
        if self.head_bytes == 0 {
            return Ok(2);
        }
        let (opcode, is_final) = (first & 0x0f, first & 0x80 != 0);
        let is_control = opcode & 0x08 != 0;
        let fault = match opcode {
            _ if first & 0x70 != 0 => Some("a reserved bit is set"),
            CONTINUATION if self.message.is_none() => Some("there is no message to continue"),
            TEXT | BINARY if self.message.is_some() => Some("a message begins within another"),
            CONTINUATION | TEXT | BINARY => None,
            CLOSE | PING | PONG if !is_final => Some("a control frame is fragmented"),
            CLOSE | PING | PONG => None,
            _ => Some("the opcode is reserved"),
        };
        if let Some(fault) = fault {
            return Err(Fault::Protocol(fault));
        }
        if self.head_bytes == 1 {
            return Ok(2);
        }
        match second & 0x7f {
            _ if second & 0x80 == 0 => Err(Fault::Protocol("a frame from a client is not masked")),
            length if is_control && u64::from(length) > CONTROL_BYTES_MAX => {
                Err(Fault::Protocol("a control frame is longer than 125 bytes"))
            }
            126 => Ok(8),
            127 => Ok(14),
            _ => Ok(6),
        }
    }

    /// The frame whose whole head has come, if its message may be that long.
    fn open_frame(&mut self) -> Result<Frame, Fault> {
        let head = &self.head;
        let (bytes, mask_at) = match head[1] & 0x7f {
            126 => (u16::from_be_bytes([head[2], head[3]]).into(), 4),
            127 => {
                let [_, _, length @ .., _, _, _, _] = *head;
                (u64::from_be_bytes(length), 10)
            }
            length => (length.into(), 2),
        };
        let opcode = head[0] & 0x0f;
        let mask = [head[mask_at], head[mask_at + 1], head[mask_at + 2], head[mask_at + 3]];
        let frame = Frame { opcode, is_final: head[0] & 0x80 != 0, mask, bytes, taken: 0 };
        if opcode & 0x08 != 0 {
            return Ok(frame);
        }
        let (_, partial) = self.message.get_or_insert_with(|| (opcode, Partial::default()));
        let whole = bytes.saturating_add(partial.bytes.len() as u64);
        if whole > self.bytes_max {
            return Err(Fault::TooLarge { bytes: whole, bytes_max: self.bytes_max });
        }
        let first = bytes.min(FIRST_BYTES) as usize;
        match partial.bytes.is_empty() {
            true => partial.bytes.reserve_exact(first),
            // Many small fragments must not each move all that has come.
            false => large::reserve_ahead(&mut partial.bytes, first)?,
        }
        Ok(frame)
    }

    /// Takes what there is of a frame's payload, and unmasks it.
    fn take_payload(&mut self, frame: &mut Frame, input: &mut &[u8]) -> Result<(), Fault> {
        let missing = frame.bytes - frame.taken;
        let (now, rest) = input.split_at(missing.min(input.len() as u64) as usize);
        *input = rest;
        let (is_text, target) = match &mut self.message {
            Some((kind, partial)) if frame.opcode & 0x08 == 0 => {
                if partial.bytes.capacity() - partial.bytes.len() < now.len() {
                    // Twice as much as there is, but never more than will come.
                    let grown = missing.min((partial.bytes.len() + now.len()) as u64);
                    large::reserve(&mut partial.bytes, grown as usize)?;
                }
                (*kind == TEXT, &mut partial.bytes)
            }
            _ => (false, &mut self.control),
        };
        let from = target.len();
        target.extend_from_slice(now);
        unmask(&mut target[from..], frame.mask, frame.taken);
        frame.taken += now.len() as u64;
        let is_whole = frame.is_final && frame.taken == frame.bytes;
        match &mut self.message {
            // A whole text is checked as it becomes one.
            Some((_, partial)) if is_text && !is_whole => partial.check_text(),
            _ => Ok(()),
        }
    }

    /// What a whole frame means.
    fn finish(&mut self, frame: &Frame, out: &mut WriteQueue) -> Result<Option<Received>, Fault> {
        match frame.opcode {
            CLOSE => self.finish_close().map(Some),
            PING | PONG => {
                let payload = std::mem::take(&mut self.control);
                if frame.opcode == PING && !self.has_closed {
                    out.push_control(encode_control(PONG, &payload));
                }
                Ok(Some(Received::Control))
            }
            _ if !frame.is_final => Ok(None),
            _ => match self.message.take() {
                Some((TEXT, partial)) => match Text::from_utf8(partial.bytes.into()) {
                    Ok(text) => Ok(Some(Received::Message(Message::Text(text)))),
                    Err(_) => Err(Fault::BadText),
                },
                Some((_, partial)) => Ok(Some(Received::Message(Message::Binary(partial.bytes.into())))),
                None => unreachable!("a frame of data belongs to a message"),
            },
        }
    }

    fn finish_close(&mut self) -> Result<Received, Fault> {
        let payload = std::mem::take(&mut self.control);
        let (code, reason) = match &payload[..] {
            [] => return Ok(Received::Close(CloseFrame::no_code())),
            [_] => return Err(Fault::Protocol("a close has half a code")),
            [high, low, reason @ ..] => (u16::from_be_bytes([*high, *low]), reason),
        };
        if !CloseFrame::may_be_sent(code) {
            return Err(Fault::Protocol("a close has a code that may not be sent"));
        }
        match std::str::from_utf8(reason) {
            Ok(reason) => Ok(Received::Close(CloseFrame::new(code, reason))),
            Err(_) => Err(Fault::BadText),
        }
    }
}

impl Partial {
    /// Whether what has come can still become text.
    fn check_text(&mut self) -> Result<(), Fault> {
        match std::str::from_utf8(&self.bytes[self.text_bytes..]) {
            Ok(text) => self.text_bytes += text.len(),
            // The end may be the beginning of a character.
            Err(error) if error.error_len().is_none() => self.text_bytes += error.valid_up_to(),
            Err(_) => return Err(Fault::BadText),
        }
        Ok(())
    }
}

/// Takes a mask off. `at` is where in the frame's payload the bytes stand.
fn unmask(bytes: &mut [u8], mask: [u8; 4], at: u64) {
    let turn = (at % 4) as usize;
    let mut key = [0; 8];
    for (index, byte) in key.iter_mut().enumerate() {
        *byte = mask[(index + turn) % 4];
    }
    let wide = u64::from_ne_bytes(key);
    let (words, rest) = bytes.as_chunks_mut::<8>();
    for word in words {
        *word = (u64::from_ne_bytes(*word) ^ wide).to_ne_bytes();
    }
    for (byte, key) in rest.iter_mut().zip(key) {
        *byte ^= key;
    }
}

/// A control frame.
fn encode_control(opcode: u8, payload: &[u8]) -> Bytes {
    let mut wire = BytesMut::with_capacity(payload.len() + 2);
    wire.extend_from_slice(&[0x80 | opcode, payload.len() as u8]);
    wire.extend_from_slice(payload);
    wire.freeze()
}

fn encode_close(frame: Option<&CloseFrame>) -> Bytes {
    match frame.filter(|frame| CloseFrame::may_be_sent(frame.code)) {
        Some(frame) => {
            let payload = [&frame.code.to_be_bytes(), frame.reason.as_bytes()].concat();
            encode_control(CLOSE, &payload)
        }
        None => encode_control(CLOSE, &[]),
    }
}

/// A ping without a payload.
pub(crate) fn ping() -> Bytes {
    Bytes::from_static(&[0x89, 0x00])
}

/// A whole message as one unmasked frame (RFC 6455, 5.2):
///
/// ```text
/// byte 0      fin 1, reserved 000, opcode 1 for text, 2 for binary
/// byte 1      mask 0, payload length up to 125, or 126, or 127
/// 2 or 8      the length, if it did not fit, most significant byte first
/// rest        the payload
/// ```
pub(crate) fn encode(message: &Message) -> Bytes {
    let opcode = match message {
        Message::Text(_) => 0x81,
        Message::Binary(_) => 0x82,
    };
    let payload = message.payload();
    let (mut head, length) = ([opcode; 10], payload.len());
    let head = match length {
        0..=125 => {
            head[1] = length as u8;
            &head[..2]
        }
        126..=0xffff => {
            head[1] = 126;
            head[2..4].copy_from_slice(&(length as u16).to_be_bytes());
            &head[..4]
        }
        _ => {
            head[1] = 127;
            head[2..].copy_from_slice(&(length as u64).to_be_bytes());
            &head[..]
        }
    };
    // Of exactly this capacity: with any to spare, `Bytes` would need a second allocation.
    let mut wire = Vec::with_capacity(head.len() + length);
    wire.extend_from_slice(head);
    wire.extend_from_slice(payload);
    wire.into()
}

#[cfg(test)]
mod tests;
