//! One WebSocket for its whole life.
//!
//! Each time it runs it takes what its room appended, reads everything that came, and writes once. A message that
//! it reads and broadcasts goes to its own outbox too and so wakes it again: its own copy leaves with whatever the
//! other senders that are ready now will have added.
//!
//! What must hold: while the socket does not take what was written, the outbox is left alone, so that its bound
//! holds, and nothing is read, so that who sends without reading slows itself; once it is taken, the outbox is looked
//! at again, because its wake may have been spent meanwhile; whatever ends the connection, it leaves its room.

use std::future::poll_fn;
use std::io;
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

/// Reading pauses while more than this waits to be written.
const PAUSE_BYTES: usize = 256 * 1024;

/// An open WebSocket in its room.
#[derive(Debug)]
pub(super) struct Connection {
    socket: WebSocketStream<Coalesced>,
    room: Arc<Room>,
    outbox: Arc<Outbox>,
    delivery: Delivery,
    /// The protocol's buffer may hold whole messages: what came behind the handshake, or where reading paused.
    unread: bool,
}

/// How far reading got.
#[derive(Clone, Copy, Debug)]
enum Reading {
    /// All that came has been read; the socket wakes the task for more.
    Waiting,
    /// There may be more, but enough waits to be written.
    Paused,
    /// The connection has ended.
    Ended,
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
        // What the socket did not take last time goes first; until then nothing is taken and nothing is read.
        match self.poll_flush(cx) {
            Poll::Ready(Ok(())) => {}
            Poll::Ready(Err(_)) => return Poll::Ready(()),
            Poll::Pending if self.outbox.is_overflowed() => return Poll::Ready(()),
            Poll::Pending => return Poll::Pending,
        }
        if self.outbox.take_into(self.socket.get_mut().output(), cx.waker()).is_err() {
            return Poll::Ready(());
        }
        let reading = self.read(cx);
        match (self.poll_flush(cx), reading) {
            (Poll::Ready(Ok(())), Reading::Ended) | (Poll::Ready(Err(_)), _) => Poll::Ready(()),
            (Poll::Ready(Ok(())), Reading::Paused) => {
                cx.waker().wake_by_ref();
                Poll::Pending
            }
            (Poll::Ready(Ok(())), Reading::Waiting) | (Poll::Pending, _) => Poll::Pending,
        }
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(self.socket.get_mut()).poll_flush(cx)
    }

    /// Reads and passes on every message that came, until what is to be written for them is a good deal.
    ///
    /// Most wakes of a receiver are for its outbox alone: asking the socket first is cheaper than letting the
    /// protocol try to read.
    fn read(&mut self, cx: &mut Context<'_>) -> Reading {
        if self.socket.get_ref().poll_readable(cx).is_pending() && !self.unread {
            return Reading::Waiting;
        }
        self.unread = false;
        while self.socket.get_mut().output().len() < PAUSE_BYTES {
            match Pin::new(&mut self.socket).poll_next(cx) {
                Poll::Ready(Some(Ok(Message::Text(text)))) => self.pass_on(Data::Text, text.into()),
                Poll::Ready(Some(Ok(Message::Binary(bytes)))) => self.pass_on(Data::Binary, bytes),
                Poll::Ready(Some(Ok(
                    Message::Ping(_) | Message::Pong(_) | Message::Close(_) | Message::Frame(_),
                ))) => {}
                Poll::Ready(Some(Err(_)) | None) => return Reading::Ended,
                Poll::Pending => return Reading::Waiting,
            }
        }
        // Whole messages may wait in the protocol's buffer, of which the socket knows nothing.
        self.unread = true;
        Reading::Paused
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use bytes::Bytes;
    use socket2::SockRef;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::{TcpListener, TcpStream};
    use tokio::task::yield_now;
    use tokio::time::timeout;
    use tokio_tungstenite::tungstenite::protocol::frame::coding::Data;

    use super::super::super::load::frame::{Opcode, append_masked};
    use super::super::rooms::{Delivery, Room};
    use super::{Connection, PAUSE_BYTES};

    /// How long a test waits for what must come; nothing is measured by it.
    const WAIT: Duration = Duration::from_secs(20);

    /// A client and the server's connection to it. With `narrow` the sockets between hold little.
    async fn pair(room: &Arc<Room>, delivery: Delivery, narrow: bool) -> (TcpStream, Connection) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (server, _) = listener.accept().await.unwrap();
        if narrow {
            SockRef::from(&client).set_recv_buffer_size(4_096).unwrap();
            SockRef::from(&server).set_send_buffer_size(4_096).unwrap();
        } else {
            SockRef::from(&server).set_recv_buffer_size(1_048_576).unwrap();
        }
        let connection = Connection::open(server, Vec::new(), Arc::clone(room), delivery).await;
        (client, connection)
    }

    /// What broke: once a blocked socket took bytes again, nobody looked at what had been appended meanwhile.
    #[tokio::test(flavor = "current_thread")]
    async fn who_reads_late_gets_everything_in_order() {
        let room = Arc::new(Room::default());
        let (mut client, connection) = pair(&room, Delivery::Room, true).await;
        tokio::spawn(connection.run());
        let messages = 10_000_u32;
        for number in 0..messages {
            room.broadcast(Data::Binary, Bytes::copy_from_slice(&number.to_be_bytes()));
            if number % 100 == 0 {
                yield_now().await;
            }
        }
        for number in 0..messages {
            let mut frame = [0; 6];
            timeout(WAIT, client.read_exact(&mut frame)).await.expect("the rest comes").unwrap();
            assert_eq!(frame[..2], [0x82, 4]);
            assert_eq!(frame[2..], number.to_be_bytes());
        }
    }

    #[tokio::test(flavor = "current_thread")]
    async fn reading_pauses_at_its_bound_and_goes_on() {
        let room = Arc::new(Room::default());
        let (client, connection) = pair(&room, Delivery::Sender, false).await;
        let (mut reader, mut writer) = client.into_split();
        let messages = 4_000_u32;
        let sending = tokio::spawn(async move {
            for number in 0..messages {
                let mut frame = Vec::new();
                append_masked(&mut frame, Opcode::Binary, [1, 2, 3, 4], &number.to_be_bytes().repeat(30));
                writer.write_all(&frame).await.unwrap();
            }
            writer
        });
        // The messages are there, twice as much as the bound, before the connection first looks.
        for _ in 0..1_000 {
            yield_now().await;
        }
        assert!(messages as usize * 120 > PAUSE_BYTES);
        tokio::spawn(connection.run());
        for number in 0..messages {
            let mut frame = [0; 122];
            timeout(WAIT, reader.read_exact(&mut frame)).await.expect("the rest comes").unwrap();
            assert_eq!(frame[..2], [0x82, 120]);
            assert_eq!(frame[2..], number.to_be_bytes().repeat(30));
        }
        sending.await.unwrap();
    }

    #[tokio::test(flavor = "current_thread")]
    async fn who_never_reads_is_dropped_at_the_bound() {
        let room = Arc::new(Room::default());
        let (client, connection) = pair(&room, Delivery::Room, true).await;
        let task = tokio::spawn(connection.run());
        let message = Bytes::from(vec![0; 10_000]);
        for _ in 0..200 {
            room.broadcast(Data::Binary, message.clone());
            yield_now().await;
        }
        timeout(WAIT, task).await.expect("the connection ends").unwrap();
        assert_eq!(room.members(), 0);
        drop(client);
    }
}
