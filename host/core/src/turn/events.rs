//! Ending events that outlived their turn, and holding back the others.

use thiserror::Error;

use crate::event::Failure;
use crate::ids::EventId;
use crate::turn::{HoldsChange, Turn};

/// Why an event could not be settled, held or released.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
pub enum EventError {
    /// No such event is pending.
    #[error("no event of this id is pending")]
    NotPending,
    /// Too many holds.
    #[error("the limit for nested holds is {0}")]
    TooDeep(u32),
    /// Nothing is held.
    #[error("nothing is held")]
    NotHeld,
}

impl Turn {
    /// Ends a pending event, or this turn's own, unless its export then fails: that is its end.
    pub fn settle(&mut self, event: EventId, outcome: Result<(), Failure>) -> Result<(), EventError> {
        let is_of_lobby = self.lobby.as_ref().is_some_and(|lobby| lobby.id == event);
        let is_pending = event == self.event_id || is_of_lobby || self.state.pending.contains(event);
        if !is_pending || !self.changes.settled_ids.insert(event) {
            return Err(EventError::NotPending);
        }
        self.changes.settled.push((event, outcome));
        Ok(())
    }

    fn holds(&self) -> HoldsChange {
        self.changes.holds.unwrap_or(HoldsChange { count: self.state.holds, begins: false })
    }

    /// Lets only completions through from now on.
    pub fn hold(&mut self) -> Result<(), EventError> {
        let holds_max = self.config.limits.holds_max;
        let HoldsChange { count, begins } = self.holds();
        if count >= holds_max {
            return Err(EventError::TooDeep(holds_max));
        }
        self.changes.holds = Some(HoldsChange { count: count + 1, begins: begins || count == 0 });
        Ok(())
    }

    /// Takes one hold back.
    pub fn release(&mut self) -> Result<(), EventError> {
        let HoldsChange { count, begins } = self.holds();
        let count = count.checked_sub(1).ok_or(EventError::NotHeld)?;
        self.changes.holds = Some(HoldsChange { count, begins });
        Ok(())
    }
}
