//! A client's byte stream: as it comes, or over TLS.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_rustls::server::TlsStream;

use super::transport::{Moving, Transport};

/// A client's byte stream, bound to the runtime of one worker.
#[derive(Debug)]
pub(crate) enum Socket {
    Plain(Transport),
    /// What is written may wait in it until it is flushed.
    Tls(Box<TlsStream<Transport>>),
}

/// A client's byte stream on its way from one worker to another.
#[derive(Debug)]
pub(crate) enum Detached {
    Plain(Moving),
    Tls(Box<TlsStream<Transport>>, Moving),
}

impl Socket {
    /// Whether the client is known to send no more, whatever of it is still to be read.
    pub(crate) fn is_read_closed(&self) -> bool {
        match self {
            Socket::Plain(transport) => transport.is_read_closed(),
            Socket::Tls(stream) => stream.get_ref().0.is_read_closed(),
        }
    }

    /// Takes it off its worker's runtime.
    pub(crate) fn detach(self) -> io::Result<Detached> {
        match self {
            Socket::Plain(mut transport) => Ok(Detached::Plain(transport.detach()?)),
            Socket::Tls(mut stream) => {
                let moving = stream.get_mut().0.detach()?;
                Ok(Detached::Tls(stream, moving))
            }
        }
    }
}

impl Detached {
    /// Binds it to the current runtime.
    pub(crate) fn attach(self) -> io::Result<Socket> {
        match self {
            Detached::Plain(moving) => Ok(Socket::Plain(moving.attach()?)),
            Detached::Tls(mut stream, moving) => {
                *stream.get_mut().0 = moving.attach()?;
                Ok(Socket::Tls(stream))
            }
        }
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Socket::Plain(transport) => Pin::new(transport).poll_read(cx, buffer),
            Socket::Tls(stream) => Pin::new(stream).poll_read(cx, buffer),
        }
    }
}

impl AsyncWrite for Socket {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Socket::Plain(transport) => Pin::new(transport).poll_write(cx, bytes),
            Socket::Tls(stream) => Pin::new(stream).poll_write(cx, bytes),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Socket::Plain(transport) => Pin::new(transport).poll_write_vectored(cx, slices),
            Socket::Tls(stream) => Pin::new(stream).poll_write_vectored(cx, slices),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Socket::Plain(transport) => transport.is_write_vectored(),
            Socket::Tls(stream) => stream.is_write_vectored(),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Socket::Plain(transport) => Pin::new(transport).poll_flush(cx),
            Socket::Tls(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Socket::Plain(transport) => Pin::new(transport).poll_shutdown(cx),
            Socket::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}
