//! Deadlines and farewells of a worker's connections.
//!
//! Thousands of idle connections wait for a ping to come due. A timer of the runtime for each would be the largest
//! thing that an idle connection keeps and would be polled with every message; here a connection costs one entry
//! in an ordered set, one task waits for the earliest, and a connection that is woken finds a flag set.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeSet, HashMap};
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Waker};

use party_core::ids::Timestamp;
use party_node::clock::Clock;
use tokio::sync::Notify;

/// How the connections of a worker are to go on.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Stage {
    /// As ever.
    Serving,
    /// Finish what has begun, then close.
    Draining,
    /// End at once.
    Cut,
}

/// The connections of one worker.
pub(crate) struct Watch {
    stage: Cell<Stage>,
    next: Cell<u64>,
    entries: RefCell<HashMap<u64, Rc<Entry>>>,
    deadlines: RefCell<BTreeSet<(Timestamp, u64)>>,
    /// Told when the earliest deadline has become earlier.
    earlier: Notify,
}

struct Entry {
    waker: RefCell<Waker>,
    deadline: Cell<Option<Timestamp>>,
    due: Cell<bool>,
}

impl Watch {
    pub(crate) fn new() -> Rc<Watch> {
        Rc::new(Watch {
            stage: Cell::new(Stage::Serving),
            next: Cell::new(0),
            entries: RefCell::default(),
            deadlines: RefCell::default(),
            earlier: Notify::new(),
        })
    }

    /// Watches one more connection.
    pub(crate) fn add(self: &Rc<Watch>) -> Watched {
        let id = self.next.get();
        self.next.set(id + 1);
        let entry = Rc::new(Entry {
            waker: RefCell::new(Waker::noop().clone()),
            deadline: Cell::new(None),
            due: Cell::new(false),
        });
        self.entries.borrow_mut().insert(id, Rc::clone(&entry));
        Watched { watch: Rc::clone(self), id, entry }
    }

    /// How the connections are to go on.
    pub(crate) fn stage(&self) -> Stage {
        self.stage.get()
    }

    /// Goes on to a later stage, which every connection is told.
    pub(crate) fn advance(&self, stage: Stage) {
        if stage > self.stage.get() {
            self.stage.set(stage);
            for entry in self.entries.borrow().values() {
                entry.waker.borrow().wake_by_ref();
            }
        }
    }

    /// Marks the connections whose deadline has come, for ever.
    pub(crate) async fn keep_time(self: Rc<Watch>, clock: Arc<dyn Clock>) {
        loop {
            let earliest = self.deadlines.borrow().first().map(|(at, _)| *at);
            tokio::select! {
                () = clock.sleep_until(earliest.unwrap_or(Timestamp::NEVER)), if earliest.is_some() => {}
                () = self.earlier.notified() => continue,
            }
            self.mark_due(clock.now());
        }
    }

    fn mark_due(&self, now: Timestamp) {
        let mut deadlines = self.deadlines.borrow_mut();
        while let Some((at, id)) = deadlines.first().copied().filter(|(at, _)| *at <= now) {
            deadlines.remove(&(at, id));
            if let Some(entry) = self.entries.borrow().get(&id) {
                entry.deadline.set(None);
                entry.due.set(true);
                entry.waker.borrow().wake_by_ref();
            }
        }
    }
}

/// One connection that is watched, until it is dropped.
pub(crate) struct Watched {
    watch: Rc<Watch>,
    id: u64,
    entry: Rc<Entry>,
}

impl Watched {
    /// Wakes this task from now on.
    pub(crate) fn register(&self, cx: &Context<'_>) {
        let mut waker = self.entry.waker.borrow_mut();
        if !waker.will_wake(cx.waker()) {
            waker.clone_from(cx.waker());
        }
    }

    /// How the connection is to go on.
    pub(crate) fn stage(&self) -> Stage {
        self.watch.stage()
    }

    /// Replaces the deadline.
    pub(crate) fn set_deadline(&self, at: Timestamp) {
        let mut deadlines = self.watch.deadlines.borrow_mut();
        if let Some(before) = self.entry.deadline.replace(Some(at)) {
            deadlines.remove(&(before, self.id));
        }
        self.entry.due.set(false);
        deadlines.insert((at, self.id));
        if deadlines.first() == Some(&(at, self.id)) {
            self.watch.earlier.notify_one();
        }
    }

    /// Whether the deadline has come since it was set or last asked for.
    pub(crate) fn take_due(&self) -> bool {
        self.entry.due.replace(false)
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        self.watch.entries.borrow_mut().remove(&self.id);
        if let Some(at) = self.entry.deadline.take() {
            self.watch.deadlines.borrow_mut().remove(&(at, self.id));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Stage, Watch};
    use party_core::ids::Timestamp;

    #[test]
    fn a_deadline_comes_once_and_not_early() {
        let watch = Watch::new();
        let (early, late) = (watch.add(), watch.add());
        early.set_deadline(Timestamp(10));
        late.set_deadline(Timestamp(20));
        watch.mark_due(Timestamp(9));
        assert!(!early.take_due());
        watch.mark_due(Timestamp(10));
        assert!(early.take_due() && !early.take_due() && !late.take_due());
    }

    #[test]
    fn a_deadline_that_was_moved_or_dropped_does_not_come() {
        let watch = Watch::new();
        let moved = watch.add();
        moved.set_deadline(Timestamp(10));
        moved.set_deadline(Timestamp(30));
        let dropped = watch.add();
        dropped.set_deadline(Timestamp(10));
        drop(dropped);
        watch.mark_due(Timestamp(20));
        assert!(!moved.take_due());
        assert_eq!(watch.deadlines.borrow().len(), 1);
        assert_eq!(watch.entries.borrow().len(), 1);
    }

    #[test]
    fn stages_only_go_forward() {
        let watch = Watch::new();
        watch.advance(Stage::Cut);
        watch.advance(Stage::Draining);
        assert_eq!(watch.add().stage(), Stage::Cut);
    }
}
