//! Places: how many rooms of a node may be awake, how much memory they may have together, and whose turn it is to get some.
//!
//! All workers share these numbers, and no lock: a room takes its place with an addition that fails at the bound. Who finds
//! none draws a number; the oldest number of each worker stands where all can see it, and nobody passes an older one. So
//! workers that both need memory get it in turn.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

use thiserror::Error;

use crate::worker::WorkerIndex;

/// The share of places and of memory, in tenths, from which on rooms are put to sleep before their time.
const TIGHT_TENTHS: u64 = 9;
/// The number of nobody.
const NOBODY: u64 = u64::MAX;

/// What a room draws that finds no place; the lower is the older.
pub(crate) type Ticket = u64;

/// Why there is no place.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
pub(crate) enum Lack {
    /// As many rooms are awake as may be.
    #[error("{rooms_max} rooms are awake, which is the limit, and none can sleep now\nhint: try again later")]
    Rooms {
        /// The bound.
        rooms_max: usize,
    },
    /// They have as much memory as they may have.
    #[error(
        "the rooms that are awake have {bytes} bytes of memory, the limit is {bytes_max}, and none can sleep now\n\
         hint: try again later, or raise it with --memory-budget"
    )]
    Memory {
        /// What they have.
        bytes: u64,
        /// The bound.
        bytes_max: u64,
    },
    /// What there is goes to rooms that have waited for longer.
    #[error(
        "other rooms have waited for memory for longer\nhint: try again later, or raise it with --memory-budget"
    )]
    Others,
}

/// The places of a node.
#[derive(Debug)]
pub(crate) struct Places {
    rooms: AtomicUsize,
    rooms_max: usize,
    bytes: AtomicU64,
    bytes_max: u64,
    next_ticket: AtomicU64,
    /// The oldest number of each worker.
    first: Vec<AtomicU64>,
    /// Rooms wait, and none was found that can give way.
    is_searching: AtomicBool,
}

impl Places {
    pub(crate) fn new(workers: usize, rooms_max: usize, bytes_max: u64) -> Places {
        Places {
            rooms: AtomicUsize::new(0),
            rooms_max,
            bytes: AtomicU64::new(0),
            bytes_max,
            next_ticket: AtomicU64::new(0),
            first: (0..workers).map(|_| AtomicU64::new(NOBODY)).collect(),
            is_searching: AtomicBool::new(false),
        }
    }

    /// How many rooms are awake, or about to be.
    pub(crate) fn rooms(&self) -> usize {
        self.rooms.load(Ordering::Relaxed)
    }

    /// How much memory they have.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Why nobody gets a place now, if so.
    pub(crate) fn lack(&self) -> Option<Lack> {
        let (rooms, bytes) = (self.rooms.load(Ordering::SeqCst), self.bytes.load(Ordering::SeqCst));
        if bytes >= self.bytes_max {
            return Some(Lack::Memory { bytes, bytes_max: self.bytes_max });
        }
        (rooms >= self.rooms_max).then_some(Lack::Rooms { rooms_max: self.rooms_max })
    }

    /// Whether nearly all is taken.
    pub(crate) fn are_tight(&self) -> bool {
        let is_tight = |has: u64, max: u64| has.saturating_mul(10) >= max.saturating_mul(TIGHT_TENTHS);
        self.is_memory_tight() || is_tight(self.rooms() as u64, self.rooms_max as u64)
    }

    /// Whether nearly all memory is taken.
    pub(crate) fn is_memory_tight(&self) -> bool {
        self.bytes().saturating_mul(10) >= self.bytes_max.saturating_mul(TIGHT_TENTHS)
    }

    /// A number behind all that were drawn before.
    pub(crate) fn draw(&self) -> Ticket {
        self.next_ticket.fetch_add(1, Ordering::SeqCst)
    }

    /// The oldest number of a worker is this now. Whoever gives something back after it sees it.
    pub(crate) fn stand_in_line(&self, worker: WorkerIndex, ticket: Option<Ticket>) {
        self.first[worker.0].store(ticket.unwrap_or(NOBODY), Ordering::SeqCst);
    }

    /// The worker whose room has waited for longest, if one waits.
    pub(crate) fn whose_turn(&self) -> Option<WorkerIndex> {
        let first = self.first.iter().map(|first| first.load(Ordering::SeqCst)).enumerate();
        let (index, _) = first.filter(|(_, ticket)| *ticket != NOBODY).min_by_key(|(_, ticket)| *ticket)?;
        Some(WorkerIndex(index))
    }

