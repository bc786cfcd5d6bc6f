//! Saving a room: its memory is captured, packed and handed to a commit.

use std::pin::pin;
use std::rc::Rc;

use party_core::commit::CheckpointBytes;
use party_core::ids::{CommitSeq, Timestamp};
use party_core::room::Purpose;
use party_runtime::capture::NotCapturable;
use party_runtime::instance::Instance;
use party_store::kept::CHECKPOINT_INLINE_BYTES_MAX;

use crate::apart::run_apart;
use crate::carrying::carry;
use crate::clock::Ticks;
use crate::farewell;
use crate::hibernation::staging::stage;
use crate::hibernation::{LARGE_BYTES, digest_of};
use crate::registry::RoomEntry;
use crate::unsaved;
use crate::worker::Worker;

/// How long a room takes no turn while a large checkpoint is written that somebody wants, in milliseconds: as long as a room
/// may take for its copy.
const STAND_STILL_MS_MAX: u64 = 5_000;

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
    if !is_known || worker.node().breakdown().is_in_writing() {
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
                let (project, party, room) = entry.address().names();
                tracing::warn!(project, party, room, "stays awake: {reason}");
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
    let patience = Patience::of(worker, entry);
    // Where a host ends, the first is kept before the next is begun: if there is no time for all, then for some.
    let ends = entry.leaving.is_under_way();
    let mut its_turn = None;
    if is_large && ends {
        its_turn = Some(worker.node().one_by_one().acquire().await);
        if farewell::is_given_up(worker, entry) {
            // Others have found meanwhile that the disk takes nothing.
            return entry.has_changed.set(true);
        }
    }
    let image = match is_large {
        false => Some(snapshot.encode()),
        true => patience.wait(worker, entry, run_apart(move || snapshot.encode())).await,
    };
    let image = match image {
        Some(Ok(image)) => image,
        Some(Err(refused)) => return unsaved::refused(worker, entry, &refused),
        None => return given_up(worker, entry, patience),
    };
    if ends && its_turn.is_none() && image.len() > CHECKPOINT_INLINE_BYTES_MAX {
        its_turn = Some(worker.node().one_by_one().acquire().await);
        if farewell::is_given_up(worker, entry) {
            // Others have found meanwhile that the disk takes nothing.
            return entry.has_changed.set(true);
        }
    }
    if !entry.core.borrow().may_save() {
        entry.has_changed.set(true);
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
            let staged = stage(worker, entry, bytes, patience).await;
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
            } else {
                entry.has_changed.set(true);
                if let Some(staged) = staged {
                    worker.node().store().unstage_checkpoint(staged);
                }
            }
            carry(worker, entry);
        }
        // Tried again when the room has been quiet for as long again.
        None => {
            entry.active_at.set(worker.now());
            given_up(worker, entry, patience);
        }
    }
    drop(its_turn);
}

/// Nobody is to wait any longer for the room to be saved. One that was to be for somebody goes on, and is saved later.
fn given_up(worker: &Worker, entry: &RoomEntry, patience: Patience) {
    match patience {
        Patience::None | Patience::Full => {
            entry.has_changed.set(true);
            fails_to_give_way(worker, entry);
        }
        Patience::Until(_) => {
            let (project, party, room) = entry.address().names();
            tracing::warn!(
                project,
                party,
                room,
                "goes on: its memory could not be written in {STAND_STILL_MS_MAX} ms"
            );
            entry.save_soon.set(false);
            entry.standstill.goes_on();
            entry.core.borrow_mut().is_to_be_kept(false);
            unsaved::put_off(worker, entry);
        }
    }
}

/// How long what comes for a room waits until its checkpoint is written, if that is large.
#[derive(Clone, Copy)]
pub(crate) enum Patience {
    /// Not at all.
    None,
    /// Until then, and not for longer than somebody wants the checkpoint: for a copy, or another version.
    Until(Ticks),
    /// For as long as it takes: its journal must not grow, or it ends with this.
    Full,
}

impl Patience {
    fn of(worker: &Worker, entry: &RoomEntry) -> Patience {
        let is_recorded = entry.core.borrow().config().durable.is_some();
        if entry.farewell.borrow().is_some()
            || entry.core.borrow().wants_to_be_saved()
            || (is_recorded && entry.save_soon.get())
        {
            Patience::Full
        } else if is_wanted(entry) {
            Patience::Until(worker.ticks().after_ms(STAND_STILL_MS_MAX))
        } else {
            Patience::None
        }
    }

    /// What a future gives, or `None` if the room has something to do before, and does not wait for it.
    pub(super) async fn wait<T>(
        self,
        worker: &Worker,
        entry: &RoomEntry,
        future: impl Future<Output = T>,
    ) -> Option<T> {
        let until = match self {
            Patience::None => return unless_something_comes(worker, entry, future).await,
            Patience::Full => return Some(future.await),
            Patience::Until(until) => until,
        };
        let mut future = pin!(future);
        let patiently = async {
            let mut over = worker.node().clock().sleep_until_ticks(until);
            while is_wanted(entry) {
                tokio::select! {
                    biased;
                    () = &mut over => break,
                    () = entry.wake.wait() => {}
                }
            }
            entry.wake.set();
        };
        tokio::select! {
            biased;
            result = &mut future => return Some(result),
            () = patiently => {}
        }
        unless_something_comes(worker, entry, future).await
    }
}

/// Whether somebody waits for the room to be saved.
fn is_wanted(entry: &RoomEntry) -> bool {
    entry.save_soon.get() || entry.upgrade.is_kept_for_it() || entry.farewell.borrow().is_some()
}

/// A room whose memory cannot be kept now has its place for longer, whoever waits for it.
pub(crate) fn fails_to_give_way(worker: &Worker, entry: &RoomEntry) {
    entry.gives_way.fail(&mut entry.core.borrow_mut(), worker.now());
}

/// What a future gives, or `None` if the room has something to do before.
async fn unless_something_comes<T>(
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
