//! Durable rooms that are made again: from the checkpoint, or from nothing, turn by turn through the journal.
//!
//! That happens when a host takes up what another has left (`kill -9`, a failed commit), and when a turn was dropped and the
//! room goes back to the moment before it. What cannot be made again as it was is not used, and nothing of it is deleted:
//! the room refuses everyone until somebody decides ([`Room::damaged`](party_core::room::Room::damaged)).

use std::rc::Rc;
use std::sync::Arc;

use party_core::checkpoint::Checkpoint;
use party_core::commit::KvChanges;
use party_core::event::{DropCause, TurnEnd};
use party_core::ids::CommitSeq;
use party_core::journal::Record;
use party_core::large::claim_u64;
use party_core::room::{Rebuild, Replay, ReplayError};
use party_core::storage::StorageReadError;
use party_runtime::instance::Instance;
use party_runtime::restore::RestoreError;
use party_runtime::snapshot::{MEMORY_BYTES_MAX, Snapshot};
use party_store::kept::{JournalEntry, KeptCheckpoint};
use thiserror::Error;

use crate::apart::run_apart;
use crate::carrying::carry;
use crate::hibernation::{LARGE_BYTES, WakeError, digest_of, readable};
use crate::registry::RoomEntry;
use crate::worker::Worker;

/// Why a room cannot be made again.
#[derive(Debug, Error)]
enum RecoveryError {
    #[error(transparent)]
    Wake(#[from] WakeError),
    #[error(transparent)]
    Replay(#[from] ReplayError),
    #[error("its journal ends with commit {found}; its last commit is {last}")]
    Cut { found: CommitSeq, last: CommitSeq },
}

impl From<StorageReadError> for RecoveryError {
    fn from(error: StorageReadError) -> RecoveryError {
        RecoveryError::Wake(error.into())
    }
}

/// Makes the instance of a room whose last turns are only in the journal, and the rest of the room if it is not here. If
/// that cannot be, the room is damaged.
pub(crate) async fn recover(worker: &Rc<Worker>, entry: &Rc<RoomEntry>, what: Rebuild) -> Option<Instance> {
    match replay(worker, entry).await {
        Ok((instance, past)) => {
            let mut core = entry.core.borrow_mut();
            if core.rebuild() != Some(what) {
                // It has begun a new life meanwhile, or ends: the past is of no use.
                return None;
            }
            match what {
                Rebuild::Unread => {
                    core.recovered(past);
                    // So that the next crash does not cost the same again.
                    entry.save_soon.set(true);
                }
                Rebuild::Behind | Rebuild::Asleep(_) => core.went_back(),
            }
            drop(core);
            worker.waits_no_more(entry, worker.now());
            entry.gives_way.has_an_instance(worker.now());
            entry.active_at.set(worker.now());
            entry.has_changed.set(true);
            carry(worker, entry);
            Some(instance)
        }
        Err(RecoveryError::Wake(WakeError::Store(StorageReadError::Io(error)))) => {
            unreadable(entry, &error);
            None
        }
        Err(error) => {
            if let RecoveryError::Wake(error) = &error
                && let Some(reason) = error.refused()
            {
                worker.system_is_full(entry, &reason);
                return None;
            }
            entry.core.borrow_mut().damaged(&error.to_string());
            carry(worker, entry);
            None
        }
    }
}

/// The device or the engine has failed, which is no damage: nothing of the room is given up. It ends, and its next event
/// finds it made anew of the store, if that can be read then.
pub(crate) fn unreadable(entry: &RoomEntry, error: &str) {
    tracing::error!(room = %entry.address(), "cannot be made again now: the store cannot be read: {error}");
    entry.core.borrow_mut().unreadable(error);
}

async fn replay(worker: &Rc<Worker>, entry: &RoomEntry) -> Result<(Instance, Replay), RecoveryError> {
    let before = worker.now();
    let (kept, journal) = read(worker, entry).await?;
    let party = entry.party();
    let component = &party.component;
    let checkpoint = match kept {
        Some(kept) => Some(readable(Some(kept), digest_of(component))?),
        None => None,
    };
    let mut instance = make(entry, checkpoint.as_ref()).await?;
    let config = Arc::clone(entry.core.borrow().config());
    let mut past = Replay::new(config, checkpoint);
    let records = journal.len();
    for JournalEntry { seq, bytes } in journal {
        if let Some(turn) = past.take(seq, &bytes)? {
            let (mut turn, end) = instance.run_again(turn).await;
            // They were said then.
            turn.take_logs();
            if let Some(error @ (StorageReadError::Io(_) | StorageReadError::NoMemory(_))) = turn.fault() {
                return Err(error.clone().into());
            }
            if let TurnEnd::Dropped(DropCause::NoMemory(reason)) = end {
                // It grew then: that it cannot now says nothing of what is recorded.
                let refused = RestoreError::Start(DropCause::Instantiation(reason));
                return Err(WakeError::from(refused).into());
            }
            past.end(turn, end)?;
        }
    }
    let last = entry.core.borrow().durable();
    if past.seq() != last {
        return Err(RecoveryError::Cut { found: past.seq(), last });
    }
    let (room, ms) = (entry.address(), worker.now().since_ms(before));
    tracing::info!(%room, "made again of {records} recorded commits in {ms} ms");
    Ok((instance, past))
}

async fn read(
    worker: &Worker,
    entry: &RoomEntry,
) -> Result<(Option<KeptCheckpoint>, Vec<JournalEntry>), StorageReadError> {
    let (store, address) = (Arc::clone(worker.node().store()), Arc::clone(entry.address()));
    let summary = store.summary(&address)?.unwrap_or_default();
    let bytes = summary.journal.bytes + summary.checkpoint.map_or(0, |checkpoint| checkpoint.bytes);
    let read = move || {
        // Its records are as many pieces as it has turns.
        claim_u64(bytes)?;
        Ok((store.checkpoint(&address)?, store.journal(&address)?))
    };
    if bytes <= LARGE_BYTES { read() } else { run_apart(read).await }
}

/// The instance with which the journal begins.
async fn make(entry: &RoomEntry, checkpoint: Option<&Checkpoint>) -> Result<Instance, WakeError> {
    let party = entry.party();
    let component = &party.component;
    let Some(checkpoint) = checkpoint else {
        return component.instantiate().await.map_err(|cause| RestoreError::Start(cause).into());
    };
    let snapshot = Snapshot::decode(&checkpoint.image, MEMORY_BYTES_MAX)?;
    Ok(component.restore(&snapshot).await?)
}

/// What the journal of a room wrote to its storage, in order, without its memory: for whoever
/// needs only that.
pub(crate) fn salvage(journal: &[JournalEntry]) -> Result<KvChanges, ReplayError> {
    let mut writes = KvChanges::default();
    for entry in journal {
        let record = Record::decode(&entry.bytes)?;
        if let Some(more) = record.writes() {
            writes.then(more.clone());
        }
    }
    Ok(writes)
}
