//! Writing what a batch does to what is kept of rooms' memories.
//!
//! The changes of one room's commits are first put together: what a later one covers is never written. Then the
//! checkpoint's bytes are written, or those that were staged are pointed to; the records are appended; and the
//! references of components are counted, once for all rooms of the batch.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use party_core::address::RoomAddress;
use party_core::commit::{CheckpointBytes, ComponentDigest, JournalRecord, MemoryChange, NewCheckpoint};
use party_core::ids::CommitSeq;
use redb::{ReadableTable, WriteTransaction};

use crate::redb_store::batch::{Rejected, Rows};
use crate::redb_store::blobs::{list_loose, remove_chunks, strike_loose, sweep, write_chunks};
use crate::redb_store::index::{Effects, Index};
use crate::redb_store::journal::Appending;
use crate::redb_store::layout::memory_rows::{
    CHUNKS, COMPONENTS, INLINE_BLOB, Pointer, StoredMemory, chunk_count, component_key, decode_component,
    encode_component,
};
use crate::redb_store::layout::{Tally, open, seal};
use crate::redb_store::trouble::Trouble;
use crate::store::{CommitError, Refusal};

/// What the commits of a batch do to one room's memory.
#[derive(Default)]
pub(super) struct RoomMemory<'a> {
    base: Base<'a>,
    /// What is recorded on top of it.
    records: Vec<(CommitSeq, &'a JournalRecord)>,
    /// Staged checkpoints that later commits of the batch have covered: they must have been there all the same.
    passed_over: Vec<u64>,
    /// There is nothing of the room before the records.
    destroys: bool,
}

#[derive(Default)]
enum Base<'a> {
    #[default]
    Kept,
    Put(CommitSeq, &'a NewCheckpoint),
    Forgotten,
}

impl<'a> RoomMemory<'a> {
    /// Adds what the next commit does.
    pub(super) fn add(&mut self, seq: CommitSeq, change: &'a MemoryChange) {
        match change {
            MemoryChange::Append(record) => self.records.push((seq, record)),
            MemoryChange::Checkpoint(new) => self.begin(Base::Put(seq, new)),
            MemoryChange::Forget { then } => {
                self.begin(Base::Forgotten);
                self.records.extend(then.as_ref().map(|record| (seq, record)));
            }
            MemoryChange::Destroy => {
                self.begin(Base::Forgotten);
                self.destroys = true;
            }
        }
    }

    fn begin(&mut self, base: Base<'a>) {
        self.records.clear();
        if let Base::Put(_, NewCheckpoint { bytes: CheckpointBytes::Staged(staged), .. }) = &self.base {
            self.passed_over.push(staged.id);
        }
        self.base = base;
    }
}

/// Writes the memories of one batch.
pub(super) struct MemoryWriter<'txn> {
    transaction: &'txn WriteTransaction,
    index: &'txn Index,
    appending: Appending<'txn>,
    chunks: Option<Rows<'txn>>,
    references: BTreeMap<ComponentDigest, Count<'txn>>,
    /// Records of rooms that are no more.
    gone: Vec<u64>,
    effects: Effects,
}

/// How many more rooms need a component, and one that does.
struct Count<'txn> {
    more: i64,
    address: &'txn Arc<RoomAddress>,
}

impl<'txn> MemoryWriter<'txn> {
    pub(super) fn new(transaction: &'txn WriteTransaction, index: &'txn Index, batch: u64) -> Self {
        let appending = Appending::new(transaction, batch);
        MemoryWriter {
            transaction,
            index,
            appending,
            chunks: None,
            references: BTreeMap::new(),
            gone: Vec::new(),
            effects: Effects::default(),
        }
    }

    /// Writes what happens to one room's memory. What its record says of it then.
    pub(super) fn write(
        &mut self,
        address: &'txn Arc<RoomAddress>,
        prefix: &[u8],
        kept: Option<StoredMemory>,
        change: &RoomMemory<'_>,
    ) -> Result<Option<StoredMemory>, Rejected> {
        for id in &change.passed_over {
            self.staged(address, prefix, *id)?;
            self.effects.passed_over.push(*id);
        }
        if change.destroys {
            let gone = self.index.journal.rows_of(prefix);
            self.appending.remove(&gone)?;
            self.gone.extend(gone);
        }
        let mut memory = match change.base {
            Base::Kept => kept,
            Base::Put(seq, new) => Some(self.put(address, prefix, kept, seq, new)?),
            Base::Forgotten => {
                self.leave(prefix, kept, None)?;
                None
            }
        };
        for (seq, record) in &change.records {
            let memory = memory.get_or_insert_with(|| StoredMemory {
                component: record.component,
                since: CommitSeq(seq.0 - 1),
                checkpoint: None,
                journal: Tally::default(),
                journal_bytes: 0,
            });
            let (expected, found) = (memory.component, record.component);
            if expected != found {
                return Err(refused(address, Refusal::OtherComponent { expected, found }));
            }
            let place = self.appending.append(prefix, *seq, &record.bytes, memory)?;
            self.effects.appended.push((prefix.to_vec(), place));
        }
        self.count(address, kept, memory);
        Ok(memory)
    }

