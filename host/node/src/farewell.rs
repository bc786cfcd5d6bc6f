//! The last moments of a room whose host ends: its memory is saved, and it ends when that is durable.
//!
//! A disk that refuses for a moment must not cost a memory, so the room tries again for as long as a host has patience. It
//! ends without only if it does not come to rest, cannot be captured, or nothing can be written all that time. What is on its
//! way to the disk it waits for; how long, [`ending`](crate::ending) decides for all rooms. Large ones are written one after the
//! other, so that those that were first are kept if there is no time for all.
//!
//! All of it is time that passes ([`Ticks`]): whoever sets the clock makes no bound shorter, or longer.

use std::cell::Cell;
use std::rc::Rc;

use party_core::ids::Timestamp;
use party_core::room::Purpose;
use party_runtime::instance::Instance;

use crate::clock::Ticks;
use crate::hibernation::{saving, sleeps};
use crate::registry::RoomEntry;
use crate::worker::Worker;

/// How long a room that is told to end may go on until it can be saved, in milliseconds.
const REST_MS_MAX: u64 = 2_000;
/// How long it is tried to write it where nothing is written, in milliseconds.
const WRITE_MS_MAX: u64 = 15_000;
/// How long after an attempt the next follows, in milliseconds.
const TRY_AGAIN_MS: u64 = 100;

/// How a room takes leave.
#[derive(Default)]
pub(crate) struct Leaving {
    /// When it was told to end.
    told_at: Cell<Option<Ticks>>,
    /// When it came to look after its memory: a turn that was under way may have kept it from that for long.
    looked_at: Cell<Option<Ticks>>,
    /// When it was first tried to save it, and last.
    first_tried_at: Cell<Option<Ticks>>,
    tried_at: Cell<Ticks>,
    /// It ends, with its memory kept or without.
    is_decided: Cell<bool>,
}

impl Leaving {
    /// The room is to end.
    pub(crate) fn tell(&self, now: Ticks) {
        self.told_at.set(self.told_at.get().or(Some(now)));
    }

    /// Whether the room looks after its memory before it ends.
    pub(crate) fn is_under_way(&self) -> bool {
        self.told_at.get().is_some() && !self.is_decided.get()
    }

    /// Whether it is known what becomes of its memory.
    pub(crate) fn is_decided(&self) -> bool {
        self.is_decided.get()
    }

    /// It ends now.
    pub(crate) fn decide(&self) {
        self.is_decided.set(true);
    }
}

/// Whether a room with a memory may end now, which was told to. If not, it is asked again when its commit is answered, or in a
/// moment.
pub(crate) async fn may_end(
    worker: &Rc<Worker>,
    entry: &Rc<RoomEntry>,
    instance: &mut Option<Instance>,
) -> bool {
    if entry.core.borrow().is_kept() {
        return true;
    }
    let (leaving, now) = (&entry.leaving, worker.ticks());
    let looked_at = leaving.looked_at.get().unwrap_or(now);
    leaving.looked_at.set(Some(looked_at));
    let first_tried_at = leaving.first_tried_at.get();
    if first_tried_at.is_some() && entry.not_captured.borrow().is_some() {
        // Why was said when it was found.
        tracing::warn!(room = %entry.address(), "ends without its memory: it could not be captured");
        forgets(worker, entry);
        return true;
    }
    let room = entry.address();
    if worker.node().breakdown().is_in_writing() {
        tracing::error!(%room, "ends without its memory as it is now: nothing can be written any more");
        forgets(worker, entry);
        return true;
    }
    if entry.core.borrow().is_as_in_its_checkpoint() || entry.core.borrow().is_being_saved() {
        // Its commit is on its way.
        return false;
    }
    let written_at = worker.progress().at();
    if first_tried_at.is_some_and(|first| now.since_ms(first.max(written_at)) >= WRITE_MS_MAX) {
        tracing::error!(%room, "ends without its memory as it is now: it could not be written within {WRITE_MS_MAX} ms");
        forgets(worker, entry);
        return true;
    }
    if !entry.core.borrow().may_save() {
        // A disk that does nothing is waited for: without it no room comes to rest.
        let waits_for_disk =
            entry.core.borrow().uncommitted() > 0 && now.since_ms(written_at) >= REST_MS_MAX / 2;
        let is_over = !waits_for_disk && now.since_ms(looked_at) >= REST_MS_MAX;
        if is_over {
            tracing::warn!(%room, "ends without its memory: it did not come to rest within {REST_MS_MAX} ms");
            forgets(worker, entry);
        }
        return is_over;
    }
    if first_tried_at.is_some() && now.since_ms(leaving.tried_at.get()) < TRY_AGAIN_MS {
        return false;
    }
    leaving.first_tried_at.set(first_tried_at.or(Some(now)));
    Box::pin(saving::save(worker, entry, instance, Purpose::Keep)).await;
    leaving.tried_at.set(worker.ticks());
    false
}

/// Until when such a room takes no turn, if that is so now. One that is never at rest is served for [`REST_MS_MAX`], and from then
/// on only until its next checkpoint: otherwise it would have changed again whenever that is durable.
pub(crate) fn stands_still(worker: &Worker, entry: &RoomEntry, now: Timestamp) -> Option<Timestamp> {
    let told_at = entry.leaving.told_at.get().filter(|_| entry.leaving.is_under_way())?;
    if worker.ticks().since_ms(told_at) < REST_MS_MAX {
        return None;
    }
    let core = entry.core.borrow();
    let is_on_its_way = core.is_as_in_its_checkpoint() && core.uncommitted() > 0;
    is_on_its_way.then(|| now.after_ms(TRY_AGAIN_MS))
}

/// A commit of a room has failed, which is made anew of the store: if it was about to end, nobody will ask for what it has lost.
pub(crate) fn failed(worker: &Worker, entry: &RoomEntry) {
    if entry.leaving.is_under_way() && entry.is_awake.get() && sleeps(&entry.party()) {
        let room = entry.address();
        match entry.commit_failed.get() {
            true => {
                tracing::warn!(%room, "ends without its memory as it is now: what it has stored could not be written");
            }
            false => {
                tracing::warn!(%room, "ends without its memory as it is now: what it has stored could not be read");
            }
        }
        forgets(worker, entry);
    }
}

/// Whether the room forgets nothing: what a durable one has recorded is in the store. One that was made durable by its party's
/// earlier setting is so until that is over.
pub(crate) fn is_recorded(entry: &RoomEntry) -> bool {
    entry.core.borrow().config().durable.is_some()
}

fn forgets(worker: &Worker, entry: &RoomEntry) {
    entry.leaving.decide();
    if !is_recorded(entry) {
        worker.node().count_forgotten(1);
    }
}
