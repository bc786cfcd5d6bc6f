//! The room's alarm, as the turn sees it.

use crate::ids::Timestamp;
use crate::turn::Turn;

impl Turn {
    /// When the alarm will ring; none while it rings.
    pub fn alarm(&self) -> Option<Timestamp> {
        self.changes.alarm.unwrap_or_else(|| self.state.alarm.scheduled())
    }

    /// Sets the alarm, or with `None` clears it.
    pub fn set_alarm(&mut self, at: Option<Timestamp>) {
        self.changes.alarm = Some(at);
    }
}
