//! What a store must hold, in the plainest words: a map of rooms, each a record, a map of entries, and perhaps a
//! checkpoint and a list of journal records.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::Bytes;
use party_core::address::RoomAddress;
use party_core::commit::{
    CheckpointBytes, ComponentDigest, MemoryChange, NewCheckpoint, RoomCommit, RoomRecord,
};
use party_core::ids::{CommitSeq, Timestamp};
use party_core::storage::{KeyRange, StorageReadError, Visit};

use crate::kept::{CheckpointSummary, JournalEntry, JournalSize, KeptCheckpoint, RoomSummary};
use crate::store::{RoomsQuery, RoomsScope, Store};

/// One room of the model.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ModelRoom {
    /// Its record.
    pub record: RoomRecord,
    /// Its entries.
    pub entries: BTreeMap<Bytes, Bytes>,
    /// What is kept of its memory.
    pub memory: Option<ModelMemory>,
}

/// What is kept of a room's memory.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ModelMemory {
    /// Whose it is.
    pub component: ComponentDigest,
    /// The checkpoint.
    pub checkpoint: Option<KeptCheckpoint>,
    /// The journal.
    pub journal: Vec<JournalEntry>,
}

impl ModelMemory {
    fn of(component: ComponentDigest) -> ModelMemory {
        ModelMemory { component, checkpoint: None, journal: Vec::new() }
    }
}

impl ModelRoom {
    fn remember(&mut self, seq: CommitSeq, change: &MemoryChange) {
        let record = match change {
            MemoryChange::Checkpoint(NewCheckpoint { component, bytes: CheckpointBytes::Inline(bytes) }) => {
                let checkpoint = KeptCheckpoint { seq, component: *component, bytes: bytes.clone() };
                let memory = ModelMemory { checkpoint: Some(checkpoint), ..ModelMemory::of(*component) };
                self.memory = Some(memory);
                return;
            }
            MemoryChange::Checkpoint(NewCheckpoint { bytes: CheckpointBytes::Staged(_), .. }) => {
                panic!("a model is told a checkpoint's bytes: stage with testing::staging")
            }
            MemoryChange::Forget { then } => {
                self.memory = None;
                let Some(record) = then else { return };
                record
            }
            MemoryChange::Append(record) => record,
            MemoryChange::Destroy => {
                *self = ModelRoom::default();
                return;
            }
        };
        let memory = self.memory.get_or_insert_with(|| ModelMemory::of(record.component));
        memory.journal.push(JournalEntry { seq, bytes: record.bytes.clone() });
    }

    /// What the store must say of it.
    pub fn summary(&self) -> RoomSummary {
        let Some(memory) = &self.memory else {
            return RoomSummary { record: self.record, ..RoomSummary::default() };
        };
        let bytes = memory.journal.iter().map(|entry| entry.bytes.len() as u64).sum();
        RoomSummary {
            record: self.record,
            component: Some(memory.component),
            checkpoint: memory.checkpoint.as_ref().map(|checkpoint| CheckpointSummary {
                seq: checkpoint.seq,
                bytes: checkpoint.bytes.len() as u64,
            }),
            journal: JournalSize { records: memory.journal.len() as u64, bytes },
        }
    }
}

/// What a store must hold.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Model {
    /// The rooms that have committed.
    pub rooms: BTreeMap<Arc<RoomAddress>, ModelRoom>,
}

/// How a room of a store compares with the model's.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Comparison {
    /// It is the same.
    Same,
    /// The store says that it is damaged or cannot be read.
    Reported(StorageReadError),
    /// It is another, and the store did not say so.
    Differs(String),
}

impl Model {
    /// Applies commits in order. Their numbers are not checked.
    pub fn apply(&mut self, batch: &[RoomCommit]) {
        for commit in batch {
            let room = self.rooms.entry(commit.address.clone()).or_default();
            room.record = commit.record;
            if commit.changes.cleared {
                room.entries.clear();
            }
            for (key, value) in &commit.changes.entries {
                match value {
                    Some(value) => room.entries.insert(key.clone(), value.clone()),
                    None => room.entries.remove(key),
                };
            }
            if let Some(change) = &commit.memory {
                room.remember(commit.record.seq, change);
            }
            if room.record.seq == CommitSeq(0) {
                self.rooms.remove(&commit.address);
            }
        }
    }

    /// Compares one room: record, every entry by key, and scans both ways.
    pub fn compare_room(&self, store: &dyn Store, address: &Arc<RoomAddress>) -> Comparison {
        let expected = self.rooms.get(address).cloned().unwrap_or_default();
        match difference(store, address, &expected) {
            Ok(None) => Comparison::Same,
            Ok(Some(difference)) => Comparison::Differs(format!("room {address}: {difference}")),
            Err(error) => Comparison::Reported(error),
        }
    }

