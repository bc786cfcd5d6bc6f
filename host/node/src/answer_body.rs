//! The body of an answer on its way from a room to whoever waits for it, perhaps on another thread.
//!
//! How much waits here is bounded by the stream's credit, which rises with what is taken out.

use std::future::poll_fn;
use std::task::{Context, Poll};

use bytes::{Bytes, BytesMut};
use party_core::http::Response;
use party_core::ids::{RequestId, StreamId};
use tokio::sync::mpsc;

use crate::node::Node;
use crate::timers::RoomNumber;
use crate::worker::WorkerIndex;

/// The room is told of what is taken when it is such a part of all that may be written ahead.
const TOLD_PART: u64 = 8;

/// What comes of a request.
pub enum Reply {
    /// The whole answer.
    Whole(Response),
    /// Its head, and what brings its body.
    Streamed(Response, AnswerBody),
}

/// Why a body could not be had whole.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum NotWhole {
    /// It broke off.
    BrokeOff,
    /// It has more bytes than the bound.
    TooLarge,
}

impl Reply {
    /// The answer with its whole body, which has at most so many bytes.
    pub async fn whole(self, bytes_max: u64) -> Result<Response, NotWhole> {
        let (head, mut body) = match self {
            Reply::Whole(response) => return Ok(response),
            Reply::Streamed(head, body) => (head, body),
        };
        let mut whole = BytesMut::new();
        while let Some(piece) = poll_fn(|cx| body.poll_piece(cx)).await {
            let piece = piece.map_err(|BrokeOff| NotWhole::BrokeOff)?;
            if whole.len() as u64 + piece.len() as u64 > bytes_max {
                return Err(NotWhole::TooLarge);
            }
            whole.extend_from_slice(&piece);
        }
        Ok(Response { body: whole.freeze(), ..head })
    }
}

enum Piece {
    Bytes(Bytes),
    End,
}

/// The room's side: dropped before it has ended, the body breaks off.
pub(crate) struct BodyWriter(mpsc::UnboundedSender<Piece>);

impl BodyWriter {
    // Whoever reads may have gone: the room is told of that, and not of each piece.
    pub(crate) fn write(&self, bytes: Bytes) {
        let _ = self.0.send(Piece::Bytes(bytes));
    }

    pub(crate) fn finish(self) {
        let _ = self.0.send(Piece::End);
    }
}

/// What the writer writes, before it is known who reads it.
pub(crate) struct Unread {
    pieces: mpsc::UnboundedReceiver<Piece>,
    told_bytes: u64,
}

/// A body of which so many bytes may be written ahead.
pub(crate) fn body(credit_bytes: u32) -> (BodyWriter, Unread) {
    let (sender, pieces) = mpsc::unbounded_channel();
    (BodyWriter(sender), Unread { pieces, told_bytes: u64::from(credit_bytes) / TOLD_PART })
}

/// Whose body it is.
pub(crate) struct Whose {
    pub(crate) node: Node,
    pub(crate) worker: WorkerIndex,
    pub(crate) room: RoomNumber,
    pub(crate) request: RequestId,
    pub(crate) stream: StreamId,
}

/// A body that is being written. Dropped before its end, the room hears that its client has gone.
pub struct AnswerBody {
    unread: Unread,
    whose: Option<Whose>,
    taken: u64,
}

/// The room, or its host, has given the body up before its end.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BrokeOff;

impl AnswerBody {
    pub(crate) fn new(unread: Unread, whose: Whose) -> AnswerBody {
        AnswerBody { unread, whose: Some(whose), taken: 0 }
    }

    /// The next piece; `None` behind the last. An error is the last, too.
    pub fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, BrokeOff>>> {
        if self.whose.is_none() {
            return Poll::Ready(None);
        }
        match self.unread.pieces.poll_recv(cx) {
            Poll::Ready(Some(Piece::Bytes(bytes))) => {
                self.take(bytes.len() as u64);
                Poll::Ready(Some(Ok(bytes)))
            }
            Poll::Ready(Some(Piece::End)) => {
                self.whose = None;
                Poll::Ready(None)
            }
            Poll::Ready(None) => {
                self.whose = None;
                Poll::Ready(Some(Err(BrokeOff)))
            }
            Poll::Pending => Poll::Pending,
        }
    }

    fn take(&mut self, bytes: u64) {
        self.taken += bytes;
        let Some(Whose { node, worker, room, stream, .. }) = &self.whose else { return };
        if self.taken >= self.unread.told_bytes {
            let (room, stream, taken) = (*room, *stream, std::mem::take(&mut self.taken));
            node.run_on(*worker, move |worker| {
                if let Some(entry) = worker.rooms().by_number(room) {
                    entry.put_in(|core| core.stream_taken(stream, taken));
                }
            });
        }
    }
}

impl Drop for AnswerBody {
    fn drop(&mut self) {
        let Some(Whose { node, worker, room, request, stream }) = self.whose.take() else { return };
        node.run_on(worker, move |worker| {
            if let Some(entry) = worker.rooms().by_number(room) {
                entry.answer_gone(stream, request);
            }
        });
    }
}
