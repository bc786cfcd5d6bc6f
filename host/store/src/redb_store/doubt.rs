//! Reading a store in which a damaged row has been seen.
//!
//! A row's key may be what is damaged. Then the row cannot be found, and since it is carried along when its leaf is
//! written anew, or is merged with another, it may come to lie where it misleads searches for other keys. The values
//! that a search finds are right by their own checksums, but may be older ones of the same key. So searches are not
//! relied on: rows are visited where they lie, one after the other; they must ascend, and their count and the sum of
//! their checksums must be what was noted when they were written. A room that is not damaged goes on, slower; one
//! that is says so.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::hash::{BuildHasher, RandomState};
use std::ops::Bound;

use bytes::Bytes;
use party_core::address::RoomAddress;
use party_core::ids::Timestamp;
use party_core::storage::{KeyRange, Visit};

use crate::kept::RoomSummary;
use crate::redb_store::layout::{
    Damage, RoomRow, Tally, decode_record, entry_keys, open, parse_prefix, parse_room_row, printable,
    record_key,
};
use crate::redb_store::snapshot::{Guard, Snapshot, out_of_order};
use crate::redb_store::trouble::Trouble;
use crate::store::{ROOMS_PAGE_MAX, RoomsQuery};

/// With more damaged records than this the store is not one with damage in it but a damaged store.
const DAMAGED_RECORDS_MAX: usize = 1_000;

/// Takes a record: its room's prefix, its key and its value.
pub(crate) type VisitRecord<'a> = dyn FnMut(&[u8], &[u8], &[u8]) -> Result<(), Damage> + 'a;

/// All entries of one room, in order: key, value, and the checksum that they were stored with.
pub(crate) struct WholeRoom {
    entries: Vec<(Guard, Guard)>,
    prefix_bytes: usize,
}

impl WholeRoom {
    /// The value of a key.
    pub(crate) fn get(&self, key: &[u8]) -> Result<Option<Bytes>, Trouble> {
        let Ok(index) = self.entries.binary_search_by_key(&key, |(stored, _)| self.key(stored)) else {
            return Ok(None);
        };
        let (stored, value) = &self.entries[index];
        Ok(Some(Bytes::copy_from_slice(open(stored.value(), value.value())?)))
    }

    /// Visits a range. `visited` is the tally of the entries that have been.
    pub(crate) fn scan(
        &self,
        range: &KeyRange,
        reverse: bool,
        visited: &mut Tally,
        visit: &mut dyn FnMut(&[u8], &[u8]) -> Visit,
    ) -> Result<(), Trouble> {
        let mut within = self.entries.iter().filter(|(stored, _)| {
            let key = self.key(stored);
            key >= range.start.as_ref() && range.end.as_ref().is_none_or(|end| key < end.as_ref())
        });
        while let Some((stored, value)) = if reverse { within.next_back() } else { within.next() } {
            visited.add(value.value());
            if visit(self.key(stored), open(stored.value(), value.value())?) == Visit::Stop {
                break;
            }
        }
        Ok(())
    }

    fn key<'a>(&self, stored: &'a Guard) -> &'a [u8] {
        &stored.value()[self.prefix_bytes + 1..]
    }
}

/// What a walk over all records has found, and which rooms have been made since.
#[derive(Debug)]
pub(crate) struct Survey {
    found: Tally,
    expected: Tally,
    /// Hashes of the prefixes of all rooms.
    rooms: HashSet<u64>,
    hasher: RandomState,
    /// Records that do not belong to the keys that they lie under: either is damaged.
    damaged: Vec<Vec<u8>>,
}

impl Survey {
    fn new(expected: Tally) -> Survey {
        let (rooms, hasher) = (HashSet::new(), RandomState::new());
        Survey { found: Tally::default(), expected, rooms, hasher, damaged: Vec::new() }
    }

    /// A room has been written since.
    pub(crate) fn add_room(&mut self, prefix: &[u8]) {
        self.rooms.insert(self.hasher.hash_one(prefix));
    }

    /// Whether it is certain that a room that was not found has never been.
    pub(crate) fn check_absent(&self, prefix: &[u8]) -> Result<(), Trouble> {
        if self.damaged.is_empty() || self.found.rows != self.expected.rows {
            check_complete("rooms", self.found, self.expected)?;
        }
        let key = record_key(prefix);
        let was_there = self.rooms.contains(&self.hasher.hash_one(prefix));
        if was_there || self.damaged.iter().any(|sealed| open(&key, sealed).is_ok()) {
            return Err(Damage(format!("the record at {} cannot be found", printable(&key))).into());
        }
        Ok(())
    }

