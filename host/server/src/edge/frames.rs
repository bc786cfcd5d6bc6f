//! The WebSocket protocol of one connection, without its socket: bytes in, messages out; closes in, bytes out.
//!
//! The rules (masks, fragments, UTF-8, control frames, the closing handshake) are tungstenite's. It is driven over
//! two plain buffers instead of a stream: what it reads is a slice that the caller has read, what it writes goes
//! to the caller's [`WriteQueue`], so that pongs and closes stand in line with messages. Messages are encoded
//! here and not there, because one encoding serves all receivers of a broadcast.

use std::io::{self, Read, Write};

use bytes::{Bytes, BytesMut};
use party_core::message::{CloseFrame, Message, Text};
use thiserror::Error;
use tokio_tungstenite::tungstenite::Error;
use tokio_tungstenite::tungstenite::error::CapacityError;
use tokio_tungstenite::tungstenite::protocol::frame::CloseFrame as WireClose;
use tokio_tungstenite::tungstenite::protocol::{
    Message as WireMessage, Role, WebSocketConfig, WebSocketContext,
};

use super::write_queue::WriteQueue;

/// How much of a frame is buffered before its length is known, in bytes. What an idle connection keeps; frames
/// that are longer get the room they need and give it back.
const READ_BUFFER_BYTES: usize = 1_024;

/// Something that came from the client.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Received {
    /// A message.
    Message(Message),
    /// A ping, whose pong is in the queue, or a pong.
    Control,
    /// The client closes. Its answer is in the queue, if the client was first. Nothing follows.
    Close(CloseFrame),
}

/// Why a connection cannot go on.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
pub(crate) enum Fault {
    /// The message is larger than the limit.
    #[error("Message is too large: {bytes} > {bytes_max}")]
    TooLarge {
        /// Its size, as far as it is known.
        bytes: u64,
        /// The limit.
        bytes_max: u64,
    },
    /// Text that is not UTF-8.
    #[error("a text message or close reason is not UTF-8")]
    BadText,
    /// A frame that the protocol does not allow.
    #[error("{0}")]
    Protocol(String),
}

/// The state of the protocol.
pub(crate) struct Frames {
    context: WebSocketContext,
}

impl Frames {
    /// A server's side that takes messages of at most so many bytes.
    pub(crate) fn new(message_bytes_max: u32) -> Frames {
        let bytes_max = Some(message_bytes_max as usize);
        let config = WebSocketConfig::default()
            .read_buffer_size(READ_BUFFER_BYTES)
            .max_message_size(bytes_max)
            .max_frame_size(bytes_max);
        Frames { context: WebSocketContext::new(Role::Server, Some(config)) }
    }

    /// Takes the next thing out of `input`; `None` when more bytes are needed. After a [`Received::Close`] or a
    /// fault it must not be called again.
    pub(crate) fn next(
        &mut self,
        input: &mut &[u8],
        out: &mut WriteQueue,
    ) -> Result<Option<Received>, Fault> {
        let message = match self.context.read(&mut Buffers { input, out }) {
            Ok(message) => message,
            Err(Error::Io(error)) if error.kind() == io::ErrorKind::WouldBlock => return Ok(None),
            Err(error) => return Err(fault(error)),
        };
        let received = match message {
            WireMessage::Text(text) => match Text::from_utf8(text.into()) {
                Ok(text) => Received::Message(Message::Text(text)),
                Err(_) => return Err(Fault::BadText),
            },
            WireMessage::Binary(bytes) => Received::Message(Message::Binary(bytes)),
            WireMessage::Ping(_) | WireMessage::Pong(_) => {
                self.flush(out);
                Received::Control
            }
            WireMessage::Close(frame) => {
                self.flush(out);
                Received::Close(frame.map_or_else(CloseFrame::no_code, |frame| {
                    CloseFrame::new(frame.code.into(), frame.reason.as_str())
                }))
            }
            WireMessage::Frame(_) => return Err(Fault::Protocol("a raw frame was read".into())),
        };
        Ok(Some(received))
    }

    /// Begins to close. Without a frame, or with a code that may not be sent, the close has no code.
    pub(crate) fn close(&mut self, frame: Option<&CloseFrame>, out: &mut WriteQueue) {
        let frame = frame.filter(|frame| CloseFrame::may_be_sent(frame.code));
        let wire =
            frame.map(|frame| WireClose { code: frame.code.into(), reason: frame.reason.as_str().into() });
        // Writing to the queue cannot fail; after a close has been sent or answered there is nothing to do.
        let _ = self.context.close(&mut Buffers { input: &mut &[][..], out }, wire);
    }

    /// Puts the answers that the protocol owes into the queue.
    fn flush(&mut self, out: &mut WriteQueue) {
        // The only error is that the closing handshake is complete, which the caller knows from the close itself.
        let _ = self.context.flush(&mut Buffers { input: &mut &[][..], out });
    }
}

fn fault(error: Error) -> Fault {
    match error {
        Error::Capacity(CapacityError::MessageTooLong { size, max_size }) => {
            Fault::TooLarge { bytes: size as u64, bytes_max: max_size as u64 }
        }
        Error::Utf8(_) => Fault::BadText,
        Error::Protocol(error) => Fault::Protocol(error.to_string()),
        error => Fault::Protocol(error.to_string()),
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
    let mut wire = BytesMut::with_capacity(payload.len() + 10);
    match payload.len() {
        length @ 0..=125 => wire.extend_from_slice(&[opcode, length as u8]),
        length @ 126..=0xffff => {
            wire.extend_from_slice(&[opcode, 126]);
            wire.extend_from_slice(&(length as u16).to_be_bytes());
        }
        length => {
            wire.extend_from_slice(&[opcode, 127]);
            wire.extend_from_slice(&(length as u64).to_be_bytes());
        }
    }
    wire.extend_from_slice(payload);
    wire.freeze()
}

/// What tungstenite takes for a stream.
struct Buffers<'a, 'b> {
    input: &'a mut &'b [u8],
    out: &'a mut WriteQueue,
}

impl Read for Buffers<'_, '_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.input.is_empty() {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        self.input.read(buffer)
    }
}

impl Write for Buffers<'_, '_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.out.push_control(Bytes::copy_from_slice(bytes));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests;
