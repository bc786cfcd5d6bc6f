//! The past of a room, taken again record by record: what came in, and what went out.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use party_core::address::RoomAddress;
use party_core::checkpoint::{Checkpoint, CheckpointError};
use party_core::commit::ComponentDigest;
use party_core::event::{DropCause, Output};
use party_core::ids::CommitSeq;
use party_core::journal::{Record, RecordError};
use party_core::room::{Replay, ReplayError, RoomConfig};
use party_core::storage::{KeyRange, RoomStorage, StorageReadError, Visit};
use party_node::transfer::RecordedRoom;
use party_runtime::component::Component;
use party_runtime::instance::Instance;
use party_runtime::load::LoadError;
use party_runtime::restore::RestoreError;
use party_runtime::snapshot::{DecodeError, MEMORY_BYTES_MAX, Snapshot};
use party_store::kept::JournalEntry;
use thiserror::Error;

use crate::transcript::recorded::{SaveError, Saving};
use crate::world::engine;

/// Why the past of a room cannot be taken again.
#[derive(Debug, Error)]
pub enum PastError {
    /// Its component cannot be loaded.
    #[error("its component cannot be loaded")]
    Load(#[from] LoadError),
    /// There is nothing that could run it.
    #[error("there is no place to run it: {0}")]
    Engine(String),
    /// The checkpoint with which it begins cannot be read.
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
    /// A record cannot be read.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// Its turns do something else now.
    #[error(transparent)]
    Replay(#[from] ReplayError),
}

/// A record that was taken again.
pub(super) struct Commit {
    pub(super) seq: CommitSeq,
    pub(super) record: Record,
    /// What the room let leave by itself, before the turn.
    pub(super) outputs_before: Vec<Output>,
    /// What it let leave with the turn, if there was one.
    pub(super) outputs: Vec<Output>,
}

/// The keys and values with which the journal begins.
struct Kept(BTreeMap<Bytes, Bytes>);

/// Takes the recorded turns again, and shows each commit.
pub(super) fn take_again(
    recorded: &RecordedRoom,
    saving: &Saving,
    show: &mut dyn FnMut(Commit) -> Result<(), SaveError>,
) -> Result<(), SaveError> {
    let failed = |error: &dyn std::fmt::Display| PastError::Engine(error.to_string());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
    let runtime = runtime.map_err(|error| failed(&error))?;
    let engine = engine::engine(saving.compile_cache.clone()).map_err(|error| failed(&error))?;
    let component = engine.load(&recorded.component, &Arc::default(), &Arc::default());
    let component = component.map_err(PastError::from)?;
    runtime.block_on(async {
        let checkpoint = checkpoint(recorded)?;
        let mut instance = instance(&component, checkpoint.as_ref()).await?;
        let address = RoomAddress::clone(&recorded.base.address);
        let config = Arc::new(RoomConfig {
            storage: Arc::new(Kept(recorded.base.entries.clone())),
            address: Arc::new(address),
            limits: Arc::default(),
            handlers: component.handlers(),
            vars: Arc::default(),
            durable: Some(ComponentDigest(component.digest().0)),
        });
        let mut past = Replay::new(config, checkpoint).keeping_outputs();
        for JournalEntry { seq, bytes } in
            recorded.journal.iter().take_while(|entry| entry.seq <= saving.until)
        {
            let record = Record::decode(bytes).map_err(PastError::from)?;
            let turn = past.take(*seq, bytes).map_err(PastError::from)?;
            let (outputs_before, mut outputs) = (past.take_outputs(), Vec::new());
            if let Some(turn) = turn {
                let (mut turn, end) = instance.run_again(turn).await;
                // They were said then.
                turn.take_logs();
                past.end(turn, end).map_err(PastError::from)?;
                outputs = past.take_outputs();
            }
            show(Commit { seq: *seq, record, outputs_before, outputs })?;
        }
        Ok(())
    })
}

/// The checkpoint with which a journal begins, if it begins with one.
pub(super) fn checkpoint(recorded: &RecordedRoom) -> Result<Option<Checkpoint>, PastError> {
    let memory = recorded.base.memory.as_ref();
    Ok(memory.map(|memory| Checkpoint::decode(&memory.checkpoint)).transpose()?)
}

async fn instance(component: &Component, checkpoint: Option<&Checkpoint>) -> Result<Instance, PastError> {
    let Some(checkpoint) = checkpoint else {
        return component.instantiate().await.map_err(PastError::Start);
    };
    let snapshot = Snapshot::decode(&checkpoint.image, MEMORY_BYTES_MAX)?;
    Ok(component.restore(&snapshot).await?)
}

impl RoomStorage for Kept {
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, StorageReadError> {
        Ok(self.0.get(key).cloned())
    }

    fn scan(
        &self,
        range: &KeyRange,
        reverse: bool,
        visit: &mut dyn FnMut(&[u8], &[u8]) -> Visit,
    ) -> Result<(), StorageReadError> {
        let is_before_end = |key: &Bytes| range.end.as_ref().is_none_or(|end| key < end);
        let all = self.0.iter().filter(|(key, _)| **key >= range.start && is_before_end(key));
        let mut show = |(key, value): (&Bytes, &Bytes)| visit(key, value) == Visit::Continue;
        // `all` stops at the first entry that is the last to be seen.
        let _ = if reverse { all.rev().all(&mut show) } else { { all }.all(show) };
        Ok(())
    }
}
