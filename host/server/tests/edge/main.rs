//! The edge in front of a real node and a real guest: only the sockets and the clock are replaced.

#[path = "../../../runtime/tests/runtime/guests.rs"]
#[expect(dead_code, reason = "the runtime's own tests use the rest")]
mod guests;

mod answers;
mod auto_responses;
mod clock;
mod damage;
mod drain;
mod framing;
mod fuzz;
mod half_open;
mod handshake;
mod http;
mod http2;
mod network;
mod origins;
mod outside;
mod probe;
mod proxies;
mod rates;
mod rooms_max;
mod targets;
mod tls;
mod unread;
mod websocket;
mod wire;
mod world;