    /// From now on whoever becomes quiet says so, or no more.
    pub(crate) fn search(&self, is_searching: bool) {
        self.is_searching.store(is_searching, Ordering::SeqCst);
    }

    /// Whether a room that has become quiet is to say so. All that this costs a room that rests is to read it.
    pub(crate) fn is_searching(&self) -> bool {
        self.is_searching.load(Ordering::Relaxed)
    }

    /// A room has become quiet: whether it is the first to say so.
    pub(crate) fn found(&self) -> bool {
        self.is_searching.swap(false, Ordering::SeqCst)
    }

    /// Takes a place for a room that will have about so much memory, unless all is taken or an older number waits.
    pub(crate) fn take(&self, bytes: u64, ticket: Option<Ticket>) -> Result<(), Lack> {
        let mine = ticket.unwrap_or(NOBODY);
        if self.first.iter().any(|first| first.load(Ordering::SeqCst) < mine) {
            return Err(self.lack().unwrap_or(Lack::Others));
        }
        let one_more = |rooms| (rooms < self.rooms_max).then_some(rooms + 1);
        if self.rooms.fetch_update(Ordering::SeqCst, Ordering::SeqCst, one_more).is_err() {
            return Err(self.lack().unwrap_or(Lack::Rooms { rooms_max: self.rooms_max }));
        }
        let more = |has: u64| (has < self.bytes_max).then(|| has.saturating_add(bytes));
        self.bytes.fetch_update(Ordering::SeqCst, Ordering::SeqCst, more).map(drop).map_err(|has| {
            self.rooms.fetch_sub(1, Ordering::SeqCst);
            Lack::Memory { bytes: has, bytes_max: self.bytes_max }
        })
    }

    /// A room has a place without having asked for it.
    pub(crate) fn one_more(&self) {
        self.rooms.fetch_add(1, Ordering::SeqCst);
    }

    /// A room's place is free again.
    pub(crate) fn one_less(&self) {
        self.rooms.fetch_sub(1, Ordering::SeqCst);
    }

    /// A room has so much more or less memory.
    pub(crate) fn change(&self, before: u64, after: u64) {
        match after.checked_sub(before) {
            Some(more) => self.bytes.fetch_add(more, Ordering::SeqCst),
            None => self.bytes.fetch_sub(before - after, Ordering::SeqCst),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::{Lack, Places};
    use crate::worker::WorkerIndex;

    #[test]
    fn memory_is_tight_from_nine_tenths_on() {
        let places = Places::new(1, 10, 1_000);
        places.change(0, 899);
        assert!(!places.are_tight());
        places.change(899, 900);
        assert!(places.are_tight());
        places.change(900, 0);
        assert_eq!((places.bytes(), places.are_tight()), (0, false));
    }

    #[test]
    fn a_place_is_taken_until_nothing_is_left() {
        let places = Places::new(1, 2, 1_000);
        assert_eq!(places.take(600, None), Ok(()));
        assert_eq!(places.take(600, None), Ok(()), "one room may come above the bound");
        assert_eq!(places.take(1, None), Err(Lack::Memory { bytes: 1_200, bytes_max: 1_000 }));
        places.change(1_200, 0);
        assert_eq!(places.take(1, None), Err(Lack::Rooms { rooms_max: 2 }));
        places.one_less();
        assert_eq!((places.take(1, None), places.rooms()), (Ok(()), 2));
    }

    #[test]
    fn nobody_passes_who_has_waited_for_longer() {
        let places = Places::new(2, 1, 1_000);
        let (older, younger) = (places.draw(), places.draw());
        places.stand_in_line(WorkerIndex(1), Some(older));
        places.stand_in_line(WorkerIndex(0), Some(younger));
        assert_eq!(places.whose_turn(), Some(WorkerIndex(1)));
        assert_eq!(places.take(1, None), Err(Lack::Others));
        assert_eq!(places.take(1, Some(younger)), Err(Lack::Others));
        assert_eq!(places.take(1, Some(older)), Ok(()));
        places.stand_in_line(WorkerIndex(1), None);
        assert_eq!(places.whose_turn(), Some(WorkerIndex(0)));
        places.one_less();
        assert_eq!(places.take(1, Some(younger)), Ok(()));
    }
}
