//! The last moments of a room whose host ends: its memory is saved, and it ends when that is durable.
//!
//! A disk that refuses for a moment must not cost a memory, so the room tries again for as long as a host has patience. It
//! ends without only if it does not come to rest, cannot be captured, or nothing can be written all that time.

use std::rc::Rc;

use party_core::ids::Timestamp;
use party_core::room::Purpose;
use party_runtime::instance::Instance;

use crate::hibernation::{saving, sleeps};
use crate::party::Memory;
use crate::registry::RoomEntry;
use crate::worker::Worker;

/// How long a room that is told to end may go on until it can be saved, in milliseconds.
const REST_MS_MAX: u64 = 2_000;
/// How long it is tried to write it, in milliseconds: less than the host waits for its rooms (30 s).
const WRITE_MS_MAX: u64 = 15_000;
/// How long after an attempt, or a look, the next follows, in milliseconds.
pub(crate) const LOOK_AGAIN_MS: u64 = 100;

/// Whether a room with a memory may end now, which was told to at `since`. If not, it is asked again when its commit is
/// answered, or in a moment.
pub(crate) async fn may_end(
    worker: &Rc<Worker>,
    entry: &Rc<RoomEntry>,
    instance: &mut Option<Instance>,
    since: Timestamp,
) -> bool {
    let now = worker.now();
    let is_kept = entry.checkpoint_at.get().is_some_and(|at| at >= since) && !entry.has_changed.get();
    if is_kept && entry.core.borrow().uncommitted() == 0 {
        return true;
    }
    if entry.saved_at.get() >= since && entry.not_captured.borrow().is_some() {
        // Why was said when it was found.
        tracing::warn!(room = %entry.address(), "ends without its memory: it could not be captured");
        forgets(worker, entry);
        return true;
    }
    let room = entry.address();
    if now >= since.after_ms(WRITE_MS_MAX) {
        tracing::error!(%room, "ends without its memory as it is now: it could not be written within {WRITE_MS_MAX} ms");
        forgets(worker, entry);
        return true;
    }
    if is_kept || entry.core.borrow().is_being_saved() {
        // Its commit is on its way, however long that takes.
        return false;
    }
    if !entry.core.borrow().may_save() {
        let is_over = now >= since.after_ms(REST_MS_MAX);
        if is_over {
            tracing::warn!(%room, "ends without its memory: it did not come to rest within {REST_MS_MAX} ms");
            forgets(worker, entry);
        }
        return is_over;
    }
    let tried_at = entry.save_tried_at.get();
    if entry.saved_at.get() >= since && tried_at <= now && now < tried_at.after_ms(LOOK_AGAIN_MS) {
        return false;
    }
    Box::pin(saving::save(worker, entry, instance, Purpose::Keep)).await;
    false
}

/// Until when such a room takes no turn, if that is so now. One that is never at rest is served for [`REST_MS_MAX`], and from then
/// on only until its next checkpoint: otherwise it would have changed again whenever that is durable.
pub(crate) fn stands_still(entry: &RoomEntry, now: Timestamp) -> Option<Timestamp> {
    let since = entry.farewell_at.get().filter(|since| since.after_ms(REST_MS_MAX) <= now)?;
    let is_as_it_is_kept =
        entry.checkpoint_at.get().is_some_and(|at| at >= since) && !entry.has_changed.get();
    let is_on_its_way = is_as_it_is_kept && entry.core.borrow().uncommitted() > 0;
    is_on_its_way.then(|| now.after_ms(LOOK_AGAIN_MS))
}

/// A commit of a room has failed, which is made anew of the store: if it was about to end, nobody will ask for what it has lost.
pub(crate) fn failed(worker: &Worker, entry: &RoomEntry) {
    if entry.farewell_at.get().is_some() && entry.is_awake.get() && sleeps(&entry.party()) {
        tracing::warn!(room = %entry.address(), "ends without its memory as it is now: what it has stored could not be written");
        forgets(worker, entry);
    }
}

/// A durable room forgets nothing: what it has recorded is in the store.
fn forgets(worker: &Worker, entry: &RoomEntry) {
    if entry.party().memory != Memory::Durable {
        worker.node().count_forgotten();
    }
}
