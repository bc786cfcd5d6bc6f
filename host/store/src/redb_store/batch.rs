//! Writing: one batch as one transaction.
//!
//! The commits of one room are first put together, so that a room is touched once however many turns it took, and
//! rooms are written in order of their keys, so that neighbours share the work. Each room's commits are checked
//! against its record before it is written; one that is refused takes the whole transaction with it.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use party_core::address::RoomAddress;
use party_core::commit::{MemoryChange, RoomCommit, RoomRecord};
use party_core::ids::{CommitSeq, Timestamp};
use redb::{ReadableTable, Table, WriteTransaction};

use crate::redb_store::aside::step_aside_after;
use crate::redb_store::batch::memory_write::{MemoryWriter, RoomMemory};
use crate::redb_store::index::{Effects, Index};
use crate::redb_store::layout::{
    ALARMS, META, ROOMS, STATE_KEY, State, StoredRecord, Tally, alarm_key, decode_record, encode_record,
    encode_state, entry_key, entry_keys, open, record_key, room_prefix, seal,
};
use crate::redb_store::trouble::Trouble;
use crate::store::{CommitError, Refusal, check_order};

mod memory_write;

/// A table that is written.
pub(crate) type Rows<'txn> = Table<'txn, &'static [u8], &'static [u8]>;

/// Why a batch could not be prepared.
pub(crate) enum Rejected {
    /// It breaks the rules, or its room is damaged: the engine is well.
    Refused(CommitError),
    /// The engine failed.
    Trouble(Trouble),
}

impl<E: Into<Trouble>> From<E> for Rejected {
    fn from(error: E) -> Rejected {
        Rejected::Trouble(error.into())
    }
}

/// What a batch does to one room.
struct RoomWrite<'a> {
    address: &'a Arc<RoomAddress>,
    /// The first commit's number; the others follow it.
    first: CommitSeq,
    record: RoomRecord,
    cleared: bool,
    entries: BTreeMap<&'a Bytes, &'a Option<Bytes>>,
    memory: Option<RoomMemory<'a>>,
}

/// A batch by room, in order of their keys. Refuses a batch whose own numbers do not follow each other.
pub(crate) struct Batch<'a> {
    rooms: BTreeMap<Vec<u8>, RoomWrite<'a>>,
}

