//! One WebSocket for its whole life.
//!
//! Each time it runs it takes what its room appended, reads everything that came, and writes once. A message that
//! it reads and broadcasts goes to its own outbox too and so wakes it again: its own copy leaves with whatever the
//! other senders that are ready now will have added.
//!
//! What must hold: while the socket does not take what was written, the outbox is left alone, so that its bound
//! holds; and whatever ends the connection, it leaves its room.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_util::Stream;
use tokio::io::AsyncWrite;
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::frame::coding::Data;
use tokio_tungstenite::tungstenite::protocol::{Message, Role, WebSocketConfig};

use super::coalesced::Coalesced;
use super::rooms::{Delivery, Outbox, Room, encode};

/// The protocol's read buffer. Its default is 128 KiB, which every idle connection would keep, and which would be
/// zeroed for every read.
const READ_BUFFER_BYTES: usize = 4 * 1024;

/// Longest message that is accepted.
const MESSAGE_BYTES_MAX: usize = 1024 * 1024;

/// An open WebSocket in its room.
#[derive(Debug)]
pub(super) struct Connection {
    socket: WebSocketStream<Coalesced>,
    room: Arc<Room>,
    outbox: Arc<Outbox>,
    delivery: Delivery,
    /// Nothing has been read yet, so that what came behind the handshake still waits in the protocol's buffer.
    unread: bool,
}

impl Connection {
    /// Joins the room. `read_ahead` is what came behind the handshake.
    pub(super) async fn open(
        stream: TcpStream,
        read_ahead: Vec<u8>,
        room: Arc<Room>,
        delivery: Delivery,
    ) -> Connection {
        let config = WebSocketConfig::default()
            .read_buffer_size(READ_BUFFER_BYTES)
            .write_buffer_size(0)
            .max_message_size(Some(MESSAGE_BYTES_MAX))
            .max_frame_size(Some(MESSAGE_BYTES_MAX));
        let stream = Coalesced::new(stream);
        let socket =
            WebSocketStream::from_partially_read(stream, read_ahead, Role::Server, Some(config)).await;
        let outbox = Arc::new(Outbox::default());
        room.join(Arc::clone(&outbox));
        Connection { socket, room, outbox, delivery, unread: true }
    }

    /// Carries messages until the connection ends.
    pub(super) async fn run(mut self) {
        poll_fn(|cx| self.poll(cx)).await;
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.socket.get_ref().is_flushed()
            && self.outbox.take_into(self.socket.get_mut().output(), cx.waker()).is_err()
        {
            return Poll::Ready(());
        }
        let ended = self.read_all(cx);
        match Pin::new(self.socket.get_mut()).poll_flush(cx) {
            Poll::Ready(Ok(())) if ended => Poll::Ready(()),
            Poll::Ready(Err(_)) => Poll::Ready(()),
            Poll::Ready(Ok(())) | Poll::Pending => Poll::Pending,
        }
    }

    /// Reads and passes on every message that came. Returns whether the connection has ended.
    ///
    /// Most wakes of a receiver are for its outbox alone: asking the socket first is cheaper than letting the
    /// protocol try to read.
    fn read_all(&mut self, cx: &mut Context<'_>) -> bool {
        if self.socket.get_ref().poll_readable(cx).is_pending() && !self.unread {
            return false;
        }
        self.unread = false;
        loop {
            match Pin::new(&mut self.socket).poll_next(cx) {
                Poll::Ready(Some(Ok(Message::Text(text)))) => self.pass_on(Data::Text, text.into()),
                Poll::Ready(Some(Ok(Message::Binary(bytes)))) => self.pass_on(Data::Binary, bytes),
                Poll::Ready(Some(Ok(
                    Message::Ping(_) | Message::Pong(_) | Message::Close(_) | Message::Frame(_),
                ))) => {}
                Poll::Ready(Some(Err(_)) | None) => return true,
                Poll::Pending => return false,
            }
        }
    }

    fn pass_on(&mut self, kind: Data, payload: Bytes) {
        match self.delivery {
            Delivery::Sender => {
                let frame = encode(kind, payload);
                self.socket.get_mut().output().extend_from_slice(&frame);
            }
            Delivery::Room => self.room.broadcast(kind, payload),
        }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.room.leave(&self.outbox);
    }
}
