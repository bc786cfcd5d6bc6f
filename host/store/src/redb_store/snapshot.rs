//! Reading: one committed state of the store, held open.
//!
//! Opening a read transaction costs more than a read, so the newest one is shared by all readers and replaced after
//! each batch. A snapshot pins the pages of its state; it must therefore be let go of soon, and nobody keeps one
//! beyond a call.
//!
//! A checksum proves that a value is right. That a key is *absent* is believed only if its neighbours are where
//! they belong, and if the room, when it was first read, had all its entries (see [`Snapshot::verify_room`]).

use std::ops::Bound;

use bytes::Bytes;
use party_core::address::RoomAddress;
use party_core::commit::Alarm;
use party_core::storage::{KeyRange, Visit};
use redb::{AccessGuard, Database, Range, ReadOnlyTable, ReadableDatabase};

use crate::redb_store::layout::{
    ALARMS, Damage, ROOMS, RoomRow, State, StoredRecord, Tally, after_room, decode_record, decode_state,
    entry_key, entry_keys, open, parse_alarm_key, parse_prefix, parse_room_row, party_prefix, printable,
    record_key,
};
use crate::redb_store::layout::{META, STATE_KEY};
use crate::redb_store::trouble::{Trouble, contain};
use crate::store::{ROOMS_PAGE_MAX, RoomsQuery};

type Table = ReadOnlyTable<&'static [u8], &'static [u8]>;
type Row = (AccessGuard<'static, &'static [u8]>, AccessGuard<'static, &'static [u8]>);

/// One committed state.
pub(crate) struct Snapshot {
    /// Which opening of the engine it belongs to.
    pub(crate) opening: u64,
    rooms: Table,
    alarms: Table,
    meta: Table,
}

impl Snapshot {
    /// The newest committed state.
    pub(crate) fn take(db: &Database, opening: u64) -> Result<Snapshot, Trouble> {
        contain(|| {
            let transaction = db.begin_read()?;
            let (rooms, alarms) = (transaction.open_table(ROOMS)?, transaction.open_table(ALARMS)?);
            let meta = transaction.open_table(META)?;
            Ok::<_, Trouble>(Snapshot { opening, rooms, alarms, meta })
        })
    }

    /// The state row.
    pub(crate) fn state(&self) -> Result<State, Trouble> {
        let row = get(&self.meta, STATE_KEY)?.ok_or_else(|| Damage("the state row is missing".to_owned()))?;
        Ok(decode_state(open(STATE_KEY, row.value())?)?)
    }

    /// A room's record.
    pub(crate) fn record(&self, prefix: &[u8]) -> Result<Option<StoredRecord>, Trouble> {
        let key = record_key(prefix);
        match get(&self.rooms, &key)? {
            Some(row) => Ok(Some(decode_record(&key, open(&key, row.value())?)?)),
            None => {
                self.check_absent(prefix, &key)?;
                Ok(None)
            }
        }
    }

    /// The value of one of a room's keys.
    pub(crate) fn get(&self, prefix: &[u8], key: &[u8]) -> Result<Option<Bytes>, Trouble> {
        let key = entry_key(prefix, key);
        match get(&self.rooms, &key)? {
            Some(row) => Ok(Some(Bytes::copy_from_slice(open(&key, row.value())?))),
            None => {
                self.check_absent(prefix, &key)?;
                Ok(None)
            }
        }
    }

    /// A key that was not found must lie between its neighbours, and those of the same room must be whole: a
    /// damaged page that led the search astray shows itself here.
    fn check_absent(&self, prefix: &[u8], key: &[u8]) -> Result<(), Trouble> {
        let next = contain(|| self.rooms.range::<&[u8]>(key..)?.next().transpose())?;
        let previous = contain(|| self.rooms.range::<&[u8]>(..key)?.next_back().transpose())?;
        if next.as_ref().is_some_and(|(next, _)| next.value() <= key)
            || previous.as_ref().is_some_and(|(previous, _)| previous.value() >= key)
        {
            return Err(Damage(format!("the rows around {} are out of order", printable(key))).into());
        }
        let is_record = key.len() == prefix.len() + 1;
        for (neighbour, value) in [next, previous].into_iter().flatten() {
            let neighbour = neighbour.value();
            if neighbour.starts_with(prefix) {
                open(neighbour, value.value())?;
                if is_record {
                    return Err(Damage(format!("the record at {} is missing", printable(key))).into());
                }
            }
        }
        Ok(())
    }

