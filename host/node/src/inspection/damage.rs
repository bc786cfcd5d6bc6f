//! Looking for damage in what is kept of a room's memory, without waking the room.
//!
//! What can be read is read: the checkpoint, each record of the journal, and that the component is there. Whether the
//! recorded turns still do what they did is found only by taking them again, when the room is next woken.

use party_core::address::RoomAddress;
use party_core::checkpoint::Checkpoint;
use party_core::journal::Record;
use party_core::storage::StorageReadError;
use party_runtime::snapshot::{MEMORY_BYTES_MAX, Snapshot};
use party_store::kept::{JournalEntry, KeptCheckpoint, RoomSummary};
use party_store::store::Store;

/// How closely what is kept of a room's memory was looked at.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum LookedAt {
    /// Nothing is kept, so there is nothing to look at.
    Nothing,
    /// It was read. Whether it can be woken, and its turns be taken again as they were, was not looked at.
    Read,
    /// The host has woken the room with it, or tried to.
    Woken,
}

impl LookedAt {
    /// As it is written everywhere.
    pub fn name(self) -> &'static str {
        match self {
            LookedAt::Nothing => "nothing",
            LookedAt::Read => "read",
            LookedAt::Woken => "woken",
        }
    }
}

/// All that is found to be wrong.
pub(super) fn look(
    store: &dyn Store,
    address: &RoomAddress,
    summary: &RoomSummary,
) -> Result<(Vec<String>, LookedAt), StorageReadError> {
    let Some(component) = summary.component else { return Ok((Vec::new(), LookedAt::Nothing)) };
    let mut problems = Vec::new();
    if unless_damaged(store.component(component), &mut problems)?.is_some_and(|found| found.is_none()) {
        problems.push(format!("its component {component} is not in the store"));
    }
    let mut last = None;
    if let Some(Some(kept)) = unless_damaged(store.checkpoint(address), &mut problems)? {
        last = Some(kept.seq);
        problems.extend(check_checkpoint(&kept));
    }
    for JournalEntry { seq, bytes } in
        unless_damaged(store.journal(address), &mut problems)?.unwrap_or_default()
    {
        if let Some(last) = last.filter(|last| last.next() != seq) {
            problems.push(format!("record {seq} follows {last}: one between them is missing"));
        }
        last = Some(seq);
        if let Err(error) = Record::decode(&bytes) {
            problems.push(format!("record {seq}: {error}"));
        }
    }
    if let Some(last) = last.filter(|last| summary.journal.records > 0 && *last != summary.record.seq) {
        problems
            .push(format!("its journal ends with commit {last}; its last commit is {}", summary.record.seq));
    }
    if !problems.is_empty() && store.summary(address)?.as_ref() != Some(summary) {
        // It has gone on meanwhile, so what was read does not belong together.
        problems.clear();
    }
    Ok((problems, LookedAt::Read))
}

fn check_checkpoint(kept: &KeptCheckpoint) -> Option<String> {
    let checkpoint = match Checkpoint::decode(&kept.bytes) {
        Ok(checkpoint) => checkpoint,
        Err(error) => return Some(error.to_string()),
    };
    if checkpoint.component != kept.component {
        return Some(format!("its checkpoint is of another component: {}", checkpoint.component));
    }
    let read = Snapshot::decode(&checkpoint.image, MEMORY_BYTES_MAX);
    read.err().map(|error| format!("the memory in its checkpoint cannot be read: {error}"))
}

/// What was read, if it is not damaged: that is a finding, and no reason to stop looking.
fn unless_damaged<T>(
    read: Result<T, StorageReadError>,
    problems: &mut Vec<String>,
) -> Result<Option<T>, StorageReadError> {
    match read {
        Ok(read) => Ok(Some(read)),
        Err(StorageReadError::Damaged(what)) => {
            problems.push(what);
            Ok(None)
        }
        Err(error @ (StorageReadError::Io(_) | StorageReadError::NoMemory(_))) => Err(error),
    }
}
