//! The edge of a party host: HTTP and WebSocket, static assets, configuration.
//!
//! Only this crate speaks HTTP on sockets. It decides nothing about rooms: what a path leads to, how frames are
//! read and written, how much a client may ask and how long it may take. Everything that waits, waits on the
//! node's clock.

mod accepting;
pub mod admin;
pub mod assets;
pub mod config;
pub mod edge;
pub mod outbound;
pub mod server;
pub mod tls;
