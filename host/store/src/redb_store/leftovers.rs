//! Reading what is left of a room's memory row by row, whatever the checksums say.
//!
//! A damaged record of a journal is in no index, since that is made of what can be believed. So the whole table is walked:
//! a damaged row counts as the room's if it still says so, and also if it says so of no room that there is.

use std::ops::Bound;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use party_core::address::RoomAddress;
use party_core::ids::CommitSeq;
use party_core::storage::StorageReadError;

use crate::leftovers::{Left, LeftRecord, Leftovers};
use crate::redb_store::RedbStore;
use crate::redb_store::layout::memory_rows::{
    CHUNKS, JOURNAL, Pointer, StoredMemory, chunk_key, decode_entry,
};
use crate::redb_store::layout::{CRC_BYTES, open, room_prefix};
use crate::redb_store::snapshot::Snapshot;
use crate::redb_store::trouble::Trouble;

impl RedbStore {
    /// What is left of a room's memory, `None` if nothing is kept of one. Reads all journals: for rooms that are given up.
    pub fn leftovers(&self, address: &RoomAddress) -> Result<Option<Leftovers>, StorageReadError> {
        let prefix = room_prefix(address);
        let found = self.engine.read(|_| {
            let (snapshot, _) = self.engine.journal_places(&prefix)?;
            let memory = self.stored(&snapshot, &prefix)?.and_then(|stored| stored.memory);
            memory.map(|memory| self.left(&snapshot, &prefix, &memory)).transpose()
        });
        found.map_err(Trouble::into_read_error)
    }

    fn left(
        &self,
        snapshot: &Arc<Snapshot>,
        prefix: &[u8],
        memory: &StoredMemory,
    ) -> Result<Leftovers, Trouble> {
        let checkpoint = match (memory.checkpoint, snapshot.checkpoint(prefix, memory)) {
            (None, _) | (_, Ok(None)) => None,
            (Some(_), Ok(Some(kept))) => Some(Left { bytes: kept.bytes, problem: None }),
            (Some(pointer), Err(Trouble::Damage(damage))) => {
                Some(Left { bytes: snapshot.left_chunks(prefix, &pointer)?, problem: Some(damage.0) })
            }
            (Some(_), Err(trouble)) => return Err(trouble),
        };
        Ok(Leftovers {
            component: memory.component,
            since: memory.since,
            checkpoint,
            records: snapshot.left_records(prefix, memory.since)?,
            records_expected: memory.journal.rows,
        })
    }
}

impl Snapshot {
    /// The chunks of a blob that can be found, one behind the other.
    fn left_chunks(&self, owner: &[u8], pointer: &Pointer) -> Result<Bytes, Trouble> {
        let (start, end) = (chunk_key(owner, pointer.blob, 0), chunk_key(owner, pointer.blob, u32::MAX));
        let mut rows = self.rows_of(CHUNKS, Bound::Included(&start), Bound::Included(&end))?;
        let mut found = BytesMut::new();
        while let Some((_, sealed)) = rows.next(false)? {
            found.extend_from_slice(sealed.value().get(CRC_BYTES..).unwrap_or_default());
        }
        Ok(found.freeze())
    }

    fn left_records(&self, prefix: &[u8], since: CommitSeq) -> Result<Vec<LeftRecord>, Trouble> {
        let mut records = Vec::new();
        let mut rows = self.rows_of(JOURNAL, Bound::Unbounded, Bound::Unbounded)?;
        while let Some((key, sealed)) = rows.next(false)? {
            let (key, sealed) = (key.value(), sealed.value());
            let is_sound = open(key, sealed);
            let body = sealed.get(CRC_BYTES..).unwrap_or_default();
            let problem = is_sound.err().map(|damage| damage.0);
            let (seq, bytes) = match decode_entry(key, body) {
                Ok((owner, seq, record)) if owner == prefix => (Some(seq), record),
                Ok((owner, _, _)) if problem.is_none() || matches!(self.record(owner), Ok(Some(_))) => {
                    continue;
                }
                Ok(_) | Err(_) => (None, body),
            };
            // A checkpoint covers it.
            if problem.is_none() && seq.is_some_and(|seq| seq <= since) {
                continue;
            }
            records.push(LeftRecord { seq, left: Left { bytes: Bytes::copy_from_slice(bytes), problem } });
        }
        Ok(records)
    }
}
