//! A WebSocket that the room has opened, as a client.

use std::borrow::Cow;
use std::future::{Future, IntoFuture, poll_fn};
use std::pin::Pin;
use std::task::Poll;

use crate::bindings::exports::party::server::guest::{Outcome, StreamEvent};
use crate::bindings::party::server::operations::{self, ConnectTarget, RoomTarget};
use crate::bindings::party::server::streams as host;
use crate::bindings::party::server::types::{CloseFrameParam, OperationError as HostError};
use crate::http::{Header, lent};
use crate::message::{AsFrame, Message};
use crate::runtime;
use crate::stream::StreamError;
use crate::work::{OperationError, Work, unexpected};

/// A socket to a server outside that is to be opened; made by [`Room::connect`](crate::Room::connect).
#[derive(Debug, Clone)]
#[must_use = "nothing is opened until it is awaited"]
pub struct Connect {
    url: String,
}

impl Connect {
    pub(crate) fn to(url: &str) -> Self {
        Self { url: url.to_owned() }
    }
}

impl IntoFuture for Connect {
    type Output = Result<Socket, OperationError>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output>>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(Socket::open(move || operations::connect(ConnectTarget::Url(&self.url))))
    }
}

/// A socket to another room that is to be opened; made by [`Room::connect_to`](crate::Room::connect_to).
#[derive(Debug, Clone)]
#[must_use = "nothing is opened until it is awaited"]
pub struct ConnectTo {
    party: String,
    room: String,
    uri: String,
    headers: Vec<Header>,
}

impl ConnectTo {
    pub(crate) fn of(party: &str, room: &str) -> Self {
        Self { party: party.to_owned(), room: room.to_owned(), uri: String::new(), headers: Vec::new() }
    }

    /// What follows the room's own URL: `/lobby?seat=2`. A `_pk` in the query is what the other room knows this one by.
    pub fn path(mut self, path: &str) -> Self {
        self.uri = path.to_owned();
        self
    }

    /// One more header for the other room to see, its name in lower case.
    pub fn header(mut self, name: impl Into<Cow<'static, str>>, value: impl Into<Vec<u8>>) -> Self {
        self.headers.push(Header { name: name.into(), value: value.into() });
        self
    }
}

impl IntoFuture for ConnectTo {
    type Output = Result<Socket, OperationError>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output>>>;

    fn into_future(self) -> Self::IntoFuture {
        let begin = move || {
            let headers = lent(&self.headers);
            let (party, room, uri) = (&*self.party, &*self.room, &*self.uri);
            operations::connect(ConnectTarget::Room(RoomTarget { party, room, uri, headers: &headers }))
        };
        Box::pin(Socket::open(begin))
    }
}

/// How a socket came to its end.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Closed {
    /// It was closed, by whichever side: 1005 without a code.
    #[error("the socket was closed with {code}: {reason}")]
    With {
        /// The code.
        code: u16,
        /// The reason.
        reason: String,
    },
    /// It broke, or the host was restarted; the text says which.
    #[error("the socket was lost: {0}")]
    Lost(String),
}

/// A socket that is open. To drop it is to close it, without a code.
#[derive(Debug)]
pub struct Socket {
    stream: u64,
    closed: Option<Closed>,
}

impl Socket {
    async fn open(begin: impl FnOnce() -> Result<u64, HostError> + Unpin) -> Result<Self, OperationError> {
        match Work::of(begin).await? {
            Outcome::Connected(stream) => {
                runtime::streams().hold(stream);
                Ok(Self { stream, closed: None })
            }
            other => Err(unexpected(&other)),
        }
    }

    /// The next message, or how it came to its end: always the same from then on.
    pub async fn next(&mut self) -> Result<Message, Closed> {
        if let Some(closed) = &self.closed {
            return Err(closed.clone());
        }
        let what = poll_fn(|context| match runtime::streams().next(self.stream, context.waker()) {
            Some(what) => Poll::Ready(what),
            None => Poll::Pending,
        });
        let closed = match what.await {
            StreamEvent::Message(message) => return Ok(Message::from(message)),
            StreamEvent::Closed(frame) => Closed::With { code: frame.code, reason: frame.reason },
            StreamEvent::Error(why) => Closed::Lost(why),
            StreamEvent::Chunk(_) | StreamEvent::End => Closed::Lost("it brought no message".to_owned()),
        };
        self.closed = Some(closed.clone());
        Err(closed)
    }

    /// Send a message, as soon as the other side has taken enough of what was sent before.
    pub async fn send(&self, message: impl Into<Message>) -> Result<(), StreamError> {
        let message = message.into();
        poll_fn(|context| match self.try_send(&message) {
            Err(StreamError::NoCredit) => {
                runtime::streams().wait_for_credit(self.stream, context.waker());
                Poll::Pending
            }
            sent => Poll::Ready(sent),
        })
        .await
    }

    /// Send a message now, or say why not: [`StreamError::NoCredit`] when the other side has not taken enough of what was sent.
    pub fn try_send(&self, message: &Message) -> Result<(), StreamError> {
        Ok(host::send(self.stream, message.as_frame().into())?)
    }

    /// Close it: 1000, 1001, 1003, 1007 to 1014, or 3000 to 4999, and at most 123 bytes of reason. What still arrives comes before
    /// the end does.
    pub fn close(&self, code: u16, reason: &str) -> Result<(), StreamError> {
        Ok(host::close(self.stream, Some(CloseFrameParam { code, reason }))?)
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        runtime::streams().let_go(self.stream);
        if self.closed.is_none() {
            // It may be closing already.
            let _ = host::close(self.stream, None);
        }
    }
}
