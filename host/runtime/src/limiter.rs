//! The bound on an instance's memory. Growth beyond it is refused: `memory.grow` answers -1, as wasm code expects. Growth
//! within it succeeds or ends the turn.

use std::sync::atomic::{AtomicU64, Ordering};

use party_core::large::{LARGE_BYTES, claim_u64};
use wasmtime::{Error, ResourceLimiter, Result};

use crate::config::TABLE_ELEMENTS_MAX;
use crate::traps::GuestFault;

/// Counts the linear memory of one instance, over all its memories.
pub(crate) struct Limiter {
    memory_bytes: u64,
    memory_bytes_max: u64,
    last_growth_bytes: u64,
}

impl Limiter {
    /// Nothing used of this bound.
    pub(crate) fn new(memory_bytes_max: u64) -> Limiter {
        Limiter { memory_bytes: 0, memory_bytes_max, last_growth_bytes: 0 }
    }

    /// From now on this bound holds. What is in use beyond it stays.
    pub(crate) fn set_memory_bytes_max(&mut self, memory_bytes_max: u64) {
        self.memory_bytes_max = memory_bytes_max;
    }

    /// Bytes of linear memory in use.
    pub(crate) fn memory_bytes(&self) -> u64 {
        self.memory_bytes
    }

    /// The bound on them.
    pub(crate) fn memory_bytes_max(&self) -> u64 {
        self.memory_bytes_max
    }
}

/// How far all instances together may have grown since it was last asked whether anything would be left, in bytes.
const ASK_AFTER_BYTES: u64 = 1 << 20;
/// How far they have.
static GROWN_BYTES: AtomicU64 = AtomicU64::new(0);

/// Whether this much more memory for guests would leave too little for the host: then they get none, because of what the host
/// itself needs in small pieces nobody can be told that there is none.
fn leaves_nothing_to_spare(growth: u64) -> bool {
    let grown = GROWN_BYTES.fetch_add(growth, Ordering::Relaxed).saturating_add(growth);
    if grown < ASK_AFTER_BYTES {
        return false;
    }
    GROWN_BYTES.store(0, Ordering::Relaxed);
    let is_refused = claim_u64(growth.max(LARGE_BYTES as u64)).is_err();
    if is_refused {
        // Whoever asks next is to be told so, too.
        GROWN_BYTES.store(ASK_AFTER_BYTES, Ordering::Relaxed);
    }
    is_refused
}

impl ResourceLimiter for Limiter {
    fn memory_growing(&mut self, current: usize, desired: usize, maximum: Option<usize>) -> Result<bool> {
        if maximum.is_some_and(|maximum| desired > maximum) {
            return Ok(false);
        }
        let growth = (desired - current) as u64;
        if self.memory_bytes + growth > self.memory_bytes_max {
            return Ok(false);
        }
        if leaves_nothing_to_spare(growth) {
            return Err(Error::new(GuestFault::NoMemory(format!("{growth} bytes were refused"))));
        }
        self.memory_bytes += growth;
        self.last_growth_bytes = growth;
        Ok(true)
    }

    /// The growth that was allowed last did not happen: the system has no memory left. The turn ends with that. Answered with
    /// -1, the guest would go on with something that depends on the machine, and taken again it would do something else.
    fn memory_grow_failed(&mut self, error: Error) -> Result<()> {
        self.memory_bytes -= std::mem::take(&mut self.last_growth_bytes);
        Err(Error::new(GuestFault::NoMemory(format!("{error:#}"))))
    }

    fn table_growing(&mut self, _current: usize, desired: usize, maximum: Option<usize>) -> Result<bool> {
        Ok(desired <= maximum.unwrap_or(TABLE_ELEMENTS_MAX).min(TABLE_ELEMENTS_MAX))
    }
}

#[cfg(test)]
mod tests {
    use wasmtime::ResourceLimiter;

    use super::Limiter;
    use crate::traps::GuestFault;

    #[test]
    fn memories_are_counted_together() {
        let mut limiter = Limiter::new(10);
        assert!(limiter.memory_growing(0, 6, None).unwrap());
        assert!(!limiter.memory_growing(0, 5, None).unwrap());
        assert!(limiter.memory_growing(0, 4, None).unwrap());
        assert!(!limiter.memory_growing(6, 7, None).unwrap());
        assert_eq!(limiter.memory_bytes(), 10);
    }

    #[test]
    fn a_lower_bound_takes_nothing_away() {
        let mut limiter = Limiter::new(10);
        assert!(limiter.memory_growing(0, 6, None).unwrap());
        limiter.set_memory_bytes_max(4);
        assert!(!limiter.memory_growing(6, 7, None).unwrap());
        assert_eq!(limiter.memory_bytes(), 6);
    }

    #[test]
    fn growth_that_the_system_refuses_ends_the_turn_and_is_not_counted() {
        let mut limiter = Limiter::new(10);
        assert!(limiter.memory_growing(0, 6, None).unwrap());
        let refused = limiter.memory_grow_failed(wasmtime::format_err!("no memory")).unwrap_err();
        assert!(refused.is::<GuestFault>(), "{refused}");
        assert_eq!(limiter.memory_bytes(), 0);
    }

    #[test]
    fn growth_beyond_a_memory_s_own_maximum_is_not_counted() {
        let mut limiter = Limiter::new(10);
        assert!(!limiter.memory_growing(0, 6, Some(5)).unwrap());
        assert_eq!(limiter.memory_bytes(), 0);
    }
}
