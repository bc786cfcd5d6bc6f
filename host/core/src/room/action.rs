//! What a room has decided: for its driver to do, for its operator to hear, for whoever is not let in.

use crate::commit::RoomCommit;
use crate::event::{DropCause, Failure, Output};
use crate::ids::Timestamp;

/// What the driver is to do, in order.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Action {
    /// Write this durably, then report [`Room::committed`] or [`Room::commit_failed`].
    Commit(RoomCommit),
    /// Let this leave.
    Output(Output),
    /// Throw the instance away; the next turn needs a new one.
    DropInstance,
    /// Tell the operator.
    Report(Report),
}

/// What an operator should hear of.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Report {
    /// A handler failed; the guest caught it.
    Failed {
        /// The export's name.
        event: &'static str,
        /// What it said.
        failure: Failure,
    },
    /// A turn was dropped.
    Dropped {
        /// The export's name.
        event: &'static str,
        /// Why.
        cause: DropCause,
    },
    /// Too many turns were dropped within a minute.
    Suspended {
        /// How many.
        drops: u32,
        /// When the next start may be tried.
        until: Timestamp,
    },
    /// An event did not settle in time. If it is `on-start` or `events.hold`, the room starts afresh.
    Overdue {
        /// The export's name, or `events.hold`.
        event: &'static str,
        /// The bound that it passed.
        deadline_ms: u64,
    },
    /// The alarm has failed too often and is given up.
    AlarmGivenUp,
    /// A commit failed; what depended on it is dropped.
    CommitFailed,
    /// The guest has destroyed the room.
    Destroyed,
    /// What is kept of a durable room cannot be believed, or cannot be read.
    Damaged {
        /// Why.
        reason: String,
    },
}

/// Why something may not come in. The answer is 503 in every case.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Refusal {
    /// The room is suspended.
    #[error("the room is suspended for {for_ms} ms more because it failed too often")]
    Suspended {
        /// How long still.
        for_ms: u64,
    },
    /// Too many connections.
    #[error("the room has {connections_max} connections, which is its limit")]
    TooManyConnections {
        /// The bound.
        connections_max: u32,
    },
    /// Too many requests.
    #[error("{requests_max} requests wait for the room, which is its limit")]
    TooManyRequests {
        /// The bound.
        requests_max: u32,
    },
    /// What is kept of the room cannot be believed. It takes nothing until somebody decides what is to become of it.
    #[error("room-damaged")]
    Damaged,
    /// The room takes nothing more: it was shut down, or a commit failed. Another takes its place.
    #[error("the room is ending; try again")]
    Ending,
}
