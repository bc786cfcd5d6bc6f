//! What carries a client's bytes: the network, or memory in tests.

use std::future::Future;
use std::io::{self, IoSlice};
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};

use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, Interest, ReadBuf};
use tokio::net::TcpStream;

/// A client's bytes as they come, bound to the runtime of one worker.
#[derive(Debug)]
pub(crate) enum Transport {
    Tcp(TcpStream),
    Memory(DuplexStream),
    /// It is on its way to another worker, and what it was in goes after it.
    Away,
}

/// The same on its way from one worker to another.
#[derive(Debug)]
pub(crate) enum Moving {
    Tcp(std::net::TcpStream),
    Memory(DuplexStream),
}

impl Transport {
    /// Whether the other end is known to send no more, whatever of it is still to be read. Memory does not tell.
    pub(crate) fn is_read_closed(&self) -> bool {
        let Transport::Tcp(stream) = self else { return false };
        let mut ready = pin!(stream.ready(Interest::READABLE));
        let polled = ready.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        matches!(polled, Poll::Ready(Ok(ready)) if ready.is_read_closed())
    }

    /// Takes it off its worker's runtime, and leaves [`Transport::Away`].
    pub(crate) fn detach(&mut self) -> io::Result<Moving> {
        match std::mem::replace(self, Transport::Away) {
            Transport::Tcp(stream) => Ok(Moving::Tcp(stream.into_std()?)),
            Transport::Memory(stream) => Ok(Moving::Memory(stream)),
            Transport::Away => Err(away()),
        }
    }
}

impl Moving {
    /// Binds it to the current runtime.
    pub(crate) fn attach(self) -> io::Result<Transport> {
        match self {
            Moving::Tcp(stream) => Ok(Transport::Tcp(TcpStream::from_std(stream)?)),
            Moving::Memory(stream) => Ok(Transport::Memory(stream)),
        }
    }
}

fn away() -> io::Error {
    io::Error::other("the connection has moved to another worker")
}

impl AsyncRead for Transport {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Transport::Tcp(stream) => Pin::new(stream).poll_read(cx, buffer),
            Transport::Memory(stream) => Pin::new(stream).poll_read(cx, buffer),
            Transport::Away => Poll::Ready(Err(away())),
        }
    }
}

impl AsyncWrite for Transport {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Transport::Tcp(stream) => Pin::new(stream).poll_write(cx, bytes),
            Transport::Memory(stream) => Pin::new(stream).poll_write(cx, bytes),
            Transport::Away => Poll::Ready(Err(away())),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Transport::Tcp(stream) => Pin::new(stream).poll_write_vectored(cx, slices),
            Transport::Memory(stream) => Pin::new(stream).poll_write_vectored(cx, slices),
            Transport::Away => Poll::Ready(Err(away())),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Transport::Tcp(stream) => stream.is_write_vectored(),
            Transport::Memory(stream) => stream.is_write_vectored(),
            Transport::Away => false,
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Transport::Tcp(stream) => Pin::new(stream).poll_flush(cx),
            Transport::Memory(stream) => Pin::new(stream).poll_flush(cx),
            Transport::Away => Poll::Ready(Err(away())),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Transport::Tcp(stream) => Pin::new(stream).poll_shutdown(cx),
            Transport::Memory(stream) => Pin::new(stream).poll_shutdown(cx),
            Transport::Away => Poll::Ready(Err(away())),
        }
    }
}
