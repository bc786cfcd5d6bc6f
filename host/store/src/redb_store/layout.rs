//! Every byte of every row, and nothing else: pure encoding and decoding, drawn in `docs/store-layout.md`.
//!
//! - A room's key is `project 00 party 00 room 00 tag`. No part can hold a zero byte, so no room's key begins
//!   another's, and byte order is the order of the addresses. The record's tag sorts before those of the entries:
//!   a room's record and its first entries lie on one page, and one commit touches one place of the tree.
//! - Every value begins with a CRC-32C over the length of its key, its key and the rest of the value, so that a
//!   value is neither damaged nor somebody else's.
//! - A checksum cannot tell that a row is *missing*. For that, each record counts its room's entries and sums
//!   their checksums, and the state row does the same for records and alarms.
//! - What is kept of rooms' memories has tables of its own, told of in [`memory_rows`], so that the rows which turns
//!   touch stay close together.

use std::ops::Range;

use party_core::address::RoomAddress;
use party_core::commit::{Alarm, RoomRecord};
use party_core::ids::{CommitSeq, Epoch, Timestamp};
use redb::TableDefinition;
use thiserror::Error;

use crate::kept::{CheckpointSummary, JournalSize, RoomSummary};
use crate::redb_store::layout::fields::{Reader, Writer};
use crate::redb_store::layout::memory_rows::{
    MEMORY_BYTES, Pointer, StoredMemory, decode_memory, encode_memory,
};
use crate::store::RoomsScope;

mod fields;
pub(crate) mod memory_rows;

/// Records and entries of all rooms.
pub(crate) const ROOMS: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("rooms");
/// Which rooms wake by themselves, by time. Its name is older than memories that are due.
pub(crate) const ALARMS: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("alarms");
/// The format and the state of the store.
pub(crate) const META: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("meta");

/// The row of `meta` that says what this file is.
pub(crate) const FORMAT_KEY: &[u8] = b"format";
/// The row of `meta` that every batch writes.
pub(crate) const STATE_KEY: &[u8] = b"state";
/// The version of this layout.
pub(crate) const FORMAT_VERSION: u32 = 2;
/// The oldest version that is brought up to this one when it is opened: it knew no memories.
pub(crate) const FORMAT_VERSION_MIN: u32 = 1;

const MAGIC: &[u8; 8] = b"party-st";
const TAG_RECORD: u8 = 0;
const TAG_ENTRY: u8 = 1;
pub(crate) const CRC_BYTES: usize = 4;
const RECORD_BYTES: usize = 69;
/// A record of format 1 ends before the last move. It may have been any commit, so it counts as the last one.
const RECORD_BYTES_1: usize = 53;
const FLAG_ALARM: u8 = 1;
const FLAG_MEMORY: u8 = 2;
const FLAG_CHECKPOINT: u8 = 4;
const STATE_BYTES: usize = 49;
const ALARM_TIME_BYTES: usize = 8;
const PRINTED_BYTES_MAX: usize = 200;

/// A row that does not hold what was written.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
#[error("{0}")]
pub(crate) struct Damage(pub(crate) String);

/// A count of rows and the sum of their checksums: the same exactly if the same rows are there.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Tally {
    pub(crate) rows: u64,
    pub(crate) sum: u64,
}

impl Tally {
    pub(crate) fn add(&mut self, sealed: &[u8]) {
        self.rows = self.rows.wrapping_add(1);
        self.sum = self.sum.wrapping_add(u64::from(checksum_of(sealed)));
    }

    pub(crate) fn remove(&mut self, sealed: &[u8]) {
        self.rows = self.rows.wrapping_sub(1);
        self.sum = self.sum.wrapping_sub(u64::from(checksum_of(sealed)));
    }
}

/// A room's record as stored: what the room says of itself, and how its entries are told to be all there.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct StoredRecord {
    pub(crate) record: RoomRecord,
    pub(crate) entries: Tally,
    /// What is kept of its memory, if anything is.
    pub(crate) memory: Option<StoredMemory>,
}

impl StoredRecord {
    /// What it says of the room, without how that is told to be all there.
    pub(crate) fn summary(&self) -> RoomSummary {
        let Some(memory) = self.memory else {
            return RoomSummary { record: self.record, ..RoomSummary::default() };
        };
        let checkpoint = |pointer: Pointer| CheckpointSummary { seq: memory.since, bytes: pointer.bytes };
        RoomSummary {
            record: self.record,
            component: Some(memory.component),
            checkpoint: memory.checkpoint.map(checkpoint),
            journal: JournalSize { records: memory.journal.rows, bytes: memory.journal_bytes },
        }
    }
}

/// The state of the store: who owns it, how far it has come, and how its rows are told to be all there.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct State {
    pub(crate) epoch: Epoch,
    /// The number of the last batch; changes of ownership count too.
    pub(crate) batch: u64,
    pub(crate) records: Tally,
    pub(crate) alarms: Tally,
    /// Whether a damaged row has ever been read: what cannot be found may then have been lost.
    pub(crate) in_doubt: bool,
}

