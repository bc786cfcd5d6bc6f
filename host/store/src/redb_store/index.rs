//! What the engine knows in memory of rows that no key leads to: where the records of each room's journal are, which of
//! them are covered by a checkpoint, which blobs are being staged and which are loose.
//!
//! It is read from the tables when the store is opened, changed after each transaction that has become durable, and
//! read anew after one that has failed. Hibernated rooms without a journal take no place in it.

use std::collections::{BTreeMap, HashMap};

use party_core::ids::CommitSeq;

use crate::redb_store::layout::memory_rows::Pointer;
use crate::redb_store::snapshot::Snapshot;
use crate::redb_store::trouble::Trouble;

/// Covered records are removed this many at a time, at most: neighbours share the work.
pub(crate) const TRIM_ROWS: usize = 256;

/// The index.
#[derive(Debug, Default)]
pub(crate) struct Index {
    pub(crate) journal: JournalIndex,
    pub(crate) blobs: BlobIndex,
}

/// A record of a journal.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Place {
    pub(crate) seq: CommitSeq,
    /// Its key.
    pub(crate) number: u64,
}

/// Where the records of journals are.
#[derive(Clone, Debug, Default)]
pub(crate) struct JournalIndex {
    /// By the room's prefix, in order of commits.
    rooms: HashMap<Vec<u8>, Vec<Place>>,
    /// With a checksum of the prefix of the room whose they were.
    covered: BTreeMap<u64, u32>,
}

/// Blobs that nothing points to.
#[derive(Debug, Default)]
pub(crate) struct BlobIndex {
    staged: BTreeMap<u64, StagedBlob>,
    loose: BTreeMap<u64, Vec<u8>>,
}

/// A blob that is being written, or waits for its commit.
#[derive(Clone, Debug)]
pub(crate) struct StagedBlob {
    pub(crate) owner: Vec<u8>,
    /// What to point to it with, once it is there in whole.
    pub(crate) pointer: Option<Pointer>,
}

/// What a durable transaction changes of the index.
#[derive(Debug, Default)]
pub(crate) struct Effects {
    /// Rooms whose journal so far is covered.
    pub(crate) covered: Vec<Vec<u8>>,
    /// Records that were appended, after that.
    pub(crate) appended: Vec<(Vec<u8>, Place)>,
    /// Covered records that were removed.
    pub(crate) trimmed: Vec<u64>,
    /// Staged blobs that are pointed to now.
    pub(crate) adopted: Vec<u64>,
    /// Staged blobs that a later commit of the same batch has covered.
    pub(crate) passed_over: Vec<u64>,
    /// Blobs that nothing points to any more.
    pub(crate) loosened: Vec<(u64, Vec<u8>)>,
    /// A loose blob of which nothing is left.
    pub(crate) swept: Option<u64>,
}

impl Index {
    /// Reads the index of a state.
    pub(crate) fn load(snapshot: &Snapshot) -> Result<Index, Trouble> {
        let mut journal = JournalIndex::default();
        snapshot.visit_journal(&mut |prefix, place, is_covered| {
            if is_covered {
                journal.covered.insert(place.number, crc32c::crc32c(prefix));
            } else {
                journal.append(prefix, place);
            }
        })?;
        let loose = snapshot.loose_blobs()?.into_iter().collect();
        Ok(Index { journal, blobs: BlobIndex { staged: BTreeMap::new(), loose } })
    }

    /// Reads it anew. What is staged still waits for its commit, if that is not the one which was found to be durable.
    pub(crate) fn reload(&mut self, snapshot: &Snapshot) -> Result<(), Trouble> {
        let mut index = Index::load(snapshot)?;
        for (blob, staged) in &self.blobs.staged {
            if index.blobs.loose.remove(blob).is_some() {
                index.blobs.staged.insert(*blob, staged.clone());
            }
        }
        *self = index;
        Ok(())
    }

