//! Journals: what has happened in a room since its checkpoint.
//!
//! The records of all rooms stand in one table in order of time, so that a batch writes them side by side at its end.
//! Which of them are a room's is known in memory; that all of them are there is told by their count and sum in the
//! room's record. Records that a checkpoint covers are removed later, the oldest first, a bounded number with each batch.

use std::collections::HashMap;
use std::ops::Bound;

use redb::{ReadableTable, WriteTransaction};

use crate::kept::JournalEntry;
use crate::redb_store::index::{JournalIndex, Place};
use crate::redb_store::layout::memory_rows::{
    JOURNAL, StoredMemory, decode_entry, encode_entry, journal_number, parse_number,
};
use crate::redb_store::layout::{Damage, Tally, open, printable, seal};
use crate::redb_store::snapshot::Snapshot;
use crate::redb_store::trouble::Trouble;
use party_core::ids::CommitSeq;
use party_core::large;

/// How many rows a trimming looks at, at most: those that are still needed stand among the covered ones.
const TRIM_WINDOW_ROWS: usize = 1_024;

/// Takes the place of a record: its room's prefix, the place, and whether a checkpoint covers it.
pub(crate) type VisitPlace<'a> = dyn FnMut(&[u8], Place, bool) + 'a;

/// Appends the records of one batch.
pub(crate) struct Appending<'txn> {
    transaction: &'txn WriteTransaction,
    table: Option<crate::redb_store::batch::Rows<'txn>>,
    batch: u64,
    place: usize,
    body: Vec<u8>,
    sealed: Vec<u8>,
}

impl<'txn> Appending<'txn> {
    /// Nothing is written until there is a record.
    pub(crate) fn new(transaction: &'txn WriteTransaction, batch: u64) -> Appending<'txn> {
        Appending { transaction, table: None, batch, place: 0, body: Vec::new(), sealed: Vec::new() }
    }

    /// Appends a record and counts it.
    pub(crate) fn append(
        &mut self,
        prefix: &[u8],
        seq: CommitSeq,
        record: &[u8],
        memory: &mut StoredMemory,
    ) -> Result<Place, Trouble> {
        let number = journal_number(self.batch, self.place);
        self.place += 1;
        encode_entry(&mut self.body, prefix, seq, record);
        let key = number.to_be_bytes();
        seal(&mut self.sealed, &key, &self.body);
        let table = match &mut self.table {
            Some(table) => table,
            None => self.table.insert(self.transaction.open_table(JOURNAL)?),
        };
        table.insert(key.as_slice(), self.sealed.as_slice())?;
        memory.journal.add(&self.sealed);
        memory.journal_bytes += record.len() as u64;
        Ok(Place { seq, number })
    }

    /// Removes these rows: their room is no more, and another of its name begins to count anew.
    pub(crate) fn remove(&mut self, numbers: &[u64]) -> Result<(), Trouble> {
        if numbers.is_empty() {
            return Ok(());
        }
        let table = match &mut self.table {
            Some(table) => table,
            None => self.table.insert(self.transaction.open_table(JOURNAL)?),
        };
        for number in numbers {
            table.remove(number.to_be_bytes().as_slice())?;
        }
        Ok(())
    }

    /// Removes some of the covered records, the oldest first, if there are enough. Those that are gone.
    pub(crate) fn trim(mut self, index: &JournalIndex) -> Result<Vec<u64>, Trouble> {
        let Some((first, last)) = index.to_trim() else { return Ok(Vec::new()) };
        let mut table = match self.table.take() {
            Some(table) => table,
            None => self.transaction.open_table(JOURNAL)?,
        };
        // Whole leaves go at once. The window is bounded by the rows in it, whichever of them are covered.
        let (first, mut last) = (first.to_be_bytes(), last.to_be_bytes().to_vec());
        if let Some(row) = table.range(first.as_slice()..=last.as_slice())?.nth(TRIM_WINDOW_ROWS - 1) {
            last = row?.0.value().to_vec();
        }
        let mut numbers = Vec::new();
        table.retain_in(first.as_slice()..=last.as_slice(), |key, _| {
            let covered = parse_number(key).ok().filter(|number| index.is_covered(*number));
            numbers.extend(covered);
            covered.is_none()
        })?;
        Ok(numbers)
    }
}

impl Snapshot {
    /// Visits all records in order of time. A damaged one is passed over: its room's count tells that it is missing.
    pub(crate) fn visit_journal(&self, visit: &mut VisitPlace<'_>) -> Result<(), Trouble> {
        let mut rows = self.rows_of(JOURNAL, Bound::Unbounded, Bound::Unbounded)?;
        // Which commits are covered, by room; nothing of a room whose record cannot be read.
        let mut covered: HashMap<Vec<u8>, CommitSeq> = HashMap::new();
        while let Some((key, sealed)) = rows.next(false)? {
            let Ok((number, (prefix, seq, _))) = entry(key.value(), sealed.value()) else { continue };
            let covered_to = match covered.get(prefix) {
                Some(seq) => *seq,
                None => {
                    let seq = self.covered_to(prefix)?;
                    covered.insert(prefix.to_vec(), seq);
                    seq
                }
            };
            visit(prefix, Place { seq, number }, seq <= covered_to);
        }
        Ok(())
    }

    fn covered_to(&self, prefix: &[u8]) -> Result<CommitSeq, Trouble> {
        match self.record(prefix) {
            Ok(Some(stored)) => Ok(stored.memory.map_or(CommitSeq(u64::MAX), |memory| memory.since)),
            Ok(None) | Err(Trouble::Damage(_)) => Ok(CommitSeq(0)),
            Err(trouble) => Err(trouble),
        }
    }

    /// The records of a room's journal, if they are all there and whole.
    pub(crate) fn journal(
        &self,
        prefix: &[u8],
        memory: &StoredMemory,
        places: &[Place],
    ) -> Result<Vec<JournalEntry>, Trouble> {
        let mut found = Tally::default();
        let mut entries = Vec::new();
        for place in places {
            let key = place.number.to_be_bytes();
            let Some(sealed) = self.row_of(JOURNAL, &key)? else { continue };
            let (_, (owner, seq, record)) = entry(&key, sealed.value())
                .map_err(|damage| Damage(format!("{}: {}", journal_name(prefix), damage.0)))?;
            if (owner, seq) != (prefix, place.seq) {
                return Err(Damage(format!("{}: a record is another's", journal_name(prefix))).into());
            }
            found.add(sealed.value());
            entries.push(JournalEntry { seq, bytes: large::copy(record)?.into() });
        }
        if found != memory.journal || !entries.is_sorted_by(|entry, next| entry.seq < next.seq) {
            let (found, expected) = (found.rows, memory.journal.rows);
            let name = journal_name(prefix);
            return Err(Damage(format!("{name}: of {expected} records {found} are there")).into());
        }
        Ok(entries)
    }
}

type Entry<'a> = (u64, (&'a [u8], CommitSeq, &'a [u8]));

fn entry<'a>(key: &[u8], sealed: &'a [u8]) -> Result<Entry<'a>, Damage> {
    Ok((parse_number(key)?, decode_entry(key, open(key, sealed)?)?))
}

fn journal_name(prefix: &[u8]) -> String {
    format!("the journal of room {}", printable(prefix))
}
