//! Reading: one committed state of the store, held open.
//!
//! Opening a read transaction costs more than a read, so the newest one is shared by all readers and replaced after
//! each batch. A snapshot pins the pages of its state; it must therefore be let go of soon, and nobody keeps one
//! beyond a call.
//!
//! A checksum proves that a value is right. That a key is *absent* is right as long as every page is, which the
//! layer below watches over. Once a damaged row has been seen, everybody is in doubt, and what is not found is
//! looked for another way: see `doubt`.

use std::hint::black_box;
use std::ops::Bound;

use bytes::Bytes;
use party_core::address::RoomAddress;
use party_core::ids::Timestamp;
use party_core::large;
use party_core::storage::{KeyRange, Visit};
use redb::{
    AccessGuard, Database, Range, ReadOnlyTable, ReadTransaction, ReadableDatabase, ReadableTableMetadata,
    TableDefinition,
};

use crate::kept::RoomSummary;
use crate::redb_store::layout::{
    ALARMS, Damage, META, ROOMS, RoomRow, STATE_KEY, State, StoredRecord, Tally, after_room, decode_record,
    decode_state, entry_key, open, parse_alarm_key, parse_prefix, parse_room_row, printable, record_key,
    room_prefix, scope_prefix,
};
use crate::redb_store::trouble::{Trouble, contain};
use crate::store::{ROOMS_PAGE_MAX, RoomsQuery};

type Table = ReadOnlyTable<&'static [u8], &'static [u8]>;
/// A key or value, with the page that it lies in.
pub(crate) type Guard = AccessGuard<'static, &'static [u8]>;