    /// Whether all records are there and whole.
    pub(crate) fn check_whole(&self) -> Result<(), Trouble> {
        if !self.damaged.is_empty() {
            return Err(Damage(format!("the records of {} rooms are damaged", self.damaged.len())).into());
        }
        check_complete("rooms", self.found, self.expected)
    }
}

impl Snapshot {
    /// All entries of a room, if they are all there and whole.
    pub(crate) fn whole_room(&self, prefix: &[u8]) -> Result<WholeRoom, Trouble> {
        let expected = self.record(prefix)?.unwrap_or_default().entries;
        let keys = entry_keys(prefix);
        let mut rows = self.room_rows(Bound::Included(&keys.start), Bound::Excluded(&keys.end))?;
        let mut found = Tally::default();
        let mut entries: Vec<(Guard, Guard)> = Vec::new();
        while let Some((key, value)) = rows.next(false)? {
            if entries.last().is_some_and(|(last, _)| last.value() >= key.value()) {
                return Err(out_of_order(key.value()));
            }
            open(key.value(), value.value())?;
            found.add(value.value());
            entries.push((key, value));
        }
        check_complete(&format!("entries of room {}", printable(prefix)), found, expected)?;
        Ok(WholeRoom { entries, prefix_bytes: prefix.len() })
    }

    /// Walks over all records: reads the whole store.
    pub(crate) fn survey(&self) -> Result<Survey, Trouble> {
        let mut survey = Survey::new(self.state()?.records);
        self.walk_records(&mut |prefix, key, sealed| {
            survey.found.add(sealed);
            match open(key, sealed) {
                Ok(_) => survey.add_room(prefix),
                Err(_) => survey.damaged.push(sealed.to_vec()),
            }
            if survey.damaged.len() > DAMAGED_RECORDS_MAX {
                return Err(Damage(format!("more than {DAMAGED_RECORDS_MAX} records are damaged")));
            }
            Ok(())
        })?;
        Ok(survey)
    }

    /// Rooms and what is kept of them, from a walk over the whole store.
    pub(crate) fn rooms_by_walk(
        &self,
        query: &RoomsQuery<'_>,
    ) -> Result<Vec<(RoomAddress, RoomSummary)>, Trouble> {
        let limit = query.limit.min(ROOMS_PAGE_MAX);
        let mut rooms = BTreeMap::new();
        self.walk_records(&mut |prefix, key, sealed| {
            let address = parse_prefix(prefix)?;
            if query.scope.holds(&address) && query.after.is_none_or(|after| address > *after) {
                rooms.insert(address, decode_record(key, open(key, sealed)?)?.summary());
            }
            if rooms.len() > limit {
                rooms.pop_last();
            }
            Ok(())
        })?;
        Ok(rooms.into_iter().collect())
    }

    /// The rooms that wake by themselves as their records tell, from a walk over the whole store.
    pub(crate) fn wakes_by_records(&self) -> Result<BTreeSet<(Timestamp, RoomAddress)>, Trouble> {
        let mut wakes = BTreeSet::new();
        self.walk_records(&mut |prefix, key, sealed| {
            let record = open(key, sealed).and_then(|body| decode_record(key, body));
            if let Some(at) = record.ok().and_then(|stored| stored.record.wakes_at()) {
                wakes.insert((at, parse_prefix(prefix)?));
            }
            Ok(())
        })?;
        Ok(wakes)
    }

    /// Visits every record, sound or not.
    pub(crate) fn walk_records(&self, visit: &mut VisitRecord<'_>) -> Result<(), Trouble> {
        let mut rows = self.room_rows(Bound::Unbounded, Bound::Unbounded)?;
        while let Some((key, value)) = rows.next(false)? {
            if let Ok((prefix, RoomRow::Record)) = parse_room_row(key.value()) {
                visit(prefix, key.value(), value.value())?;
            }
        }
        Ok(())
    }
}

fn check_complete(what: &str, found: Tally, expected: Tally) -> Result<(), Trouble> {
    if found == expected {
        return Ok(());
    }
    let (found, expected) = (found.rows, expected.rows);
    Err(Damage(format!("of {expected} {what} {found} are there, or some are old")).into())
}
