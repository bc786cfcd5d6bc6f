//! The instance: one party, its tasks, operations and events, and the course of a turn.
//!
//! A turn is one call of an export: the handler runs with the party in its hands, then every task that is awake,
//! then the host is told how the event stands. What must hold: the party is in one pair of hands at a time (the
//! handler's, or those of one `Room::with`), so it is taken out of its place for as long.

use std::any::Any;
use std::cell::Cell;

use crate::bindings::exports::party::server::guest::{Outcome, StreamEvent};
use crate::bindings::party::server::events as host;
use crate::bindings::party::server::types::{FailureResult, Progress};
use crate::error::{Error, Result};
use crate::event::{EventId, Events, Release, Standing};
use crate::executor::Executor;
use crate::logging::{Level, log};
use crate::operation::{OperationId, Operations};
use crate::party::Party;
use crate::room::Room;
use crate::stream::{Streams, give_up};

struct Instance {
    /// None before the first event, and while something has it in its hands.
    party: Cell<Option<Box<dyn Any>>>,
    executor: Executor,
    operations: Operations,
    streams: Streams,
    events: Events,
}

thread_local! {
    /// Never dropped: what it holds would look for it while it is.
    static INSTANCE: &'static Instance = Box::leak(Box::new(Instance {
        party: Cell::new(None),
        executor: Executor::new(),
        operations: Operations::default(),
        streams: Streams::default(),
        events: Events::default(),
    }));
}

fn instance() -> &'static Instance {
    INSTANCE.with(|instance| *instance)
}

pub(crate) fn executor() -> &'static Executor {
    &instance().executor
}

pub(crate) fn operations() -> &'static Operations {
    &instance().operations
}

pub(crate) fn streams() -> &'static Streams {
    &instance().streams
}

pub(crate) fn events() -> &'static Events {
    &instance().events
}

/// Forget the party and its tasks: the next event finds a new one.
pub(crate) fn start_afresh() {
    executor().cancel_all();
    instance().party.take();
}

/// One event: its handler, then what is awake.
pub(crate) fn turn<P: Party>(
    event: u64,
    handler: impl FnOnce(&mut P, &Room) -> Result<()>,
) -> Result<Progress, FailureResult> {
    let event = EventId(event);
    operations().begin_turn();
    let mut party: Box<P> = take().unwrap_or_default();
    let result = events().handle(event, || handler(&mut party, &Room::new()));
    put_back(party);
    finish(event, result)
}

/// One event of the lobby, which has no party: its handler, then what is awake.
pub(crate) fn lobby_turn(
    event: u64,
    handler: impl FnOnce() -> Result<()>,
) -> Result<Progress, FailureResult> {
    let event = EventId(event);
    operations().begin_turn();
    let result = events().handle(event, handler);
    finish(event, result)
}

/// The party says what the next version is to know. Nothing that is awake runs any more: this instance ends here.
pub(crate) fn save<P: Party>(
    handler: impl FnOnce(&mut P, &Room) -> Result<Vec<u8>>,
) -> Result<Vec<u8>, FailureResult> {
    let mut party: Box<P> = take().unwrap_or_default();
    let saved = handler(&mut party, &Room::new());
    put_back(party);
    saved.map_err(Error::into_failure)
}

/// A new party takes over what another version knew; then the tasks that it has begun.
pub(crate) fn restore<P: Party>(
    handler: impl FnOnce(&mut P, &Room) -> Result<()>,
) -> Result<(), FailureResult> {
    let mut party: Box<P> = Box::default();
    let restored = handler(&mut party, &Room::new());
    put_back(party);
    executor().run();
    restored.map_err(Error::into_failure)
}

/// An operation has ended: what waits for it runs.
pub(crate) fn completion(operation: u64, outcome: Outcome) -> Result<Progress, FailureResult> {
    if operations().complete(OperationId(operation), outcome) {
        executor().run();
    }
    Ok(Progress::Done)
}

/// A stream has brought something: what waits for it runs.
pub(crate) fn stream_brings(event: u64, stream: u64, what: StreamEvent) -> Result<Progress, FailureResult> {
    let is_last = matches!(what, StreamEvent::End | StreamEvent::Closed(_) | StreamEvent::Error(_));
    if streams().bring(stream, what) {
        executor().run();
    } else if !is_last {
        give_up(stream);
    }
    // Whoever reads it has more to do with what has come: the host reads no further before that is taken.
    Ok(if streams().is_full(stream, event) { Progress::Pending } else { Progress::Done })
}

/// More can be written to a stream: what waits for that runs.
pub(crate) fn stream_drains(stream: u64) -> Result<Progress, FailureResult> {
    streams().drain(stream);
    executor().run();
    Ok(Progress::Done)
}

/// The client of a request has gone: who answers it in pieces runs.
pub(crate) fn response_closed(request: u64) -> Result<Progress, FailureResult> {
    streams().close_answer(request);
    executor().run();
    Ok(Progress::Done)
}

