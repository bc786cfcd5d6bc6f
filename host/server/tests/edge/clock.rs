//! A clock that stands still until a test moves it.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use party_core::ids::Timestamp;
use party_node::clock::{Clock, Sleep};

#[derive(Default)]
struct State {
    now: u64,
    sleeps: u64,
    waiting: BTreeMap<(u64, u64), Waker>,
}

/// Time as a test tells it. Clones show the same time.
#[derive(Clone, Default)]
pub(crate) struct TestClock(Arc<Mutex<State>>);

impl TestClock {
    /// Goes on to the next sleeper that is due by `until`, and wakes it; `false` if there is none, and then it is
    /// `until`.
    pub(crate) fn step(&self, until: u64) -> bool {
        let mut state = self.0.lock().unwrap();
        let next = state.waiting.first_key_value().map(|(key, _)| *key).filter(|(at, _)| *at <= until);
        let Some(key) = next else {
            state.now = until;
            return false;
        };
        state.now = state.now.max(key.0);
        state.waiting.remove(&key).unwrap().wake();
        true
    }
}

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        Timestamp(self.0.lock().unwrap().now)
    }

    fn sleep_until(&self, at: Timestamp) -> Sleep {
        let mut state = self.0.lock().unwrap();
        state.sleeps += 1;
        Box::pin(TestSleep { clock: self.clone(), key: (at.0, state.sleeps) })
    }
}

struct TestSleep {
    clock: TestClock,
    key: (u64, u64),
}

impl Future for TestSleep {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let mut state = self.clock.0.lock().unwrap();
        if state.now >= self.key.0 {
            return Poll::Ready(());
        }
        state.waiting.insert(self.key, cx.waker().clone());
        Poll::Pending
    }
}

impl Drop for TestSleep {
    fn drop(&mut self) {
        self.clock.0.lock().unwrap().waiting.remove(&self.key);
    }
}
