//! The seam between rooms and what keeps them.
//!
//! One committer thread calls [`Store::commit`], any thread reads. What must hold for every engine:
//! - a batch is durable as a whole when `commit` has returned `Ok`, and leaves no trace if it was not written;
//! - a room's commits are numbered without gaps or repeats; a batch that would break that is refused;
//! - only the owner of the newest epoch writes;
//! - a read sees every batch whose `commit` has returned, and never a part of a batch;
//! - damage is reported, never passed on as a value, and names what it is that is damaged.
//!
//! What is kept of a room's memory, beside its keys and values, is told in [`crate::kept`].

use std::sync::Arc;

use bytes::Bytes;
use party_core::address::RoomAddress;
use party_core::commit::{
    CheckpointBytes, ComponentDigest, MemoryChange, NewCheckpoint, RoomCommit, RoomRecord, StagedCheckpoint,
};
use party_core::ids::{CommitSeq, Epoch, Timestamp};
use party_core::storage::{RoomStorage, StorageReadError, Visit};
use thiserror::Error;

use crate::kept::{
    CHECKPOINT_INLINE_BYTES_MAX, JOURNAL_RECORD_BYTES_MAX, JournalEntry, KeepError, KeptCheckpoint,
    RoomSummary,
};
use crate::versions::PartyVersions;

/// The most commits in one batch: bounds a transaction's memory and how long the next batch waits for it.
pub const BATCH_COMMITS_MAX: usize = 1_024;
/// The most rooms that one listing returns.
pub const ROOMS_PAGE_MAX: usize = 1_000;

/// Keeps rooms: their records, keys and values.
pub trait Store: Send + Sync + 'static {
    /// Takes ownership: stores the next epoch, durably, and returns it. From now on commits that carry an older
    /// epoch are refused.
    fn acquire(&self) -> Result<Epoch, AcquireError>;

    /// Writes all commits durably in one transaction, or none. Blocks until the device has them, so it is called
    /// by one committer thread and never by a thread that serves rooms.
    ///
    /// The batch may hold several commits of one room, in order of their numbers, and at most
    /// [`BATCH_COMMITS_MAX`] commits. An empty batch only checks the epoch.
    fn commit(&self, epoch: Epoch, batch: &[RoomCommit]) -> Result<(), CommitError>;

    /// What is kept of a room, `None` if it has never committed.
    fn summary(&self, address: &RoomAddress) -> Result<Option<RoomSummary>, StorageReadError>;

    /// A room's record, `None` if it has never committed.
    fn record(&self, address: &RoomAddress) -> Result<Option<RoomRecord>, StorageReadError> {
        Ok(self.summary(address)?.map(|summary| summary.record))
    }

    /// The committed keys and values of one room. Cheap: nothing is read yet. Keep it for as long as the room is
    /// awake; it always answers from the newest commit.
    fn storage(&self, address: &Arc<RoomAddress>) -> Arc<dyn RoomStorage>;

    /// Visits every room that wakes by itself ([`RoomRecord::wakes_at`]), in order of time, until told to stop. Meant
    /// for the timers after a start: what it reads stays pinned until it returns.
    fn wakes(&self, visit: &mut dyn FnMut(&RoomAddress, Timestamp) -> Visit) -> Result<(), StorageReadError>;

    /// The rooms that have committed, in byte order of their addresses, and what is kept of each.
    fn rooms(&self, query: &RoomsQuery<'_>) -> Result<Vec<(RoomAddress, RoomSummary)>, StorageReadError>;

    /// Writes the bytes of a checkpoint that is too large for a commit to carry, durably, in many small transactions
    /// between which commits go on; a commit then takes them. At most
    /// [`CHECKPOINT_BYTES_MAX`](crate::kept::CHECKPOINT_BYTES_MAX). Blocks for about as long as the device takes to
    /// write them: never call it on the committer's thread or one that serves rooms.
    ///
    /// Each staging stands for itself, under a number that is never given again: what is staged later, for the same room or
    /// another, does not touch it. It waits until a commit takes it or passes it over with a later one of the same room, or
    /// until whoever staged it gives it up ([`Store::unstage_checkpoint`]), as they must if their commit has failed. A new
    /// owner of the store gives up what the one before has left, as does a restart; then its place is reclaimed.
    fn stage_checkpoint(
        &self,
        epoch: Epoch,
        address: &RoomAddress,
        bytes: &[u8],
    ) -> Result<StagedCheckpoint, KeepError>;

    /// Gives up what was staged; if a commit has taken it, nothing happens.
    fn unstage_checkpoint(&self, staged: StagedCheckpoint);

    /// A room's checkpoint, `None` if it has none.
    fn checkpoint(&self, address: &RoomAddress) -> Result<Option<KeptCheckpoint>, StorageReadError>;

    /// What has been recorded since the room's checkpoint, in order of the commits. All of it is read into memory:
    /// whoever appends bounds it by [`RoomSummary::journal`].
    fn journal(&self, address: &RoomAddress) -> Result<Vec<JournalEntry>, StorageReadError>;

    /// Keeps the bytes of a component, durably; does nothing if they are there. At most
    /// [`COMPONENT_BYTES_MAX`](crate::kept::COMPONENT_BYTES_MAX). Whether the digest is theirs is not checked. Blocks
    /// like [`Store::stage_checkpoint`].
    fn put_component(&self, epoch: Epoch, digest: ComponentDigest, bytes: &[u8]) -> Result<(), KeepError>;

    /// The bytes of a component, `None` if they are not there.
    fn component(&self, digest: ComponentDigest) -> Result<Option<Bytes>, StorageReadError>;

    /// Lets go of all components that no checkpoint and no journal belongs to, except those in `keep`: the ones that
    /// are being served, or may be. Says how many those were.
    fn reclaim_components(&self, epoch: Epoch, keep: &[ComponentDigest]) -> Result<usize, KeepError>;

    /// How much has been written since the store was opened: for who waits, and must tell a device that is slow from one
    /// that does nothing. Never blocks.
    fn written(&self) -> Written;

    /// Which versions of their parties hosts have served here, as they were told last.
    fn versions(&self) -> Result<Vec<PartyVersions>, StorageReadError>;

    /// Replaces all that is known of versions, durably; at most
    /// [`PARTIES_MAX`](crate::versions::PARTIES_MAX) parties. Blocks for one sync.
    fn put_versions(&self, epoch: Epoch, versions: &[PartyVersions]) -> Result<(), KeepError>;
}

