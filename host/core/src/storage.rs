//! Reading a room's keys and values: what is committed, under what is not committed yet.
//!
//! A [`RoomStorage`] answers from the store. On top lies the [`Overlay`]: the changes of turns whose commit is
//! under way, oldest first, and last those of the running turn. An entry may be in the store and still in the
//! overlay; both then say the same, so a read needs no lock against the committer.

use std::collections::{BTreeMap, VecDeque};
use std::ops::Bound;

use bytes::Bytes;
use thiserror::Error;

use crate::commit::KvChanges;
use crate::emptied::Emptied;
use crate::ids::CommitSeq;
use crate::large::NoMemory;
use crate::planted::{self, PlantedBug};

/// The store could not be read. The turn that asked is dropped and its room fails closed.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
pub enum StorageReadError {
    /// The device or the engine failed.
    #[error("the store cannot be read: {0}")]
    Io(String),
    /// A value does not match its checksum.
    #[error("a stored value is damaged: {0}")]
    Damaged(String),
    /// There is no memory for what is stored, which says nothing of it.
    #[error("it cannot be read now: {0}")]
    NoMemory(#[from] NoMemory),
}

/// Keys from `start` (included) to `end` (excluded).
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct KeyRange {
    /// The first key.
    pub start: Bytes,
    /// The key after the last; `None`: no end.
    pub end: Option<Bytes>,
}

/// Whether a scan goes on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Visit {
    /// To the next entry.
    Continue,
    /// No further.
    Stop,
}

/// The committed keys and values of one room.
pub trait RoomStorage: Send + Sync {
    /// The value of a key.
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, StorageReadError>;

    /// Visits the entries of a range in order of key (backwards if `reverse`) until told to stop.
    fn scan(
        &self,
        range: &KeyRange,
        reverse: bool,
        visit: &mut dyn FnMut(&[u8], &[u8]) -> Visit,
    ) -> Result<(), StorageReadError>;
}

/// The changes of a room's turns whose commit is under way, oldest first; and, in a room whose tables stay where its
/// checkpoint left them, all that it has changed since.
#[derive(Clone, Debug, Default)]
pub struct Overlay {
    layers: VecDeque<Layer>,
    bytes: u64,
    /// Durable changes that no table has: they are in the journal.
    held_back: Option<KvChanges>,
    /// The commit under way that brings the tables up to date.
    tables_catch_up: Option<CommitSeq>,
    /// Whether later changes are held back too.
    stays_behind: bool,
}

#[derive(Clone, Debug)]
struct Layer {
    seq: CommitSeq,
    changes: KvChanges,
    bytes: u64,
}

impl Emptied for Overlay {
    fn give_back(&mut self) {
        self.layers.give_back();
    }
}

impl Overlay {
    /// Adds the changes of the newest commit, which carries a record of so many bytes beside them.
    pub fn push(&mut self, seq: CommitSeq, changes: KvChanges, recorded_bytes: u64) {
        assert!(self.layers.back().is_none_or(|last| last.seq < seq), "commits are numbered in order");
        let bytes = changes.bytes() + recorded_bytes;
        self.bytes += bytes;
        self.layers.push_back(Layer { seq, changes, bytes });
    }

    /// Forgets the newest commit, which is not to be and has changed nothing.
    pub fn take_back(&mut self, seq: CommitSeq) {
        if let Some(last) = self.layers.pop_back_if(|last| last.seq == seq) {
            assert!(last.changes.is_empty(), "changes are not taken back");
            self.bytes -= last.bytes;
        }
    }

    /// An overlay that holds durable changes back from the tables until [`Overlay::catch_up`].
    pub fn holding_back(changes: KvChanges) -> Overlay {
        Overlay { held_back: Some(changes), stays_behind: true, ..Overlay::default() }
    }

