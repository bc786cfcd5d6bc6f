//! Sessions: what a room keeps of its connections, apart from their sockets.

use std::collections::BTreeMap;

use bytes::Bytes;

use crate::event::NewConnection;
use crate::http::Header;
use crate::ids::{ConnectionId, Timestamp};
use crate::message::CloseFrame;

/// Where a connection is in its life.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ReadyState {
    /// `on-connect` has not settled.
    Connecting,
    /// Messages flow.
    Open,
    /// The room has closed it.
    Closing,
    /// Its socket has gone.
    Closed,
}

/// One connection, as the room knows it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Session {
    /// What the client calls itself.
    pub key: String,
    /// The URL that it connected to.
    pub uri: String,
    /// The headers of its upgrade request.
    pub headers: Vec<Header>,
    /// When it came.
    pub opened_at: Timestamp,
    /// What it can be found by.
    pub tags: Vec<String>,
    /// What the guest keeps with it.
    pub attachment: Bytes,
    /// Where it is in its life.
    pub ready_state: ReadyState,
    /// Whether it is of the room: listed, and reached by broadcasts.
    pub accepted: bool,
    /// Whether its handshake has been answered with 101, as far as the room is concerned: the answer itself may
    /// still wait at the output gate.
    pub upgraded: bool,
    /// Whether its `on-connect` has ended, well or not.
    pub connect_ended: bool,
    /// How its socket went while `on-connect` had not ended. Its `on-close` comes after that, as everything of
    /// one connection comes in order.
    pub gone: Option<(CloseFrame, bool)>,
}

impl Session {
    /// A client that waits for its answer.
    pub fn connecting(new: NewConnection) -> Session {
        Session {
            key: new.key,
            uri: new.uri,
            headers: new.headers,
            opened_at: new.opened_at,
            tags: Vec::new(),
            attachment: Bytes::new(),
            ready_state: ReadyState::Connecting,
            accepted: false,
            upgraded: false,
            connect_ended: false,
            gone: None,
        }
    }

    /// Whether the guest has turned it away: its handshake has another answer than 101.
    pub fn is_rejected(&self) -> bool {
        self.ready_state == ReadyState::Closed && !self.accepted
    }

    /// Whether broadcasts reach it.
    pub fn is_listed(&self) -> bool {
        self.accepted && matches!(self.ready_state, ReadyState::Connecting | ReadyState::Open)
    }
}

/// A room's sessions, in the order in which they were opened. They are boxed, because a leaf of the tree has places for
/// eleven, and many a room that sleeps has one.
pub type Sessions = BTreeMap<ConnectionId, Box<Session>>;
