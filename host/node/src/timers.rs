//! When which room must be told the time: one queue for a worker.

use std::cell::RefCell;
use std::collections::BTreeSet;

use party_core::ids::Timestamp;

use crate::signal::Signal;

/// The number of a room on its worker, never used twice.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) struct RoomNumber(pub(crate) u64);

/// The deadlines of a worker's rooms, one each.
#[derive(Default)]
pub(crate) struct Timers {
    due: RefCell<BTreeSet<(Timestamp, RoomNumber)>>,
    /// Set when the earliest deadline has become earlier.
    pub(crate) earlier: Signal,
}

impl Timers {
    /// Moves a room's deadline from `before` to `after`.
    pub(crate) fn change(&self, room: RoomNumber, before: Option<Timestamp>, after: Option<Timestamp>) {
        let mut due = self.due.borrow_mut();
        if let Some(before) = before {
            due.remove(&(before, room));
        }
        if let Some(after) = after {
            due.insert((after, room));
            if due.first() == Some(&(after, room)) {
                self.earlier.set();
            }
        }
    }

    /// The earliest deadline.
    pub(crate) fn next(&self) -> Option<Timestamp> {
        self.due.borrow().first().map(|(due, _)| *due)
    }

    /// Takes a room whose deadline has come.
    pub(crate) fn take_due(&self, now: Timestamp) -> Option<RoomNumber> {
        let mut due = self.due.borrow_mut();
        let (at, room) = *due.first()?;
        if at > now {
            return None;
        }
        due.pop_first();
        Some(room)
    }
}
