//! The seam between rooms and what keeps them.
//!
//! One committer thread calls [`Store::commit`], any thread reads. What must hold for every engine:
//! - a batch is durable as a whole when `commit` has returned `Ok`, and leaves no trace if it was not written;
//! - a room's commits are numbered without gaps or repeats; a batch that would break that is refused;
//! - only the owner of the newest epoch writes;
//! - a read sees every batch whose `commit` has returned, and never a part of a batch;
//! - damage is reported, never passed on as a value.

use std::sync::Arc;

use party_core::address::RoomAddress;
use party_core::commit::{Alarm, RoomCommit, RoomRecord};
use party_core::ids::{CommitSeq, Epoch};
use party_core::storage::{RoomStorage, StorageReadError, Visit};
use thiserror::Error;

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
    fn record(&self, address: &RoomAddress) -> Result<Option<RoomRecord>, StorageReadError>;

    /// The committed keys and values of one room. Cheap: nothing is read yet. Keep it for as long as the room is
    /// awake; it always answers from the newest commit.
    fn storage(&self, address: &Arc<RoomAddress>) -> Arc<dyn RoomStorage>;

    /// Visits every room that has an alarm, in order of time, until told to stop. Meant for the timers after a
    /// start: what it reads stays pinned until it returns.
    fn alarms(&self, visit: &mut dyn FnMut(&RoomAddress, Alarm) -> Visit) -> Result<(), StorageReadError>;

    /// The rooms of a party that have committed, in byte order of their ids.
    fn rooms(&self, query: &RoomsQuery<'_>) -> Result<Vec<RoomAddress>, StorageReadError>;
}

/// Which rooms of a party to list.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RoomsQuery<'a> {
    /// The project.
    pub project: &'a str,
    /// The party.
    pub party: &'a str,
    /// Only ids that begin so; empty for all.
    pub prefix: &'a str,
    /// Only ids that come after this one: the last of the page before.
    pub after: Option<&'a str>,
    /// How many at most; more than [`ROOMS_PAGE_MAX`] means that many.
    pub limit: usize,
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

/// The batch's bound.
pub(crate) fn check_size(batch: &[RoomCommit]) -> Result<(), CommitError> {
    if batch.len() > BATCH_COMMITS_MAX {
        return Err(CommitError::TooLarge { commits: batch.len() });
    }
    Ok(())
}

/// The owner's epoch must be the store's.
pub(crate) fn check_epoch(held: Epoch, current: Epoch) -> Result<(), CommitError> {
    if held != current {
        return Err(CommitError::Stale { held, current });
    }
    Ok(())
}
