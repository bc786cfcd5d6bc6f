//! A non-blocking TCP stream with what is left to parse and what is left to write.
//!
//! All sockets share one read buffer: `Wire::read` fills it, the caller parses it where it lies and hands back the
//! unfinished rest, which is usually nothing. So an idle socket costs no buffer and the bytes stay in the CPU's
//! cache. What must hold: nothing read is lost between two reads, and nothing queued is written twice.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

/// Most bytes that may wait to be written: a server that reads so slowly is not being measured any more.
pub const OUTGOING_BYTES_MAX: usize = 16 * 1024 * 1024;

/// How long a connect, a handshake or a close may take. Generous: it bounds a hang, it measures nothing.
pub const BLOCKING_WAIT: Duration = Duration::from_secs(15);

/// What a flush left behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flushed {
    /// All is with the kernel.
    All,
    /// The kernel takes no more for now.
    Partly,
}

/// What a read found.
#[derive(Debug, PartialEq, Eq)]
pub enum Received<'a> {
    /// Bytes to parse: what was kept from before, then what just came.
    Bytes(&'a [u8]),
    /// Nothing more for now.
    Nothing,
    /// The peer ended the stream.
    End,
}

/// One connection.
#[derive(Debug)]
pub struct Wire {
    stream: TcpStream,
    unparsed: Vec<u8>,
    outgoing: Vec<u8>,
    written: usize,
}

impl Wire {
    /// Connects, with small writes sent at once. The stream blocks until `set_blocking(false)`.
    pub fn connect(address: SocketAddr) -> io::Result<Wire> {
        let stream = TcpStream::connect_timeout(&address, BLOCKING_WAIT)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(BLOCKING_WAIT))?;
        stream.set_write_timeout(Some(BLOCKING_WAIT))?;
        Ok(Wire { stream, unparsed: Vec::new(), outgoing: Vec::new(), written: 0 })
    }

    /// Chooses between waiting (bounded by `BLOCKING_WAIT`) and returning at once.
    pub fn set_blocking(&self, blocking: bool) -> io::Result<()> {
        self.stream.set_nonblocking(!blocking)
    }

    /// Where to append what is to be written; `flush` sends it.
    pub fn outgoing(&mut self) -> &mut Vec<u8> {
        &mut self.outgoing
    }

    /// Writes what is queued, in as few calls as the kernel allows.
    pub fn flush(&mut self) -> io::Result<Flushed> {
        while self.written < self.outgoing.len() {
            match self.stream.write(&self.outgoing[self.written..]) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(bytes) => self.written += bytes,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    if self.outgoing.len() - self.written > OUTGOING_BYTES_MAX {
                        return Err(io::Error::other(format!(
                            "{} bytes wait for a server that does not read them; the limit is {OUTGOING_BYTES_MAX}",
                            self.outgoing.len() - self.written
                        )));
                    }
                    return Ok(Flushed::Partly);
                }
                Err(error) => return Err(error),
            }
        }
        self.outgoing.clear();
        self.written = 0;
        Ok(Flushed::All)
    }

    /// Reads once into `scratch`, behind what `keep` kept.
    pub fn read<'scratch>(&mut self, scratch: &'scratch mut [u8]) -> io::Result<Received<'scratch>> {
        let kept = self.unparsed.len();
        assert!(kept < scratch.len(), "what waits to be parsed is shorter than the read buffer");
        scratch[..kept].copy_from_slice(&self.unparsed);
        loop {
            match self.stream.read(&mut scratch[kept..]) {
                Ok(0) => return Ok(Received::End),
                Ok(bytes) => {
                    self.unparsed.clear();
                    return Ok(Received::Bytes(&scratch[..kept + bytes]));
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(Received::Nothing),
                Err(error) => return Err(error),
            }
        }
    }

    /// Keeps the unfinished rest of what was read for the next read.
    pub fn keep(&mut self, rest: &[u8]) {
        debug_assert!(self.unparsed.is_empty(), "the rest is kept once per read");
        self.unparsed.extend_from_slice(rest);
    }
}

impl AsFd for Wire {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }
}