    /// Compares everything: the rooms of the model, the list of rooms and the alarms. `Err` tells the first
    /// difference, a reported failure included.
    pub fn compare(&self, store: &dyn Store) -> Result<(), String> {
        for address in self.rooms.keys() {
            match self.compare_room(store, address) {
                Comparison::Same => {}
                Comparison::Reported(error) => return Err(format!("room {address}: {error}")),
                Comparison::Differs(difference) => return Err(difference),
            }
        }
        let listed = all_rooms(store).map_err(|error| error.to_string())?;
        let expected = self.listed();
        if listed != expected {
            return Err(format!("rooms are listed as {listed:?} instead of {expected:?}"));
        }
        let wakes = all_wakes(store).map_err(|error| error.to_string())?;
        let expected = self.wakes();
        if wakes != expected {
            return Err(format!("rooms wake at {wakes:?} instead of {expected:?}"));
        }
        Ok(())
    }

    /// The rooms in order of their addresses, and what must be said of each.
    pub fn listed(&self) -> Vec<(RoomAddress, RoomSummary)> {
        self.rooms.iter().map(|(address, room)| (RoomAddress::clone(address), room.summary())).collect()
    }

    /// The rooms that wake by themselves, in order of time and address.
    pub fn wakes(&self) -> Vec<(Timestamp, RoomAddress)> {
        let of_room = |(address, room): (&Arc<RoomAddress>, &ModelRoom)| {
            room.record.wakes_at().map(|at| (at, RoomAddress::clone(address)))
        };
        let wakes: BTreeSet<(Timestamp, RoomAddress)> = self.rooms.iter().filter_map(of_room).collect();
        wakes.into_iter().collect()
    }
}

fn difference(
    store: &dyn Store,
    address: &Arc<RoomAddress>,
    expected: &ModelRoom,
) -> Result<Option<String>, StorageReadError> {
    let summary = store.summary(address)?.unwrap_or_default();
    if summary != expected.summary() {
        return Ok(Some(format!("in short it is {summary:?} instead of {:?}", expected.summary())));
    }
    let checkpoint = store.checkpoint(address)?;
    if checkpoint.as_ref() != expected.memory.as_ref().and_then(|memory| memory.checkpoint.as_ref()) {
        return Ok(Some(format!(
            "its checkpoint is {:?}",
            checkpoint.map(|kept| (kept.seq, kept.bytes.len()))
        )));
    }
    let journal = store.journal(address)?;
    if journal != expected.memory.as_ref().map_or(Vec::new(), |memory| memory.journal.clone()) {
        let seqs: Vec<CommitSeq> = journal.iter().map(|entry| entry.seq).collect();
        return Ok(Some(format!("its journal holds {seqs:?}")));
    }
    let storage = store.storage(address);
    for (key, value) in &expected.entries {
        let found = storage.get(key)?;
        if found.as_ref() != Some(value) {
            return Ok(Some(format!("key {key:?} is {found:?} instead of {value:?}")));
        }
    }
    for reverse in [false, true] {
        let mut found = Vec::new();
        storage.scan(&KeyRange::default(), reverse, &mut |key, value| {
            found.push((Bytes::copy_from_slice(key), Bytes::copy_from_slice(value)));
            Visit::Continue
        })?;
        if reverse {
            found.reverse();
        }
        if !found.iter().map(|(key, value)| (key, value)).eq(expected.entries.iter()) {
            return Ok(Some(format!("a scan (reverse: {reverse}) found {found:?}")));
        }
    }
    Ok(None)
}

/// All rooms, page by page.
pub fn all_rooms(store: &dyn Store) -> Result<Vec<(RoomAddress, RoomSummary)>, StorageReadError> {
    let mut rooms: Vec<(RoomAddress, RoomSummary)> = Vec::new();
    loop {
        let after = rooms.last().map(|(address, _)| address);
        let page = store.rooms(&RoomsQuery { scope: RoomsScope::Everything, after, limit: 7 })?;
        if page.is_empty() {
            return Ok(rooms);
        }
        rooms.extend(page);
    }
}

/// All rooms that wake by themselves, in the order in which the store visits them.
pub fn all_wakes(store: &dyn Store) -> Result<Vec<(Timestamp, RoomAddress)>, StorageReadError> {
    let mut wakes = Vec::new();
    store.wakes(&mut |address, at| {
        wakes.push((at, address.clone()));
        Visit::Continue
    })?;
    Ok(wakes)
}
