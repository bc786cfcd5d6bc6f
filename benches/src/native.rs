//! The bare native server: what the same rooms cost without a sandbox, a contract or a host.
//!
//! axum and hyper for HTTP, tungstenite for the WebSocket protocol, redb for what must be durable; one thread for
//! all rooms and connections, one more that commits. Nobody would ship it, and it forgets its rooms when it ends:
//! it is the yardstick that every other server's figures are divided by, so it does whatever makes it fast.
//!
//! - A broadcast is encoded once and copied to the connections; what is pending for one leaves in one write, after
//!   everything else that was ready has run.
//! - A connection keeps only small buffers.
//! - Increments of all rooms that wait are one transaction with one sync, answered after it.
//!
//! Parties, by name: `echo` sends each message back to its sender, `broadcast` to everyone in the room, `counter`
//! counts POSTs durably and answers with the number, `hello` answers 200 to every request and echoes messages.

pub mod arguments;
pub mod serve;

mod coalesced;
mod committer;
mod connection;
mod rooms;
mod routes;
