//! Operations: what a room has started and not yet heard of.
//!
//! An operation is open from the turn that starts it to the turn that is called with its outcome. The table is
//! the truth: an outcome whose operation is no longer in it (cancelled, or of a life before) is not delivered.

use std::collections::{BTreeMap, BTreeSet};

use crate::ids::{OperationId, Timestamp};

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
        if due > now {
            return None;
        }
        self.by_due.pop_first();
        Some(id)
    }

    /// Ends all, without outcomes.
    pub fn clear(&mut self) {
        self.open.clear();
        self.by_due.clear();
    }
}