/// The bytes that every key of a room begins with.
pub(crate) fn room_prefix(address: &RoomAddress) -> Vec<u8> {
    let parts = [address.project(), address.party(), address.room()];
    let mut prefix = Vec::with_capacity(parts.iter().map(|part| part.len() + 1).sum());
    for part in parts {
        prefix.extend_from_slice(part.as_bytes());
        prefix.push(0);
    }
    prefix
}

/// The bytes that the keys of all rooms of a scope begin with.
pub(crate) fn scope_prefix(scope: &RoomsScope<'_>) -> Vec<u8> {
    match *scope {
        RoomsScope::Everything => Vec::new(),
        RoomsScope::Project(project) => [project.as_bytes(), &[0]].concat(),
        RoomsScope::Party { project, party, prefix } => {
            [project.as_bytes(), &[0], party.as_bytes(), &[0], prefix.as_bytes()].concat()
        }
    }
}

/// The key of a room's record.
pub(crate) fn record_key(prefix: &[u8]) -> Vec<u8> {
    [prefix, &[TAG_RECORD]].concat()
}

/// The key of one of a room's entries.
pub(crate) fn entry_key(prefix: &[u8], key: &[u8]) -> Vec<u8> {
    [prefix, &[TAG_ENTRY], key].concat()
}

/// The keys of all of a room's entries.
pub(crate) fn entry_keys(prefix: &[u8]) -> Range<Vec<u8>> {
    [prefix, &[TAG_ENTRY]].concat()..after_room(prefix)
}

/// The first key behind all rows of a room.
pub(crate) fn after_room(prefix: &[u8]) -> Vec<u8> {
    [prefix, &[TAG_ENTRY + 1]].concat()
}

/// What a key of the `rooms` table stands for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum RoomRow<'a> {
    Record,
    Entry(&'a [u8]),
}

/// Takes a key of the `rooms` table apart: the room's prefix and the row.
pub(crate) fn parse_room_row(key: &[u8]) -> Result<(&[u8], RoomRow<'_>), Damage> {
    let prefix_bytes = prefix_len(key)?;
    let (prefix, rest) = key.split_at(prefix_bytes);
    match rest.split_first() {
        Some((&TAG_RECORD, [])) => Ok((prefix, RoomRow::Record)),
        Some((&TAG_ENTRY, entry)) => Ok((prefix, RoomRow::Entry(entry))),
        Some(_) | None => Err(damaged_key(key)),
    }
}

/// The address in a room's prefix.
pub(crate) fn parse_prefix(prefix: &[u8]) -> Result<RoomAddress, Damage> {
    let mut parts = prefix.split(|&byte| byte == 0).map(std::str::from_utf8);
    match (parts.next(), parts.next(), parts.next(), parts.next(), parts.next()) {
        (Some(Ok(project)), Some(Ok(party)), Some(Ok(room)), Some(Ok("")), None) => {
            RoomAddress::new(project, party, room).map_err(|_| damaged_key(prefix))
        }
        _ => Err(damaged_key(prefix)),
    }
}

fn prefix_len(key: &[u8]) -> Result<usize, Damage> {
    let mut zeros = key.iter().enumerate().filter(|&(_, &byte)| byte == 0).map(|(index, _)| index);
    zeros.nth(2).map(|third| third + 1).ok_or_else(|| damaged_key(key))
}

/// The key of a room's row in the `alarms` table.
pub(crate) fn alarm_key(at: Timestamp, prefix: &[u8]) -> Vec<u8> {
    [&at.0.to_be_bytes(), prefix].concat()
}

/// Takes a key of the `alarms` table apart.
pub(crate) fn parse_alarm_key(key: &[u8]) -> Result<(Timestamp, RoomAddress), Damage> {
    let (at, prefix) = key.split_first_chunk::<ALARM_TIME_BYTES>().ok_or_else(|| damaged_key(key))?;
    Ok((Timestamp(u64::from_be_bytes(*at)), parse_prefix(prefix)?))
}

/// Writes a value into `out`, its checksum first.
pub(crate) fn seal(out: &mut Vec<u8>, key: &[u8], body: &[u8]) {
    out.clear();
    out.extend_from_slice(&checksum(key, body).to_le_bytes());
    out.extend_from_slice(body);
}

/// The body of a value, if it is what was written under this key.
pub(crate) fn open<'a>(key: &[u8], sealed: &'a [u8]) -> Result<&'a [u8], Damage> {
    let (stored, body) = sealed.split_first_chunk::<CRC_BYTES>().ok_or_else(|| damaged_value(key))?;
    if u32::from_le_bytes(*stored) == checksum(key, body) { Ok(body) } else { Err(damaged_value(key)) }
}

fn checksum(key: &[u8], body: &[u8]) -> u32 {
    // The length keeps key and body apart: bytes cannot wander from one into the other unseen.
    let crc = crc32c::crc32c(&(key.len() as u64).to_le_bytes());
    crc32c::crc32c_append(crc32c::crc32c_append(crc, key), body)
}

fn checksum_of(sealed: &[u8]) -> u32 {
    sealed.first_chunk::<CRC_BYTES>().map_or(0, |stored| u32::from_le_bytes(*stored))
}

