//! The load tool's library: one scenario per file, over a client of our own that is cheap enough not to be measured.
//!
//! Why a client of our own: a broadcast delivery costs a good server half a microsecond, so the side that receives
//! must spend less than that per message on reading, checking and timing together. Everything runs on one thread
//! over `epoll`; sockets are read into one shared buffer, frames are parsed where they lie, and what a socket has to
//! say leaves in one write.
//!
//! What must hold: every message received is checked (who sent it, in which order, unaltered), every latency counts
//! from the moment at which the message was meant to be sent, and nothing that was sent goes unaccounted.

pub mod arguments;
pub mod scenario;

pub mod cold;
pub mod counter;
pub mod memory;
pub mod sleepers;
pub mod traffic;
pub mod wake;

pub mod admin;
pub mod frame;
pub mod http;
pub mod poller;
pub mod target;
pub mod websocket;
pub mod wire;

pub mod latency;
pub mod payload;
pub mod process;
pub mod sample;
pub mod sequence;
