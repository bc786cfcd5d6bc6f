//! Pressure: too many rooms awake, or too much memory in use. Rooms that have had nothing to do for longest sleep first.
//!
//! Memory is counted as what guests have allocated, which is at least what the machine has given them: pages that are as
//! in a fresh instance are shared. So the bound is kept before the machine is short.

use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering};

use party_runtime::capture::NotCapturable;

use crate::hibernation;
use crate::node::Unavailable;
use crate::registry::RoomEntry;
use crate::worker::Worker;

/// The share of places and of memory, in tenths, from which on rooms are put to sleep before their time.
const TIGHT_TENTHS: u64 = 9;
/// How many rooms are put to sleep at once, at most: looking for the next ones costs a look at every room.
const LEAVE_AT_ONCE_MAX: usize = 64;

/// Linear memory of all awake rooms of a node, and how much there may be.
#[derive(Debug)]
pub(crate) struct MemoryBudget {
    bytes: AtomicU64,
    bytes_max: u64,
}

impl MemoryBudget {
    pub(crate) fn new(bytes_max: u64) -> MemoryBudget {
        MemoryBudget { bytes: AtomicU64::new(0), bytes_max }
    }

    /// An instance has so much more or less.
    fn change(&self, before: u64, after: u64) {
        match after.checked_sub(before) {
            Some(more) => self.bytes.fetch_add(more, Ordering::Relaxed),
            None => self.bytes.fetch_sub(before - after, Ordering::Relaxed),
        };
    }

    /// How much there is.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    fn is_tight(&self) -> bool {
        self.bytes().saturating_mul(10) >= self.bytes_max.saturating_mul(TIGHT_TENTHS)
    }
}

impl Worker {
    /// A room's instance has been made, has grown, or has gone (`None`), or goes with the room that has ended.
    pub(crate) fn count_awake(&self, entry: &RoomEntry, memory_bytes: Option<u64>) {
        let memory_bytes = memory_bytes.filter(|_| !entry.ended.get());
        let is_awake = memory_bytes.is_some();
        if entry.is_awake.replace(is_awake) != is_awake {
            self.node().count_awake(is_awake);
            self.awake.set(if is_awake { self.awake.get() + 1 } else { self.awake.get() - 1 });
        }
        let after = memory_bytes.unwrap_or(0);
        let before = entry.memory_bytes.replace(after);
        if before != after {
            let memory = self.node().memory();
            memory.change(before, after);
            if after > before && before > 0 && memory.is_tight() {
                self.relieve();
            }
        }
    }

    /// Before another room comes: if nearly all places or nearly all memory are taken, rooms that have had nothing to do
    /// for long sleep or end; if all is taken and none can, it is refused.
    pub(crate) fn make_place(&self) -> Result<(), Unavailable> {
        let (rooms, rooms_max) = (self.awake.get(), self.node().rooms_awake_max_per_worker());
        let memory = self.node().memory();
        if rooms as u64 * 10 >= rooms_max as u64 * TIGHT_TENTHS || memory.is_tight() {
            self.relieve_in_turn();
        }
        if rooms >= rooms_max {
            return Err(Unavailable::TooManyRooms { rooms_max });
        }
        if memory.bytes() >= memory.bytes_max {
            return Err(Unavailable::NoMemory { bytes: memory.bytes(), bytes_max: memory.bytes_max });
        }
        Ok(())
    }

    /// As [`Worker::relieve`], but not before half of those that were put to sleep last have been replaced.
    fn relieve_in_turn(&self) {
        match self.relieved.get() {
            0 => self.relieve(),
            left => self.relieved.set(left - 1),
        }
    }

    /// Frees places: of the rooms that can sleep, or end because they have nothing and nobody, those that have been quiet
    /// for longest; a small share of all.
    pub(crate) fn relieve(&self) {
        let can_go = |entry: &Rc<RoomEntry>| {
            let core = entry.core.borrow();
            entry.is_awake.get()
                && !entry.gives_way.get()
                && match hibernation::sleeps(&entry.party()) && !cannot_be_captured_now(entry) {
                    true => core.may_sleep(),
                    false => core.is_quiet(),
                }
        };
        let mut rooms: Vec<_> = self.rooms().all().into_iter().filter(can_go).collect();
        let count = (rooms.len() / 16).clamp(1, LEAVE_AT_ONCE_MAX).min(rooms.len());
        if count == 0 {
            return;
        }
        rooms.select_nth_unstable_by_key(count - 1, |entry| entry.active_at.get());
        for entry in &rooms[..count] {
            // Its own task does it, between two things that it does: nobody else knows what it is in the middle of.
            entry.gives_way.set(true);
            entry.wake.set();
        }
        self.relieved.set(count / 2);
    }

    /// The memory of a room could not be captured that was to give way. It ends all the same if nobody and nothing needs it,
    /// because a bound is a bound.
    pub(crate) fn end_without_memory(&self, entry: &RoomEntry, reason: &NotCapturable) {
        let is_durable = {
            let core = entry.core.borrow();
            if !core.is_quiet() {
                return;
            }
            core.config().durable.is_some()
        };
        let (party, room) = (entry.address().party(), entry.address().room());
        if is_durable {
            tracing::info!(
                party,
                room,
                "ends, to be made again of what it has recorded: others need its place"
            );
        } else {
            tracing::warn!(
                party,
                room,
                "loses its variables: others need its place, and its memory cannot be kept: {reason}"
            );
        }
        self.end_room(entry);
    }
}

/// Nothing has happened since its memory could not be captured.
fn cannot_be_captured_now(entry: &RoomEntry) -> bool {
    entry.not_captured.borrow().is_some() && !entry.has_changed.get()
}

/// How much linear memory rooms may have where nobody says otherwise: three quarters of what the machine, or the container
/// that the host runs in, has.
pub fn memory_budget_default() -> u64 {
    let machine = std::fs::read_to_string("/proc/meminfo").ok().and_then(|text| mem_total(&text));
    let container = std::fs::read_to_string("/sys/fs/cgroup/memory.max").ok();
    let container = container.and_then(|text| text.trim().parse().ok());
    let has = machine.into_iter().chain(container).min().unwrap_or(u64::MAX);
    has / 4 * 3
}

/// `MemTotal:       24604096 kB`
fn mem_total(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kib.checked_mul(1_024)
}

#[cfg(test)]
mod tests {
    use super::{MemoryBudget, mem_total};

    #[test]
    fn memory_is_tight_from_nine_tenths_on() {
        let budget = MemoryBudget::new(1_000);
        budget.change(0, 899);
        assert!(!budget.is_tight());
        budget.change(899, 900);
        assert!(budget.is_tight());
        budget.change(900, 0);
        assert_eq!((budget.bytes(), budget.is_tight()), (0, false));
    }

    #[test]
    fn the_machines_memory_is_read() {
        assert_eq!(mem_total("MemTotal:       24604096 kB\nMemFree: 1 kB\n"), Some(24_604_096 * 1_024));
        assert_eq!(mem_total("nothing of the kind"), None);
        assert_eq!(mem_total("MemTotal: 18446744073709551615 kB"), None, "more than there can be");
    }
}
