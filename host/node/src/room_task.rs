//! The task of one room: takes turns, runs the guest, carries out what the room decides.

use std::rc::Rc;

use party_core::event::{DropCause, TurnEnd};
use party_core::ids::Timestamp;
use party_core::large::claim_u64;
use party_core::room::{Phase, Purpose, Room};
use party_core::turn::Turn;
use party_runtime::aside::step_aside;
use party_runtime::instance::Instance;

use crate::awake_instance::{dispose, make, run_guest};
use crate::carrying::{carry, carry_all};
use crate::farewell;
use crate::hibernation::{self, saving};
use crate::party::Memory;
use crate::pressure::giving_way::{fell_asleep, mind_giving_way};
use crate::registry::RoomEntry;
use crate::room_log::log_turn;
use crate::row::Row;
use crate::unsaved;
use crate::upgrade::{self, Step};
use crate::worker::Worker;

/// How long after an attempt to save a room whose journal is long the next may follow, in milliseconds.
const SAVE_AGAIN_MS: u64 = 20;

/// What a room does next.
enum Next {
    /// The guest runs.
    Turn(Box<Turn>),
    /// It must be woken first.
    Wake,
    /// It has no instance, and begins a life.
    Make,
    /// Its memory is saved.
    Save(Purpose),
    /// It goes on with another version of its party.
    Switch,
    /// The others of its thread have their turns.
    StepAside,
    /// It waits.
    Rest,
}

/// Runs a room from its first event to its end. What it needs while it is awake is on the heap for as long as that: one
/// that sleeps, perhaps for days, keeps no place for it.
pub(crate) async fn run(worker: Rc<Worker>, entry: Rc<RoomEntry>) {
    while Box::pin(run_awake(&worker, &entry)).await == Ended::Asleep {
        entry.wake.wait().await;
    }
}

/// How a stretch of a room's life ends.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Ended {
    /// It sleeps, and has nothing to do.
    Asleep,
    /// It is no more.
    Gone,
}

/// Runs a room until it sleeps or ends.
async fn run_awake(worker: &Rc<Worker>, entry: &Rc<RoomEntry>) -> Ended {
    let mut instance: Option<Instance> = None;
    // Why it has none: what its guest did in its prologue. The next turn is dropped for it.
    let mut failed: Option<DropCause> = None;
    let mut row = Row::default();
    loop {
        if !still_awake(worker, entry, &mut instance).await {
            Box::pin(dispose(instance)).await;
            return Ended::Gone;
        }
        if entry.drop_instance.replace(false) {
            Box::pin(dispose(instance.take())).await;
            fell_asleep(worker, entry);
            continue;
        }
        match next(worker, entry, &mut row, instance.is_some() || failed.is_some()) {
            Next::Turn(turn) => {
                let (turn, end) = run_guest(&mut instance, failed.take(), entry, turn).await;
                worker.count_awake(entry, instance.as_ref().map(Instance::memory_bytes));
                if matches!(end, TurnEnd::Dropped(_)) {
                    row.dropped();
                }
                end_turn(worker, entry, turn, end).await;
            }
            // What is rare is on the heap while it lasts.
            Next::Wake => instance = Box::pin(hibernation::wake(worker, entry)).await,
            Next::Make => match Box::pin(make(worker, entry)).await {
                Ok(made) => instance = made,
                Err(cause) => failed = Some(cause),
            },
            Next::Save(purpose) => {
                Box::pin(saving::save(worker, entry, &mut instance, purpose)).await;
                if entry.save_tried_at.get() != Timestamp(0) {
                    // It may have taken long: what waits has its turn before the next attempt.
                    entry.save_tried_at.set(worker.now());
                }
            }
            Next::Switch => Box::pin(upgrade::switch(worker, entry, &mut instance)).await,
            Next::StepAside => {
                step_aside().await;
                row.clear();
            }
            Next::Rest => {
                failed = None;
                worker.count_awake(entry, instance.as_ref().map(Instance::memory_bytes));
                worker.mind_quiet(entry);
                if instance.is_none() && entry.core.borrow().is_asleep() {
                    return Ended::Asleep;
                }
                entry.wake.wait().await;
            }
        }
    }
}

