//! Operations: what the room has started and the host completes in a later turn; and the sleep, which is one.
//!
//! What must hold: a future that is dropped cancels its operation, so that no completion comes for it; a sleep is
//! never early, and ends in spite of what happens to its operation on the way (a restart, a full table).

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use crate::bindings::exports::party::server::guest::Outcome;
use crate::bindings::party::server::operations as host;
use crate::bindings::party::server::types::{BodyResult, OperationError};
use crate::room::Room;
use crate::runtime;
use crate::stream::give_up;
use crate::time::Timestamp;

/// The largest sleep that is asked for in one piece, in ms (ids and times stay below 2^53).
const SLEEP_MS_MAX: u64 = 1 << 52;

/// An operation's number, as the host gave it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct OperationId(pub(crate) u64);

/// The open operations of a room.
#[derive(Default)]
pub(crate) struct Operations {
    open: RefCell<BTreeMap<OperationId, Stage>>,
    /// Who could not start one because too many were open, in order. One is called for a place, and calls the next when it has taken
    /// it or wants none any more: so there is one who tries in vain each time, however many wait.
    queue: RefCell<BTreeMap<Ticket, Waker>>,
    next_ticket: Cell<u64>,
}

/// A place in the queue, kept until it is there no more to wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Ticket(u64);

enum Stage {
    Open(Waker),
    Ended(Outcome),
}

impl Operations {
    /// The operation has ended. Whether anyone waited for it.
    pub(crate) fn complete(&self, operation: OperationId, outcome: Outcome) -> bool {
        let stage = self
            .open
            .borrow_mut()
            .get_mut(&operation)
            .map(|stage| std::mem::replace(stage, Stage::Ended(outcome)));
        self.call_next();
        match stage {
            Some(Stage::Open(waker)) => {
                waker.wake();
                true
            }
            Some(Stage::Ended(_)) | None => false,
        }
    }

    pub(crate) fn begin(&self, operation: OperationId, waker: &Waker) {
        self.open.borrow_mut().insert(operation, Stage::Open(waker.clone()));
    }

    /// How the operation ended, once.
    pub(crate) fn poll(&self, operation: OperationId, waker: &Waker) -> Poll<Outcome> {
        let mut open = self.open.borrow_mut();
        if let Some(Stage::Open(waiting)) = open.get_mut(&operation) {
            waiting.clone_from(waker);
            return Poll::Pending;
        }
        match open.remove(&operation) {
            Some(Stage::Ended(outcome)) => Poll::Ready(outcome),
            Some(Stage::Open(_)) | None => Poll::Ready(Outcome::Failed(OperationError::Interrupted)),
        }
    }

    /// Forget the operation. Whether the host has to be told.
    pub(crate) fn forget(&self, operation: OperationId) -> bool {
        let stage = self.open.borrow_mut().remove(&operation);
        if let Some(Stage::Ended(outcome)) = &stage
            && let Some(stream) = opened(outcome)
        {
            give_up(stream);
        }
        matches!(stage, Some(Stage::Open(_)))
    }

    /// Stands in the queue, again where it stood before.
    fn wait_for_room(&self, ticket: Option<Ticket>, waker: &Waker) -> Ticket {
        let ticket = ticket.unwrap_or_else(|| Ticket(self.next_ticket.replace(self.next_ticket.get() + 1)));
        self.queue.borrow_mut().insert(ticket, waker.clone());
        ticket
    }

    /// Stands there no more: it has found room, and there may be more, so the next one tries.
    fn has_room(&self, ticket: Ticket) {
        self.queue.borrow_mut().remove(&ticket);
        self.call_next();
    }

    /// Wants no room any more. If it has been called for some, the next one is called instead.
    fn leave(&self, ticket: Ticket) {
        let was_called = self.queue.borrow_mut().remove(&ticket).is_none();
        if was_called {
            self.call_next();
        }
    }

    /// A turn begins. While none is open no completion comes that would tell of room, and the bound may have been raised
    /// since: who waits tries again.
    pub(crate) fn begin_turn(&self) {
        if !self.queue.borrow().is_empty() {
            let is_open = |stage: &Stage| matches!(stage, Stage::Open(_));
            if !self.open.borrow().values().any(is_open) {
                self.call_next();
            }
        }
    }

    /// There may be room for one more: who has waited longest tries again.
    pub(crate) fn call_next(&self) {
        let first = self.queue.borrow_mut().pop_first();
        if let Some((_, waker)) = first {
            waker.wake();
        }
    }
}

/// The stream that begins with an outcome.
fn opened(outcome: &Outcome) -> Option<u64> {
    match outcome {
        Outcome::Connected(stream) => Some(*stream),
        Outcome::Response(response) => match response.body {
            BodyResult::Streamed(stream) => Some(stream),
            BodyResult::Bytes(_) | BodyResult::Waiting => None,
        },
        _ => None,
    }
}

/// Waits for a time; made by [`Room::sleep`] and [`Room::sleep_until`]. To drop it is to end the wait.
#[derive(Debug)]
#[must_use = "a sleep does nothing until it is awaited"]
pub struct Sleep {
    due: Timestamp,
    operation: Option<OperationId>,
    waits: Option<Ticket>,
}

impl Sleep {
    pub(crate) fn until(due: Timestamp) -> Self {
        Self { due, operation: None, waits: None }
    }