    /// Forgets what has become durable: every commit up to `seq`.
    pub fn settle(&mut self, seq: CommitSeq) {
        let seq = if planted::is(PlantedBug::OverlayForgottenEarly) { seq.next() } else { seq };
        let early = u64::from(planted::is(PlantedBug::TablesCaughtUpEarly));
        let caught_up = self.tables_catch_up.filter(|at| at.0 <= seq.0 + early);
        if caught_up.is_some() {
            self.tables_catch_up = None;
            self.held_back = self.stays_behind.then(KvChanges::default);
        }
        while self.layers.front().is_some_and(|first| first.seq <= seq) {
            let layer = self.layers.pop_front().expect("the front was seen");
            self.bytes -= layer.bytes;
            if let Some(held_back) = &mut self.held_back
                && caught_up.is_none_or(|at| layer.seq >= at)
            {
                held_back.then(layer.changes);
            }
        }
    }

    /// Everything that the tables do not have: commit `seq`, which comes next, brings it to them. Changes of that commit
    /// itself are held back again.
    pub fn catch_up(&mut self, seq: CommitSeq) -> KvChanges {
        self.tables_catch_up = Some(seq);
        let mut all = self.held_back.clone().unwrap_or_default();
        self.layers.iter().for_each(|layer| all.then(layer.changes.clone()));
        all
    }

    /// Adds changes that are durable and in no table, perhaps none: a journal that wrote nothing is one, too.
    pub fn hold_back(&mut self, changes: KvChanges) {
        self.held_back.get_or_insert_default().then(changes);
    }

    /// Changes after those of the commit that brings the tables up to date go to the tables at once.
    pub fn hold_back_no_more(&mut self) {
        self.stays_behind = false;
    }

    /// Whether there is a journal whose changes no table has, and no commit under way brings them there.
    pub fn holds_back(&self) -> bool {
        self.held_back.is_some() && !self.catches_up()
    }

    /// Whether a commit is under way that brings the tables up to date.
    pub fn catches_up(&self) -> bool {
        self.tables_catch_up.is_some()
    }

    /// Bytes of the keys, values and records of commits under way.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    fn newest_first<'a>(&'a self, turn: &'a KvChanges) -> impl Iterator<Item = &'a KvChanges> {
        let layers = self.layers.iter().rev().map(|layer| &layer.changes);
        std::iter::once(turn).chain(layers).chain(&self.held_back)
    }

    /// The value of a key as the running turn sees it.
    pub fn get(
        &self,
        turn: &KvChanges,
        storage: &dyn RoomStorage,
        key: &[u8],
    ) -> Result<Option<Bytes>, StorageReadError> {
        for changes in self.newest_first(turn) {
            if let Some(value) = changes.entries.get(key) {
                return Ok(value.clone());
            }
            if changes.cleared {
                return Ok(None);
            }
        }
        storage.get(key)
    }

    /// Visits the entries of a range as the running turn sees them.
    pub fn scan(
        &self,
        turn: &KvChanges,
        storage: &dyn RoomStorage,
        range: &KeyRange,
        reverse: bool,
        visit: &mut dyn FnMut(&[u8], &[u8]) -> Visit,
    ) -> Result<(), StorageReadError> {
        let (changed, cleared) = self.merged(turn, range);
        let mut changed: VecDeque<(&Bytes, &Option<Bytes>)> = changed.into_iter().collect();
        let mut stopped = false;
        if !cleared {
            storage.scan(range, reverse, &mut |key, value| {
                while let Some((next, _)) = next_of(&changed, reverse) {
                    if comes_first(next, key, reverse) {
                        let (changed_key, changed_value) = take_next(&mut changed, reverse);
                        if let Some(changed_value) = changed_value
                            && visit(changed_key, changed_value) == Visit::Stop
                        {
                            stopped = true;
                            return Visit::Stop;
                        }
                        let reappears = planted::is(PlantedBug::DeletedKeyListed) && changed_value.is_none();
                        if changed_key.as_ref() == key && !reappears {
                            return Visit::Continue;
                        }
                    } else {
                        break;
                    }
                }
                if visit(key, value) == Visit::Stop {
                    stopped = true;
                    return Visit::Stop;
                }
                Visit::Continue
            })?;
        }
        while !stopped && !changed.is_empty() {
            let (key, value) = take_next(&mut changed, reverse);
            if let Some(value) = value {
                stopped = visit(key, value) == Visit::Stop;
            }
        }
        Ok(())
    }

    fn merged<'a>(
        &'a self,
        turn: &'a KvChanges,
        range: &KeyRange,
    ) -> (BTreeMap<&'a Bytes, &'a Option<Bytes>>, bool) {
        let mut merged = BTreeMap::new();
        let bounds: (Bound<&Bytes>, Bound<&Bytes>) =
            (Bound::Included(&range.start), range.end.as_ref().map_or(Bound::Unbounded, Bound::Excluded));
        if range.end.as_ref().is_some_and(|end| *end <= range.start) {
            return (merged, true);
        }
        for changes in self.newest_first(turn) {
            for (key, value) in changes.entries.range::<Bytes, _>(bounds) {
                merged.entry(key).or_insert(value);
            }
            if changes.cleared {
                return (merged, true);
            }
        }
        (merged, false)
    }
}