/// How much a store has written.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Written {
    /// Bytes that the system has taken, also of what failed later.
    pub bytes: u64,
    /// Transactions that are durable.
    pub transactions: u64,
    /// How often writing has failed since the last of them: transactions, and openings of the store to be written to.
    pub failed: u64,
}

/// Which rooms to list.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RoomsQuery<'a> {
    /// Among which.
    pub scope: RoomsScope<'a>,
    /// Only addresses that come after this one: the last of the page before.
    pub after: Option<&'a RoomAddress>,
    /// How many at most; more than [`ROOMS_PAGE_MAX`] means that many.
    pub limit: usize,
}

/// Among which rooms to look.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RoomsScope<'a> {
    /// All there are.
    Everything,
    /// Those of a project.
    Project(&'a str),
    /// Those of a party whose ids begin so.
    Party {
        /// The project.
        project: &'a str,
        /// The party.
        party: &'a str,
        /// What their ids begin with; empty for all.
        prefix: &'a str,
    },
}

impl RoomsScope<'_> {
    /// Whether a room is among them.
    pub fn holds(&self, address: &RoomAddress) -> bool {
        match *self {
            RoomsScope::Everything => true,
            RoomsScope::Project(project) => address.project() == project,
            RoomsScope::Party { project, party, prefix } => {
                address.project() == project && address.party() == party && address.room().starts_with(prefix)
            }
        }
    }
}

/// Why ownership could not be taken.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
pub enum AcquireError {
    /// The device or the engine failed.
    #[error("the store cannot be taken over: {cause}")]
    Unavailable {
        /// What failed.
        cause: String,
    },
}

/// Why a batch was not acknowledged.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
pub enum CommitError {
    /// Somebody else owns the store now. Nothing was written, nothing will be: this owner must stop.
    #[error("the store was taken over: this owner holds epoch {held}, the current one is {current}")]
    Stale {
        /// The epoch that the batch carried.
        held: Epoch,
        /// The store's.
        current: Epoch,
    },
    /// One room's commits cannot be written. Nothing of the batch was; the rest of it may be tried without them.
    #[error("the commits of room {address} are refused: {refusal}")]
    Refused {
        /// Which room.
        address: Arc<RoomAddress>,
        /// Why.
        refusal: Refusal,
    },
    /// The batch is longer than [`BATCH_COMMITS_MAX`]. Nothing was written.
    #[error("the batch holds {commits} commits; the limit is {BATCH_COMMITS_MAX}")]
    TooLarge {
        /// How many it holds.
        commits: usize,
    },
    /// Nothing of the batch is durable and the store works: the next batch may be written.
    #[error("the batch was not written: {cause}")]
    NotWritten {
        /// What failed.
        cause: String,
    },
    /// The store cannot be used at present, and whether this batch is durable is not known. Drop the instances of
    /// its rooms; once the store answers again their records say where they stand. Every call tries anew.
    #[error(
        "the store is unavailable: {cause}\nhint: check the disk (space, health, mount); \
             the host goes on by itself once it works"
    )]
    Unavailable {
        /// What failed.
        cause: String,
    },
}

