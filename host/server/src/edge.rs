//! The edge: sockets on one side, rooms on the other.
//!
//! [`listener`] accepts, [`origins`] and [`proxies`] say who may ask and who asks, [`greeting`] speaks TLS, [`http`] and [`http2`] speak HTTP, [`target`] writes what is asked for as a URL, [`routes`] says what a path is, [`answer`] asks the [`lobby`], the room or the
//! assets; [`handshake`] turns a request into a [`websocket`], which lives on the thread of its room.

pub(crate) mod addresses;
pub(crate) mod answer;
pub(crate) mod body;
pub(crate) mod count;
pub(crate) mod exchange;
pub(crate) mod frames;
pub(crate) mod greeting;
pub(crate) mod handshake;
pub(crate) mod http;
pub(crate) mod http2;
pub mod limits;
pub mod listener;
pub(crate) mod lobby;
pub mod origins;
pub(crate) mod phase;
pub mod proxies;
pub(crate) mod pulse;
pub mod rates;
pub(crate) mod routes;
pub(crate) mod socket;
pub(crate) mod target;
pub(crate) mod throttle;
pub(crate) mod transport;
pub(crate) mod upload;
pub(crate) mod watch;
pub(crate) mod websocket;
pub(crate) mod worker;
pub(crate) mod write_queue;
