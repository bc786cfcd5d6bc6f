//! Time as an argument: everything that waits, waits on a [`Clock`].

use std::future::Future;
use std::pin::Pin;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use party_core::ids::Timestamp;

/// A future that is ready at some time.
pub type Sleep = Pin<Box<dyn Future<Output = ()>>>;

/// What time it is, and a way to wait.
pub trait Clock: Send + Sync + 'static {
    /// The time.
    fn now(&self) -> Timestamp;

    /// Ready when [`Clock::now`] has reached `at`, never earlier.
    fn sleep_until(&self, at: Timestamp) -> Sleep;
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
}