/// Why one room's commits cannot be written.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
pub enum Refusal {
    /// A commit does not follow the one before it: a mistake of the caller, since gaps and repeats are never
    /// written.
    #[error("commit {found} does not follow the last one; {expected} does")]
    OutOfOrder {
        /// The number that would follow.
        expected: CommitSeq,
        /// The number it has.
        found: CommitSeq,
    },
    /// A part of it is too large: stage the checkpoint, or take one before the journal grows further.
    #[error("the {what} is {bytes} bytes; the limit is {bytes_max}")]
    TooLarge {
        /// Which part.
        what: &'static str,
        /// How large it is.
        bytes: u64,
        /// How large it may be.
        bytes_max: u64,
    },
    /// The bytes of the checkpoint are not there: they were given up, taken before, or staged for another room.
    #[error("the checkpoint that was staged as {id} is not there")]
    NotStaged {
        /// The store's number for it.
        id: u64,
    },
    /// The component is not there: it was never put, or reclaimed.
    #[error("component {component} is not in the store")]
    UnknownComponent {
        /// Which.
        component: ComponentDigest,
    },
    /// The journal belongs to another component. A checkpoint must come between.
    #[error("the record is of component {found}; the room's memory is of {expected}")]
    OtherComponent {
        /// The room's.
        expected: ComponentDigest,
        /// The record's.
        found: ComponentDigest,
    },
    /// What is kept of the room does not match its checksums.
    #[error("what is stored of it is damaged: {0}\nhint: stop the host and run `party-host check`")]
    Damaged(String),
}

/// The numbers of one room's commits must follow each other from `last` on.
pub(crate) fn check_order(
    address: &Arc<RoomAddress>,
    last: CommitSeq,
    next: CommitSeq,
) -> Result<(), CommitError> {
    let expected = last.next();
    if next != expected {
        let refusal = Refusal::OutOfOrder { expected, found: next };
        return Err(CommitError::Refused { address: address.clone(), refusal });
    }
    Ok(())
}

/// The bounds of a batch and of what its commits carry.
pub(crate) fn check_size(batch: &[RoomCommit]) -> Result<(), CommitError> {
    if batch.len() > BATCH_COMMITS_MAX {
        return Err(CommitError::TooLarge { commits: batch.len() });
    }
    for commit in batch {
        if let Some(memory) = &commit.memory
            && let Some((what, bytes, bytes_max)) = too_large(memory)
        {
            let refusal = Refusal::TooLarge { what, bytes: bytes as u64, bytes_max: bytes_max as u64 };
            return Err(CommitError::Refused { address: commit.address.clone(), refusal });
        }
    }
    Ok(())
}

fn too_large(memory: &MemoryChange) -> Option<(&'static str, usize, usize)> {
    let (what, bytes, bytes_max) = match memory {
        MemoryChange::Append(record) | MemoryChange::Forget { then: Some(record) } => {
            ("journal record", record.bytes.len(), JOURNAL_RECORD_BYTES_MAX)
        }
        MemoryChange::Checkpoint(NewCheckpoint { bytes: CheckpointBytes::Inline(bytes), .. }) => {
            ("checkpoint inside a commit", bytes.len(), CHECKPOINT_INLINE_BYTES_MAX)
        }
        MemoryChange::Checkpoint(NewCheckpoint { bytes: CheckpointBytes::Staged(_), .. })
        | MemoryChange::Forget { then: None } => return None,
    };
    (bytes > bytes_max).then_some((what, bytes, bytes_max))
}

/// The owner's epoch must be the store's.
pub(crate) fn check_epoch(held: Epoch, current: Epoch) -> Result<(), CommitError> {
    if held != current {
        return Err(CommitError::Stale { held, current });
    }
    Ok(())
}
