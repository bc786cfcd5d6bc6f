//! Bringing a room into a store: one commit, or nothing.

use std::sync::Arc;

use bytes::Bytes;
use party_core::address::RoomAddress;
use party_core::checkpoint::elsewhere::UnfitToMove;
use party_core::checkpoint::{Checkpoint, CheckpointError};
use party_core::commit::{
    CheckpointBytes, ComponentDigest, KvChanges, MemoryChange, NewCheckpoint, RoomCommit, RoomRecord,
};
use party_core::ids::{CommitSeq, Epoch, ID_MAX, MOVED_ID_MAX, Timestamp};
use party_core::large::NoMemory;
use party_core::storage::StorageReadError;
use party_runtime::component::Digest;
use party_runtime::snapshot::{DecodeError, MEMORY_BYTES_MAX, Snapshot};
use party_store::kept::{CHECKPOINT_INLINE_BYTES_MAX, KeepError};
use party_store::room_file::{RoomFile, RoomFileMemory};
use party_store::store::{CommitError, Store};
use thiserror::Error;

use crate::inspection::InspectError;
use crate::transfer::Elsewhere;

/// The number of the commit that brings a room.
pub(super) const FIRST: CommitSeq = CommitSeq(1);

/// What has come in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Brought {
    /// Keys.
    pub keys: u64,
    /// Bytes of its keys and values.
    pub storage_bytes: u64,
    /// The component that its memory is of, if it came with a memory.
    pub component: Option<ComponentDigest>,
    /// When it wakes by itself, if it does.
    pub wakes_at: Option<Timestamp>,
}