    /// Whether all of a room's entries are there and whole, unless they are more than `bytes_max` bytes.
    pub(crate) fn verify_room(&self, prefix: &[u8], bytes_max: u64) -> Result<(), Trouble> {
        let Some(stored) = self.record(prefix)? else { return Ok(()) };
        if stored.record.storage_bytes > bytes_max {
            return Ok(());
        }
        let keys = entry_keys(prefix);
        let mut found = Tally::default();
        let mut rows = Rows::new(&self.rooms, Bound::Included(&keys.start), Bound::Excluded(&keys.end))?;
        while let Some((key, value)) = rows.next(false)? {
            open(key.value(), value.value())?;
            found.add(value.value());
        }
        if found != stored.entries {
            let (found, expected) = (found.rows, stored.entries.rows);
            let room = printable(prefix);
            return Err(
                Damage(format!("room {room} has {found} entries; its record tells of {expected}")).into()
            );
        }
        Ok(())
    }

    /// Visits a range of a room's entries. `visited` counts how many have been.
    pub(crate) fn scan(
        &self,
        prefix: &[u8],
        range: &KeyRange,
        reverse: bool,
        visited: &mut u64,
        visit: &mut dyn FnMut(&[u8], &[u8]) -> Visit,
    ) -> Result<(), Trouble> {
        if range.end.as_ref().is_some_and(|end| *end <= range.start) {
            return Ok(());
        }
        let start = entry_key(prefix, &range.start);
        let end = range.end.as_ref().map_or_else(|| after_room(prefix), |end| entry_key(prefix, end));
        let mut rows = Rows::new(&self.rooms, Bound::Included(&start), Bound::Excluded(&end))?;
        while let Some((key, value)) = rows.next(reverse)? {
            let key = key.value();
            if key < start.as_slice() || key >= end.as_slice() {
                return Err(Damage(format!("the rows around {} are out of order", printable(key))).into());
            }
            let value = open(key, value.value())?;
            *visited += 1;
            if visit(&key[prefix.len() + 1..], value) == Visit::Stop {
                break;
            }
        }
        Ok(())
    }

    /// Visits all alarms in order of time. `visited` counts how many have been.
    pub(crate) fn alarms(
        &self,
        visited: &mut u64,
        visit: &mut dyn FnMut(&RoomAddress, Alarm) -> Visit,
    ) -> Result<(), Trouble> {
        let mut found = Tally::default();
        let mut rows = Rows::new(&self.alarms, Bound::Unbounded, Bound::Unbounded)?;
        while let Some((key, value)) = rows.next(false)? {
            let (at, address) = parse_alarm_key(key.value())?;
            let body = open(key.value(), value.value())?;
            let attempts = body.try_into().map(u32::from_le_bytes);
            let attempts =
                attempts.map_err(|_| Damage(format!("the alarm of room {address} is malformed")))?;
            found.add(value.value());
            *visited += 1;
            if visit(&address, Alarm { at, attempts }) == Visit::Stop {
                return Ok(());
            }
        }
        let expected = self.state()?.alarms;
        if found != expected {
            let (found, expected) = (found.rows, expected.rows);
            return Err(Damage(format!("there are {found} alarms; the state row tells of {expected}")).into());
        }
        Ok(())
    }

    /// The rooms of a party: one search each, over the entries of the room before.
    pub(crate) fn rooms(&self, query: &RoomsQuery<'_>) -> Result<Vec<RoomAddress>, Trouble> {
        let party = party_prefix(query.project, query.party);
        let wanted = [party.as_slice(), query.prefix.as_bytes()].concat();
        let mut from = wanted.clone();
        if let Some(after) = query.after {
            from = from.max(after_room(&[party.as_slice(), after.as_bytes(), &[0]].concat()));
        }
        let mut rooms = Vec::new();
        while rooms.len() < query.limit.min(ROOMS_PAGE_MAX) {
            let row = contain(|| self.rooms.range::<&[u8]>(from.as_slice()..)?.next().transpose())?;
            let Some((key, _)) = row else { break };
            if !key.value().starts_with(&wanted) {
                break;
            }
            let (prefix, row) = parse_room_row(key.value())?;
            if row != RoomRow::Record || key.value() < from.as_slice() {
                return Err(
                    Damage(format!("the rows around {} are out of order", printable(key.value()))).into()
                );
            }
            rooms.push(parse_prefix(prefix)?);
            from = after_room(prefix);
        }
        Ok(rooms)
    }
}

fn get(table: &Table, key: &[u8]) -> Result<Option<AccessGuard<'static, &'static [u8]>>, Trouble> {
    contain(|| table.get(key))
}

/// The rows of a range, each fetched under [`contain`]: what is done with them is not.
struct Rows {
    range: Range<'static, &'static [u8], &'static [u8]>,
}

impl Rows {
    fn new(table: &Table, start: Bound<&[u8]>, end: Bound<&[u8]>) -> Result<Rows, Trouble> {
        Ok(Rows { range: contain(|| table.range::<&[u8]>((start, end)))? })
    }

    fn next(&mut self, reverse: bool) -> Result<Option<Row>, Trouble> {
        contain(|| if reverse { self.range.next_back() } else { self.range.next() }.transpose())
    }
}
