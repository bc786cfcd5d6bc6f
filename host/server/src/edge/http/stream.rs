//! A client's socket as hyper sees it.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::Progress;
use crate::edge::socket::Socket;
use crate::edge::worker::EdgeWorker;

/// The socket as hyper sees it: with a note of what reaches the client, and never full while it becomes a
/// WebSocket. For hyper gives up the socket with the response that completes the handshake even if that could not
/// be written at once.
pub(super) struct Stream {
    socket: Socket,
    worker: Rc<EdgeWorker>,
    progress: Rc<Progress>,
    /// What hyper takes for written and is not.
    owed: Vec<u8>,
}

impl Stream {
    pub(super) fn new(socket: Socket, worker: Rc<EdgeWorker>, progress: Rc<Progress>) -> Stream {
        Stream { socket, worker, progress, owed: Vec::new() }
    }

    /// The socket, and what hyper takes for written and is not.
    pub(super) fn into_parts(self) -> (Socket, Vec<u8>) {
        (self.socket, self.owed)
    }

    /// Looks whether the client has ended its sending, although bytes of it are left that nobody reads, behind which hyper would not
    /// find the end: of a body that its room reads no further, or of what follows the request. It may have gone, or have said all and
    /// wait for its answer; and the room may yet read on. So it is given up only when nothing has moved since for long.
    fn look(&self) {
        let (progress, now) = (&self.progress, self.worker.clock().now());
        if !self.socket.is_read_closed() {
            return;
        }
        let found_at = progress.closed_at.get().unwrap_or(now);
        progress.closed_at.set(Some(found_at));
        let moved_at = found_at.max(progress.read_at.get()).max(progress.waiting_since.get());
        progress.has_gone.set(moved_at.after_ms(self.worker.limits.head_ms_max) <= now);
    }

    fn note(&mut self, written: Poll<io::Result<usize>>, slices: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        match written {
            Poll::Ready(Ok(1..)) => self.progress.waiting_since.set(self.worker.clock().now()),
            Poll::Pending if self.progress.ticket.borrow().is_some() => {
                return Poll::Ready(Ok(self.owe(slices)));
            }
            Poll::Ready(_) | Poll::Pending => {}
        }
        written
    }

    fn owe(&mut self, slices: &[IoSlice<'_>]) -> usize {
        let before = self.owed.len();
        slices.iter().for_each(|slice| self.owed.extend_from_slice(slice));
        self.owed.len() - before
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let (this, before) = (self.get_mut(), buffer.filled().len());
        let read = Pin::new(&mut this.socket).poll_read(cx, buffer);
        let has_ended = matches!(read, Poll::Ready(Ok(()))) && buffer.filled().len() == before;
        match &read {
            Poll::Ready(Ok(())) if has_ended && this.progress.is_owed.get() => {
                this.progress.ends(this.worker.clock().now());
                return Poll::Pending;
            }
            Poll::Ready(Ok(())) => this.progress.read_at.set(this.worker.clock().now()),
            Poll::Ready(Err(_)) | Poll::Pending => {}
        }
        read
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[IoSlice::new(bytes)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if !this.owed.is_empty() {
            return Poll::Ready(Ok(this.owe(slices)));
        }
        let written = match slices {
            [only] => Pin::new(&mut this.socket).poll_write(cx, only),
            slices => Pin::new(&mut this.socket).poll_write_vectored(cx, slices),
        };
        this.note(written, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.progress.looks.replace(false) {
            this.look();
        }
        let flushed = Pin::new(&mut this.socket).poll_flush(cx);
        // hyper flushes when it has written all that it has.
        let progress = &this.progress;
        let is_written = flushed.is_ready() && !progress.answering.get() && !progress.is_writing.get();
        if is_written && progress.is_owed.replace(false) && progress.ended_at.get().is_some() {
            // To be told of the end.
            cx.waker().wake_by_ref();
        }
        flushed
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().socket).poll_shutdown(cx)
    }
}
