//! Messages through rooms: echo (back to the sender) and broadcast (to everyone in the room), at two paces.
//!
//! - **Closed loop**: each sender keeps so many messages in flight and sends the next when one of its own is back.
//!   It finds the server's capacity, and hides its pauses: a stalled server is simply sent nothing meanwhile.
//! - **Open loop**: messages are due at fixed times whatever the server does, and each latency counts from the time
//!   at which its message was due. A server that stalls for 200 ms shows every message that came due meanwhile as
//!   late, as its users would see it ("coordinated omission" is the name for leaving them out).
//!
//! What must hold: each message carries its sender and number, and every receiver checks every message; after the
//! window all that was sent is waited for, and the sockets are closed in order, so that one message too many is
//! seen as surely as one too few.

pub mod engine;

mod client;
mod tally;

use std::io;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::latency::LatencySummary;
use super::process::ProcessError;
use super::websocket::{ConnectError, SocketError};

/// Why a run could not be finished.
#[derive(Debug, thiserror::Error)]
pub enum TrafficError {
    /// A client could not connect.
    #[error("client {client} of {clients} cannot connect")]
    Connect {
        /// Which one, from 0.
        client: usize,
        /// Of how many.
        clients: usize,
        /// Why.
        source: ConnectError,
    },
    /// A connection failed while it was used.
    #[error("the connection of client {client} failed")]
    Socket {
        /// Which one, from 0.
        client: usize,
        /// How.
        source: SocketError,
    },
    /// The system failed.
    #[error("cannot wait for sockets")]
    Poll(#[from] io::Error),
    /// The server's process cannot be measured.
    #[error("cannot measure the server's process")]
    Process(#[from] ProcessError),
}

/// Who gets a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FanOut {
    /// Only who sent it. Every client of a room sends.
    Echo,
    /// Everyone in the room, the sender too.
    Broadcast,
}

/// When messages are sent.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Pace {
    /// Each sender keeps this many in flight.
    Closed {
        /// Messages that a sender has sent and not yet got back, at least 1.
        in_flight: u32,
    },
    /// Messages are due at fixed times.
    Open {
        /// Messages delivered per second if none is lost: sends times receivers.
        deliveries_per_s: f64,
    },
}

/// What to do.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TrafficSettings {
    /// Who gets a message.
    pub fan_out: FanOut,
    /// The party that behaves so.
    pub party: String,
    /// Rooms, at least 1.
    pub rooms: u32,
    /// Clients in each room, at least 1.
    pub clients: u32,
    /// Clients of each room that send, at least 1 and at most `clients`; with `FanOut::Echo` all of them.
    pub senders: u32,
    /// When messages are sent.
    pub pace: Pace,
    /// Time before measuring begins.
    pub warm_up: Duration,
    /// Time that is measured.
    pub window: Duration,
    /// Send no more than this in all, warm-up included.
    pub messages_max: Option<u64>,
    /// Tells this run's rooms and messages from another's.
    pub run: u32,
}

/// What became of every message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Integrity {
    /// Messages sent.
    pub sent: u64,
    /// Deliveries owed for them.
    pub expected: u64,
    /// Deliveries that never came.
    pub lost: u64,
    /// Deliveries that came again.
    pub duplicated: u64,
    /// Deliveries that came after a later one of the same sender.
    pub reordered: u64,
    /// Messages whose bytes are not as they were sent, or that nobody sent.
    pub corrupted: u64,
    /// Messages of another room or another run.
    pub foreign: u64,
    /// Receivers that saw the senders of their room interleaved otherwise than the room's first receiver did.
    pub order_disagreements: u64,
}

impl Integrity {
    /// Whether every message arrived once, in order and unaltered.
    pub fn is_whole(&self) -> bool {
        self.lost
            + self.duplicated
            + self.reordered
            + self.corrupted
            + self.foreign
            + self.order_disagreements
            == 0
    }
}

/// What was seen.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TrafficReport {
    /// What was done.
    pub settings: TrafficSettings,
    /// Seconds measured.
    pub window_s: f64,
    /// Messages received per second of the window.
    pub messages_per_s: f64,
    /// CPU time of the server per message received, in microseconds; absent without the server's process.
    pub server_cpu_us_per_message: Option<f64>,
    /// Share of one core that the server used, in percent.
    pub server_cpu_percent: Option<f64>,
    /// From when a message was due until a receiver had it, for messages due in the window.
    pub latency: LatencySummary,
    /// Share of one core that this tool used, in percent (an open loop watches the clock and so uses all of one).
    pub own_cpu_percent: f64,
    /// What all other processes used meanwhile, in percent of one core; absent without the server's process.
    pub others_cpu_percent: Option<f64>,
    /// How much later than due the tool itself wrote its messages.
    pub send_late: LatencySummary,
    /// What became of every message.
    pub integrity: Integrity,
    /// Connections whose close the server did not answer in time. Not counted as a fault.
    pub closes_unanswered: u64,
}

impl TrafficReport {
    /// Whether, in a closed loop, this tool and not the server was what limited the rate.
    pub fn is_bound_by_this_tool(&self) -> bool {
        matches!(self.settings.pace, Pace::Closed { .. })
            && self.own_cpu_percent > 90.0
            && self.server_cpu_percent.is_some_and(|percent| percent < 90.0)
    }
}
