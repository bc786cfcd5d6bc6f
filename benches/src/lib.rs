//! The yardstick: what a message, a cold start, a room and a durable write cost, measured alike for every server.
//!
//! Four programs share this library. `party-load` drives any server that has PartyKit's URLs and checks every
//! message that it gets back. `party-native` is the bare native server that all ratios are relative to.
//! `party-yardstick` runs both beside other servers, interleaved, and writes down what it saw. `party-restart` kills a
//! server and times its next answer.
//!
//! What must hold: the load tool knows nothing of any server but its URLs (and, where it is told of it, the admin socket
//! that says whether rooms sleep), and the native server nothing of the load
//! tool, so that neither can flatter the other. Only loopback is ever driven unless the user says otherwise.

pub mod limits;
pub mod load;
pub mod native;
pub mod restart;
pub mod yardstick;
