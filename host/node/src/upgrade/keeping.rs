//! Before a room is carried over its memory is in the store, as it is: a switch that cannot be written, as on a disk that
//! refuses, then takes the room back to that and costs no variable.
//!
//! A durable room has all of it there at any time, and a volatile one never. Any other is saved first and stands still from
//! then on, so that nothing happens between its checkpoint and the switch. If it cannot be saved, the switch is put off until
//! it can: nobody is closed for it, and the room goes on with the version that it has.

use party_core::ids::Timestamp;
use party_core::room::{Phase, Room};

use crate::hibernation::sleeps;
use crate::registry::RoomEntry;
use crate::upgrade::Step;
use crate::worker::Worker;

/// How long after an attempt to save it, or while its commits are under way, a room is looked at again, in milliseconds.
const LOOK_AGAIN_MS: u64 = 20;

/// What a room that could be carried over now is to do.
pub(super) fn step(worker: &Worker, entry: &RoomEntry, core: &mut Room, now: Timestamp) -> Step {
    if !is_at_risk(worker, entry, core) || core.is_kept() {
        return Step::Switch;
    }
    if entry.save_again_at.get().is_some_and(|at| now < at) {
        core.is_to_be_kept(false);
        return Step::None;
    }
    let upgrade = &entry.upgrade;
    if upgrade.was_to_be_kept.get() && entry.not_captured.borrow().is_some() {
        // That was said when it was found. There is nothing to wait for.
        return Step::Switch;
    }
    core.is_to_be_kept(true);
    let tried_at = entry.save_tried_at.get();
    let was_just_tried = tried_at <= now && now < tried_at.after_ms(LOOK_AGAIN_MS);
    if core.uncommitted() > 0 || was_just_tried {
        return Step::StandStill(now.after_ms(LOOK_AGAIN_MS));
    }
    if !core.may_save() {
        // It has to hear first what no checkpoint could say again.
        return Step::None;
    }
    upgrade.was_to_be_kept.set(true);
    Step::Keep
}

/// Whether a switch that fails would cost the room what it has in its memory.
fn is_at_risk(worker: &Worker, entry: &RoomEntry, core: &Room) -> bool {
    let party = entry.party();
    let is_recorded = core.config().durable.is_some();
    let is_handed_over = || {
        let served = worker.node().party_of(entry.address());
        served.is_some_and(|served| party.component.can_hand_over_to(&served.component))
    };
    core.phase() == Phase::Running && !is_recorded && sleeps(&party) && is_handed_over()
}