    fn put(
        &mut self,
        address: &Arc<RoomAddress>,
        prefix: &[u8],
        kept: Option<StoredMemory>,
        seq: CommitSeq,
        new: &NewCheckpoint,
    ) -> Result<StoredMemory, Rejected> {
        let pointer = match &new.bytes {
            CheckpointBytes::Inline(bytes) => inline_pointer(bytes),
            CheckpointBytes::Staged(staged) => {
                let pointer = self.staged(address, prefix, staged.id)?;
                strike_loose(self.transaction, pointer.blob)?;
                self.effects.adopted.push(pointer.blob);
                pointer
            }
        };
        self.leave(prefix, kept, Some(pointer))?;
        if let CheckpointBytes::Inline(bytes) = &new.bytes {
            write_chunks(self.chunks()?, prefix, INLINE_BLOB, 0, bytes)?;
        }
        let (component, journal) = (new.component, Tally::default());
        Ok(StoredMemory { component, since: seq, checkpoint: Some(pointer), journal, journal_bytes: 0 })
    }

    /// The table of chunks, which stays open for the rest of the batch.
    fn chunks(&mut self) -> Result<&mut Rows<'txn>, Trouble> {
        match &mut self.chunks {
            Some(chunks) => Ok(chunks),
            none => Ok(none.insert(self.transaction.open_table(CHUNKS)?)),
        }
    }

    fn staged(&self, address: &Arc<RoomAddress>, prefix: &[u8], id: u64) -> Result<Pointer, Rejected> {
        let pointer = self.index.blobs.staged(id, prefix);
        pointer.ok_or_else(|| refused(address, Refusal::NotStaged { id }))
    }

    /// The room leaves what was kept of its memory behind, for `next`.
    fn leave(
        &mut self,
        prefix: &[u8],
        kept: Option<StoredMemory>,
        next: Option<Pointer>,
    ) -> Result<(), Rejected> {
        self.effects.covered.push(prefix.to_vec());
        match kept.and_then(|kept| kept.checkpoint) {
            None => {}
            Some(Pointer { blob: INLINE_BLOB, bytes, .. }) => {
                // What the next one does not write over goes at once: it is little.
                let overwritten = next.filter(|next| next.blob == INLINE_BLOB).map_or(0, |next| next.bytes);
                let (first, count) = (chunk_count(prefix, overwritten), chunk_count(prefix, bytes));
                if first < count {
                    let first = u32::try_from(first).expect("it is below the count of a small blob");
                    remove_chunks(self.chunks()?, prefix, INLINE_BLOB, first, usize::MAX)?;
                }
            }
            Some(Pointer { blob, .. }) => {
                list_loose(self.transaction, blob, prefix)?;
                self.effects.loosened.push((blob, prefix.to_vec()));
            }
        }
        Ok(())
    }

    fn count(
        &mut self,
        address: &'txn Arc<RoomAddress>,
        before: Option<StoredMemory>,
        after: Option<StoredMemory>,
    ) {
        let component = |memory: Option<StoredMemory>| memory.map(|memory| memory.component);
        let (before, after) = (component(before), component(after));
        if before == after {
            return;
        }
        for (component, more) in [(before, -1), (after, 1)] {
            if let Some(component) = component {
                let count = self.references.entry(component).or_insert(Count { more: 0, address });
                count.more += more;
                if more > 0 {
                    count.address = address;
                }
            }
        }
    }

    /// Counts references, and does a piece of what earlier batches have left to do.
    pub(super) fn finish(mut self) -> Result<Effects, Rejected> {
        for (component, count) in &self.references {
            self.add_references(*component, count)?;
        }
        self.effects.trimmed = self.appending.trim(&self.index.journal)?;
        self.effects.trimmed.append(&mut self.gone);
        drop(self.chunks.take());
        self.effects.swept = sweep(self.transaction, &self.index.blobs)?;
        Ok(self.effects)
    }

    fn add_references(&self, component: ComponentDigest, count: &Count<'_>) -> Result<(), Rejected> {
        let key = component_key(component);
        let mut components = self.transaction.open_table(COMPONENTS)?;
        let row = components.get(key.as_slice())?.map(|sealed| sealed.value().to_vec());
        let Some(sealed) = row else {
            // A room may leave a component that is missing, but none may come to need it.
            if count.more < 0 {
                return Ok(());
            }
            return Err(refused(count.address, Refusal::UnknownComponent { component }));
        };
        let stored = open(&key, &sealed).and_then(|body| decode_component(&key, body));
        let mut stored = stored.map_err(|damage| refused(count.address, Refusal::Damaged(damage.0)))?;
        stored.references = stored.references.saturating_add_signed(count.more);
        let mut sealed = Vec::new();
        seal(&mut sealed, &key, &encode_component(&stored));
        components.insert(key.as_slice(), sealed.as_slice())?;
        Ok(())
    }
}

fn inline_pointer(bytes: &Bytes) -> Pointer {
    Pointer { blob: INLINE_BLOB, bytes: bytes.len() as u64, crc: crc32c::crc32c(bytes) }
}

fn refused(address: &Arc<RoomAddress>, refusal: Refusal) -> Rejected {
    Rejected::Refused(CommitError::Refused { address: address.clone(), refusal })
}
