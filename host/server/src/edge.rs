//! The edge: sockets on one side, rooms on the other.
//!
//! [`listener`] accepts, [`http`] speaks HTTP, [`target`] writes what is asked for as a URL, [`routes`] says what a path is, [`answer`] asks the [`lobby`], the room or the
//! assets; [`handshake`] turns a request into a [`websocket`], which lives on the thread of its room.

pub(crate) mod answer;
pub(crate) mod body;
pub(crate) mod count;
pub(crate) mod exchange;
pub(crate) mod frames;
pub(crate) mod handshake;
pub(crate) mod http;
pub mod limits;
pub mod listener;
pub(crate) mod lobby;
pub(crate) mod percent;
pub(crate) mod phase;
pub(crate) mod pulse;
pub(crate) mod routes;
pub(crate) mod socket;
pub(crate) mod target;
pub(crate) mod watch;
pub(crate) mod websocket;
pub(crate) mod worker;
pub(crate) mod write_queue;
