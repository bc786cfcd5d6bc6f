//! One value from one place to another, later: how a handler tells a task what it waits for.
//!
//! Both ends are plain values in the room's memory, so they sleep and wake with it. The receiving end is a future, to
//! be awaited by itself or beside others: `select(payment, room.sleep(day))`. What must hold: the receiver is woken by
//! the value and by the loss of its sender, and by nothing else; a value that nobody waits for goes back to its sender.

use std::cell::RefCell;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

/// Two ends of one value's way.
///
/// ```no_run
/// use std::time::Duration;
///
/// use party::{Connection, Message, Party, Result, Room, Sender, oneshot};
///
/// /// Asks whoever comes first, and waits a minute for the answer.
/// #[derive(Default)]
/// struct Quiz {
///     answer: Option<Sender<String>>,
/// }
///
/// impl Party for Quiz {
///     fn on_connect(&mut self, room: &Room, _connection: &Connection) -> Result<()> {
///         let (sender, answer) = oneshot();
///         self.answer = Some(sender);
///         room.spawn(async move |room| {
///             match room.timeout(Duration::from_secs(60), answer).await {
///                 Some(Ok(answer)) => room.broadcast(format!("the answer is {answer}"))?,
///                 Some(Err(_)) | None => room.broadcast("nobody knows")?,
///             };
///             Ok(())
///         });
///         Ok(())
///     }
///
///     fn on_message(&mut self, _room: &Room, _from: &Connection, message: Message) -> Result<()> {
///         if let (Some(sender), Some(answer)) = (self.answer.take(), message.as_text()) {
///             // An error gives the answer back: a minute has passed, and nobody waits for it any more.
///             let _ = sender.send(answer.to_owned());
///         }
///         Ok(())
///     }
/// }
/// ```
pub fn oneshot<T>() -> (Sender<T>, Receiver<T>) {
    let way = Rc::new(RefCell::new(Way::Waiting(None)));
    (Sender { way: Rc::clone(&way) }, Receiver { way })
}

/// The end that a value is sent from, once. To drop it is to say that none will come.
pub struct Sender<T> {
    way: Rc<RefCell<Way<T>>>,
}

/// The end that a value comes to: a future of it. To drop it is to say that nobody waits.
#[must_use = "a receiver does nothing until it is awaited"]
pub struct Receiver<T> {
    way: Rc<RefCell<Way<T>>>,
}

/// The value will never come: its sender was dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the value will never come: its sender was dropped")]
pub struct SenderDropped;

enum Way<T> {
    /// For the value; with who is to be woken, if it was asked for.
    Waiting(Option<Waker>),
    Sent(T),
    /// Nothing will come any more.
    Over,
}

impl<T> Sender<T> {
    /// Sends the value; whoever waits for it goes on in this turn. An error gives it back: nobody waits any more.
    pub fn send(self, value: T) -> Result<(), T> {
        if self.is_closed() {
            return Err(value);
        }
        let before = self.way.replace(Way::Sent(value));
        before.wake();
        Ok(())
    }

    /// Whether nobody waits any more: the receiver was dropped, with its task or before.
    pub fn is_closed(&self) -> bool {
        Rc::strong_count(&self.way) == 1
    }
}

impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        let way = &mut *self.way.borrow_mut();
        match way {
            Way::Waiting(_) => std::mem::replace(way, Way::Over).wake(),
            Way::Sent(_) | Way::Over => {}
        }
    }
}

impl<T> Way<T> {
    fn wake(self) {
        if let Self::Waiting(Some(waker)) = self {
            waker.wake();
        }
    }
}

impl<T> Future for Receiver<T> {
    type Output = Result<T, SenderDropped>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let way = &mut *self.way.borrow_mut();
        match way {
            Way::Waiting(waker) => {
                *waker = Some(context.waker().clone());
                Poll::Pending
            }
            Way::Sent(_) | Way::Over => match std::mem::replace(way, Way::Over) {
                Way::Sent(value) => Poll::Ready(Ok(value)),
                Way::Waiting(_) | Way::Over => Poll::Ready(Err(SenderDropped)),
            },
        }
    }
}

impl<T> fmt::Debug for Sender<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sender").field("is_closed", &self.is_closed()).finish()
    }
}

impl<T> fmt::Debug for Receiver<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Receiver").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::future::ready;
    use std::pin::Pin;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::task::{Context, Poll, Wake, Waker};

    use super::{Receiver, SenderDropped, oneshot};
    use crate::task::{Either, select};

    #[derive(Default)]
    struct Woken(AtomicU32);

    impl Wake for Woken {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn poll<T>(receiver: &mut Receiver<T>, woken: &Arc<Woken>) -> Poll<Result<T, SenderDropped>> {
        Pin::new(receiver).poll(&mut Context::from_waker(&Waker::from(Arc::clone(woken))))
    }

    #[test]
    fn a_value_wakes_who_waits_and_comes_once() {
        let (sender, mut receiver) = oneshot();
        let (first, last) = (Arc::default(), Arc::<Woken>::default());
        assert_eq!(poll(&mut receiver, &first), Poll::Pending);
        assert_eq!(poll(&mut receiver, &last), Poll::Pending);
        assert_eq!(sender.send(7), Ok(()));
        assert_eq!(
            (first.0.load(Ordering::Relaxed), last.0.load(Ordering::Relaxed)),
            (0, 1),
            "who asked last"
        );
        assert_eq!(poll(&mut receiver, &last), Poll::Ready(Ok(7)));
        assert_eq!(poll(&mut receiver, &last), Poll::Ready(Err(SenderDropped)), "no second value will come");
    }

    #[test]
    fn a_value_that_was_sent_before_it_was_waited_for_is_there() {
        let (sender, mut receiver) = oneshot();
        assert_eq!(sender.send("early"), Ok(()));
        assert_eq!(poll(&mut receiver, &Arc::default()), Poll::Ready(Ok("early")));
    }

    #[test]
    fn a_sender_that_is_dropped_wakes_who_waits() {
        let (sender, mut receiver) = oneshot::<u8>();
        let woken = Arc::default();
        assert_eq!(poll(&mut receiver, &woken), Poll::Pending);
        drop(sender);
        assert_eq!(woken.0.load(Ordering::Relaxed), 1);
        assert_eq!(poll(&mut receiver, &woken), Poll::Ready(Err(SenderDropped)));
    }

    #[test]
    fn a_value_that_nobody_waits_for_is_given_back() {
        let (sender, receiver) = oneshot();
        assert!(!sender.is_closed());
        drop(receiver);
        assert!(sender.is_closed());
        assert_eq!(sender.send("late"), Err("late"));
    }

    #[test]
    fn a_receiver_that_lost_a_race_can_be_waited_for_again() {
        let (sender, mut receiver) = oneshot();
        let mut race = Box::pin(select(&mut receiver, ready("time is over")));
        let lost = race.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        assert_eq!(lost, Poll::Ready(Either::Second("time is over")));
        drop(race);
        assert_eq!(sender.send(1), Ok(()));
        assert_eq!(poll(&mut receiver, &Arc::default()), Poll::Ready(Ok(1)));
    }
}
