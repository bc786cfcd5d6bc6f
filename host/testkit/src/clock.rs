//! A clock that stands still until a test moves it.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use party_core::ids::Timestamp;
use party_node::clock::{Clock, Sleep, Ticks};

/// 2026-01-01T00:00:00Z: when a world begins of which nothing else is said.
pub const BEGINNING: Timestamp = Timestamp(1_767_225_600_000);

#[derive(Debug)]
struct State {
    now: Timestamp,
    ticks: Ticks,
    next_sleep: u64,
    waiting: BTreeMap<(Timestamp, u64), Waker>,
    waiting_ticks: BTreeMap<(Ticks, u64), Waker>,
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
        let (waiting, waiting_ticks) = (BTreeMap::new(), BTreeMap::new());
        let state = State { now, ticks: Ticks(0), next_sleep: 0, waiting, waiting_ticks };
        VirtualClock { state: Arc::new(Mutex::new(state)) }
    }

    fn with<T>(&self, with: impl FnOnce(&mut State) -> T) -> T {
        with(&mut self.state.lock().expect("nothing panics while it holds the clock"))
    }

    /// When the next sleeper is due, if by `until`.
    pub(crate) fn next_due(&self, until: Timestamp) -> Option<Timestamp> {
        self.with(|state| {
            let waits = state.waiting.first_key_value().map(|((at, _), _)| *at);
            let passes = state.waiting_ticks.first_key_value();
            let passes = passes.map(|((at, _), _)| state.now.after_ms(at.since_ms(state.ticks)));
            waits.into_iter().chain(passes).min().filter(|at| *at <= until)
        })
    }

    /// Sets the clock back. Who waits waits on for the time that was asked for; as much time has passed as before.
    pub(crate) fn turn_back(&self, ms: u64) {
        self.with(|state| state.now = Timestamp(state.now.0.saturating_sub(ms)));
    }

    /// Lets time pass until then, and wakes who is due.
    pub(crate) fn set(&self, now: Timestamp) {
        self.move_to(now, true);
    }

    /// Sets the clock ahead: it is later, and no time has passed.
    pub(crate) fn set_ahead(&self, now: Timestamp) {
        self.move_to(now, false);
    }

    fn move_to(&self, now: Timestamp, passes: bool) {
        let (due, passed) = self.with(|state| {
            assert!(now >= state.now, "time does not go back");
            if passes {
                state.ticks = state.ticks.after_ms(now.since_ms(state.now));
            }
            state.now = now;
            let later = state.waiting.split_off(&(Timestamp(now.0.saturating_add(1)), 0));
            let later_ticks = state.waiting_ticks.split_off(&(state.ticks.after_ms(1), 0));
            let due = std::mem::replace(&mut state.waiting, later);
            (due, std::mem::replace(&mut state.waiting_ticks, later_ticks))
        });
        for waker in due.into_values().chain(passed.into_values()) {
            waker.wake();
        }
    }
}

/// What a sleeper waits for.
#[derive(Clone, Copy)]
enum Until {
    Time(Timestamp),
    Passed(Ticks),
}

struct VirtualSleep {
    clock: VirtualClock,
    until: Until,
    number: Option<u64>,
}

impl Future for VirtualSleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let (until, number) = (self.until, self.number);
        let number = self.clock.with(|state| {
            let is_over = match until {
                Until::Time(at) => state.now >= at,
                Until::Passed(at) => state.ticks >= at,
            };
            if is_over {
                return None;
            }
            let number = number.unwrap_or(state.next_sleep);
            state.next_sleep = state.next_sleep.max(number + 1);
            match until {
                Until::Time(at) => state.waiting.insert((at, number), cx.waker().clone()),
                Until::Passed(at) => state.waiting_ticks.insert((at, number), cx.waker().clone()),
            };
            Some(number)
        });
        self.number = number;
        if number.is_some() { Poll::Pending } else { Poll::Ready(()) }
    }
}

impl Drop for VirtualSleep {
    fn drop(&mut self) {
        if let Some(number) = self.number {
            self.clock.with(|state| match self.until {
                Until::Time(at) => state.waiting.remove(&(at, number)),
                Until::Passed(at) => state.waiting_ticks.remove(&(at, number)),
            });
        }
    }
}

impl Clock for VirtualClock {
    fn now(&self) -> Timestamp {
        self.with(|state| state.now)
    }

    fn sleep_until(&self, at: Timestamp) -> Sleep {
        Box::pin(VirtualSleep { clock: self.clone(), until: Until::Time(at), number: None })
    }

    fn ticks(&self) -> Ticks {
        self.with(|state| state.ticks)
    }

    fn sleep_until_ticks(&self, at: Ticks) -> Sleep {
        Box::pin(VirtualSleep { clock: self.clone(), until: Until::Passed(at), number: None })
    }
}
