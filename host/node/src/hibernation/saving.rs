//! Saving a room: its memory is captured, packed and handed to a commit.

use std::rc::Rc;

use party_core::commit::CheckpointBytes;
use party_core::ids::{CommitSeq, Timestamp};
use party_core::room::Purpose;
use party_runtime::capture::NotCapturable;
use party_runtime::instance::Instance;
use party_store::kept::CHECKPOINT_INLINE_BYTES_MAX;

use crate::apart::run_apart;
use crate::carrying::carry;
use crate::hibernation::staging::stage;
use crate::hibernation::{LARGE_BYTES, digest_of};
use crate::registry::RoomEntry;
use crate::unsaved;
use crate::worker::Worker;

/// Captures the memory of a room that has nothing to do, and asks for the commit that carries it. Gives up when
/// something comes meanwhile.
pub(crate) async fn save(
    worker: &Rc<Worker>,
    entry: &Rc<RoomEntry>,
    instance: &mut Option<Instance>,
    purpose: Purpose,
) {
    entry.saved_at.set(worker.now());
    entry.save_tried_at.set(worker.now());
    entry.not_captured.replace(None);
    entry.has_changed.set(false);
    entry.refused_until.set(None);
    let is_known = match entry.farewell.borrow().is_some() {
        true => unsaved::settle_now(worker, entry),
        false => unsaved::settle(worker, entry),
    };
    if !is_known {
        return unsaved::put_off(worker, entry);
    }
    if instance.is_none() {
        // All that has happened in this life needed no guest.
        match entry.party().component.instantiate().await {
            Ok(fresh) => *instance = Some(fresh),
            Err(cause) => {
                tracing::warn!(room = %entry.address(), "cannot be saved now: {cause}");
                return unsaved::put_off(worker, entry);
            }
        }
    }
    let Some(awake) = instance.as_mut() else { return };
    let snapshot = match awake.capture() {
        Ok(snapshot) => snapshot,
        Err(NotCapturable::NoMemory(refused)) => return unsaved::refused(worker, entry, &refused),
        Err(reason) => {
            worker.tallies().not_captured(&reason);
            entry.not_captured.replace(Some(reason.clone()));
            if !entry.stays_awake.replace(true) {
                let (party, room) = (entry.address().party(), entry.address().room());
                tracing::warn!(party, room, "stays awake: {reason}");
            }
            let gives_way = entry.gives_way.is_told();
            fails_to_give_way(worker, entry);
            if gives_way {
                worker.end_without_memory(entry, &reason);
            }
            return;
        }
    };
    let party = entry.party();
    let component = &party.component;
    let is_as_new = {
        let core = entry.core.borrow();
        core.is_quiet() && core.durable() == CommitSeq(0) && component.is_fresh(&snapshot)
    };
    if is_as_new && purpose == Purpose::Sleep {
        // Nothing would be lost: whoever asks for random rooms leaves nothing behind.
        return worker.end_room(entry);
    }
    let is_large = snapshot.delta_bytes() > LARGE_BYTES;
    // Its journal must not grow, or it ends with this: whatever comes waits until it is saved.
    let is_patient = entry.save_soon.get()
        || entry.farewell.borrow().is_some()
        || entry.upgrade.is_kept_for_it()
        || entry.core.borrow().wants_to_be_saved();
    let image = match is_large {
        false => Some(snapshot.encode()),
        true if is_patient => Some(run_apart(move || snapshot.encode()).await),
        true => unless_something_comes(worker, entry, run_apart(move || snapshot.encode())).await,
    };
    let image = match image {
        Some(Ok(image)) => image,
        Some(Err(refused)) => return unsaved::refused(worker, entry, &refused),
        None => return,
    };
    if !entry.core.borrow().may_save() {
        return;
    }
    let captured = entry.core.borrow_mut().captured(digest_of(component), image.into());
    let bytes = match captured.encode() {
        Ok(bytes) => bytes,
        Err(refused) => return unsaved::refused(worker, entry, &refused),
    };
    entry.kept_bytes.set(bytes.len() as u64);
    let (bytes, staged) = match bytes.len() <= CHECKPOINT_INLINE_BYTES_MAX {
        true => (Some(CheckpointBytes::Inline(bytes)), None),
        false => {
            let staged = stage(worker, entry, bytes, is_patient).await;
            (staged.map(CheckpointBytes::Staged), staged)
        }
    };
    match bytes {
        Some(bytes) => {
            if entry.core.borrow_mut().save(&captured, purpose, bytes) {
                entry.save_soon.set(false);
                entry.was_kept.set(purpose == Purpose::Keep);
                entry.save_tried_at.set(Timestamp(0));
                entry.checkpoint_at.set(Some(worker.now()));
                entry.standstill.saved(worker.now());
                worker.tallies().checkpoint();
            } else if let Some(staged) = staged {
                worker.node().store().unstage_checkpoint(staged);
            }
            carry(worker, entry);
        }
        // Tried again when the room has been quiet for as long again.
        None => {
            entry.has_changed.set(true);
            entry.active_at.set(worker.now());
            fails_to_give_way(worker, entry);
        }
    }
}

/// A room whose memory cannot be kept now has its place for longer, whoever waits for it.
pub(crate) fn fails_to_give_way(worker: &Worker, entry: &RoomEntry) {
    entry.gives_way.fail(&mut entry.core.borrow_mut(), worker.now());
}

/// What a future gives, or `None` if the room has something to do before.
pub(super) async fn unless_something_comes<T>(
    worker: &Worker,
    entry: &RoomEntry,
    future: impl Future<Output = T>,
) -> Option<T> {
    let something = async {
        loop {
            let now = worker.now();
            entry.gives_way.fail_if_late(&mut entry.core.borrow_mut(), now);
            if entry.core.borrow().wants_a_turn(now) {
                break;
            }
            if let Some(until) = entry.gives_way.until() {
                worker.set_deadline(entry, Some(until.max(now.after_ms(1))));
            }
            entry.wake.wait().await;
        }
        entry.wake.set();
    };
    tokio::select! {
        biased;
        result = future => Some(result),
        () = something => None,
    }
}
