//! What arrives or leaves in pieces: the bodies of answers, bodies that are fetched, and sockets that the room has opened.
//!
//! None of them outlives the host's process: after a restart each says that it broke off. What must hold: whoever lets go of one
//! ends it, and whoever waits is woken by what it waits for, also when that is the end.

mod body;
mod socket;
mod writer;

use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::task::Waker;

use crate::bindings::exports::party::server::guest::StreamEvent;
use crate::bindings::party::server::types::MessageResult;
use crate::bindings::party::server::{events, streams as host};

pub use body::{Body, Streamed};
pub use socket::{Closed, Connect, ConnectTo, Socket};
pub use writer::BodyWriter;

/// Why something could not be written to a stream.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StreamError {
    /// It has ended: whoever was at its other side has gone, or it was closed.
    #[error("the stream has ended")]
    Ended,
    /// The other side has not taken what was written.
    #[error("the other side has not taken what was written")]
    NoCredit,
    /// Larger than so many bytes.
    #[error("the limit is {0} bytes")]
    TooLarge(u64),
    /// So many streams are open, and no more may be.
    #[error("too many streams are open; the limit is {0}")]
    Overloaded(u32),
    /// This turn has sent so many bytes, and may send no more.
    #[error("this turn has sent all that it may: {0} bytes")]
    TurnFull(u64),
    /// The close code may not be sent.
    #[error("close code {0} may not be sent")]
    BadCloseCode(u16),
    /// It makes no sense; the text says why.
    #[error("{0}")]
    Invalid(String),
    /// Outside of any room.
    #[error("only a room has streams")]
    NotInARoom,
}

impl From<host::StreamError> for StreamError {
    fn from(error: host::StreamError) -> Self {
        match error {
            host::StreamError::Unknown => Self::Ended,
            host::StreamError::NoCredit => Self::NoCredit,
            host::StreamError::TooLarge(bytes_max) => Self::TooLarge(bytes_max),
            host::StreamError::Overloaded(open_max) => Self::Overloaded(open_max),
            host::StreamError::TurnFull(bytes_max) => Self::TurnFull(bytes_max),
            host::StreamError::BadCloseCode(code) => Self::BadCloseCode(code),
            host::StreamError::Invalid(text) => Self::Invalid(text),
            host::StreamError::NotInARoom => Self::NotInARoom,
        }
    }
}

/// The streams of a room that somebody holds.
#[derive(Default)]
pub(crate) struct Streams {
    held: RefCell<BTreeMap<u64, Held>>,
    /// The answers among them, by request.
    answers: RefCell<BTreeMap<u64, u64>>,
}

#[derive(Default)]
struct Held {
    /// What has come and nobody has taken.
    came: VecDeque<StreamEvent>,
    /// Who waits for something to come.
    reader: Option<Waker>,
    /// Who waits for credit.
    writers: Vec<Waker>,
    /// The other side is no more.
    is_gone: bool,
    /// The event whose end the host waits for before it reads on.
    full: Option<u64>,
}

/// So much may wait for its reader before the host reads no further, in bytes; a message counts as one more.
const UNREAD_BYTES_MAX: usize = 64 << 10;

impl Held {
    fn unread_bytes(&self) -> usize {
        let bytes = |what: &StreamEvent| match what {
            StreamEvent::Chunk(bytes) | StreamEvent::Message(MessageResult::Binary(bytes)) => bytes.len() + 1,
            StreamEvent::Message(MessageResult::Text(text)) => text.len() + 1,
            StreamEvent::End | StreamEvent::Closed(_) | StreamEvent::Error(_) => 0,
        };
        self.came.iter().map(bytes).sum()
    }

    fn wake(&mut self) -> Vec<Waker> {
        self.reader.take().into_iter().chain(self.writers.drain(..)).collect()
    }
}

impl Streams {
    /// Whether as much of a stream waits for its reader as may. Then `event` is to be pending, and is settled when it does not any
    /// more.
    pub(crate) fn is_full(&self, stream: u64, event: u64) -> bool {
        let mut all = self.held.borrow_mut();
        let Some(held) = all.get_mut(&stream) else { return false };
        let is_full = held.full.is_none() && !held.is_gone && held.unread_bytes() > UNREAD_BYTES_MAX;
        if is_full {
            held.full = Some(event);
        }
        is_full
    }

    pub(crate) fn hold(&self, stream: u64) {
        self.held.borrow_mut().insert(stream, Held::default());
    }

    fn hold_answer(&self, request: u64, stream: u64) {
        self.hold(stream);
        self.answers.borrow_mut().insert(request, stream);
    }