type Changed<'a> = VecDeque<(&'a Bytes, &'a Option<Bytes>)>;

fn next_of<'a>(changed: &Changed<'a>, reverse: bool) -> Option<(&'a Bytes, &'a Option<Bytes>)> {
    if reverse { changed.back().copied() } else { changed.front().copied() }
}

fn take_next<'a>(changed: &mut Changed<'a>, reverse: bool) -> (&'a Bytes, &'a Option<Bytes>) {
    let next = if reverse { changed.pop_back() } else { changed.pop_front() };
    next.expect("the caller saw that there is one")
}

/// Whether a changed key is visited no later than a stored one.
fn comes_first(changed: &[u8], stored: &[u8], reverse: bool) -> bool {
    if reverse { changed >= stored } else { changed <= stored }
}

/// The range of the keys that begin with `prefix`.
pub fn prefix_range(prefix: &[u8]) -> KeyRange {
    let mut end = prefix.to_vec();
    while let Some(last) = end.pop() {
        if last < u8::MAX {
            end.push(last + 1);
            return KeyRange { start: Bytes::copy_from_slice(prefix), end: Some(end.into()) };
        }
    }
    KeyRange { start: Bytes::copy_from_slice(prefix), end: None }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::{KeyRange, Overlay, prefix_range};
    use crate::commit::KvChanges;
    use crate::ids::CommitSeq;

    fn range(start: &'static [u8], end: Option<&'static [u8]>) -> KeyRange {
        KeyRange { start: Bytes::from_static(start), end: end.map(Bytes::from_static) }
    }

    #[test]
    fn a_prefix_ends_before_the_next_prefix_of_its_length_or_shorter() {
        assert_eq!(prefix_range(b"ab"), range(b"ab", Some(b"ac")));
        assert_eq!(prefix_range(b"a\xff"), range(b"a\xff", Some(b"b")));
        assert_eq!(prefix_range(b"a\xff\xff"), range(b"a\xff\xff", Some(b"b")));
        assert_eq!(prefix_range(b"a\xfe"), range(b"a\xfe", Some(b"a\xff")));
        assert_eq!(prefix_range(b"\xff"), range(b"\xff", None));
        assert_eq!(prefix_range(b"\xff\xff"), range(b"\xff\xff", None));
        assert_eq!(prefix_range(b""), range(b"", None));
    }

    fn put(key: &'static str, value: &'static str) -> KvChanges {
        KvChanges { cleared: false, entries: [(key.into(), Some(value.into()))].into() }
    }

    #[test]
    fn the_overlay_counts_the_bytes_that_are_not_durable_yet() {
        let mut overlay = Overlay::default();
        overlay.push(CommitSeq(4), put("key", "value"), 0);
        overlay.push(CommitSeq(6), put("k", "v"), 0);
        assert_eq!(overlay.bytes(), 10);
        overlay.settle(CommitSeq(3));
        assert_eq!(overlay.bytes(), 10);
        overlay.settle(CommitSeq(5));
        assert_eq!(overlay.bytes(), 2);
        overlay.settle(CommitSeq(6));
        assert_eq!(overlay.bytes(), 0);
    }

    #[test]
    #[should_panic(expected = "commits are numbered in order")]
    fn commits_come_in_order() {
        let mut overlay = Overlay::default();
        overlay.push(CommitSeq(4), put("k", "v"), 0);
        overlay.push(CommitSeq(4), put("k", "v"), 0);
    }
}