/// One committed state.
pub(crate) struct Snapshot {
    /// Which opening of the engine it belongs to.
    pub(crate) opening: u64,
    /// Nobody knows whether the last batch in it is on the device.
    pub(crate) is_unconfirmed: bool,
    /// Tables that turns do not touch are opened when they are asked for.
    transaction: ReadTransaction,
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
            Ok::<_, Trouble>(Snapshot { opening, is_unconfirmed: false, transaction, rooms, alarms, meta })
        })
    }

    /// The rows of a range of one of the other tables.
    pub(crate) fn rows_of(
        &self,
        table: TableDefinition<'_, &'static [u8], &'static [u8]>,
        start: Bound<&[u8]>,
        end: Bound<&[u8]>,
    ) -> Result<Rows, Trouble> {
        Rows::new(&contain(|| self.transaction.open_table(table))?, start, end)
    }

    /// How many rows one of the other tables has.
    pub(crate) fn rows_in(
        &self,
        table: TableDefinition<'_, &'static [u8], &'static [u8]>,
    ) -> Result<u64, Trouble> {
        contain(|| Ok::<_, Trouble>(self.transaction.open_table(table)?.len()?))
    }

    /// A row of one of the other tables.
    pub(crate) fn row_of(
        &self,
        table: TableDefinition<'_, &'static [u8], &'static [u8]>,
        key: &[u8],
    ) -> Result<Option<Guard>, Trouble> {
        get(&contain(|| self.transaction.open_table(table))?, key)
    }

    /// The state row.
    pub(crate) fn state(&self) -> Result<State, Trouble> {
        let row = get(&self.meta, STATE_KEY)?.ok_or_else(|| Damage("the state row is missing".to_owned()))?;
        Ok(decode_state(open(STATE_KEY, row.value())?)?)
    }

    /// A room's record.
    pub(crate) fn record(&self, prefix: &[u8]) -> Result<Option<StoredRecord>, Trouble> {
        let key = record_key(prefix);
        let Some(row) = get(&self.rooms, &key)? else { return Ok(None) };
        Ok(Some(decode_record(&key, open(&key, row.value())?)?))
    }

    /// The value of one of a room's keys.
    pub(crate) fn get(&self, prefix: &[u8], key: &[u8]) -> Result<Option<Bytes>, Trouble> {
        let key = entry_key(prefix, key);
        let Some(row) = get(&self.rooms, &key)? else { return Ok(None) };
        Ok(Some(large::copy(open(&key, row.value())?)?.into()))
    }

    /// Visits a range of a room's entries. `visited` is the tally of those that have been.
    pub(crate) fn scan(
        &self,
        prefix: &[u8],
        range: &KeyRange,
        reverse: bool,
        visited: &mut Tally,
        visit: &mut dyn FnMut(&[u8], &[u8]) -> Visit,
    ) -> Result<Visit, Trouble> {
        if range.end.as_ref().is_some_and(|end| *end <= range.start) {
            return Ok(Visit::Continue);
        }
        let start = entry_key(prefix, &range.start);
        let end = range.end.as_ref().map_or_else(|| after_room(prefix), |end| entry_key(prefix, end));
        let mut rows = self.room_rows(Bound::Included(&start), Bound::Excluded(&end))?;
        while let Some((key, value)) = rows.next(reverse)? {
            let key = key.value();
            if key < start.as_slice() || key >= end.as_slice() {
                return Err(out_of_order(key));
            }
            visited.add(value.value());
            if visit(&key[prefix.len() + 1..], open(key, value.value())?) == Visit::Stop {
                return Ok(Visit::Stop);
            }
        }
        Ok(Visit::Continue)
    }

    /// Visits all rooms that wake by themselves, in order of time. `begun` says whether one has been. If the table is
    /// damaged, the records say which there are; a room whose record is damaged too fails when it is woken.
    pub(crate) fn wakes(
        &self,
        begun: &mut bool,
        visit: &mut dyn FnMut(&RoomAddress, Timestamp) -> Visit,
    ) -> Result<(), Trouble> {
        if !self.alarms_are_whole() {
            for (at, address) in self.wakes_by_records()? {
                *begun = true;
                if visit(&address, at) == Visit::Stop {
                    break;
                }
            }
            return Ok(());
        }
        let mut rows = Rows::new(&self.alarms, Bound::Unbounded, Bound::Unbounded)?;
        while let Some((key, value)) = rows.next(false)? {
            let (at, address) = parse_alarm_key(key.value())?;
            open(key.value(), value.value())?;
            *begun = true;
            if visit(&address, at) == Visit::Stop {
                break;
            }
        }
        Ok(())
    }

    /// Whether the table of alarms is just as it was written.
    pub(crate) fn alarms_are_whole(&self) -> bool {
        let found = Rows::new(&self.alarms, Bound::Unbounded, Bound::Unbounded).and_then(|mut rows| {
            let mut found = Tally::default();
            while let Some((key, value)) = rows.next(false)? {
                open(key.value(), value.value())?;
                found.add(value.value());
            }
            Ok(found)
        });
        found.is_ok_and(|found| self.state().is_ok_and(|state| state.alarms == found))
    }

    /// Rooms and what is kept of them: one search each, over the entries of the room before.
    pub(crate) fn rooms(&self, query: &RoomsQuery<'_>) -> Result<Vec<(RoomAddress, RoomSummary)>, Trouble> {
        let wanted = scope_prefix(&query.scope);
        let mut from = wanted.clone();
        if let Some(after) = query.after {
            from = from.max(after_room(&room_prefix(after)));
        }
        let mut rooms = Vec::new();
        while rooms.len() < query.limit.min(ROOMS_PAGE_MAX) {
            let row = self.room_rows(Bound::Included(&from), Bound::Unbounded)?.next(false)?;
            let Some((key, value)) = row else { break };
            if !key.value().starts_with(&wanted) {
                break;
            }
            let stored = decode_record(key.value(), open(key.value(), value.value())?)?;
            let (prefix, row) = parse_room_row(key.value())?;
            if row != RoomRow::Record || key.value() < from.as_slice() {
                return Err(out_of_order(key.value()));
            }
            rooms.push((parse_prefix(prefix)?, stored.summary()));
            from = after_room(prefix);
        }
        Ok(rooms)
    }

    /// The rows of records and entries in a range.
    pub(crate) fn room_rows(&self, start: Bound<&[u8]>, end: Bound<&[u8]>) -> Result<Rows, Trouble> {
        Rows::new(&self.rooms, start, end)
    }
}

/// Rows whose keys do not ascend.
pub(crate) fn out_of_order(key: &[u8]) -> Trouble {
    Damage(format!("the rows around {} are out of order", printable(key))).into()
}

fn get(table: &Table, key: &[u8]) -> Result<Option<Guard>, Trouble> {
    contain(|| {
        let value = table.get(key)?;
        if let Some(value) = &value {
            touch(value);
        }
        Ok::<_, Trouble>(value)
    })
}

/// A guard finds its bytes in its page when it is asked for them, and panics if a damaged page says that they lie
/// outside. So it is asked once under [`contain`]; it gives the same answer ever after.
fn touch(guard: &Guard) {
    black_box(guard.value());
}

/// The rows of a range, each fetched under [`contain`]: what is done with them is not.
pub(crate) struct Rows {
    range: Range<'static, &'static [u8], &'static [u8]>,
}

impl Rows {
    fn new(table: &Table, start: Bound<&[u8]>, end: Bound<&[u8]>) -> Result<Rows, Trouble> {
        Ok(Rows { range: contain(|| table.range::<&[u8]>((start, end)))? })
    }

    /// The next row from the front, or with `reverse` from the back.
    pub(crate) fn next(&mut self, reverse: bool) -> Result<Option<(Guard, Guard)>, Trouble> {
        contain(|| {
            let row = if reverse { self.range.next_back() } else { self.range.next() }.transpose()?;
            if let Some((key, value)) = &row {
                touch(key);
                touch(value);
            }
            Ok::<_, Trouble>(row)
        })
    }
}
