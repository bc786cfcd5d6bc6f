//! A WebSocket client over one `Wire`: the handshake, and reading every frame that one read brought.
//!
//! What must hold: the handshake is checked (status, upgrade and accept key), pings are answered, and a close is
//! seen. Nothing is allocated per message.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};

use super::frame::{Frame, FrameError, Opcode, append_masked, parse};
use super::http::{Head, parse_head};
use super::target::{Target, room_path};
use super::wire::{Flushed, Received, Wire};

/// The sample nonce of RFC 6455, section 1.3. A fixed one makes the accept key a constant, so that the tool can
/// check it without a hash; its unpredictability protects against caches between, of which loopback has none.
const NONCE: &str = "dGhlIHNhbXBsZSBub25jZQ==";

/// The only right answer to `NONCE`.
const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

/// Longest response to a handshake that is read.
const HANDSHAKE_BYTES_MAX: usize = 16 * 1024;

/// Why a WebSocket could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The connection could not be made or broke.
    #[error("cannot open a websocket at {path}")]
    Io {
        /// The path that was asked for.
        path: String,
        /// What the system said.
        source: io::Error,
    },
    /// The server answered something else than 101.
    #[error("the server answered the handshake at {path} with status {status}")]
    Status {
        /// The path that was asked for.
        path: String,
        /// The status.
        status: u16,
    },
    /// The server's 101 breaks RFC 6455.
    #[error("the server's 101 at {path} is not a websocket handshake: {fault}")]
    Handshake {
        /// The path that was asked for.
        path: String,
        /// What is wrong.
        fault: &'static str,
    },
}