impl<'a> Batch<'a> {
    pub(crate) fn new(commits: &'a [RoomCommit]) -> Result<Batch<'a>, CommitError> {
        let mut rooms: BTreeMap<Vec<u8>, RoomWrite<'a>> = BTreeMap::new();
        for commit in commits {
            let prefix = room_prefix(&commit.address);
            let room = match rooms.get_mut(&prefix) {
                Some(room) => {
                    check_order(&commit.address, room.record.seq, commit.record.seq)?;
                    room
                }
                None => rooms.entry(prefix).or_insert_with(|| RoomWrite::new(commit)),
            };
            room.record = commit.record;
            if commit.changes.cleared {
                room.cleared = true;
                room.entries.clear();
            }
            room.entries.extend(commit.changes.entries.iter());
            if let Some(change) = &commit.memory {
                room.memory.get_or_insert_default().add(commit.record.seq, change);
                if **change == MemoryChange::Destroy {
                    // What comes to this address after it is another room.
                    room.record = RoomRecord::default();
                    room.cleared = true;
                    room.entries.clear();
                }
            }
        }
        Ok(Batch { rooms })
    }

    /// Whether it writes nothing.
    pub(crate) fn is_empty(&self) -> bool {
        self.rooms.is_empty()
    }

    /// The prefixes of its rooms.
    pub(crate) fn prefixes(&self) -> impl Iterator<Item = &[u8]> {
        self.rooms.keys().map(Vec::as_slice)
    }

    /// Writes the batch into a transaction that has not been committed. Returns the state that it leaves, which
    /// is written too, and what it changes of the index.
    pub(crate) fn write(
        &self,
        transaction: &WriteTransaction,
        state: State,
        index: &Index,
    ) -> Result<(State, Effects), Rejected> {
        let mut state = State { batch: state.batch + 1, ..state };
        let mut scratch = Vec::new();
        let mut rows = transaction.open_table(ROOMS)?;
        let mut alarms = transaction.open_table(ALARMS)?;
        let mut memories = MemoryWriter::new(transaction, index, state.batch);
        for (prefix, room) in &self.rooms {
            let kept = room.kept(&rows, prefix)?;
            let mut stored = room.write_entries(&mut rows, prefix, kept.unwrap_or_default(), &mut scratch)?;
            if let Some(change) = &room.memory {
                stored.memory = memories.write(room.address, prefix, stored.memory, change)?;
            }
            match room.is_destroyed() {
                true => remove_record(&mut rows, prefix, &mut state.records)?,
                false => write_record(&mut rows, prefix, &stored, &mut state.records, &mut scratch)?,
            }
            let before = kept.and_then(|kept| Waking::of(&kept.record));
            let after = Waking::of(&room.record);
            move_waking(&mut alarms, prefix, before, after, &mut state.alarms, &mut scratch)?;
        }
        let effects = memories.finish()?;
        write_state(transaction, &state)?;
        Ok((state, effects))
    }
}

impl<'a> RoomWrite<'a> {
    fn new(commit: &'a RoomCommit) -> RoomWrite<'a> {
        let (address, record) = (&commit.address, commit.record);
        let (cleared, entries, memory) = (false, BTreeMap::new(), None);
        RoomWrite { address, first: record.seq, record, cleared, entries, memory }
    }

    /// Whether nothing of the room is to be left: no commit has come to it after it was destroyed.
    fn is_destroyed(&self) -> bool {
        self.record.seq == CommitSeq(0)
    }

    /// The room's record as it is kept, which this write must follow.
    fn kept(&self, rows: &Rows<'_>, prefix: &[u8]) -> Result<Option<StoredRecord>, Rejected> {
        let key = record_key(prefix);
        let kept = match rows_get(rows, &key)? {
            None => None,
            Some(sealed) => {
                let kept = open(&key, &sealed).and_then(|body| decode_record(&key, body));
                Some(kept.map_err(|damage| {
                    let refusal = Refusal::Damaged(damage.0);
                    Rejected::Refused(CommitError::Refused { address: self.address.clone(), refusal })
                })?)
            }
        };
        let last = kept.map_or(CommitSeq(0), |kept| kept.record.seq);
        check_order(self.address, last, self.first).map_err(Rejected::Refused)?;
        Ok(kept)
    }

    fn write_entries(
        &self,
        rows: &mut Rows<'_>,
        prefix: &[u8],
        kept: StoredRecord,
        scratch: &mut Vec<u8>,
    ) -> Result<StoredRecord, Trouble> {
        let mut entries = kept.entries;
        if self.cleared && entries.rows > 0 {
            let keys = entry_keys(prefix);
            rows.retain_in(keys.start.as_slice()..keys.end.as_slice(), |_, _| false)?;
            entries = Tally::default();
        }
        for (key, value) in &self.entries {
            let key = entry_key(prefix, key);
            let before = match value {
                Some(value) => {
                    seal(scratch, &key, value);
                    entries.add(scratch);
                    step_aside_after(scratch.len());
                    rows.insert(key.as_slice(), scratch.as_slice())?
                }
                None => rows.remove(key.as_slice())?,
            };
            if let Some(before) = before {
                entries.remove(before.value());
            }
        }
        Ok(StoredRecord { record: self.record, entries, memory: kept.memory })
    }
}

fn rows_get(rows: &Rows<'_>, key: &[u8]) -> Result<Option<Vec<u8>>, Trouble> {
    Ok(rows.get(key)?.map(|sealed| sealed.value().to_vec()))
}

fn write_record(
    rows: &mut Rows<'_>,
    prefix: &[u8],
    stored: &StoredRecord,
    records: &mut Tally,
    scratch: &mut Vec<u8>,
) -> Result<(), Trouble> {
    let key = record_key(prefix);
    seal(scratch, &key, &encode_record(stored));
    records.add(scratch);
    if let Some(before) = rows.insert(key.as_slice(), scratch.as_slice())? {
        records.remove(before.value());
    }
    Ok(())
}

fn remove_record(rows: &mut Rows<'_>, prefix: &[u8], records: &mut Tally) -> Result<(), Trouble> {
    if let Some(before) = rows.remove(record_key(prefix).as_slice())? {
        records.remove(before.value());
    }
    Ok(())
}

/// When a room wakes by itself, and how often its alarm has failed before.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Waking {
    at: Timestamp,
    attempts: u32,
}

impl Waking {
    fn of(record: &RoomRecord) -> Option<Waking> {
        let attempts = record.alarm.map_or(0, |alarm| alarm.attempts);
        record.wakes_at().map(|at| Waking { at, attempts })
    }
}

fn move_waking(
    alarms: &mut Rows<'_>,
    prefix: &[u8],
    before: Option<Waking>,
    after: Option<Waking>,
    tally: &mut Tally,
    scratch: &mut Vec<u8>,
) -> Result<(), Trouble> {
    if before == after {
        return Ok(());
    }
    if let Some(before) = before
        && let Some(sealed) = alarms.remove(alarm_key(before.at, prefix).as_slice())?
    {
        tally.remove(sealed.value());
    }
    if let Some(after) = after {
        let key = alarm_key(after.at, prefix);
        seal(scratch, &key, &after.attempts.to_le_bytes());
        tally.add(scratch);
        if let Some(replaced) = alarms.insert(key.as_slice(), scratch.as_slice())? {
            tally.remove(replaced.value());
        }
    }
    Ok(())
}

/// Writes the state row.
pub(crate) fn write_state(transaction: &WriteTransaction, state: &State) -> Result<(), Trouble> {
    let mut sealed = Vec::new();
    seal(&mut sealed, STATE_KEY, &encode_state(state));
    transaction.open_table(META)?.insert(STATE_KEY, sealed.as_slice())?;
    Ok(())
}