/// The party, in the hands of `with`.
///
/// Panics if it is in other hands, if no event has made it yet, or if it is no `P`.
pub(crate) fn with_party<P: Party, T>(with: impl FnOnce(&mut P) -> T) -> T {
    let mut party: Box<P> =
        take().expect("the party is in use: a handler, or a `with` around this one, has it as `&mut`");
    let output = with(&mut party);
    put_back(party);
    output
}

/// A task that held the event has ended.
pub(crate) fn release(event: EventId, result: Result<()>) {
    match events().release(event, result) {
        Release::Nothing | Release::TooLate(Ok(())) => {}
        Release::TooLate(Err(error)) => log(Level::Error, format_args!("a task failed: {error}")),
        Release::Settle(result) => {
            let settled = match result {
                Ok(()) => host::settle(event.0, Ok(())),
                Err(error) => error.with_failure(|failure| host::settle(event.0, Err(failure))),
            };
            // The host may have ended the event before, at its deadline.
            if let Err(error) = settled {
                log(Level::Debug, format_args!("an event could not be settled: {error:?}"));
            }
        }
    }
}

fn finish(event: EventId, result: Result<()>) -> Result<Progress, FailureResult> {
    executor().run();
    match events().leave(event, result) {
        Standing::Done => Ok(Progress::Done),
        Standing::Pending => Ok(Progress::Pending),
        Standing::Failed(error) => Err(error.into_failure()),
    }
}

fn take<P: Party>() -> Option<Box<P>> {
    let party = instance().party.take()?;
    match party.downcast() {
        Ok(party) => Some(party),
        Err(_) => panic!("the party of this room is no `{}`", std::any::type_name::<P>()),
    }
}

fn put_back(party: Box<dyn Any>) {
    instance().party.set(Some(party));
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::future::poll_fn;
    use std::rc::Rc;
    use std::task::{Poll, Waker};

    use super::{start_afresh, turn};
    use crate::bindings::party::server::types::Progress;
    use crate::error::Error;
    use crate::party::Party;

    #[derive(Default)]
    struct Count(u32);

    impl Party for Count {}

    #[test]
    fn the_party_lives_from_event_to_event_until_it_starts_afresh() {
        for expected in [1, 2, 3] {
            let progress = turn(1, |party: &mut Count, _| {
                party.0 += 1;
                assert_eq!(party.0, expected);
                Ok(())
            });
            assert_eq!(progress.expect("the handler does not fail"), Progress::Done);
        }
        start_afresh();
        turn(2, |party: &mut Count, _| {
            assert_eq!(party.0, 0);
            Ok(())
        })
        .expect("the handler does not fail");
    }

    #[test]
    fn a_task_runs_behind_its_handler_in_the_same_turn() {
        let progress = turn(1, |party: &mut Count, room| {
            room.spawn(async |room| room.with(|party: &mut Count| party.0 *= 10));
            party.0 = 7;
            Ok(())
        });
        assert_eq!(progress.expect("the handler does not fail"), Progress::Done);
        turn(2, |party: &mut Count, _| {
            assert_eq!(party.0, 70);
            Ok(())
        })
        .expect("the handler does not fail");
    }

    #[test]
    fn an_event_is_pending_while_a_task_holds_it() {
        let gate: Rc<RefCell<Option<Waker>>> = Rc::default();
        let inside = Rc::clone(&gate);
        let progress = turn(1, |_: &mut Count, room| {
            room.settle_later(async move |_| {
                poll_fn(|context| match inside.borrow_mut().replace(context.waker().clone()) {
                    None => Poll::Pending,
                    Some(_) => Poll::Ready(()),
                })
                .await;
            });
            Ok(())
        });
        assert_eq!(progress.expect("the handler does not fail"), Progress::Pending);
        let ended = turn(2, |_: &mut Count, room| {
            room.settle_later(async |_| Err(Error::new("no")));
            Ok(())
        });
        assert_eq!(ended.expect_err("the task failed in its turn").message, "no");
        assert!(gate.borrow().is_some());
    }

    #[test]
    #[should_panic(expected = "the party is in use")]
    fn a_handler_and_a_task_cannot_both_have_the_party() {
        let result = turn(1, |_: &mut Count, room| {
            room.with(|_: &mut Count| ());
            Ok(())
        });
        assert!(result.is_ok());
    }

    #[test]
    fn a_task_that_is_forgotten_with_its_party_never_runs() {
        let gate: Rc<RefCell<Option<Waker>>> = Rc::default();
        let inside = Rc::clone(&gate);
        turn(1, |_: &mut Count, room| {
            room.spawn(async move |room| {
                poll_fn(|context| match inside.borrow_mut().replace(context.waker().clone()) {
                    None => Poll::Pending,
                    Some(_) => Poll::Ready(()),
                })
                .await;
                room.with(|party: &mut Count| party.0 = 2);
            });
            Ok(())
        })
        .expect("the handler does not fail");
        start_afresh();
        assert_eq!(Rc::strong_count(&gate), 1, "the task is dropped");
        gate.take().expect("the task was polled").wake();
        turn(2, |_: &mut Count, _| Ok(())).expect("the handler does not fail");
        turn(3, |party: &mut Count, _| {
            assert_eq!(party.0, 0);
            Ok(())
        })
        .expect("the handler does not fail");
    }
}
