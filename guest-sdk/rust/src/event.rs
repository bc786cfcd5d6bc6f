//! Events that outlive their turn.
//!
//! An event ends when its handler has returned and every task that holds it has ended; the first failure ends it
//! at once. As long as its export has not returned, an end is the export's result; afterwards the host has to be
//! told by `settle`. What must hold: an event that the host was told is pending is settled exactly once, also if
//! the task that held it is dropped.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;

use crate::error::{Error, Result};

/// An event's number, as the host gave it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct EventId(pub(crate) u64);

/// How an event stands when its export returns.
#[derive(Debug)]
pub(crate) enum Standing {
    Done,
    Pending,
    Failed(Error),
}

/// The events of an instance that have not ended.
#[derive(Default)]
pub(crate) struct Events {
    /// The event whose handler is on the stack.
    handled: Cell<Option<EventId>>,
    held: RefCell<BTreeMap<EventId, Held>>,
}

struct Held {
    /// Tasks that have not ended.
    tasks: u32,
    /// Whether the host was told that the event is pending.
    pending: bool,
    /// The first failure, for the export's result.
    failure: Option<Error>,
}

impl Events {
    /// From now on tasks can hold this event, until its handler has returned.
    pub(crate) fn handle<T>(&self, event: EventId, handler: impl FnOnce() -> T) -> T {
        self.handled.set(Some(event));
        let result = handler();
        self.handled.set(None);
        result
    }

    /// One more task holds the event that is handled; none if no handler is on the stack.
    pub(crate) fn hold(&self) -> Option<EventId> {
        let event = self.handled.get()?;
        let mut held = self.held.borrow_mut();
        held.entry(event).or_insert(Held { tasks: 0, pending: false, failure: None }).tasks += 1;
        Some(event)
    }

    /// The export of the event is about to return.
    pub(crate) fn leave(&self, event: EventId, result: Result<()>) -> Standing {
        let held = self.held.borrow_mut().remove(&event);
        match (result, held) {
            (Err(error), _) | (Ok(()), Some(Held { failure: Some(error), .. })) => Standing::Failed(error),
            (Ok(()), Some(held)) if held.tasks > 0 => {
                self.held.borrow_mut().insert(event, Held { pending: true, ..held });
                Standing::Pending
            }
            (Ok(()), _) => Standing::Done,
        }
    }

    /// A task that held the event has ended. What to settle it with, if it ends now and the host has to be told.
    pub(crate) fn release(&self, event: EventId, result: Result<()>) -> Release {
        let mut events = self.held.borrow_mut();
        let Some(held) = events.get_mut(&event) else { return Release::TooLate(result) };
        held.tasks -= 1;
        match (held.pending, held.tasks, result) {
            (true, _, Err(error)) => {
                events.remove(&event);
                Release::Settle(Err(error))
            }
            (true, 0, Ok(())) => {
                events.remove(&event);
                Release::Settle(Ok(()))
            }
            (false, _, Err(error)) => {
                held.failure.get_or_insert(error);
                Release::Nothing
            }
            (true, _, Ok(())) | (false, _, Ok(())) => Release::Nothing,
        }
    }
}

/// What follows from the end of a task that held an event.
#[derive(Debug)]
pub(crate) enum Release {
    /// The event goes on, or its export will say how it ended.
    Nothing,
    /// Tell the host.
    Settle(Result<()>),
    /// The event had ended before, with a failure of something else.
    TooLate(Result<()>),
}

#[cfg(test)]
mod tests {
    use super::{EventId, Events, Release, Standing};
    use crate::error::Error;

    const EVENT: EventId = EventId(3);

    fn held_by(events: &Events, tasks: u32) {
        events.handle(EVENT, || (0..tasks).for_each(|_| assert_eq!(events.hold(), Some(EVENT))));
    }

    #[test]
    fn an_event_that_nothing_holds_ends_with_its_handler() {
        let events = Events::default();
        held_by(&events, 0);
        assert!(matches!(events.leave(EVENT, Ok(())), Standing::Done));
        assert!(events.hold().is_none(), "no handler is on the stack");
    }

    #[test]
    fn a_task_that_ends_in_its_turn_needs_no_settling() {
        let events = Events::default();
        held_by(&events, 1);
        assert!(matches!(events.release(EVENT, Ok(())), Release::Nothing));
        assert!(matches!(events.leave(EVENT, Ok(())), Standing::Done));
    }

    #[test]
    fn a_pending_event_is_settled_once_by_its_last_task() {
        let events = Events::default();
        held_by(&events, 2);
        assert!(matches!(events.leave(EVENT, Ok(())), Standing::Pending));
        assert!(matches!(events.release(EVENT, Ok(())), Release::Nothing));
        assert!(matches!(events.release(EVENT, Ok(())), Release::Settle(Ok(()))));
        assert!(matches!(events.release(EVENT, Ok(())), Release::TooLate(Ok(()))));
    }

    #[test]
    fn the_first_failure_ends_an_event() {
        let events = Events::default();
        held_by(&events, 2);
        assert!(matches!(events.leave(EVENT, Ok(())), Standing::Pending));
        assert!(matches!(events.release(EVENT, Err(Error::new("first"))), Release::Settle(Err(_))));
        assert!(matches!(events.release(EVENT, Err(Error::new("second"))), Release::TooLate(Err(_))));

        held_by(&events, 2);
        assert!(matches!(events.release(EVENT, Err(Error::new("first"))), Release::Nothing));
        assert!(matches!(events.release(EVENT, Err(Error::new("second"))), Release::Nothing));
        let Standing::Failed(error) = events.leave(EVENT, Ok(())) else { panic!("the event has failed") };
        assert_eq!(error.to_string(), "first");
    }

    #[test]
    fn a_handler_that_fails_ends_its_event_whatever_holds_it() {
        let events = Events::default();
        held_by(&events, 1);
        assert!(matches!(events.leave(EVENT, Err(Error::new("handler"))), Standing::Failed(_)));
        assert!(matches!(events.release(EVENT, Ok(())), Release::TooLate(Ok(()))));
    }
}
