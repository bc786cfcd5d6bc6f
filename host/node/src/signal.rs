//! A signal between two tasks of one thread: set by one, awaited by the other. No lock, no atomics.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::task::{Context, Poll, Waker};

/// Set, or not; and who waits for it.
#[derive(Default)]
pub(crate) struct Signal {
    set: Cell<bool>,
    waker: RefCell<Option<Waker>>,
}

impl Signal {
    /// Sets it and wakes who waits.
    pub(crate) fn set(&self) {
        if !self.set.replace(true)
            && let Some(waker) = &*self.waker.borrow()
        {
            // The waker stays: it is the same the next time, and a clone costs more than a look.
            waker.wake_by_ref();
        }
    }

    /// Ready once it is set; clears it.
    pub(crate) fn poll(&self, cx: &mut Context<'_>) -> Poll<()> {
        if self.set.replace(false) {
            return Poll::Ready(());
        }
        let mut waker = self.waker.borrow_mut();
        match &mut *waker {
            Some(waker) if waker.will_wake(cx.waker()) => {}
            slot => *slot = Some(cx.waker().clone()),
        }
        Poll::Pending
    }

    /// Waits until it is set; clears it.
    pub(crate) async fn wait(&self) {
        poll_fn(|cx| self.poll(cx)).await;
    }
}