    /// Starts an operation for the rest of the time; pending, with the task queued, while too many are open.
    fn start(&mut self, waker: &Waker) {
        let rest = self.due.since(Room::new().now());
        match host::sleep(millis(rest)) {
            Ok(operation) => {
                let operation = OperationId(operation);
                self.operation = Some(operation);
                runtime::operations().begin(operation, waker);
                if let Some(ticket) = self.waits.take() {
                    runtime::operations().has_room(ticket);
                }
            }
            Err(OperationError::Overloaded(_)) => {
                self.waits = Some(runtime::operations().wait_for_room(self.waits, waker));
            }
            Err(error) => panic!("the host refuses to let the room sleep: {error:?}"),
        }
    }
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        if let Some(operation) = self.operation {
            let Poll::Ready(ended) = runtime::operations().poll(operation, context.waker()) else {
                return Poll::Pending;
            };
            self.operation = None;
            // A host that completes a sleep has counted its time, which need not be the wall clock's.
            if matches!(ended, Outcome::Slept) || Room::new().now() >= self.due {
                return Poll::Ready(());
            }
        }
        self.start(context.waker());
        Poll::Pending
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        cancel(self.operation);
        if let Some(ticket) = self.waits.take() {
            runtime::operations().leave(ticket);
        }
    }
}

/// Whoever waited for this one waits no more.
pub(crate) fn cancel(operation: Option<OperationId>) {
    let Some(operation) = operation else { return };
    if runtime::operations().forget(operation) {
        host::cancel(operation.0);
        runtime::operations().call_next();
    }
}

pub(crate) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX).min(SLEEP_MS_MAX)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::task::{Poll, Wake, Waker};
    use std::time::Duration;

    use super::{OperationError, OperationId, Operations, Outcome, SLEEP_MS_MAX, millis};

    #[derive(Default)]
    struct Count(AtomicU32);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn counted() -> (Arc<Count>, Waker) {
        let count = Arc::<Count>::default();
        (Arc::clone(&count), Waker::from(count))
    }

    #[test]
    fn a_completion_wakes_who_polled_last_and_is_taken_once() {
        let operations = Operations::default();
        let ((first, first_waker), (last, last_waker)) = (counted(), counted());
        operations.begin(OperationId(7), &first_waker);
        assert!(operations.poll(OperationId(7), &last_waker).is_pending());
        assert!(operations.complete(OperationId(7), Outcome::Slept));
        assert_eq!((first.0.load(Ordering::Relaxed), last.0.load(Ordering::Relaxed)), (0, 1));
        assert!(matches!(operations.poll(OperationId(7), &last_waker), Poll::Ready(Outcome::Slept)));
        assert!(!operations.complete(OperationId(7), Outcome::Slept), "nobody waits any more");
    }

    #[test]
    fn only_an_open_operation_has_to_be_cancelled() {
        let operations = Operations::default();
        let (_, waker) = counted();
        operations.begin(OperationId(1), &waker);
        operations.begin(OperationId(2), &waker);
        operations.complete(OperationId(2), Outcome::Failed(OperationError::Interrupted));
        assert!(operations.forget(OperationId(1)));
        assert!(!operations.forget(OperationId(2)), "it had ended");
        assert!(!operations.forget(OperationId(1)), "it was forgotten");
    }

    fn woken(counts: &[Arc<Count>]) -> Vec<u32> {
        counts.iter().map(|count| count.0.load(Ordering::Relaxed)).collect()
    }

    #[test]
    fn a_completion_calls_one_who_found_no_room_and_that_one_calls_the_next() {
        let operations = Operations::default();
        let (counts, wakers): (Vec<_>, Vec<_>) = (0..3).map(|_| counted()).unzip();
        let tickets: Vec<_> = wakers.iter().map(|waker| operations.wait_for_room(None, waker)).collect();
        operations.complete(OperationId(9), Outcome::Slept);
        assert_eq!(woken(&counts), [1, 0, 0]);
        // It finds none in spite of that, and does not lose its place.
        assert_eq!(operations.wait_for_room(Some(tickets[0]), &wakers[0]), tickets[0]);
        operations.complete(OperationId(10), Outcome::Slept);
        assert_eq!(woken(&counts), [2, 0, 0]);
        operations.has_room(tickets[0]);
        assert_eq!(woken(&counts), [2, 1, 0]);
        // Whoever is called and wants no room any more passes it on; who has not been called takes nobody's.
        operations.leave(tickets[1]);
        assert_eq!(woken(&counts), [2, 1, 1]);
        operations.wait_for_room(Some(tickets[2]), &wakers[2]);
        operations.leave(tickets[2]);
        operations.complete(OperationId(11), Outcome::Slept);
        assert_eq!(woken(&counts), [2, 1, 1]);
    }

    #[test]
    fn who_found_no_room_tries_again_with_the_next_turn_if_none_is_open() {
        let operations = Operations::default();
        let (count, waker) = counted();
        operations.begin(OperationId(1), &Waker::noop().clone());
        operations.wait_for_room(None, &waker);
        operations.begin_turn();
        assert_eq!(count.0.load(Ordering::Relaxed), 0, "its end will tell");
        operations.forget(OperationId(1));
        operations.begin_turn();
        operations.begin_turn();
        assert_eq!(count.0.load(Ordering::Relaxed), 1);
    }

    #[test]
    fn an_endless_sleep_stays_within_the_contract() {
        assert_eq!(millis(Duration::from_millis(3_000)), 3_000);
        assert_eq!(millis(Duration::MAX), SLEEP_MS_MAX);
    }
}
