//! Taking out a durable room that a host has left in the middle of its journal, while no host runs.
//!
//! Its checkpoint alone would be an older room. So its recorded turns are taken again, as the next host would
//! ([`crate::recovery`]), and what comes of that goes out. The room itself stays as it is: nothing is written, and nobody is
//! told anything.

use std::sync::Arc;

use party_core::address::RoomAddress;
use party_core::checkpoint::{Checkpoint, CheckpointError};
use party_core::event::DropCause;
use party_core::ids::{CommitSeq, Timestamp};
use party_core::room::{Replay, ReplayError, RoomConfig};
use party_runtime::capture::NotCapturable;
use party_runtime::component::Component;
use party_runtime::engine::Engine;
use party_runtime::instance::Instance;
use party_runtime::load::LoadError;
use party_runtime::restore::RestoreError;
use party_runtime::snapshot::{DecodeError, MEMORY_BYTES_MAX, Snapshot};
use party_store::kept::{JournalEntry, RoomSummary};
use party_store::room_file::{ENTRIES_BYTES_MAX, ENTRIES_MAX, RoomFile, RoomFileMemory};
use party_store::store::Store;
use thiserror::Error;

use crate::recovery::salvage;
use crate::transfer::{ExportError, check, entries, export};

/// Why the recorded turns of a room cannot be taken again.
#[derive(Debug, Error)]
pub enum TakeAgainError {
    /// The component cannot be loaded.
    #[error("its component cannot be loaded: {0}")]
    Load(#[from] LoadError),
    /// The checkpoint before them cannot be read.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// Nor can the memory in it.
    #[error("its memory cannot be read: {0}")]
    Snapshot(#[from] DecodeError),
    /// The memory does not fit the component.
    #[error(transparent)]
    Restore(#[from] RestoreError),
    /// There is no instance.
    #[error("there is no instance of its component: {0}")]
    Start(DropCause),
    /// They cannot be read, or do something else now.
    #[error(transparent)]
    Replay(#[from] ReplayError),
    /// Some are missing at the end.
    #[error("its journal ends with commit {found}; its last commit is {last}")]
    Cut {
        /// The last that there is.
        found: CommitSeq,
        /// The last that there was.
        last: CommitSeq,
    },
    /// What they lead to cannot be captured.
    #[error(transparent)]
    NotCapturable(#[from] NotCapturable),
}

/// As [`export`], of a room that may have a journal, and of a store that no host uses. `engine` runs its component; the
/// caller's runtime must have time.
pub async fn export_left(
    store: &dyn Store,
    engine: &Engine,
    address: &Arc<RoomAddress>,
    written_at: Timestamp,
) -> Result<RoomFile, ExportError> {
    match export(store, address, written_at) {
        Err(ExportError::Journal) => {}
        result => return result,
    }
    let missing = || ExportError::NoSuchRoom(RoomAddress::clone(address));
    let summary = store.summary(address)?.ok_or_else(missing)?;
    let journal = store.journal(address)?;
    let mut entries = entries(store, address)?;
    let writes = salvage(&journal).map_err(TakeAgainError::from)?;
    if writes.cleared {
        entries.clear();
    }
    for (key, value) in writes.entries {
        match value {
            Some(value) => entries.insert(key, value),
            None => entries.remove(&key),
        };
    }
    check("keys", entries.len() as u64, ENTRIES_MAX)?;
    let bytes = entries.iter().map(|(key, value)| (key.len() + value.len()) as u64).sum();
    check("keys and values in bytes", bytes, ENTRIES_BYTES_MAX)?;
    let memory = take_again(store, engine, address, &summary, journal).await?;
    let (address, record) = (RoomAddress::clone(address), summary.record);
    let (seq, alarm, ids_reserved) = (record.seq, record.alarm, record.ids_reserved);
    Ok(RoomFile { address, written_at, seq, alarm, ids_reserved, memory, entries })
}

/// The memory with which the journal ends; none if the life that it tells of has ended.
async fn take_again(
    store: &dyn Store,
    engine: &Engine,
    address: &Arc<RoomAddress>,
    summary: &RoomSummary,
    journal: Vec<JournalEntry>,
) -> Result<Option<RoomFileMemory>, ExportError> {
    let digest = summary.component.ok_or(ExportError::NoComponent)?;
    let component_bytes = store.component(digest)?.ok_or(ExportError::NoComponent)?;
    // What the guest could read of its settings is recorded with its turns.
    let component =
        engine.load(&component_bytes, &Arc::default(), &Arc::default()).map_err(TakeAgainError::from)?;
    let checkpoint = match store.checkpoint(address)? {
        Some(kept) => Some(Checkpoint::decode(&kept.bytes).map_err(TakeAgainError::from)?),
        None => None,
    };
    let config = Arc::new(RoomConfig {
        storage: store.storage(address),
        address: Arc::clone(address),
        limits: Arc::default(),
        handlers: component.handlers(),
        vars: Arc::default(),
        durable: Some(digest),
    });
    let (mut past, mut instance) = replay(config, &component, checkpoint, journal).await?;
    if past.seq() != summary.record.seq {
        return Err(TakeAgainError::Cut { found: past.seq(), last: summary.record.seq }.into());
    }
    if !past.goes_on() {
        return Ok(None);
    }
    let image = instance.capture().map_err(TakeAgainError::from)?.encode();
    let checkpoint = past.as_checkpoint(image.into()).encode();
    Ok(Some(RoomFileMemory { component: digest, component_bytes, checkpoint }))
}

async fn replay(
    config: Arc<RoomConfig>,
    component: &Component,
    checkpoint: Option<Checkpoint>,
    journal: Vec<JournalEntry>,
) -> Result<(Replay, Instance), TakeAgainError> {
    let mut instance = match &checkpoint {
        Some(checkpoint) => {
            component.restore(&Snapshot::decode(&checkpoint.image, MEMORY_BYTES_MAX)?).await?
        }
        None => component.instantiate().await.map_err(TakeAgainError::Start)?,
    };
    let mut past = Replay::new(config, checkpoint);
    for JournalEntry { seq, bytes } in journal {
        if let Some(turn) = past.take(seq, &bytes)? {
            let (mut turn, end) = instance.run_again(turn).await;
            // They were said then.
            turn.take_logs();
            past.end(turn, end)?;
        }
    }
    Ok((past, instance))
}
