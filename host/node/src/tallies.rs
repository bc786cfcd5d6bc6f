//! What has happened since the host started, counted: for metrics.
//!
//! Each worker counts on its own thread and is asked when somebody wants to know, so that counting costs a turn nothing
//! but an addition.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;

use party_runtime::capture::NotCapturable;

/// What a worker counts.
#[derive(Debug, Default)]
pub(crate) struct Tallies {
    commits: Cell<u64>,
    wakes: Cell<u64>,
    checkpoints: Cell<u64>,
    dropped: Cell<u64>,
    not_captured: RefCell<BTreeMap<&'static str, u64>>,
}

/// What a node has counted since it started.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Counted {
    /// Commits of rooms that are durable.
    pub commits: u64,
    /// Rooms that were woken where they were.
    pub wakes: u64,
    /// Checkpoints that were made.
    pub checkpoints: u64,
    /// Turns that were dropped.
    pub dropped_turns: u64,
    /// Memories that could not be captured, by the kind of reason.
    pub not_captured: BTreeMap<&'static str, u64>,
}

impl Tallies {
    pub(crate) fn commit(&self) {
        self.commits.set(self.commits.get() + 1);
    }

    pub(crate) fn wake(&self) {
        self.wakes.set(self.wakes.get() + 1);
    }

    pub(crate) fn checkpoint(&self) {
        self.checkpoints.set(self.checkpoints.get() + 1);
    }

    pub(crate) fn dropped(&self) {
        self.dropped.set(self.dropped.get() + 1);
    }

    pub(crate) fn not_captured(&self, reason: &NotCapturable) {
        *self.not_captured.borrow_mut().entry(reason.kind()).or_default() += 1;
    }

    pub(crate) fn read(&self) -> Counted {
        Counted {
            commits: self.commits.get(),
            wakes: self.wakes.get(),
            checkpoints: self.checkpoints.get(),
            dropped_turns: self.dropped.get(),
            not_captured: self.not_captured.borrow().clone(),
        }
    }
}

impl Counted {
    /// These and those of another worker.
    pub(crate) fn add(&mut self, other: Counted) {
        self.commits += other.commits;
        self.wakes += other.wakes;
        self.checkpoints += other.checkpoints;
        self.dropped_turns += other.dropped_turns;
        for (kind, count) in other.not_captured {
            *self.not_captured.entry(kind).or_default() += count;
        }
    }
}
