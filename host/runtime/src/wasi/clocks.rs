//! Clocks that stand still: both tell the turn's time, and a pollable is ready if its time has come.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use wasmtime::Result;
use wasmtime::component::Resource;
use wasmtime_wasi::p2::bindings::clocks::monotonic_clock::{self, Duration, Instant};
use wasmtime_wasi::p2::bindings::clocks::wall_clock::{self, Datetime};
use wasmtime_wasi_io::async_trait;
use wasmtime_wasi_io::poll::{DynPollable, Pollable, subscribe};

use crate::state::InstanceState;

/// Turns are a millisecond apart at least, as far as a guest can see.
const RESOLUTION_NS: u32 = 1_000_000;

impl wall_clock::Host for InstanceState {
    fn now(&mut self) -> Result<Datetime> {
        let now_ms = InstanceState::now(self).0;
        let nanoseconds = (now_ms % 1_000) as u32 * 1_000_000;
        Ok(Datetime { seconds: now_ms / 1_000, nanoseconds })
    }

    fn resolution(&mut self) -> Result<Datetime> {
        Ok(Datetime { seconds: 0, nanoseconds: RESOLUTION_NS })
    }
}

impl monotonic_clock::Host for InstanceState {
    fn now(&mut self) -> Result<Instant> {
        Ok(self.wasi.now_ns.load(Ordering::Relaxed))
    }

    fn resolution(&mut self) -> Result<Duration> {
        Ok(u64::from(RESOLUTION_NS))
    }

    fn subscribe_instant(&mut self, when: Instant) -> Result<Resource<DynPollable>> {
        let due = Due { at_ns: when, now_ns: Arc::clone(&self.wasi.now_ns) };
        let due = self.wasi.table.push(due)?;
        subscribe(&mut self.wasi.table, due)
    }

    fn subscribe_duration(&mut self, duration: Duration) -> Result<Resource<DynPollable>> {
        let when = self.wasi.now_ns.load(Ordering::Relaxed).saturating_add(duration);
        monotonic_clock::Host::subscribe_instant(self, when)
    }
}

/// Ready in the first turn at or after a time.
struct Due {
    at_ns: u64,
    now_ns: Arc<AtomicU64>,
}

#[async_trait]
impl Pollable for Due {
    async fn ready(&mut self) {
        if self.now_ns.load(Ordering::Relaxed) < self.at_ns {
            std::future::pending::<()>().await;
        }
    }
}