/// What happened to the room while it was not looking: a failed commit, a farewell, its removal.
async fn still_awake(worker: &Rc<Worker>, entry: &Rc<RoomEntry>, instance: &mut Option<Instance>) -> bool {
    if entry.ended.get() || entry.broken.borrow().is_some() {
        return false;
    }
    let must_be_made_anew = entry.core.borrow().must_be_made_anew();
    if entry.commit_failed.get() && !must_be_made_anew && unsaved::goes_on(worker, entry) {
        return true;
    }
    if entry.commit_failed.get() || must_be_made_anew {
        let is_destroyed = entry.core.borrow().is_destroyed() && !entry.commit_failed.get();
        entry.core.borrow_mut().commit_failed();
        carry_all(worker, entry);
        hibernation::staging::unstage_all(worker, entry);
        match (is_destroyed, worker.node().rooms_count()) {
            (false, _) => farewell::failed(worker, entry),
            (true, Some(rooms)) if entry.new.borrow().is_none() => rooms.destroyed(),
            (true, _) => {}
        }
        worker.end_failed_room(entry, false);
        return false;
    }
    let farewell = entry.farewell.borrow().clone();
    let Some(frame) = farewell else { return true };
    entry.core.borrow_mut().will_end();
    if entry.leaving.is_under_way() && is_to_be_saved(entry, instance) {
        if !farewell::may_end(worker, entry, instance).await {
            return true;
        }
        entry.leaving.decide();
    }
    entry.core.borrow_mut().shut_down(&frame);
    carry_all(worker, entry);
    if entry.core.borrow().uncommitted() == 0 {
        worker.end_room(entry);
        return false;
    }
    true
}

/// Whether a room that is told to end has a memory that the next host can go on with.
fn is_to_be_saved(entry: &RoomEntry, instance: &Option<Instance>) -> bool {
    instance.is_some() && hibernation::sleeps(&entry.party())
}

fn next(worker: &Worker, entry: &Rc<RoomEntry>, row: &mut Row, is_made: bool) -> Next {
    if entry.has_undone() {
        carry(worker, entry);
        return Next::StepAside;
    }
    let now = worker.now();
    if !entry.is_awake.get()
        && entry.waits.is_over(now, entry.limits())
        && (entry.waits.was_refused() || !worker.finds_a_place(entry, now))
        && worker.turn_away(entry, now)
    {
        return Next::StepAside;
    }
    entry.core.borrow_mut().on_time(now);
    carry(worker, entry);
    if entry.drop_instance.get() || entry.has_undone() {
        // Time has ended a life: the next one must not begin in the instance of this one.
        return Next::StepAside;
    }
    mind_giving_way(entry, now);
    if let Some(until) = entry.standstill.until(now).or_else(|| farewell::stands_still(worker, entry, now)) {
        worker.set_deadline(entry, Some(until));
        row.rest(now);
        return Next::Rest;
    }
    entry.core.borrow_mut().put_saving_off(saving_is_put_off(entry, now));
    if entry.core.borrow().wants_a_turn(now) {
        unsaved::settle(worker, entry);
    }
    let mut core = entry.core.borrow_mut();
    if entry.upgrade.is_due() {
        let step = upgrade::step(worker, entry, &mut core, now);
        let next = match step {
            Step::None => None,
            Step::StandStill(until) => {
                worker.set_deadline(entry, Some(until));
                row.rest(now);
                Some(Next::Rest)
            }
            Step::Keep => Some(Next::Save(Purpose::Keep)),
            Step::Switch => Some(Next::Switch),
        };
        if let Some(next) = next {
            drop(core);
            carry(worker, entry);
            return next;
        }
    }
    let wants_a_turn = core.wants_a_turn(now);
    if wants_a_turn && !entry.is_awake.get() {
        drop(core);
        carry(worker, entry);
        if !worker.finds_a_place(entry, now) {
            row.rest(now);
            return rest(worker, entry, now);
        }
        core = entry.core.borrow_mut();
    } else if !wants_a_turn && entry.waits.is_in_line() {
        worker.leave_line(entry);
    }
    if wants_a_turn && core.is_asleep() {
        return Next::Wake;
    }
    if wants_to_be_saved(entry, &core, now) {
        drop(core);
        carry(worker, entry);
        return Next::Save(Purpose::Keep);
    }
    if wants_a_turn && !is_made && core.may_need_its_guest(now) {
        return Next::Make;
    }
    let steps_aside = wants_a_turn && row.is_over(now);
    let turn = if wants_a_turn && !steps_aside {
        row.begin(now);
        entry.active_at.set(now);
        entry.has_changed.set(true);
        entry.gives_way.end(&mut core);
        if core.wants_ids() {
            core.go_on_with_ids(worker.node().next_ids());
        }
        core.begin_turn(worker.moment(now))
    } else {
        None
    };
    drop(core);
    carry(worker, entry);
    entry.feed();
    match turn {
        Some(turn) => Next::Turn(turn),
        None if steps_aside => Next::StepAside,
        None => {
            row.rest(now);
            rest(worker, entry, now)
        }
    }
}

/// Whether a room is to be saved before its next turn, because its journal is long.
fn wants_to_be_saved(entry: &RoomEntry, core: &Room, now: Timestamp) -> bool {
    (core.wants_to_be_saved() || entry.save_soon.get())
        && core.may_save()
        && !unsaved::must_wait(entry, now)
        && !saving_is_put_off(entry, now)
}

