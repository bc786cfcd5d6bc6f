//! The millisecond clock of running turns.
//!
//! A thread raises the engine's epoch every millisecond, and a running guest yields when it sees that. The thread
//! ticks only while a turn runs and a little longer, then parks, so that an idle host does not wake. A turn that
//! begins wakes it if it is parked: rarely, because of the "little longer", or a busy host would pay for a system
//! call per turn.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use wasmtime::Engine;

/// How long a guest runs before it yields: the resolution of the deadline, too.
pub(crate) const TICK_MS: u64 = 1;
/// Ticks without a turn after which the thread parks.
const IDLE_TICKS_MAX: u32 = 10;

#[derive(Default)]
struct Shared {
    running: AtomicU32,
    parked: AtomicBool,
    stopped: AtomicBool,
}

/// The thread, and how turns make themselves known to it. Ends with it.
pub(crate) struct Ticker {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

/// Keeps the ticker ticking.
pub(crate) struct Ticking<'a>(&'a Shared);

impl Ticker {
    /// Starts the thread, parked.
    pub(crate) fn start(engine: Engine) -> std::io::Result<Ticker> {
        let shared = Arc::new(Shared::default());
        let of_thread = Arc::clone(&shared);
        let thread =
            thread::Builder::new().name("party-ticker".into()).spawn(move || tick(&of_thread, &engine))?;
        Ok(Ticker { shared, thread: Some(thread) })
    }

    /// Ticks until the returned value is dropped.
    pub(crate) fn ticking(&self) -> Ticking<'_> {
        self.shared.running.fetch_add(1, Ordering::SeqCst);
        if self.shared.parked.load(Ordering::SeqCst) {
            self.unpark();
        }
        Ticking(&self.shared)
    }

    fn unpark(&self) {
        if let Some(thread) = &self.thread {
            thread.thread().unpark();
        }
    }

    /// Whether the thread is at rest.
    #[cfg(test)]
    pub(crate) fn is_parked(&self) -> bool {
        self.shared.parked.load(Ordering::SeqCst)
    }
}

impl Drop for Ticking<'_> {
    fn drop(&mut self) {
        self.0.running.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        self.shared.stopped.store(true, Ordering::SeqCst);
        self.unpark();
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the ticker thread panicked");
        }
    }
}

fn tick(shared: &Shared, engine: &Engine) {
    let mut idle = IDLE_TICKS_MAX;
    while !shared.stopped.load(Ordering::SeqCst) {
        if idle >= IDLE_TICKS_MAX {
            // A turn that begins either sees that the thread is parked, or is seen here.
            shared.parked.store(true, Ordering::SeqCst);
            while shared.running.load(Ordering::SeqCst) == 0 && !shared.stopped.load(Ordering::SeqCst) {
                thread::park();
            }
            shared.parked.store(false, Ordering::SeqCst);
            idle = 0;
        }
        thread::sleep(Duration::from_millis(TICK_MS));
        engine.increment_epoch();
        idle = if shared.running.load(Ordering::SeqCst) == 0 { idle + 1 } else { 0 };
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use wasmtime::Engine;

    use super::Ticker;

    fn wait_until(what: impl Fn() -> bool) {
        while !what() {
            thread::yield_now();
        }
    }

    #[test]
    fn the_clock_rests_ticks_while_a_turn_runs_and_rests_again() {
        let engine = Engine::default();
        let ticker = Ticker::start(engine).unwrap();
        for _ in 0..3 {
            wait_until(|| ticker.is_parked());
            let (first, second) = (ticker.ticking(), ticker.ticking());
            wait_until(|| !ticker.is_parked());
            drop(first);
            drop(second);
        }
        wait_until(|| ticker.is_parked());
    }

    #[test]
    fn a_parked_clock_can_be_dropped() {
        let ticker = Ticker::start(Engine::default()).unwrap();
        wait_until(|| ticker.is_parked());
        drop(ticker);
    }
}