    /// Takes in what a durable transaction has changed.
    pub(crate) fn apply(&mut self, effects: Effects) {
        for prefix in &effects.covered {
            self.journal.cover(prefix);
        }
        for (prefix, place) in &effects.appended {
            self.journal.append(prefix, *place);
        }
        for number in &effects.trimmed {
            self.journal.covered.remove(number);
        }
        for blob in &effects.adopted {
            self.blobs.staged.remove(blob);
        }
        for blob in effects.passed_over {
            self.blobs.give_up(blob);
        }
        self.blobs.loose.extend(effects.loosened);
        if let Some(blob) = effects.swept {
            self.blobs.loose.remove(&blob);
        }
    }
}

impl JournalIndex {
    fn append(&mut self, prefix: &[u8], place: Place) {
        match self.rooms.get_mut(prefix) {
            Some(places) => places.push(place),
            None => {
                self.rooms.insert(prefix.to_vec(), vec![place]);
            }
        }
    }

    fn cover(&mut self, prefix: &[u8]) {
        let places = self.rooms.remove(prefix).unwrap_or_default();
        let owner = crc32c::crc32c(prefix);
        self.covered.extend(places.iter().map(|place| (place.number, owner)));
    }

    /// All rows of a room, those that are covered too. Covered ones of another room may be among them, which nobody needs.
    pub(crate) fn rows_of(&self, prefix: &[u8]) -> Vec<u64> {
        let owner = crc32c::crc32c(prefix);
        let covered = self.covered.iter().filter(|(_, of)| **of == owner).map(|(number, _)| *number);
        self.places(prefix).into_iter().map(|place| place.number).chain(covered).collect()
    }

    /// Where a room's records are.
    pub(crate) fn places(&self, prefix: &[u8]) -> Vec<Place> {
        self.rooms.get(prefix).cloned().unwrap_or_default()
    }

    /// The first and the last of the oldest covered records, once there are enough to be worth a transaction's while.
    pub(crate) fn to_trim(&self) -> Option<(u64, u64)> {
        let last = self.covered.keys().nth(TRIM_ROWS - 1)?;
        Some((*self.covered.keys().next()?, *last))
    }

    /// Whether a checkpoint covers a record.
    pub(crate) fn is_covered(&self, number: u64) -> bool {
        self.covered.contains_key(&number)
    }

    /// How many covered records have not been removed yet.
    pub(crate) fn covered(&self) -> usize {
        self.covered.len()
    }
}

impl BlobIndex {
    /// A blob of this owner is about to be written.
    pub(crate) fn begin(&mut self, blob: u64, owner: &[u8]) {
        self.staged.insert(blob, StagedBlob { owner: owner.to_vec(), pointer: None });
    }

    /// It is there in whole.
    pub(crate) fn complete(&mut self, blob: u64, pointer: Pointer) {
        if let Some(staged) = self.staged.get_mut(&blob) {
            staged.pointer = Some(pointer);
        }
    }

    /// No commit will take it.
    pub(crate) fn give_up(&mut self, blob: u64) {
        if let Some(StagedBlob { owner, .. }) = self.staged.remove(&blob) {
            self.loose.insert(blob, owner);
        }
    }

    /// None of those that wait will be taken.
    pub(crate) fn give_up_all(&mut self) {
        for (blob, StagedBlob { owner, .. }) in std::mem::take(&mut self.staged) {
            self.loose.insert(blob, owner);
        }
    }

    /// Whether it is still wanted.
    pub(crate) fn is_staged(&self, blob: u64) -> bool {
        self.staged.contains_key(&blob)
    }

    /// What to point to a staged blob with, if it is this owner's and whole.
    pub(crate) fn staged(&self, blob: u64, owner: &[u8]) -> Option<Pointer> {
        self.staged.get(&blob).filter(|staged| staged.owner == owner)?.pointer
    }

    /// A blob to sweep up, and its owner.
    pub(crate) fn first_loose(&self) -> Option<(u64, &[u8])> {
        self.loose.first_key_value().map(|(blob, owner)| (*blob, owner.as_slice()))
    }

    /// How many blobs are to be swept up.
    pub(crate) fn loose(&self) -> usize {
        self.loose.len()
    }
}
