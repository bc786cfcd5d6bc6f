//! Pressure: too many rooms awake, or too much memory in use. Of all rooms of the node, those that have had nothing to do for
//! longest sleep first; whoever finds no place waits for one, in turn and not for ever.
//!
//! Memory is counted as what guests have allocated, which is at least what the machine has given them: pages that are as
//! in a fresh instance are shared. So the bound is kept before the machine is short.

pub(crate) mod giving_way;
pub(crate) mod places;
mod relief;
pub(crate) mod waiting;

use party_runtime::capture::NotCapturable;

use crate::registry::RoomEntry;
use crate::worker::Worker;

impl Worker {
    /// A room's instance has been made, has grown, or has gone (`None`), or goes with the room that has ended.
    pub(crate) fn count_awake(&self, entry: &RoomEntry, memory_bytes: Option<u64>) {
        let memory_bytes = memory_bytes.filter(|_| !entry.ended.get());
        let (was_awake, after) = (entry.is_awake.replace(memory_bytes.is_some()), memory_bytes.unwrap_or(0));
        let before = entry.memory_bytes.replace(after);
        if before == self.new_room_bytes() && memory_bytes.is_some() {
            // So far it was only expected.
            self.last_new_bytes.set(after);
        }
        if before == after && was_awake == memory_bytes.is_some() {
            return;
        }
        let places = self.node().places();
        places.change(before, after);
        match (was_awake, memory_bytes) {
            (false, Some(_)) => {
                let entry = self.rooms().by_number(entry.number);
                self.awake.borrow_mut().extend(entry.map(|entry| (entry.number, entry)));
                places.one_more();
            }
            (true, None) => {
                self.awake.borrow_mut().remove(&entry.number);
                places.one_less();
            }
            (true, Some(_)) | (false, None) => {}
        }
        if after < before || memory_bytes.is_none() {
            self.call_next();
        } else if before > 0 && places.is_memory_tight() {
            self.queue().wants_relief.set();
        }
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
        let (project, party, room) = entry.address().names();
        if is_durable {
            tracing::info!(
                project,
                party,
                room,
                "ends, to be made again of what it has recorded: others need its place"
            );
        } else {
            tracing::warn!(
                project,
                party,
                room,
                "loses its variables: others need its place, and its memory cannot be kept: {reason}"
            );
        }
        self.end_room(entry);
    }
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
    use super::mem_total;

    #[test]
    fn the_machines_memory_is_read() {
        assert_eq!(mem_total("MemTotal:       24604096 kB\nMemFree: 1 kB\n"), Some(24_604_096 * 1_024));
        assert_eq!(mem_total("nothing of the kind"), None);
        assert_eq!(mem_total("MemTotal: 18446744073709551615 kB"), None, "more than there can be");
    }
}
