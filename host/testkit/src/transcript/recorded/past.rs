//! The past of a room, taken again record by record: what came in, and what went out.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use party_core::address::RoomAddress;
use party_core::checkpoint::Checkpoint;
use party_core::commit::ComponentDigest;
use party_core::event::Output;
use party_core::ids::CommitSeq;
use party_core::journal::Record;
use party_core::room::RoomConfig;
use party_core::storage::{KeyRange, RoomStorage, StorageReadError, Visit};
use party_node::transfer::{Again, Left, RecordedRoom, TakeAgainError};

use crate::transcript::recorded::{SaveError, Saving};
use crate::world::engine;

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
    let failed = |error: &dyn std::fmt::Display| SaveError::Engine(error.to_string());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
    let runtime = runtime.map_err(|error| failed(&error))?;
    let engine = engine::engine(saving.compile_cache.clone()).map_err(|error| failed(&error))?;
    let component = engine.load(&recorded.component, &Arc::default(), &Arc::default());
    let component = component.map_err(TakeAgainError::from)?;
    runtime.block_on(async {
        let address = RoomAddress::clone(&recorded.base.address);
        let config = Arc::new(RoomConfig {
            storage: Arc::new(Kept(recorded.base.entries.clone())),
            address: Arc::new(address),
            limits: Arc::default(),
            handlers: component.handlers(),
            vars: Arc::default(),
            duplicate_keys: Default::default(),
            // The record says which it was.
            profile: Default::default(),
            durable: Some(ComponentDigest(component.digest().0)),
        });
        let mut again = Again::begin(config, &component, checkpoint(recorded)?).await?.keeping_outputs();
        for entry in recorded.journal.iter().take_while(|entry| entry.seq <= saving.until) {
            let record = Record::decode(&entry.bytes).map_err(TakeAgainError::from)?;
            let Left { before, with } = again.take(entry).await?;
            show(Commit { seq: entry.seq, record, outputs_before: before, outputs: with })?;
        }
        Ok(())
    })
}

/// The checkpoint with which a journal begins, if it begins with one.
pub(super) fn checkpoint(recorded: &RecordedRoom) -> Result<Option<Checkpoint>, TakeAgainError> {
    let memory = recorded.base.memory.as_ref();
    Ok(memory.map(|memory| Checkpoint::decode(&memory.checkpoint)).transpose()?)
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
