//! A checkpoint: all that a sleeping room is, beside its record and its keys and values.
//!
//! Waking, recovering and forking all do the same: take a checkpoint, then apply events. What the guest's memory knows
//! of the world outside (sessions, operations, events that have not settled) is written together with that memory, in
//! one commit, so that the two can never disagree. The memory itself is opaque here: the runtime reads and writes it.
//! The bytes are drawn in `docs/checkpoint-format.md`.

pub(crate) mod decode;
pub mod elsewhere;
pub(crate) mod encode;

use std::collections::BTreeSet;

use bytes::Bytes;
use thiserror::Error;

use crate::alarm::AlarmClock;
use crate::auto_response::AutoResponse;
use crate::call::Calls;
use crate::codec::Malformed;
use crate::commit::ComponentDigest;
use crate::event::ResumeReason;
use crate::ids::{CommitSeq, ConnectionId, EventId, Incarnation, OperationId, RequestId, Timestamp};
use crate::large::NoMemory;
use crate::operation::Operation;
use crate::session::{ReadyState, Session, Sessions};
use crate::stream::Streams;
use crate::turn::Subject;

/// The version of the format that is written. Readers know this one and the two before, and refuse every other.
pub const FORMAT: u16 = 4;
/// Nothing streamed.
const FORMAT_WITHOUT_STREAMS: u16 = 3;
/// Its operations are sleeps, and it does not say so.
const FORMAT_WITHOUT_WORK: u16 = 2;
/// What a checkpoint begins with.
pub const MAGIC: [u8; 4] = *b"PHCP";

/// An event whose export has returned and that has not ended when the room went to sleep.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct SleepingEvent {
    pub(crate) id: EventId,
    pub(crate) subject: Subject,
    /// When it is overdue, and the bound that it then has passed.
    pub(crate) deadline: Option<(Timestamp, u64)>,
}

/// A sleeping room.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Checkpoint {
    /// Whose memory this is.
    pub component: ComponentDigest,
    /// The commit that carries it. It is of use only while that is the room's last commit.
    pub seq: CommitSeq,
    /// The life that goes on when the room wakes.
    pub incarnation: Incarnation,
    /// What the runtime made of the guest's memory.
    pub image: Bytes,
    /// The room has not been told yet that it goes on elsewhere.
    pub(crate) resumes: Option<ResumeReason>,
    /// `on-start` has not settled.
    pub(crate) is_starting: bool,
    pub(crate) last_now: Timestamp,
    pub(crate) sessions: Sessions,
    pub(crate) requests: BTreeSet<RequestId>,
    pub(crate) streams: Streams,
    /// The calls of durable rooms that it knows of.
    pub(crate) calls: Calls,
    pub(crate) operations: Vec<(OperationId, Operation)>,
    pub(crate) pending: Vec<SleepingEvent>,
    pub(crate) alarm: AlarmClock,
    pub(crate) holds: u32,
    pub(crate) hold_until: Timestamp,
    pub(crate) auto_response: Option<AutoResponse>,
}

/// Why bytes are no checkpoint that this host can wake a room from.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
pub enum CheckpointError {
    /// They begin with something else.
    #[error("this is no checkpoint: it does not begin with \"PHCP\"")]
    NotACheckpoint,
    /// They were written by another version of this host.
    #[error("the checkpoint has format {found}; this host reads formats {FORMAT_WITHOUT_WORK} to {FORMAT}")]
    Format {
        /// The version that they name.
        found: u16,
    },
    /// Something in them is wrong.
    #[error("the checkpoint cannot be read: {0}")]
    Malformed(#[from] Malformed),
}

impl Checkpoint {
    /// Its bytes: as many as its image has, and some for each session. They are asked for before anything is written.
    pub fn encode(&self) -> Result<Bytes, NoMemory> {
        encode::encode(self)
    }

    /// Reads what [`Checkpoint::encode`] wrote. No count is believed before the bytes for it are seen, so what is
    /// allocated is bounded by the length of `bytes`.
    pub fn decode(bytes: &Bytes) -> Result<Checkpoint, CheckpointError> {
        decode::decode(bytes)
    }

    /// How many clients it knows of.
    pub fn sessions(&self) -> usize {
        self.sessions.len()
    }

    /// The clients that it knows of and whose sockets were there when it was made, in the order in which they came.
    pub fn clients(&self) -> impl Iterator<Item = (ConnectionId, &Session)> {
        let is_there =
            |session: &Session| session.gone.is_none() && session.ready_state != ReadyState::Closed;
        self.sessions.iter().map(|(id, session)| (*id, &**session)).filter(move |(_, it)| is_there(it))
    }

    /// The requests that wait for an answer, in the order in which they came.
    pub fn open_requests(&self) -> impl Iterator<Item = RequestId> {
        self.requests.iter().copied()
    }

    /// Whether its guest has begun nothing that could still end, so that another version can take its place at once.
    pub fn has_nothing_open(&self) -> bool {
        let is_bounded = |event: &SleepingEvent| event.deadline.is_some();
        self.operations.is_empty()
            && self.requests.is_empty()
            && self.streams.is_empty()
            && !self.pending.iter().any(is_bounded)
            && self.holds == 0
            && !self.is_starting
            && self.resumes.is_none()
    }

    /// When the room next has something to do by itself, if ever, apart from its alarm.
    pub fn next_due(&self) -> Option<Timestamp> {
        // Whoever goes on elsewhere is told at once what has become of its operations.
        let told = (self.resumes.is_some() && !self.operations.is_empty()).then_some(self.last_now);
        let sleeps = self.operations.iter().map(|(_, operation)| match operation {
            Operation::Sleep { due } => *due,
            // Another host must begin it again, or say that it was interrupted.
            Operation::Work { .. } => self.last_now,
        });
        // Another host must say that they broke off.
        let streams = (!self.streams.is_empty()).then_some(self.last_now);
        let deadlines = self.pending.iter().filter_map(|event| event.deadline.map(|(at, _)| at));
        let held = (self.holds > 0).then_some(self.hold_until);
        sleeps.chain(streams).chain(deadlines).chain(held).chain(told).min()
    }
}

#[cfg(test)]
mod tests;
