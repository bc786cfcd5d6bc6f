//! The alarms of rooms that are not awake: whose room is opened when.

use std::rc::Rc;
use std::sync::Arc;

use party_core::address::RoomAddress;
use party_core::ids::Timestamp;

use crate::panics::caught_in;
use crate::worker::Worker;

/// How long an alarm is put off whose room cannot be opened, in milliseconds.
pub(super) const ALARM_PUT_OFF_MS: u64 = 1_000;

impl Worker {
    pub(super) fn wake_for_alarms(self: &Rc<Worker>, now: Timestamp) {
        loop {
            let due = match self.alarms.borrow().first() {
                Some((at, address)) if *at <= now => (*at, Arc::clone(address)),
                _ => return,
            };
            self.alarms.borrow_mut().remove(&due);
            let (at, address) = due;
            let opened = caught_in(|| self.open(&address).map_err(|error| error.to_string())).flatten();
            match opened {
                Ok(entry) => entry.wake.set(),
                Err(error) => {
                    tracing::warn!(room = %address, "an alarm waits: {error}");
                    self.remember_alarm(at.max(now).after_ms(ALARM_PUT_OFF_MS), address);
                }
            }
        }
    }

    /// Keeps the alarm of a room that is not awake.
    pub(crate) fn remember_alarm(&self, at: Timestamp, address: Arc<RoomAddress>) {
        self.alarms.borrow_mut().insert((at, address));
        self.timers.earlier.set();
    }

    /// The alarms that the store holds for this worker's rooms.
    pub(crate) fn remember_wakes(&self, wakes: Vec<(RoomAddress, Timestamp)>) {
        let wakes = wakes.into_iter().map(|(address, at)| (at, Arc::new(address)));
        self.alarms.borrow_mut().extend(wakes);
        self.timers.earlier.set();
    }
}
