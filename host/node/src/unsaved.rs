//! Rooms whose memory could not be written, as on a full disk or where the system has no memory for it: they stay awake with
//! it, and are saved later.
//!
//! A commit that carries nothing but a checkpoint has told nobody anything: if it fails, nothing depends on it, and to make
//! the room anew would only lose what it was to keep. The number of that commit is used again. Whether it is in the store
//! all the same is asked before: two of one number would be refused, with all other commits of their transaction.

use std::rc::Rc;

use party_core::ids::Timestamp;
use party_core::large::NoMemory;

use crate::carrying::carry;
use crate::hibernation::saving::fails_to_give_way;
use crate::hibernation::staging::unstage_all;
use crate::registry::RoomEntry;
use crate::worker::Worker;

/// How long a room whose memory could not be written goes on before that is tried again by itself, in milliseconds: each
/// attempt on a disk that fails costs an opening of the store.
const SAVE_AGAIN_MS: u64 = 30_000;

/// How long a room goes on for which the system had no memory, in milliseconds: capturing it costs more than asking for an
/// instance, and nobody waits for it.
const ASK_SYSTEM_AGAIN_MS: u64 = 1_000;

/// How long a room whose store cannot be read waits before it asks again, in milliseconds.
const ASK_AGAIN_MS: u64 = 100;

/// Why such a room is awake, for people.
pub(crate) const WHY: &str = "its memory could not be written when that was last tried, and is tried again";

/// A commit of a room has failed. If that was only to save it, it goes on. Whether it does.
pub(crate) fn goes_on(worker: &Rc<Worker>, entry: &RoomEntry) -> bool {
    if !entry.core.borrow_mut().goes_on_unsaved() {
        return false;
    }
    unstage_all(worker, entry);
    entry.commit_failed.set(false);
    entry.attempt.set(entry.attempt.get() + 1);
    entry.unsure.set(Some(Timestamp(0)));
    entry.checkpoint_at.set(None);
    entry.standstill.goes_on();
    if entry.save_again_at.get().is_none() {
        let (project, party, room) = entry.address().names();
        tracing::warn!(
            project,
            party,
            room,
            "stays awake: its memory could not be written; that is tried again"
        );
    }
    put_off(worker, entry);
    carry(worker, entry);
    true
}

/// The room is saved later.
pub(crate) fn put_off(worker: &Worker, entry: &RoomEntry) {
    fails_to_give_way(worker, entry);
    entry.has_changed.set(true);
    entry.save_again_at.set(Some(worker.now().after_ms(SAVE_AGAIN_MS)));
}

/// The system has no memory for what is to be written of the room, which keeps what it has and is saved later.
/// If it was to give way, others are asked before it is again.
pub(crate) fn refused(worker: &Worker, entry: &RoomEntry, refused: &NoMemory) {
    let now = worker.now();
    entry.standstill.goes_on();
    let gives_way = entry.gives_way.is_told();
    fails_to_give_way(worker, entry);
    if gives_way {
        entry.active_at.set(now);
    }
    if entry.save_again_at.get().is_none() {
        let (project, party, room) = entry.address().names();
        tracing::warn!(
            project,
            party,
            room,
            "stays awake: it cannot be saved now, and that is tried again: {refused}"
        );
    }
    entry.has_changed.set(true);
    let again_at = now.after_ms(ASK_SYSTEM_AGAIN_MS);
    entry.save_again_at.set(Some(again_at));
    entry.refused_until.set(Some(again_at));
}

/// Whether it is too early to ask the system again.
pub(crate) fn must_wait(entry: &RoomEntry, now: Timestamp) -> bool {
    // More than it ever is: somebody has set the clock.
    let is_ahead = |at: Timestamp| now < at && at <= now.after_ms(ASK_SYSTEM_AGAIN_MS);
    entry.refused_until.get().is_some_and(is_ahead)
}

/// Finds out, if it is not known and can be read, whether the commit that failed is in the store; not more often than is of
/// use. Whether it is known now.
pub(crate) fn settle(worker: &Worker, entry: &RoomEntry) -> bool {
    let now = worker.now();
    let was_asked = |asked_at: Timestamp| asked_at <= now && now < asked_at.after_ms(ASK_AGAIN_MS);
    !entry.unsure.get().is_some_and(was_asked) && settle_now(worker, entry)
}

/// The same, however lately it was asked: for whom a vain answer costs something.
pub(crate) fn settle_now(worker: &Worker, entry: &RoomEntry) -> bool {
    if entry.unsure.get().is_none() {
        return true;
    }
    entry.unsure.set(Some(worker.now()));
    let record = match worker.node().store().record(entry.address()) {
        Ok(record) => record.unwrap_or_default(),
        Err(error) => {
            tracing::warn!(room = %entry.address(), "whether it was saved cannot be read: {error}");
            return false;
        }
    };
    let mut core = entry.core.borrow_mut();
    if record.seq != core.durable() && !core.was_saved(&record) {
        return false;
    }
    entry.unsure.set(None);
    true
}
