//! Operations: what a room has started and not yet heard of.
//!
//! An operation is open from the turn that starts it to the turn that is called with its outcome. The table is
//! the truth: an outcome whose operation is no longer in it (cancelled, or of a life before) is not delivered.

use std::collections::{BTreeMap, BTreeSet};

use crate::ids::{OperationId, Timestamp};
use crate::planted::{self, PlantedBug};

/// What is under way.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Operation {
    /// Completes at this time.
    Sleep {
        /// When, never earlier.
        due: Timestamp,
    },
}

/// The open operations of a room.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Operations {
    open: BTreeMap<OperationId, Operation>,
    by_due: BTreeSet<(Timestamp, OperationId)>,
}

impl Operations {
    /// How many are open.
    pub fn len(&self) -> usize {
        self.open.len()
    }

    /// Whether none is open.
    pub fn is_empty(&self) -> bool {
        self.open.is_empty()
    }

    /// This one, if it is open.
    pub(crate) fn get(&self, id: OperationId) -> Option<Operation> {
        self.open.get(&id).copied()
    }

    /// Opens one again whose outcome was not received. It is off the clock.
    pub(crate) fn reopen(&mut self, id: OperationId, operation: Operation) {
        self.open.insert(id, operation);
    }

    /// Lets this one not come to its end by itself any more. Whether it is open.
    pub(crate) fn take_off_the_clock(&mut self, id: OperationId) -> bool {
        match self.open.get(&id) {
            Some(Operation::Sleep { due }) => {
                self.by_due.remove(&(*due, id));
                true
            }
            None => false,
        }
    }

    /// Whether this one is open.
    pub fn contains(&self, id: OperationId) -> bool {
        self.open.contains_key(&id)
    }

    /// Adds one.
    pub fn start(&mut self, id: OperationId, operation: Operation) {
        let Operation::Sleep { due } = operation;
        self.by_due.insert((due, id));
        let before = self.open.insert(id, operation);
        assert!(before.is_none(), "operation ids are never used twice");
    }

    /// Removes one. Whether it was open.
    pub fn end(&mut self, id: OperationId) -> bool {
        match self.open.remove(&id) {
            Some(Operation::Sleep { due }) => {
                self.by_due.remove(&(due, id));
                true
            }
            None => false,
        }
    }

    /// When the next sleep is due.
    pub fn next_due(&self) -> Option<Timestamp> {
        self.by_due.first().map(|(due, _)| *due)
    }

    /// Takes the next sleep that is due by `now` off the clock; it stays open until it is delivered.
    pub fn take_due(&mut self, now: Timestamp) -> Option<OperationId> {
        let (due, id) = *self.by_due.first()?;
        let early_ms = u64::from(planted::is(PlantedBug::SleepEarly));
        if due > now.after_ms(early_ms) {
            return None;
        }
        self.by_due.pop_first();
        Some(id)
    }

    /// Lets none come to its end by itself any more. Gives those that would have.
    pub(crate) fn take_all_off_the_clock(&mut self) -> Vec<OperationId> {
        std::mem::take(&mut self.by_due).into_iter().map(|(_, id)| id).collect()
    }

    /// Those of a checkpoint.
    pub(crate) fn of(open: Vec<(OperationId, Operation)>) -> Operations {
        let mut operations = Operations::default();
        open.into_iter().for_each(|(id, operation)| operations.start(id, operation));
        operations
    }

    /// Those of a checkpoint that goes on elsewhere: none comes to its end by itself any more.
    pub(crate) fn interrupted(open: Vec<(OperationId, Operation)>) -> Operations {
        Operations { by_due: BTreeSet::new(), ..Operations::of(open) }
    }

    /// All that are open, in order of id.
    pub(crate) fn all(&self) -> impl Iterator<Item = (OperationId, Operation)> + '_ {
        self.open.iter().map(|(id, operation)| (*id, *operation))
    }

    /// Ends all, without outcomes.
    pub fn clear(&mut self) {
        self.open.clear();
        self.by_due.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::{Operation, Operations};
    use crate::ids::{OperationId, Timestamp};

    fn sleep(due: u64) -> Operation {
        Operation::Sleep { due: Timestamp(due) }
    }

    fn open(sleeps: &[(u64, u64)]) -> Operations {
        let mut operations = Operations::default();
        for (id, due) in sleeps {
            operations.start(OperationId(*id), sleep(*due));
        }
        operations
    }

    #[test]
    fn sleeps_come_off_the_clock_in_order_of_due_time_then_of_start() {
        let mut operations = open(&[(1, 30), (2, 10), (3, 10), (4, 31)]);
        assert_eq!(operations.next_due(), Some(Timestamp(10)));
        assert_eq!(operations.take_due(Timestamp(9)), None, "never early");
        let taken: Vec<_> = std::iter::from_fn(|| operations.take_due(Timestamp(30))).collect();
        assert_eq!(taken, [OperationId(2), OperationId(3), OperationId(1)]);
        assert_eq!(operations.next_due(), Some(Timestamp(31)));
    }

    #[test]
    fn a_sleep_stays_open_from_the_clock_to_its_delivery() {
        let mut operations = open(&[(1, 10)]);
        assert_eq!(operations.take_due(Timestamp(10)), Some(OperationId(1)));
        assert!(operations.contains(OperationId(1)));
        assert_eq!(operations.len(), 1);
        assert!(operations.end(OperationId(1)), "delivered");
        assert!(!operations.end(OperationId(1)), "not again");
    }

    #[test]
    fn a_cancelled_sleep_is_never_due() {
        let mut operations = open(&[(1, 10), (2, 20)]);
        assert!(operations.end(OperationId(1)));
        assert_eq!(operations.next_due(), Some(Timestamp(20)));
        operations.clear();
        assert!(operations.is_empty());
        assert_eq!(operations.take_due(Timestamp::NEVER), None);
    }

    #[test]
    #[should_panic(expected = "operation ids are never used twice")]
    fn an_id_that_is_open_cannot_be_started_again() {
        open(&[(1, 10), (1, 20)]);
    }
}
