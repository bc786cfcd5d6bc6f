//! A clock that stands still until a test moves it.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use party_core::ids::Timestamp;
use party_node::clock::{Clock, Sleep};

/// 2026-01-01T00:00:00Z: when a world begins of which nothing else is said.
pub const BEGINNING: Timestamp = Timestamp(1_767_225_600_000);

#[derive(Debug)]
struct State {
    now: Timestamp,
    next_sleep: u64,
    waiting: BTreeMap<(Timestamp, u64), Waker>,
}

/// Time as a test tells it. Clones show the same time.
#[derive(Clone, Debug)]
pub struct VirtualClock {
    state: Arc<Mutex<State>>,
}

impl Default for VirtualClock {
    fn default() -> VirtualClock {
        VirtualClock::new(BEGINNING)
    }
}

impl VirtualClock {
    /// A clock that says this.
    pub(crate) fn new(now: Timestamp) -> VirtualClock {
        let state = State { now, next_sleep: 0, waiting: BTreeMap::new() };
        VirtualClock { state: Arc::new(Mutex::new(state)) }
    }

    fn with<T>(&self, with: impl FnOnce(&mut State) -> T) -> T {
        with(&mut self.state.lock().expect("nothing panics while it holds the clock"))
    }

    /// When the next sleeper is due, if by `until`.
    pub(crate) fn next_due(&self, until: Timestamp) -> Option<Timestamp> {
        self.with(|state| state.waiting.first_key_value().map(|((at, _), _)| *at).filter(|at| *at <= until))
    }

    /// Sets the clock back. Who waits waits on for the time that was asked for.
    pub(crate) fn turn_back(&self, ms: u64) {
        self.with(|state| state.now = Timestamp(state.now.0.saturating_sub(ms)));
    }

    /// Moves the time, and wakes who is due.
    pub(crate) fn set(&self, now: Timestamp) {
        let due = self.with(|state| {
            assert!(now >= state.now, "time does not go back");
            state.now = now;
            let later = state.waiting.split_off(&(Timestamp(now.0.saturating_add(1)), 0));
            std::mem::replace(&mut state.waiting, later)
        });
        for waker in due.into_values() {
            waker.wake();
        }
    }
}

struct VirtualSleep {
    clock: VirtualClock,
    at: Timestamp,
    number: Option<u64>,
}

impl Future for VirtualSleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let (at, number) = (self.at, self.number);
        let number = self.clock.with(|state| {
            if state.now >= at {
                return None;
            }
            let number = number.unwrap_or(state.next_sleep);
            state.next_sleep = state.next_sleep.max(number + 1);
            state.waiting.insert((at, number), cx.waker().clone());
            Some(number)
        });
        self.number = number;
        if number.is_some() { Poll::Pending } else { Poll::Ready(()) }
    }
}

impl Drop for VirtualSleep {
    fn drop(&mut self) {
        if let Some(number) = self.number {
            self.clock.with(|state| state.waiting.remove(&(self.at, number)));
        }
    }
}

impl Clock for VirtualClock {
    fn now(&self) -> Timestamp {
        self.with(|state| state.now)
    }

    fn sleep_until(&self, at: Timestamp) -> Sleep {
        Box::pin(VirtualSleep { clock: self.clone(), at, number: None })
    }
}
