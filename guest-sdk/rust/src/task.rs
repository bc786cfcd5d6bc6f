//! Tasks: asynchronous work that goes on over many turns, and small ways to wait for more than one thing.
//!
//! A task owns what it works with and reaches the party's fields through [`Room::with`](crate::Room::with), so
//! that nothing is borrowed across an `await`. Tasks run at the end of the turn that woke them, in the order in
//! which they woke; all other futures work in them too.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;

use crate::error::{Error, Result};
use crate::event::EventId;
use crate::executor::TaskId;
use crate::logging::{Level, log};
use crate::room::Room;
use crate::runtime;

pub(crate) use crate::executor::BoxFuture;

/// A task of the room. To let go of it is not to end it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Task(TaskId);

impl Task {
    /// Drop the task where it stands: a sleep that it waits for is cancelled. Whether it had not ended before.
    ///
    /// A task that cancels itself ends at its next `await`.
    pub fn cancel(&self) -> bool {
        runtime::executor().cancel(self.0)
    }

    /// Whether it has ended or was cancelled.
    pub fn is_finished(&self) -> bool {
        !runtime::executor().holds(self.0)
    }
}

/// What a task may end with: nothing, or a [`Result`].
pub trait TaskOutput: 'static {
    /// As a result.
    fn into_result(self) -> Result<()>;
}

impl TaskOutput for () {
    fn into_result(self) -> Result<()> {
        Ok(())
    }
}

impl TaskOutput for Result<()> {
    fn into_result(self) -> Result<()> {
        self
    }
}

/// Starts a task whose failure is logged.
pub(crate) fn spawn<T: TaskOutput>(task: impl AsyncFnOnce(Room) -> T + 'static) -> Task {
    start(Box::pin(async move {
        if let Err(error) = task(Room::new()).await.into_result() {
            log(Level::Error, format_args!("a task failed: {error}"));
        }
    }))
}

/// Starts a task that the event in hand waits for.
///
/// Panics outside of a handler.
pub(crate) fn hold_event(task: impl Future<Output = Result<()>> + 'static) -> Task {
    let hold = hold();
    start(Box::pin(async move {
        let result = task.await;
        hold.end(result);
    }))
}

/// Holds the event in hand.
///
/// Panics outside of a handler.
pub(crate) fn hold() -> EventHold {
    EventHold(Some(runtime::events().hold().expect("an event can be settled later only by its handler")))
}

fn start(task: BoxFuture<()>) -> Task {
    Task(runtime::executor().spawn(task))
}

/// A hold on an event, which ends with whatever has it.
pub(crate) struct EventHold(Option<EventId>);

impl EventHold {
    /// Ends it with this.
    pub(crate) fn end(mut self, result: Result<()>) {
        if let Some(event) = self.0.take() {
            runtime::release(event, result);
        }
    }
}

impl Drop for EventHold {
    fn drop(&mut self) {
        if let Some(event) = self.0.take() {
            runtime::release(event, Err(Error::new("the task that was to end this was cancelled")));
        }
    }
}

/// Waits for both.
pub async fn join<A: Future, B: Future>(first: A, second: B) -> (A::Output, B::Output) {
    let (mut first, mut second) = (pin!(first), pin!(second));
    let (mut first_output, mut second_output) = (None, None);
    poll_fn(|context| {
        if first_output.is_none()
            && let Poll::Ready(output) = first.as_mut().poll(context)
        {
            first_output = Some(output);
        }
        if second_output.is_none()
            && let Poll::Ready(output) = second.as_mut().poll(context)
        {
            second_output = Some(output);
        }
        match (first_output.take(), second_output.take()) {
            (Some(first), Some(second)) => Poll::Ready((first, second)),
            (first, second) => {
                (first_output, second_output) = (first, second);
                Poll::Pending
            }
        }
    })
    .await
}

/// Which of two was first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Either<A, B> {
    /// The first, with its output.
    First(A),
    /// The second, with its output.
    Second(B),
}

/// Waits for one of two and drops the other: a sleep so dropped is cancelled. If both are ready, the first counts.
pub async fn select<A: Future, B: Future>(first: A, second: B) -> Either<A::Output, B::Output> {
    let (mut first, mut second) = (pin!(first), pin!(second));
    poll_fn(|context| {
        if let Poll::Ready(output) = first.as_mut().poll(context) {
            return Poll::Ready(Either::First(output));
        }
        second.as_mut().poll(context).map(Either::Second)
    })
    .await
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    use super::{Either, join, select};

    fn poll_once<F: Future>(future: F) -> Poll<F::Output> {
        pin!(future).poll(&mut Context::from_waker(Waker::noop()))
    }

    #[test]
    fn join_waits_for_both() {
        assert_eq!(poll_once(join(ready(1), ready("a"))), Poll::Ready((1, "a")));
        assert_eq!(poll_once(join(ready(1), pending::<()>())), Poll::Pending);
    }

    #[test]
    fn join_polls_no_future_that_has_ended() {
        let mut both = pin!(join(ready(1), async {
            let mut first = true;
            std::future::poll_fn(|context| {
                if std::mem::take(&mut first) {
                    context.waker().wake_by_ref();
                    return Poll::Pending;
                }
                Poll::Ready(2)
            })
            .await
        }));
        let mut context = Context::from_waker(Waker::noop());
        assert_eq!(both.as_mut().poll(&mut context), Poll::Pending);
        assert_eq!(both.as_mut().poll(&mut context), Poll::Ready((1, 2)), "`ready` panics if polled again");
    }

    #[test]
    fn select_takes_the_one_that_is_ready_and_the_first_of_two() {
        assert_eq!(poll_once(select(pending::<()>(), ready(2))), Poll::Ready(Either::Second(2)));
        assert_eq!(poll_once(select(ready(1), ready(2))), Poll::Ready(Either::First(1)));
    }
}
