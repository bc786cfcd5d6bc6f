//! Sessions: what a room keeps of its connections, apart from their sockets.

use std::collections::BTreeMap;

use bytes::Bytes;

use crate::event::NewConnection;
use crate::http::Header;
use crate::ids::{ConnectionId, Timestamp};

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
    /// Whether its handshake has been answered with 101.
    pub upgraded: bool,
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
        }
    }

    /// Whether broadcasts reach it.
    pub fn is_listed(&self) -> bool {
        self.accepted && matches!(self.ready_state, ReadyState::Connecting | ReadyState::Open)
    }
}

/// A room's sessions, in the order in which they were opened.
pub type Sessions = BTreeMap<ConnectionId, Session>;