    fn let_go(&self, stream: u64) {
        let held = self.held.borrow_mut().remove(&stream);
        settle(held.and_then(|held| held.full));
        self.answers.borrow_mut().retain(|_, answer| *answer != stream);
    }

    /// A stream brings something. Whether anybody holds it.
    pub(crate) fn bring(&self, stream: u64, what: StreamEvent) -> bool {
        let wakers = self.held.borrow_mut().get_mut(&stream).map(|held| {
            held.is_gone |= is_last(&what);
            held.came.push_back(what);
            if held.is_gone { held.wake() } else { held.reader.take().into_iter().collect() }
        });
        let is_held = wakers.is_some();
        wakers.into_iter().flatten().for_each(Waker::wake);
        is_held
    }

    /// More can be written. Whether anybody waits for that.
    pub(crate) fn drain(&self, stream: u64) {
        let wakers = self.held.borrow_mut().get_mut(&stream).map(|held| std::mem::take(&mut held.writers));
        wakers.into_iter().flatten().for_each(Waker::wake);
    }

    /// The client of a request has gone.
    pub(crate) fn close_answer(&self, request: u64) {
        let Some(stream) = self.answers.borrow_mut().remove(&request) else { return };
        let wakers = self.held.borrow_mut().get_mut(&stream).map(|held| {
            held.is_gone = true;
            held.wake()
        });
        wakers.into_iter().flatten().for_each(Waker::wake);
    }

    fn is_gone(&self, stream: u64) -> bool {
        self.held.borrow().get(&stream).is_none_or(|held| held.is_gone)
    }

    fn next(&self, stream: u64, waker: &Waker) -> Option<StreamEvent> {
        let mut all = self.held.borrow_mut();
        let held = all.get_mut(&stream)?;
        let came = held.came.pop_front();
        if came.is_none() {
            held.reader = Some(waker.clone());
        }
        if held.full.is_some() && held.unread_bytes() <= UNREAD_BYTES_MAX / 2 {
            settle(held.full.take());
        }
        came
    }

    fn wait_for_credit(&self, stream: u64, waker: &Waker) {
        if let Some(held) = self.held.borrow_mut().get_mut(&stream)
            && !held.writers.iter().any(|waiting| waiting.will_wake(waker))
        {
            held.writers.push(waker.clone());
        }
    }
}

fn is_last(what: &StreamEvent) -> bool {
    matches!(what, StreamEvent::End | StreamEvent::Closed(_) | StreamEvent::Error(_))
}

/// Nobody wants a stream that an operation has opened.
pub(crate) fn give_up(stream: u64) {
    // One that has ended by itself is none any more.
    let _ = host::finish(stream);
}

/// The host may read on.
fn settle(event: Option<u64>) {
    if let Some(event) = event {
        // Its stream may have ended with a version of the party, and the event with it.
        let _ = events::settle(event, Ok(()));
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::task::{Wake, Waker};

    use super::{StreamEvent, Streams};

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
    fn what_comes_is_kept_in_order_for_who_holds_the_stream() {
        let streams = Streams::default();
        assert!(!streams.bring(1, StreamEvent::End), "nobody holds it");
        streams.hold(1);
        let (count, waker) = counted();
        assert!(streams.next(1, &waker).is_none());
        assert!(
            streams.bring(1, StreamEvent::Chunk(vec![1])) && streams.bring(1, StreamEvent::Chunk(vec![2]))
        );
        assert_eq!(count.0.load(Ordering::Relaxed), 1);
        for expected in [1, 2] {
            let Some(StreamEvent::Chunk(bytes)) = streams.next(1, &waker) else { panic!("it has come") };
            assert_eq!(bytes, [expected]);
        }
        assert!(streams.next(1, &waker).is_none() && !streams.is_gone(1));
    }

    #[test]
    fn who_waits_for_credit_is_woken_by_it_and_by_the_end() {
        let streams = Streams::default();
        streams.hold_answer(7, 1);
        let (count, waker) = counted();
        streams.wait_for_credit(1, &waker);
        streams.wait_for_credit(1, &waker);
        streams.drain(1);
        assert_eq!((count.0.load(Ordering::Relaxed), streams.is_gone(1)), (1, false));
        streams.wait_for_credit(1, &waker);
        streams.close_answer(8);
        assert!(!streams.is_gone(1), "another request's client has gone");
        streams.close_answer(7);
        assert_eq!((count.0.load(Ordering::Relaxed), streams.is_gone(1)), (2, true));
        streams.let_go(1);
        assert!(streams.is_gone(1));
    }
}
