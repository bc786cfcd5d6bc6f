//! One client's WebSocket, and who is to get a broadcast.

use std::fmt;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::bindings::party::server::connections as host;
use crate::bindings::party::server::types::CloseFrameParam;
use crate::codec;
use crate::http::{Header, Response};
use crate::message::AsFrame;
use crate::time::Timestamp;

mod error;

use error::Asked;
pub use error::ConnectionError;
pub(crate) use error::turn_full;

/// One client's socket, from its first byte to its last; a client that reconnects is another connection.
///
/// It is only a number: it can be copied into tasks and into fields, and be a key of a map.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Connection(u64);

/// Where a connection is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ReadyState {
    /// `on_connect` has not ended: the client has not been answered yet.
    Connecting,
    /// Messages flow.
    Open,
    /// A close has been sent or received.
    Closing,
    /// Gone; seen only in the turn of its `on_close`.
    Closed,
}

/// What is known of a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConnectionInfo {
    /// What the client calls itself (`_pk` in its URL), else a random UUID. The same key can come again.
    pub key: String,
    /// The URL that the client connected to, always `http://`; or what the lobby has put in its place.
    pub uri: String,
    /// The headers of the upgrade request.
    pub headers: Vec<Header>,
    /// What the connection can be found by.
    pub tags: Vec<String>,
    /// When the client came.
    pub opened_at: Timestamp,
    /// Where the connection is in its life.
    pub ready_state: ReadyState,
}

/// How a connection ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Close {
    /// The code of the close; 1005: there was none, 1006: the connection was lost.
    pub code: u16,
    /// The reason that came with it.
    pub reason: String,
    /// Whether both sides said goodbye.
    pub was_clean: bool,
}

impl Connection {
    /// The connection of this id.
    pub const fn from_id(id: u64) -> Self {
        Self(id)
    }

    /// Its number, never used twice in the life of a room.
    pub const fn id(self) -> u64 {
        self.0
    }

    /// Send one message. Messages to one connection arrive in the order in which they were sent.
    pub fn send(&self, message: impl AsFrame) -> Result<(), ConnectionError> {
        let frame = message.as_frame();
        host::send(self.0, frame.into()).map_err(|error| Asked::Message(frame).refused(error))
    }

    /// Close it, with a code of 1000, 1001, 1003, 1007 to 1014 or 3000 to 4999 and a reason that is cut at 123
    /// bytes. It leaves [`Room::connections`](crate::Room::connections) at once; its `on_close` follows.
    pub fn close(&self, code: u16, reason: &str) -> Result<(), ConnectionError> {
        host::close(self.0, Some(CloseFrameParam { code, reason }))
            .map_err(|error| Asked::Other.refused(error))
    }

    /// In `on_connect`: let it in now, under these tags (at most 9, each 1 to 256 characters). From now on
    /// broadcasts reach it. A connection that is neither accepted nor rejected when its `on_connect` ends is
    /// accepted without tags.
    pub fn accept(&self, tags: &[&str]) -> Result<(), ConnectionError> {
        host::accept(self.0, tags).map_err(|error| Asked::Tags(tags).refused(error))
    }

    /// In `on_connect`: answer with a plain HTTP response (status 300 to 599) instead of a socket.
    pub fn reject(&self, response: &Response) -> Result<(), ConnectionError> {
        let asked = Asked::Response(response.body.len());
        response.lend(|response| host::reject(self.0, response)).map_err(|error| asked.refused(error))
    }

    /// What is known of it. None when it has gone; during its `on_close` it is still known.
    pub fn info(&self) -> Option<ConnectionInfo> {
        host::info(self.0).map(ConnectionInfo::from)
    }

    /// The value kept with it, if one was set. It lasts as long as the connection.
    pub fn state<T: DeserializeOwned>(&self) -> Result<Option<T>, ConnectionError> {
        match self.attachment()?.as_slice() {
            [] => Ok(None),
            bytes => Ok(Some(codec::decode(bytes)?)),
        }
    }

    /// Keep a value with it (at most 16,384 bytes when encoded), instead of an earlier one.
    pub fn set_state<T: Serialize + ?Sized>(&self, value: &T) -> Result<(), ConnectionError> {
        self.set_attachment(&codec::encode(value)?)
    }

    /// The bytes kept with it; empty until set. [`state`](Self::state) reads them as a value.
    pub fn attachment(&self) -> Result<Vec<u8>, ConnectionError> {
        host::attachment(self.0).map_err(|error| Asked::Other.refused(error))
    }

    /// Keep these bytes with it (at most 16,384), instead of earlier ones.
    pub fn set_attachment(&self, bytes: &[u8]) -> Result<(), ConnectionError> {
        host::set_attachment(self.0, bytes).map_err(|error| Asked::State(bytes.len()).refused(error))
    }
}

/// Its number.
impl fmt::Display for Connection {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, formatter)
    }
}

/// Who is to get a broadcast: everyone, until narrowed. Made by [`Room::everyone`](crate::Room::everyone).
#[derive(Debug, Clone, Copy, Default)]
#[must_use = "nothing is sent until `send`"]
pub struct Audience<'a> {
    except: &'a [Connection],
    tag: Option<&'a str>,
}

impl<'a> Audience<'a> {
    /// Not to these.
    pub fn except(mut self, connections: &'a [Connection]) -> Self {
        self.except = connections;
        self
    }

    /// Only to those with this tag.
    pub fn tagged(mut self, tag: &'a str) -> Self {
        self.tag = Some(tag);
        self
    }

    /// Send one message to each; returns to how many. One slow or broken client does not stop the others.
    pub fn send(self, message: impl AsFrame) -> Result<u32, ConnectionError> {
        let frame = message.as_frame();
        let sent = match self.except {
            [] => host::broadcast(frame.into(), &[], self.tag),
            [one] => host::broadcast(frame.into(), &[one.0], self.tag),
            many => {
                let except: Vec<_> = many.iter().map(|one| one.0).collect();
                host::broadcast(frame.into(), &except, self.tag)
            }
        };
        sent.map_err(|error| Asked::Message(frame).refused(error))
    }
}

/// The accepted connections that are not closing, in the order in which they came.
pub(crate) fn list(tag: Option<&str>) -> Vec<Connection> {
    host::list(tag).into_iter().map(Connection).collect()
}

/// Let the host answer a text by itself, or no more.
pub(crate) fn set_auto_response(pair: Option<(&str, &str)>) -> Result<(), ConnectionError> {
    let (request, response) = pair.unwrap_or_default();
    host::set_auto_response(pair).map_err(|error| Asked::AutoResponse(request, response).refused(error))
}

impl From<host::ConnectionInfo> for ConnectionInfo {
    fn from(info: host::ConnectionInfo) -> Self {
        Self {
            key: info.key,
            uri: info.uri,
            headers: info.headers.into_iter().map(Header::from).collect(),
            tags: info.tags,
            opened_at: Timestamp::from_millis(info.opened_at),
            ready_state: match info.ready_state {
                host::ReadyState::Connecting => ReadyState::Connecting,
                host::ReadyState::Open => ReadyState::Open,
                host::ReadyState::Closing => ReadyState::Closing,
                host::ReadyState::Closed => ReadyState::Closed,
            },
        }
    }
}
