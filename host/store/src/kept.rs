//! What a store keeps of a room's memory: the checkpoint, the journal since then, and the component of both.
//!
//! All three are opaque bytes to the store; it only promises that they are what was written. A room's checkpoint has
//! the number of the commit that carried it, its journal the commits after that. The component's bytes are kept for as
//! long as any room has a checkpoint or a journal of it.

use bytes::Bytes;
use party_core::commit::{ComponentDigest, RoomRecord};
use party_core::ids::{CommitSeq, Epoch};
use thiserror::Error;

use crate::store::CommitError;

/// The largest checkpoint, in bytes: nearly 4 GiB, as much as its row can say. The largest memory that a room may have fits, with
/// a GiB for its sessions and what else grows beside it.
pub const CHECKPOINT_BYTES_MAX: u64 = u32::MAX as u64;
/// The largest checkpoint that a commit carries itself, in bytes: 32 KiB. A larger one is staged before, so that no
/// room's checkpoint holds up the commits of the others.
pub const CHECKPOINT_INLINE_BYTES_MAX: usize = 32 << 10;
/// The largest record of a journal, in bytes: 64 MiB, the largest message and the most writes of a turn together.
pub const JOURNAL_RECORD_BYTES_MAX: usize = 64 << 20;
/// The largest component, in bytes: 64 MiB.
pub const COMPONENT_BYTES_MAX: u64 = 64 << 20;

/// What is kept of a room, without its keys, values and memory themselves.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct RoomSummary {
    /// Its record.
    pub record: RoomRecord,
    /// The component that its checkpoint and journal belong to, if it has either.
    pub component: Option<ComponentDigest>,
    /// Its checkpoint, if it has one: then it sleeps, or can go back to it.
    pub checkpoint: Option<CheckpointSummary>,
    /// How long its journal is.
    pub journal: JournalSize,
}

/// A checkpoint without its bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CheckpointSummary {
    /// The commit that carried it. If it is still the room's last, the checkpoint is the room as it is.
    pub seq: CommitSeq,
    /// How many bytes it has.
    pub bytes: u64,
}

/// How long a room's journal is: for whoever bounds it by asking for a checkpoint.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct JournalSize {
    /// How many records.
    pub records: u64,
    /// Bytes of all of them.
    pub bytes: u64,
}

/// A checkpoint as it is kept.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct KeptCheckpoint {
    /// The commit that carried it.
    pub seq: CommitSeq,
    /// The component that it belongs to.
    pub component: ComponentDigest,
    /// What it is.
    pub bytes: Bytes,
}

/// A record of a journal as it is kept.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct JournalEntry {
    /// The commit that carried it.
    pub seq: CommitSeq,
    /// What it is.
    pub bytes: Bytes,
}

/// Why bytes could not be put aside, or let go of. Nothing that was kept before is lost.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
pub enum KeepError {
    /// Somebody else owns the store now.
    #[error("the store was taken over: this owner holds epoch {held}, the current one is {current}")]
    Stale {
        /// The epoch that the call carried.
        held: Epoch,
        /// The store's.
        current: Epoch,
    },
    /// There are too many.
    #[error("the {what} is {bytes} bytes; the limit is {bytes_max}")]
    TooLarge {
        /// What they are.
        what: &'static str,
        /// How many they are.
        bytes: u64,
        /// How many they may be.
        bytes_max: u64,
    },
    /// They were not written and the store works: it may be tried again.
    #[error("nothing was written: {cause}")]
    NotWritten {
        /// What failed.
        cause: String,
    },
    /// The store cannot be used at present. Every call tries anew.
    #[error("the store is unavailable: {cause}\nhint: check the disk (space, health, mount)")]
    Unavailable {
        /// What failed.
        cause: String,
    },
}

impl KeepError {
    pub(crate) fn check_size(what: &'static str, bytes: usize, bytes_max: u64) -> Result<(), KeepError> {
        let bytes = bytes as u64;
        if bytes > bytes_max {
            return Err(KeepError::TooLarge { what, bytes, bytes_max });
        }
        Ok(())
    }

    /// What a transaction that breaks no rule of a batch may have come to.
    pub(crate) fn from_commit(error: CommitError) -> KeepError {
        match error {
            CommitError::Stale { held, current } => KeepError::Stale { held, current },
            CommitError::NotWritten { cause } => KeepError::NotWritten { cause },
            CommitError::Unavailable { cause } => KeepError::Unavailable { cause },
            CommitError::Refused { .. } | CommitError::TooLarge { .. } => {
                KeepError::NotWritten { cause: error.to_string() }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{CHECKPOINT_BYTES_MAX, KeepError};

    #[test]
    fn a_checkpoint_is_bounded_by_what_its_row_can_say() {
        let (what, bytes_max) = ("checkpoint", CHECKPOINT_BYTES_MAX);
        let bytes = bytes_max + 1;
        assert_eq!(KeepError::check_size(what, bytes_max as usize, bytes_max), Ok(()));
        let refused = Err(KeepError::TooLarge { what, bytes, bytes_max });
        assert_eq!(KeepError::check_size(what, bytes as usize, bytes_max), refused);
    }
}
