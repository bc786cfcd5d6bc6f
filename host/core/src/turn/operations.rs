//! Starting and forgetting operations.

use thiserror::Error;

use crate::ids::OperationId;
use crate::operation::Operation;
use crate::planted::{self, PlantedBug};
use crate::turn::{HoldsChange, Turn};

/// Why an operation was not started.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
pub enum StartError {
    /// Too many are open.
    #[error("the limit for open operations is {0}")]
    Overloaded(u32),
}

impl Turn {
    /// Open operations, with this turn's changes.
    pub fn open_operations(&self) -> u32 {
        (self.state.operations.len() + self.changes.started.len() - self.changes.cancelled.len()) as u32
    }

    /// Starts a sleep of so many milliseconds.
    pub fn sleep(&mut self, ms: u64) -> Result<OperationId, StartError> {
        let open_max = self.config.limits.operations_open_max;
        if self.open_operations() >= open_max {
            return Err(StartError::Overloaded(open_max));
        }
        let id = OperationId(self.state.next_operation + self.changes.started_ids);
        self.changes.started_ids += 1;
        self.changes.started.push((id, Operation::Sleep { due: self.now.after_ms(ms) }));
        Ok(id)
    }

    /// The old version has had its part of an upgrade's turn, and the new one has its part now: what the old one has begun
    /// ends with it, also what it has begun in this turn, and nothing of it counts against the new one's bounds.
    pub fn hand_over(&mut self) {
        if planted::is(PlantedBug::OldSleepsGoOn) {
            return;
        }
        self.changes.started.clear();
        self.changes.cancelled = self.state.operations.all().map(|(id, _)| id).collect();
        self.changes.holds = Some(HoldsChange { count: 0, begins: false });
    }

    /// Forgets an operation: it will not complete. Whether it was open.
    pub fn cancel(&mut self, id: OperationId) -> bool {
        if let Some(index) = self.changes.started.iter().position(|(started, _)| *started == id) {
            self.changes.started.remove(index);
            return true;
        }
        self.state.operations.contains(id) && self.changes.cancelled.insert(id)
    }
}
