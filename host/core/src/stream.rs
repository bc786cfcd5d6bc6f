//! Streams: what arrives or leaves in pieces, and sockets that a room has opened.
//!
//! A stream is known to the room by a number, like everything else that the guest holds, so it is no reason to stay awake.
//! What the guest writes leaves through the output gate, within a credit: the credit falls with what is written and rises
//! only with the event that says that the other side has taken some of it, so that a turn sees the same whenever it is taken
//! again. What comes is an event; as much as one connection may have waiting is read ahead of it.
//!
//! A stream ends with its host: whoever goes on in another process is told so, and the other side has seen it break off.

use std::collections::BTreeMap;

use bytes::Bytes;

use crate::emptied::Emptied;
use crate::http::Request;
use crate::ids::{OperationId, RequestId, StreamId};
use crate::message::{CloseFrame, Message};

impl StreamId {
    /// The operation that has opened it, or one that there is not, whose number it has.
    pub fn operation(self) -> OperationId {
        OperationId(self.0)
    }
}

impl OperationId {
    /// The stream that it opens.
    pub fn stream(self) -> StreamId {
        StreamId(self.0)
    }
}

/// A stream that has not ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Stream {
    /// The body of an answer, which the guest writes.
    Answer {
        /// To which request.
        request: RequestId,
        /// Bytes that may still be written. The last write may have taken more than there was.
        credit: i64,
    },
    /// The body of what a fetch has been answered, which the guest reads.
    Body,
    /// The body of a request, which the guest reads.
    Upload {
        /// Of which request.
        request: RequestId,
    },
    /// A WebSocket that the room has opened.
    Socket {
        /// As of an answer.
        credit: i64,
        /// The guest has closed it; what is still to come is its end.
        is_closing: bool,
    },
}

impl Stream {
    /// What it is called where the guest has taken one for another.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Stream::Answer { .. } => "the body of an answer",
            Stream::Body | Stream::Upload { .. } => "a body that arrives",
            Stream::Socket { .. } => "a socket",
        }
    }

    pub(crate) fn credit_mut(&mut self) -> Option<&mut i64> {
        match self {
            Stream::Answer { credit, .. } | Stream::Socket { credit, .. } => Some(credit),
            Stream::Body | Stream::Upload { .. } => None,
        }
    }
}

/// To whom a room opens a WebSocket.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ConnectTarget {
    /// A public address: its full URL, `wss://` or `ws://`.
    Url(String),
    /// Another room on this host.
    Room {
        /// Of which party.
        party: String,
        /// Which one.
        room: String,
        /// What it sees of its client: a `GET` with the full URL and the headers.
        request: Box<Request>,
    },
}

/// What a stream brings.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum StreamEvent {
    /// The next bytes of a body.
    Chunk(Bytes),
    /// A message, from a socket.
    Message(Message),
    /// That was all of the body.
    End,
    /// The other side has closed the socket, or this one: 1005 if without a code.
    Closed(CloseFrame),
    /// It broke off; the text says why.
    Error(String),
}

impl StreamEvent {
    /// Whether nothing comes after it.
    pub fn is_last(&self) -> bool {
        match self {
            StreamEvent::Chunk(_) | StreamEvent::Message(_) => false,
            StreamEvent::End | StreamEvent::Closed(_) | StreamEvent::Error(_) => true,
        }
    }

    /// Bytes that it holds.
    pub fn bytes(&self) -> u64 {
        match self {
            StreamEvent::Chunk(bytes) => bytes.len() as u64,
            StreamEvent::Message(message) => message.len() as u64,
            StreamEvent::Error(text) => text.len() as u64,
            StreamEvent::Closed(frame) => frame.reason.len() as u64,
            StreamEvent::End => 0,
        }
    }
}

/// The streams of a room, in order of id.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Streams {
    open: BTreeMap<StreamId, Stream>,
    answers: BTreeMap<RequestId, StreamId>,
}

impl Emptied for Streams {
    fn give_back(&mut self) {
        self.open.give_back();
        self.answers.give_back();
    }
}

impl Streams {
    /// How many are open.
    pub fn len(&self) -> usize {
        self.open.len()
    }

    /// Whether none is open.
    pub fn is_empty(&self) -> bool {
        self.open.is_empty()
    }

    /// How many of them are answers.
    pub fn answers(&self) -> usize {
        self.answers.len()
    }

    /// This one, if it is open.
    pub fn get(&self, id: StreamId) -> Option<&Stream> {
        self.open.get(&id)
    }

    pub(crate) fn get_mut(&mut self, id: StreamId) -> Option<&mut Stream> {
        self.open.get_mut(&id)
    }

    pub(crate) fn insert(&mut self, id: StreamId, stream: Stream) {
        if let Stream::Answer { request, .. } = stream {
            self.answers.insert(request, id);
        }
        let before = self.open.insert(id, stream);
        assert!(before.is_none(), "stream ids are never used twice");
    }

    pub(crate) fn remove(&mut self, id: StreamId) -> Option<Stream> {
        let stream = self.open.remove(&id)?;
        if let Stream::Answer { request, .. } = stream {
            self.answers.remove(&request);
        }
        Some(stream)
    }

    /// The answer to this request, if it is one that is still being written.
    pub(crate) fn answer_to(&self, request: RequestId) -> Option<StreamId> {
        self.answers.get(&request).copied()
    }

    /// The requests whose answers are still being written, in order.
    pub(crate) fn answered(&self) -> impl Iterator<Item = RequestId> {
        self.answers.keys().copied()
    }

    /// All of them, in order of id.
    pub fn all(&self) -> impl Iterator<Item = (StreamId, &Stream)> {
        self.open.iter().map(|(id, stream)| (*id, stream))
    }

    pub(crate) fn take_all(&mut self) -> BTreeMap<StreamId, Stream> {
        self.answers.clear();
        std::mem::take(&mut self.open)
    }
}