/// Why a room cannot be brought in. Nothing of it is there then.
#[derive(Debug, Error)]
pub enum ImportError {
    /// There is such a room already.
    #[error("there is a room {0} already\nhint: choose another name")]
    Exists(RoomAddress),
    /// The component is another than the checkpoint is of.
    #[error("the file's component is {found}, not {named} as it says")]
    OtherComponent {
        /// The digest of its bytes.
        found: ComponentDigest,
        /// The digest that is said to be theirs.
        named: ComponentDigest,
    },
    /// The checkpoint cannot be read.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// The checkpoint could do harm.
    #[error(transparent)]
    Unfit(#[from] UnfitToMove),
    /// The memory in it cannot be read.
    #[error("the memory in the checkpoint cannot be read: {0}")]
    Image(#[from] DecodeError),
    /// Its memory is more than a room of that party can have.
    #[error(
        "the room's memory is {bytes} bytes; the limit of its party here is {bytes_max} (limits.memory_bytes_max)\n\
         hint: raise it in party.toml and start the host again"
    )]
    Memory {
        /// How much it has.
        bytes: u64,
        /// The bound.
        bytes_max: u64,
    },
    /// Ids may have been given out that leave none.
    #[error("the file says that ids up to {0} may have been given out; the limit is {MOVED_ID_MAX}")]
    Ids(u64),
    /// The alarm is set for a time that no guest can count to.
    #[error("the file's alarm is set for {0}; the limit is {ID_MAX}")]
    Alarm(u64),
    /// The store cannot be read.
    #[error(transparent)]
    Storage(#[from] StorageReadError),
    /// The component or the checkpoint was not taken by the store.
    #[error(transparent)]
    Keep(#[from] KeepError),
    /// There is no memory for it at this moment.
    #[error("the room cannot be brought now: {0}\nhint: try again in a moment")]
    NoMemory(#[from] NoMemory),
    /// The room was not taken by the store.
    #[error(transparent)]
    Commit(#[from] CommitError),
    /// The host ends.
    #[error(transparent)]
    Inspect(#[from] InspectError),
}

/// Brings a room to an address of a store that this epoch owns.
pub fn import(
    store: &dyn Store,
    epoch: Epoch,
    file: RoomFile,
    to: &RoomAddress,
    elsewhere: Elsewhere,
) -> Result<Brought, ImportError> {
    let Elsewhere { reason, incarnation, memory_bytes_max } = elsewhere;
    let moved = |checkpoint: Checkpoint| checkpoint.elsewhere(reason, incarnation, FIRST);
    bring_in(store, epoch, file, to, memory_bytes_max, moved)
}

/// As [`import`]; `moved` says what a checkpoint is there, which [`FIRST`] carries.
pub(super) fn bring_in(
    store: &dyn Store,
    epoch: Epoch,
    file: RoomFile,
    to: &RoomAddress,
    memory_bytes_max: u64,
    moved: impl FnOnce(Checkpoint) -> Result<Checkpoint, UnfitToMove>,
) -> Result<Brought, ImportError> {
    if store.summary(to)?.is_some() {
        return Err(ImportError::Exists(to.clone()));
    }
    let RoomFile { alarm, ids_reserved, memory, entries, .. } = file;
    let (mut record, mut moving) =
        (RoomRecord { seq: FIRST, alarm, ids_reserved, moved_at: FIRST, ..RoomRecord::default() }, None);
    if let Some(memory) = memory {
        let checkpoint = moved(checkpoint(&memory, memory_bytes_max)?)?;
        // What the two say of the same comes from the one that is used.
        record.alarm = checkpoint.alarm();
        record.memory_due = checkpoint.next_due();
        record.ids_reserved = record.ids_reserved.max(checkpoint.ids_end());
        moving = Some((memory, checkpoint.encode()?));
    }
    if record.ids_reserved > MOVED_ID_MAX {
        return Err(ImportError::Ids(record.ids_reserved));
    }
    if let Some(alarm) = record.alarm.filter(|alarm| alarm.at.0 > ID_MAX) {
        return Err(ImportError::Alarm(alarm.at.0));
    }
    let keys = entries.len() as u64;
    let entries = entries.into_iter().map(|(key, value)| (key, Some(value))).collect();
    let changes = KvChanges { cleared: false, entries };
    record.storage_bytes = changes.bytes();
    let component = moving.as_ref().map(|(memory, _)| memory.component);
    let brought =
        Brought { keys, storage_bytes: record.storage_bytes, component, wakes_at: record.wakes_at() };
    let memory = match moving {
        Some((memory, checkpoint)) => Some(Box::new(keep(store, epoch, to, &memory, checkpoint)?)),
        None => None,
    };
    let staged = memory.as_deref().and_then(MemoryChange::staged);
    let commit = RoomCommit { address: Arc::new(to.clone()), record, changes, memory };
    store.commit(epoch, &[commit]).inspect_err(|_| {
        if let Some(staged) = staged {
            store.unstage_checkpoint(staged);
        }
    })?;
    Ok(brought)
}

fn checkpoint(memory: &RoomFileMemory, bytes_max: u64) -> Result<Checkpoint, ImportError> {
    let found = ComponentDigest(Digest::of(&memory.component_bytes).0);
    let checkpoint = Checkpoint::decode(&memory.checkpoint)?;
    for named in [memory.component, checkpoint.component] {
        if named != found {
            return Err(ImportError::OtherComponent { found, named });
        }
    }
    let snapshot = Snapshot::decode(&checkpoint.image, MEMORY_BYTES_MAX).map_err(|error| match error {
        DecodeError::NoMemory(refused) => ImportError::NoMemory(refused),
        error => ImportError::Image(error),
    })?;
    let bytes = snapshot.memory_bytes();
    drop(snapshot);
    if bytes > bytes_max {
        return Err(ImportError::Memory { bytes, bytes_max });
    }
    Ok(checkpoint)
}

/// Puts what is large into the store, for the commit to point to. What no commit takes is reclaimed.
fn keep(
    store: &dyn Store,
    epoch: Epoch,
    to: &RoomAddress,
    memory: &RoomFileMemory,
    checkpoint: Bytes,
) -> Result<MemoryChange, ImportError> {
    store.put_component(epoch, memory.component, &memory.component_bytes)?;
    let bytes = match checkpoint.len() <= CHECKPOINT_INLINE_BYTES_MAX {
        true => CheckpointBytes::Inline(checkpoint),
        false => CheckpointBytes::Staged(store.stage_checkpoint(epoch, to, &checkpoint)?),
    };
    Ok(MemoryChange::Checkpoint(NewCheckpoint { component: memory.component, bytes }))
}
