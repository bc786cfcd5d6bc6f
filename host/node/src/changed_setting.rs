//! Rooms whose memory was kept under another `memory` setting than they have now.
//!
//! What was durable may have left a journal. A room that sleeps from now on is made again of it first (`known_room`); one that
//! keeps no memory any more gives up all that is kept of it, but what its journal wrote. What becomes durable may have commits
//! after its checkpoint that leave it right, because they move no storage; but a journal must follow its checkpoint without a
//! gap. So before the first turn is recorded the same checkpoint is written again, as of now.

use std::sync::Arc;

use party_core::address::RoomAddress;
use party_core::checkpoint::Checkpoint;
use party_core::commit::{
    CheckpointBytes, ComponentDigest, KvChanges, MemoryChange, NewCheckpoint, RoomCommit, RoomRecord,
};
use party_core::ids::{CommitSeq, Epoch};
use party_core::journal::Record;
use party_core::large::claim_u64;
use party_core::room::{ReplayError, Room, RoomConfig};
use party_core::storage::StorageReadError;
use party_store::kept::{CHECKPOINT_INLINE_BYTES_MAX, JournalEntry, RoomSummary};
use party_store::store::Store;
use thiserror::Error;

use crate::recovery::salvage;
use crate::worker::Worker;

/// Brings a checkpoint up to the room's last commit, if it is older. Gives both as they are then.
pub(crate) fn bring_up(
    store: &dyn Store,
    epoch: Epoch,
    address: &Arc<RoomAddress>,
    component: ComponentDigest,
    record: RoomRecord,
    checkpoint: Checkpoint,
) -> Result<(RoomRecord, Checkpoint), StorageReadError> {
    if checkpoint.seq >= record.seq {
        return Ok((record, checkpoint));
    }
    let seq = record.seq.next();
    let mut checkpoint = checkpoint;
    checkpoint.seq = seq;
    // What the two say of the same comes from the one that is used.
    let record = RoomRecord { seq, alarm: checkpoint.alarm(), memory_due: checkpoint.next_due(), ..record };
    let failed = |error: &dyn std::fmt::Display| StorageReadError::Io(error.to_string());
    let bytes = checkpoint.encode()?;
    let bytes = match bytes.len() <= CHECKPOINT_INLINE_BYTES_MAX {
        true => CheckpointBytes::Inline(bytes),
        false => CheckpointBytes::Staged(
            store.stage_checkpoint(epoch, address, &bytes).map_err(|error| failed(&error))?,
        ),
    };
    let memory = MemoryChange::Checkpoint(NewCheckpoint { component, bytes });
    let staged = memory.staged();
    let commit = RoomCommit {
        address: Arc::clone(address),
        record,
        changes: KvChanges::default(),
        memory: Some(Box::new(memory)),
    };
    store.commit(epoch, &[commit]).map_err(|error| {
        if let Some(staged) = staged {
            store.unstage_checkpoint(staged);
        }
        failed(&error)
    })?;
    Ok((record, checkpoint))
}

/// A room whose party keeps no memory, of which some is kept: it begins anew, and what is kept goes before anything of that is
/// seen. What a journal wrote is storage, and stays. If that cannot be told, the room is damaged, as a durable one is.
pub(crate) fn without_memory(
    worker: &Worker,
    config: Arc<RoomConfig>,
    summary: &RoomSummary,
) -> Result<Room, StorageReadError> {
    if summary.component.is_none() {
        return Ok(Room::new(config, Some(summary.record)));
    }
    match journal_writes(worker.node().store().as_ref(), &config.address, summary) {
        Ok(writes) => {
            tracing::warn!(room = %config.address, "forgets what it remembered: its party is volatile now; its storage stays");
            Ok(Room::forgetting(config, summary.record, writes))
        }
        Err(JournalError::Store(error @ (StorageReadError::Io(_) | StorageReadError::NoMemory(_)))) => {
            Err(error)
        }
        Err(error) => {
            let mut room = Room::new(config, Some(summary.record));
            room.damaged(&error.to_string());
            Ok(room)
        }
    }
}

/// Why it cannot be told what a journal wrote.
#[derive(Debug, Error)]
enum JournalError {
    #[error(transparent)]
    Store(#[from] StorageReadError),
    #[error(transparent)]
    Record(#[from] ReplayError),
    #[error("its journal ends with commit {found}; its last commit is {last}")]
    Cut { found: CommitSeq, last: CommitSeq },
}

/// All that a journal wrote, from its checkpoint or the beginning of a life to the room's last commit.
fn journal_writes(
    store: &dyn Store,
    address: &RoomAddress,
    summary: &RoomSummary,
) -> Result<KvChanges, JournalError> {
    // Once as it is read, and once as it is put together.
    claim_u64(summary.journal.bytes.saturating_mul(2)).map_err(StorageReadError::from)?;
    let journal = store.journal(address)?;
    let mut found = summary.checkpoint.map(|checkpoint| checkpoint.seq);
    for JournalEntry { seq, bytes } in &journal {
        let seq = *seq;
        match found {
            Some(last) if last.next() != seq => return Err(ReplayError::Gap { last, found: seq }.into()),
            None if !Record::decode(bytes).map_err(ReplayError::from)?.begins_a_life() => {
                return Err(ReplayError::Beginning { seq }.into());
            }
            Some(_) | None => found = Some(seq),
        }
    }
    let last = summary.record.seq;
    match found {
        Some(found) if summary.journal.records > 0 && found != last => Err(JournalError::Cut { found, last }),
        Some(_) | None => Ok(salvage(&journal)?),
    }
}
