//! Rooms whose memory was kept under another `memory` setting than they have now.
//!
//! What was durable leaves a journal, whose writes are kept and which ends. What becomes durable may have commits after its
//! checkpoint that leave it right, because they move no storage; but a journal must follow its checkpoint without a gap. So
//! before the first turn is recorded the same checkpoint is written again, as of now.

use std::sync::Arc;

use party_core::address::RoomAddress;
use party_core::checkpoint::Checkpoint;
use party_core::commit::{
    CheckpointBytes, ComponentDigest, KvChanges, MemoryChange, NewCheckpoint, RoomCommit, RoomRecord,
};
use party_core::ids::Epoch;
use party_core::room::{Room, RoomConfig};
use party_core::storage::StorageReadError;
use party_store::kept::CHECKPOINT_INLINE_BYTES_MAX;
use party_store::store::Store;

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
    let bytes = checkpoint.encode();
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

/// A room that was durable and is not any more.
pub(crate) fn without_journal(
    worker: &Worker,
    config: Arc<RoomConfig>,
    record: RoomRecord,
) -> Result<Room, StorageReadError> {
    let journal = match worker.node().store().journal(&config.address) {
        Err(error @ StorageReadError::Io(_)) => return Err(error),
        read => read.map_err(|error| error.to_string()),
    };
    let writes = journal.and_then(|journal| salvage(&journal).map_err(|error| error.to_string()));
    Ok(match writes {
        Ok(writes) => {
            tracing::info!(room = %config.address, "keeps what its journal wrote, not what it remembered: its memory setting is another now");
            Room::lost(config, record, Some(writes))
        }
        Err(reason) => {
            let mut room = Room::new(config, Some(record));
            room.damaged(&reason);
            room
        }
    })
}