fn damaged_value(key: &[u8]) -> Damage {
    Damage(format!("the value at {} does not match its checksum", printable(key)))
}

fn damaged_key(key: &[u8]) -> Damage {
    Damage(format!("the key {} is malformed", printable(key)))
}

/// A key fit to print: zero bytes as slashes, cut to [`PRINTED_BYTES_MAX`].
pub(crate) fn printable(key: &[u8]) -> String {
    let mut shown = String::new();
    for &byte in key.iter().take(PRINTED_BYTES_MAX) {
        match byte {
            0 => shown.push('/'),
            _ => shown.extend(byte.escape_ascii().map(char::from)),
        }
    }
    format!("\"{shown}\"")
}

/// Writes the body of a record's row.
pub(crate) fn encode_record(stored: &StoredRecord) -> Vec<u8> {
    let mut body = Writer::<{ RECORD_BYTES + MEMORY_BYTES }>::new();
    body.u64(stored.record.seq.0);
    body.u64(stored.record.ids_reserved);
    body.u64(stored.record.storage_bytes);
    body.u64(stored.entries.rows);
    body.u64(stored.entries.sum);
    let alarm = stored.record.alarm.unwrap_or(Alarm { at: Timestamp(0), attempts: 0 });
    body.u64(alarm.at.0);
    body.u32(alarm.attempts);
    let flag = |is_set: bool, flag: u8| if is_set { flag } else { 0 };
    let has_checkpoint = stored.memory.is_some_and(|memory| memory.checkpoint.is_some());
    body.u8(flag(stored.record.alarm.is_some(), FLAG_ALARM)
        | flag(stored.memory.is_some(), FLAG_MEMORY)
        | flag(has_checkpoint, FLAG_CHECKPOINT));
    body.u64(stored.record.moved_at.0);
    body.u64(stored.record.memory_due.unwrap_or(Timestamp::NEVER).0);
    match &stored.memory {
        Some(memory) => {
            encode_memory(&mut body, memory);
            body.finish().to_vec()
        }
        None => body.so_far().to_vec(),
    }
}

/// Reads the body of a record's row.
pub(crate) fn decode_record(key: &[u8], body: &[u8]) -> Result<StoredRecord, Damage> {
    let is_format_1 = body.len() == RECORD_BYTES_1;
    let flags = body.get(RECORD_BYTES_1 - 1).copied().unwrap_or_default();
    let has_memory = flags & FLAG_MEMORY != 0 && !is_format_1;
    let memory_bytes = if has_memory { MEMORY_BYTES } else { 0 };
    let bytes = if is_format_1 { RECORD_BYTES_1 } else { RECORD_BYTES + memory_bytes };
    let mut body = Reader::new(key, body, bytes)?;
    let (seq, ids_reserved, storage_bytes) = (CommitSeq(body.u64()), body.u64(), body.u64());
    let entries = Tally { rows: body.u64(), sum: body.u64() };
    let alarm = Alarm { at: Timestamp(body.u64()), attempts: body.u32() };
    let alarm = (body.u8() & FLAG_ALARM != 0).then_some(alarm);
    let (moved_at, memory_due) = match is_format_1 {
        true => (seq, Timestamp::NEVER),
        false => (CommitSeq(body.u64()), Timestamp(body.u64())),
    };
    let memory_due = (memory_due < Timestamp::NEVER).then_some(memory_due);
    let record = RoomRecord { seq, alarm, storage_bytes, ids_reserved, moved_at, memory_due };
    let memory = has_memory.then(|| decode_memory(&mut body, flags & FLAG_CHECKPOINT != 0));
    Ok(StoredRecord { record, entries, memory })
}

/// The body of the state row.
pub(crate) fn encode_state(state: &State) -> [u8; STATE_BYTES] {
    let mut body = Writer::<STATE_BYTES>::new();
    body.u64(state.epoch.0);
    body.u64(state.batch);
    for tally in [state.records, state.alarms] {
        body.u64(tally.rows);
        body.u64(tally.sum);
    }
    body.u8(u8::from(state.in_doubt));
    body.finish()
}

/// Reads the body of the state row.
pub(crate) fn decode_state(body: &[u8]) -> Result<State, Damage> {
    let mut body = Reader::new(STATE_KEY, body, STATE_BYTES)?;
    let (epoch, batch) = (Epoch(body.u64()), body.u64());
    let records = Tally { rows: body.u64(), sum: body.u64() };
    let alarms = Tally { rows: body.u64(), sum: body.u64() };
    let in_doubt = body.u8() != 0;
    Ok(State { epoch, batch, records, alarms, in_doubt })
}

/// The body of the format row.
pub(crate) fn encode_format(version: u32) -> Vec<u8> {
    [MAGIC.as_slice(), &version.to_le_bytes()].concat()
}

/// The version in the format row, `None` if it is none of ours.
pub(crate) fn decode_format(body: &[u8]) -> Option<u32> {
    let version = body.strip_prefix(MAGIC.as_slice())?;
    Some(u32::from_le_bytes(*version.first_chunk()?))
}

#[cfg(test)]
mod tests;