/// Whether it was tried in vain a moment ago, or could not be written lately: the room has turns before it is tried again, or
/// one that cannot be saved would answer nobody.
fn saving_is_put_off(entry: &RoomEntry, now: Timestamp) -> bool {
    let tried_at = entry.save_tried_at.get();
    let was_just_tried = tried_at <= now && now < tried_at.after_ms(SAVE_AGAIN_MS);
    // Who wants a copy is told at once what becomes of it.
    let is_wanted = entry.standstill.is_wanted.get();
    was_just_tried || (!is_wanted && entry.save_again_at.get().is_some_and(|at| now < at))
}

/// Nothing to do now: says when to be woken. A room that has nothing to do for a while sleeps; one that never keeps its
/// memory, and has nobody, ends.
fn rest(worker: &Worker, entry: &RoomEntry, now: Timestamp) -> Next {
    let core = entry.core.borrow();
    if core.is_over() {
        drop(core);
        worker.end_room(entry);
        return Next::Rest;
    }
    let mut deadline = core.next_deadline();
    let mut sooner = |at: Timestamp| deadline = Some(deadline.map_or(at, |deadline| deadline.min(at)));
    let has_memory = matches!(core.phase(), Phase::Starting | Phase::Running);
    // It sleeps when it has gone on with the new version, which is soon; or if others need its place. It is saved all the same.
    let goes_on_at = entry.upgrade.deadline(entry.limits().upgrade_wait_ms);
    let goes_on_at = goes_on_at.filter(|_| !core.is_asleep() && !entry.gives_way.is_told());
    if let Some(at) = goes_on_at {
        sooner(at.max(now.after_ms(1)));
    }
    if core.may_be_forgotten() {
        drop(core);
        worker.forget_room(entry);
        return Next::Rest;
    } else if core.is_asleep() {
        // Its sockets keep it here.
    } else if entry.party().memory != Memory::Volatile && has_memory {
        let limits = entry.limits();
        let idle_until = entry.active_at.get().after_ms(limits.idle_ms);
        let save_at = entry.saved_at.get().after_ms(limits.checkpoint_interval_ms);
        let is_told = entry.sleep_soon.get() || entry.gives_way.is_told();
        let has_changed = entry.has_changed.get();
        if let Some(at) = entry.save_again_at.get().filter(|at| now < *at && !is_told) {
            sooner(at);
        } else if has_changed || entry.was_kept.get() || is_told {
            if goes_on_at.is_none() && (idle_until <= now || is_told) && core.may_sleep() {
                entry.sleep_soon.set(false);
                return Next::Save(Purpose::Sleep);
            }
            if has_changed && save_at <= now && core.may_save() {
                return Next::Save(Purpose::Keep);
            }
            match entry.gives_way.until() {
                // It is saved when what it waits for is durable.
                Some(until) => sooner(until.max(now.after_ms(1))),
                None if goes_on_at.is_some() => {}
                // If that is past, it waits for more than time: for a commit, or for a drop to be long ago, which wake it.
                None if idle_until <= now => {}
                None => sooner(idle_until),
            }
            if has_changed && save_at > now {
                sooner(save_at);
            }
        }
    } else if core.is_quiet() && goes_on_at.is_none() {
        let idle_until = entry.active_at.get().after_ms(worker.node().idle_ms());
        if idle_until <= now || entry.gives_way.is_told() {
            drop(core);
            worker.end_room(entry);
            return Next::Rest;
        }
        sooner(idle_until);
    }
    if core.wants_to_be_saved() || entry.save_soon.get() {
        let again_at = entry.save_again_at.get().unwrap_or_default();
        sooner(entry.save_tried_at.get().max(now).after_ms(SAVE_AGAIN_MS).max(again_at));
    }
    if let Some(at) = entry.upgrade.again_at() {
        sooner(at.max(now.after_ms(1)));
    }
    if let Some(at) = entry.waits.deadline(entry.limits()) {
        sooner(at.max(now.after_ms(1)));
    }
    drop(core);
    worker.set_deadline(entry, deadline);
    Next::Rest
}

async fn end_turn(worker: &Worker, entry: &RoomEntry, mut turn: Box<Turn>, end: TurnEnd) {
    log_turn(entry, &mut turn).await;
    let end = match end {
        TurnEnd::Dropped(_) => end,
        // The record is put together in memory that grows as it is written.
        TurnEnd::Done | TurnEnd::Failed(_) | TurnEnd::Pending => {
            match claim_u64(entry.core.borrow().bytes_to_record(&turn).saturating_mul(3)) {
                Ok(()) => end,
                Err(refused) => TurnEnd::Dropped(DropCause::NoMemory(refused.to_string())),
            }
        }
    };
    entry.core.borrow_mut().end_turn(turn, end);
    carry(worker, entry);
}

#[cfg(test)]
mod tests {
    use std::rc::Rc;

    use super::{RoomEntry, Worker, run};

    fn size_of_task<F: Future>(_: impl Fn(Rc<Worker>, Rc<RoomEntry>) -> F) -> usize {
        size_of::<F>()
    }

    #[test]
    fn a_room_that_sleeps_holds_little() {
        let bytes = size_of_task(run);
        assert!(bytes <= 256, "the task of a room takes {bytes} bytes");
    }
}
