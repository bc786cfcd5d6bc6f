//! A clock that is set back. Time in a room never goes back, so it stands still until the clock has come there again. What the
//! host itself waits for must not: each mark of a time that is yet to come is brought to the time that it is now.

use std::cell::Cell;

use party_core::ids::Timestamp;

use crate::registry::RoomEntry;
use crate::worker::{Worker, WorkerIndex};

/// By how much the host's clock may go back without a word, in milliseconds: as much as clocks that are kept right are set by.
const SLIP_MS_MAX: u64 = 1_000;

impl Worker {
    /// The clock says an earlier time than it has said.
    pub(super) fn mind_clock(&self, before: Timestamp, now: Timestamp) {
        let slip_ms = before.since_ms(now);
        if slip_ms <= SLIP_MS_MAX {
            return;
        }
        if self.index() == WorkerIndex(0) {
            tracing::warn!(
                "the system's clock went back by {} s: in rooms that have seen the later time, time and timers stand still \
                 until the clock has come there again",
                slip_ms / 1_000
            );
        }
        // Later: whoever asks for the time is in the midst of something.
        self.node().run_on(self.index(), |worker| {
            let now = worker.now();
            worker.rooms().all().iter().for_each(|entry| entry.clock_was_set_back(now));
            worker.queue().wants_relief.set();
            worker.queue().found.set();
        });
    }
}

impl RoomEntry {
    /// Whatever it waits for is tried now, and what has begun later begins now.
    fn clock_was_set_back(&self, now: Timestamp) {
        for mark in [&self.active_at, &self.saved_at, &self.save_tried_at] {
            mark.set(mark.get().min(now));
        }
        for mark in [&self.save_again_at, &self.refused_until, &self.checkpoint_at, &self.unsure] {
            not_after(mark, now);
        }
        self.waits.clock_was_set_back(now);
        self.upgrade.clock_was_set_back(now);
        self.standstill.goes_on();
        self.wake.set();
    }
}

/// A mark that is not later than now.
pub(crate) fn not_after(mark: &Cell<Option<Timestamp>>, now: Timestamp) {
    mark.set(mark.get().map(|at| at.min(now)));
}
