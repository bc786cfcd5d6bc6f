//! A TCP stream that writes only when it is flushed.
//!
//! The protocol below `tokio_tungstenite` writes its own frames (pongs, closes) into the same buffer that rooms'
//! frames are moved into, so that all leave in order and in one call. What must hold: a frame enters the buffer
//! whole, and `flush` sends everything before it.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// A larger buffer than this is given back once it is empty, so that a burst does not stay in an idle connection.
const KEPT_BYTES_MAX: usize = 4 * 1024;

/// The stream and what waits to be written.
#[derive(Debug)]
pub(super) struct Coalesced {
    stream: TcpStream,
    output: Vec<u8>,
    written: usize,
}

impl Coalesced {
    /// Nothing waits yet.
    pub(super) fn new(stream: TcpStream) -> Coalesced {
        Coalesced { stream, output: Vec::new(), written: 0 }
    }

    /// Where to append whole frames.
    pub(super) fn output(&mut self) -> &mut Vec<u8> {
        &mut self.output
    }

    /// Ready if a read would find something; otherwise the task is woken when it would.
    pub(super) fn poll_readable(&self, cx: &mut Context<'_>) -> Poll<()> {
        // An error is found by the read itself.
        self.stream.poll_read_ready(cx).map(|_| ())
    }
}

impl AsyncRead for Coalesced {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Coalesced {
    fn poll_write(mut self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.output.extend_from_slice(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        while this.written < this.output.len() {
            let written = ready!(Pin::new(&mut this.stream).poll_write(cx, &this.output[this.written..]))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            this.written += written;
        }
        this.written = 0;
        this.output.clear();
        if this.output.capacity() > KEPT_BYTES_MAX {
            this.output = Vec::new();
        }
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.as_mut().poll_flush(cx))?;
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