/// Why an open WebSocket failed.
#[derive(Debug, thiserror::Error)]
pub enum SocketError {
    /// The connection broke.
    #[error("the connection broke")]
    Io(#[from] io::Error),
    /// The server broke the protocol.
    #[error(transparent)]
    Frame(#[from] FrameError),
    /// The server ended the connection.
    #[error("the server closed the connection (code {code})")]
    Closed {
        /// The close code, 1006 if the stream simply ended.
        code: u16,
    },
}

/// An open WebSocket.
#[derive(Debug)]
pub struct WebSocket {
    wire: Wire,
    mask_state: u64,
}

impl WebSocket {
    /// Connects to a room under the connection id `key` and waits for the 101. The socket does not block after that.
    pub fn connect(target: &Target, party: &str, room: &str, key: &str) -> Result<WebSocket, ConnectError> {
        let path = format!("{}?_pk={key}", room_path(party, room));
        let io_error = |source| ConnectError::Io { path: path.clone(), source };
        let mut wire = Wire::connect(target.address()).map_err(io_error)?;
        wire.outgoing().extend_from_slice(
            format!(
                "GET {path} HTTP/1.1\r\nHost: {}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                 Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {NONCE}\r\n\r\n",
                target.authority()
            )
            .as_bytes(),
        );
        wire.flush().map_err(io_error)?;
        let head = read_head(&mut wire).map_err(io_error)?;
        if head.status != 101 {
            return Err(ConnectError::Status { path, status: head.status });
        }
        let fault = |fault| ConnectError::Handshake { path: path.clone(), fault };
        if !head.header("upgrade").is_some_and(|value| value.eq_ignore_ascii_case("websocket")) {
            return Err(fault("no `Upgrade: websocket`"));
        }
        if head.header("sec-websocket-accept") != Some(ACCEPT) {
            return Err(fault("a wrong `Sec-WebSocket-Accept`"));
        }
        wire.set_blocking(false).map_err(io_error)?;
        // Any odd start will do: masks need only differ from frame to frame here.
        let mask_state = key.bytes().fold(0x9E37_79B9_7F4A_7C15, |state: u64, byte| {
            (state ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01B3)
        }) | 1;
        Ok(WebSocket { wire, mask_state })
    }

    /// Chooses between waiting for bytes and returning at once.
    pub fn set_blocking(&self, blocking: bool) -> io::Result<()> {
        self.wire.set_blocking(blocking)
    }

    /// Queues a text message; `flush` sends it.
    pub fn queue_text(&mut self, payload: &[u8]) {
        let mask = self.next_mask();
        append_masked(self.wire.outgoing(), Opcode::Text, mask, payload);
    }

    /// Queues the end of the connection, code 1000.
    pub fn queue_close(&mut self) {
        let mask = self.next_mask();
        append_masked(self.wire.outgoing(), Opcode::Close, mask, &1_000_u16.to_be_bytes());
    }

    /// Writes what is queued.
    pub fn flush(&mut self) -> io::Result<Flushed> {
        self.wire.flush()
    }

    /// Reads once and hands every whole message to `on_message` as (is text, payload). Returns whether a read
    /// brought anything.
    pub fn read(
        &mut self,
        scratch: &mut [u8],
        mut on_message: impl FnMut(bool, &[u8]),
    ) -> Result<bool, SocketError> {
        let bytes = match self.wire.read(scratch)? {
            Received::Bytes(bytes) => bytes,
            Received::Nothing => return Ok(false),
            Received::End => return Err(SocketError::Closed { code: 1_006 }),
        };
        let mut rest = bytes;
        while let Some(Frame { opcode, payload, bytes }) = parse(rest)? {
            match opcode {
                Opcode::Text => on_message(true, payload),
                Opcode::Binary => on_message(false, payload),
                Opcode::Ping => {
                    let mask = self.next_mask();
                    append_masked(self.wire.outgoing(), Opcode::Pong, mask, payload);
                    self.wire.flush()?;
                }
                Opcode::Pong => {}
                Opcode::Close => {
                    let code = payload.get(..2).map_or(1_005, |code| u16::from_be_bytes([code[0], code[1]]));
                    return Err(SocketError::Closed { code });
                }
            }
            rest = &rest[bytes..];
        }
        self.wire.keep(rest);
        Ok(true)
    }

    /// Closes in order: says so and reads until the server's answer or end, handing over every message that still
    /// comes before it. Waits a bounded time.
    pub fn close(
        mut self,
        scratch: &mut [u8],
        mut on_message: impl FnMut(bool, &[u8]),
    ) -> Result<(), SocketError> {
        self.queue_close();
        self.wire.set_blocking(true)?;
        self.wire.flush()?;
        loop {
            match self.read(scratch, &mut on_message) {
                Ok(true) => {}
                Ok(false) => return Err(io::Error::from(io::ErrorKind::TimedOut).into()),
                Err(SocketError::Closed { .. }) => return Ok(()),
                Err(error) => return Err(error),
            }
        }
    }

    fn next_mask(&mut self) -> [u8; 4] {
        // xorshift64: cheap, and never zero from an odd start.
        self.mask_state ^= self.mask_state << 13;
        self.mask_state ^= self.mask_state >> 7;
        self.mask_state ^= self.mask_state << 17;
        ((self.mask_state >> 32) as u32).to_le_bytes()
    }
}

impl AsFd for WebSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.wire.as_fd()
    }
}

/// Reads the response's head and keeps what came behind it: it is already frames.
fn read_head(wire: &mut Wire) -> io::Result<Head> {
    let mut buffer = vec![0; HANDSHAKE_BYTES_MAX];
    loop {
        let bytes = match wire.read(&mut buffer)? {
            Received::Bytes(bytes) => bytes,
            Received::Nothing => return Err(io::ErrorKind::TimedOut.into()),
            Received::End => return Err(io::ErrorKind::UnexpectedEof.into()),
        };
        match parse_head(bytes).map_err(io::Error::other)? {
            Some((head, length)) => {
                wire.keep(&bytes[length..]);
                return Ok(head);
            }
            None if bytes.len() == HANDSHAKE_BYTES_MAX => {
                return Err(io::Error::other("the response's head is longer than 16384 bytes"));
            }
            None => wire.keep(bytes),
        }
    }
}
