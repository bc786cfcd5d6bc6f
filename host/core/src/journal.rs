//! The journal of a durable room: what has happened to it since its last checkpoint, in the order in which it did.
//!
//! A room is a state machine, and its guest gives the same answers when it is called again with the same things. So
//! nothing of the room's memory need be written with a turn: only what the room could not know by itself. Each commit
//! carries one [`Record`] of [`Step`]s; the last of them is the guest's turn, if there was one, and those before it are
//! what has happened to the room since the last commit without its guest. [`crate::room::Replay`] takes the steps again.
//!
//! A turn's writes stand in its record and not in the tables, which stay where the checkpoint left them, because a guest
//! that is called again must read what it read then. The bytes are drawn in `docs/journal-format.md`.

mod decode;
mod difference;
mod encode;
mod happening;
mod trace;

use std::collections::BTreeMap;

use bytes::Bytes;
use thiserror::Error;

use crate::call::Call;
use crate::checkpoint::{Checkpoint, CheckpointError};
use crate::codec::Malformed;
use crate::commit::KvChanges;
use crate::event::{Event, NewConnection};
use crate::ids::{EventId, Seed, Timestamp};
use crate::limits::Limits;
use crate::profile::Profile;
pub(crate) use difference::difference;
pub use happening::{Fate, Happening};
pub(crate) use trace::trace;

/// The version of the format that is written. Readers know this one and the three before, and refuse every other.
pub const FORMAT: u8 = 4;
/// The last one in which there was one profile, which nobody said.
const FORMAT_WITHOUT_PROFILE: u8 = 3;
/// Nobody worked for a room.
const FORMAT_WITHOUT_WORK: u8 = 1;

/// Steps in one record. A room makes a commit of half as many that no turn takes with it.
pub(crate) const STEPS_MAX: usize = 2_048;

/// What one commit of a durable room records.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Record {
    pub(crate) steps: Vec<Step>,
}

/// Something that has happened to a room.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Step {
    /// A life begins: the room as it then is, with an empty image, because its instance is fresh.
    Life(Box<Checkpoint>),
    /// What the guest can learn of its configuration from here on.
    Settings(Box<Settings>),
    /// Another host has taken the room up: no socket and no request of before is there any more.
    Resumed,
    /// Time has ended something that the guest is not told of.
    Time(Timestamp),
    /// An event was taken that needs no guest.
    Unheard(Taken),
    /// A turn was dropped. The guest's memory does not know of it, the room's state does. And whether it is tried once more:
    /// that depends on earlier drops, which may be further back than the journal.
    Dropped(Taken, bool),
    /// A turn of the guest.
    Turn(Box<RecordedTurn>),
}

impl Step {
    /// About how many bytes it takes while it waits to be recorded. Turns do not wait.
    pub(crate) fn bytes(&self) -> u64 {
        match self {
            Step::Unheard(taken) | Step::Dropped(taken, _) => taken.bytes() + size_of::<Step>() as u64,
            Step::Life(_) | Step::Settings(_) | Step::Resumed | Step::Time(_) | Step::Turn(_) => 0,
        }
    }
}

impl Taken {
    /// About how many bytes it has of whoever sent them.
    pub(crate) fn bytes(&self) -> u64 {
        let arriving = self.arriving.as_ref().map_or(0, |arriving| {
            let NewConnection { key, uri, headers, .. } = &arriving.0;
            let headers: usize = headers.iter().map(|header| header.name.len() + header.value.len()).sum();
            key.len() + uri.len() + headers
        });
        let payload = match &self.event {
            Event::Message(_, message) => message.len(),
            Event::Error(_, error) => error.len(),
            Event::Request(_, request) => {
                let headers = request.headers.iter().map(|header| header.name.len() + header.value.len());
                request.uri.len() + request.body.len() + headers.sum::<usize>()
            }
            Event::Start(_)
            | Event::Resume(_)
            | Event::Connect(_)
            | Event::Close(..)
            | Event::ResponseClosed(_)
            | Event::Alarm => 0,
            Event::Completed(_, outcome) => outcome.bytes() as usize,
            Event::Stream(_, what) => what.bytes() as usize,
            Event::Drain(..) => 0,
        };
        (arriving + payload) as u64
    }
}

/// An event, taken from the mailbox.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Taken {
    pub(crate) event: Event,
    /// The client that arrives with it, and whether its handshake had been answered, if it is a connect.
    pub(crate) arriving: Option<Box<(NewConnection, bool)>>,
    /// The call that it is, if it is a request of a durable room.
    pub(crate) call: Option<Box<Call>>,
    pub(crate) now: Timestamp,
}

/// What the guest can learn of its configuration, and in whose words its clients were answered.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Settings {
    pub(crate) vars: BTreeMap<String, String>,
    pub(crate) limits: Limits,
    pub(crate) profile: Profile,
}

/// A turn as it is recorded.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct RecordedTurn {
    pub(crate) taken: Taken,
    pub(crate) event_id: EventId,
    /// The id of the first operation that it started, if it started any.
    pub(crate) next_operation: u64,
    /// Bytes of all keys and values before it.
    pub(crate) storage_bytes: u64,
    pub(crate) seed: Seed,
    /// What it wrote.
    pub(crate) writes: KvChanges,
    /// A digest of everything else that it did.
    pub(crate) trace: [u8; TRACE_BYTES],
}

/// How long the digest of a turn is.
pub(crate) const TRACE_BYTES: usize = 16;

/// Why bytes are no record that this host can take again.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
pub enum RecordError {
    /// They were written by another version of this host.
    #[error(
        "the journal's record has format {found}; this host reads formats {FORMAT_WITHOUT_WORK} to {FORMAT}"
    )]
    Format {
        /// The version that they name.
        found: u8,
    },
    /// They were written by a newer version of this host, whose rooms have more limits.
    #[error(
        "the journal's record is from a newer version of this host: it has {found} limits, and this one knows {known}"
    )]
    NewerLimits {
        /// How many limits it has.
        found: usize,
        /// How many there are here.
        known: usize,
    },
    /// Something in them is wrong.
    #[error("the journal's record cannot be read: {0}")]
    Malformed(#[from] Malformed),
    /// The room with which a life begins cannot be read.
    #[error("the beginning of the room's life cannot be read: {0}")]
    Life(#[from] CheckpointError),
}

impl Record {
    /// Its bytes.
    pub fn encode(&self) -> Bytes {
        encode::encode(self)
    }

    /// Reads what [`Record::encode`] wrote.
    pub fn decode(bytes: &Bytes) -> Result<Record, RecordError> {
        decode::decode(bytes)
    }

    /// Whether a room's life begins with it, so that nothing comes before it.
    pub fn begins_a_life(&self) -> bool {
        matches!(self.steps.first(), Some(Step::Life(_)))
    }

    /// What the turn in it wrote, if there is one: for whoever gives the memory up and keeps the storage.
    pub fn writes(&self) -> Option<&KvChanges> {
        self.steps.iter().find_map(|step| match step {
            Step::Turn(turn) => Some(&turn.writes),
            Step::Life(_)
            | Step::Settings(_)
            | Step::Resumed
            | Step::Time(_)
            | Step::Unheard(_)
            | Step::Dropped(..) => None,
        })
    }
}

#[cfg(test)]
mod tests;
