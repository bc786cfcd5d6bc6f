//! A clock that stands still until a test moves it.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use party_core::ids::Timestamp;
use party_node::clock::{Clock, Sleep, Ticks};

#[derive(Default)]
struct State {
    now: u64,
    /// How much time has passed.
    ticks: u64,
    sleeps: u64,
    /// Who waits, for a time (`false`) or for so much to have passed (`true`).
    waiting: BTreeMap<(bool, u64, u64), Waker>,
}

impl State {
    fn pass(&mut self, until: u64) {
        self.ticks += until.saturating_sub(self.now);
        self.now = self.now.max(until);
    }

    /// When a sleeper is due, if nobody sets the clock.
    fn due(&self, (is_passed, at, _): (bool, u64, u64)) -> u64 {
        if is_passed { self.now + at.saturating_sub(self.ticks) } else { at }
    }
}

/// Time as a test tells it. Clones show the same time.
#[derive(Clone, Default)]
pub(crate) struct TestClock(Arc<Mutex<State>>);

impl TestClock {
    /// Goes on to the next sleeper that is due by `until`, and wakes it; `false` if there is none, and then it is
    /// `until`.
    pub(crate) fn step(&self, until: u64) -> bool {
        let mut state = self.0.lock().unwrap();
        let next = state.waiting.keys().map(|key| (state.due(*key), *key)).min();
        let Some((due, key)) = next.filter(|(due, _)| *due <= until) else {
            state.pass(until);
            return false;
        };
        state.pass(due);
        state.waiting.remove(&key).unwrap().wake();
        true
    }

    /// Somebody sets the clock: nothing passes by that.
    pub(crate) fn set(&self, now: u64) {
        self.0.lock().unwrap().now = now;
    }

    fn sleep(&self, is_passed: bool, at: u64) -> Sleep {
        let mut state = self.0.lock().unwrap();
        state.sleeps += 1;
        Box::pin(TestSleep { clock: self.clone(), key: (is_passed, at, state.sleeps) })
    }
}

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        Timestamp(self.0.lock().unwrap().now)
    }

    fn sleep_until(&self, at: Timestamp) -> Sleep {
        self.sleep(false, at.0)
    }

    fn ticks(&self) -> Ticks {
        Ticks(self.0.lock().unwrap().ticks)
    }

    fn sleep_until_ticks(&self, at: Ticks) -> Sleep {
        self.sleep(true, at.0)
    }
}

struct TestSleep {
    clock: TestClock,
    key: (bool, u64, u64),
}

impl Future for TestSleep {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let mut state = self.clock.0.lock().unwrap();
        let (is_passed, at, _) = self.key;
        if at <= if is_passed { state.ticks } else { state.now } {
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
