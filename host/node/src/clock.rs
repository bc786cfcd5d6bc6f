//! Time as an argument: everything that waits, waits on a [`Clock`].
//!
//! It tells two things. What time it is is for rooms and people, and somebody may set it. How much time has passed is for
//! bounds: how long something may take, as the end of a host. Nobody can set that, so no bound is missed or passed by it.

use std::future::Future;
use std::pin::Pin;
use std::sync::OnceLock;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use party_core::ids::Timestamp;

/// A future that is ready at some time.
pub type Sleep = Pin<Box<dyn Future<Output = ()>>>;

/// How much time has passed since some beginning, in milliseconds. It never goes back, and nobody sets it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Ticks(pub u64);

impl Ticks {
    /// Later than anything.
    pub const NEVER: Ticks = Ticks(u64::MAX);

    /// So many milliseconds later.
    #[must_use]
    pub fn after_ms(self, ms: u64) -> Ticks {
        Ticks(self.0.saturating_add(ms))
    }

    /// Milliseconds since then, 0 if that is yet to come.
    pub fn since_ms(self, then: Ticks) -> u64 {
        self.0.saturating_sub(then.0)
    }
}

/// What time it is, how much has passed, and a way to wait for either.
pub trait Clock: Send + Sync + 'static {
    /// The time.
    fn now(&self) -> Timestamp;

    /// Ready when [`Clock::now`] has reached `at`, never earlier.
    fn sleep_until(&self, at: Timestamp) -> Sleep;

    /// How much time has passed, whatever the time was set to.
    fn ticks(&self) -> Ticks;

    /// Ready when [`Clock::ticks`] has reached `at`, never earlier.
    fn sleep_until_ticks(&self, at: Ticks) -> Sleep;
}

/// The machine's clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

/// The longest single wait, in milliseconds: then the machine's clock is asked again, because it may be set.
const WAIT_MS_MAX: u64 = 60_000;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
        Timestamp(since.as_millis() as u64)
    }

    fn sleep_until(&self, at: Timestamp) -> Sleep {
        Box::pin(async move {
            loop {
                let now = SystemClock.now();
                if now >= at {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(at.since_ms(now).min(WAIT_MS_MAX))).await;
            }
        })
    }

    fn ticks(&self) -> Ticks {
        static BEGINNING: OnceLock<Instant> = OnceLock::new();
        Ticks(BEGINNING.get_or_init(Instant::now).elapsed().as_millis() as u64)
    }

    fn sleep_until_ticks(&self, at: Ticks) -> Sleep {
        Box::pin(async move {
            loop {
                let now = SystemClock.ticks();
                if now >= at {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(at.since_ms(now).min(WAIT_MS_MAX))).await;
            }
        })
    }
}
