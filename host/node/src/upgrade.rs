//! One room and another version of its party: when it goes on with it, and how.
//!
//! A room that is awake when another version is deployed goes on with the one that it has until it is quiet, for at most
//! `upgrade_wait_ms`; then its operations end as interrupted, and when it has heard that, it goes on. If the version that
//! it has saves and the new one restores, its memory is carried over in one turn and one commit (`core/room/upgrading.rs`);
//! if not, it starts afresh with its next event. Either way its sockets stay. If the new version cannot take it over, the
//! room stays with the one that it has, as it was before it was asked.
//!
//! A room that sleeps is woken with the version that its memory is of, which the store keeps, and is then such a room.

mod handing_over;
mod keeping;

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;

use party_core::commit::{CheckpointBytes, ComponentDigest};
use party_core::ids::Timestamp;
use party_core::room::{Readiness, Rebuild, Room, RoomConfig, Upgraded};
use party_core::storage::StorageReadError;
use party_runtime::capture::NotCapturable;
use party_runtime::instance::Instance;
use party_runtime::load::LoadError;
use party_store::kept::CHECKPOINT_INLINE_BYTES_MAX;

use crate::carrying::carry;
use crate::hibernation::saving::Patience;
use crate::hibernation::staging::stage;
use crate::hibernation::{digest_of, sleeps};
use crate::party::Party;
use crate::recovery::unreadable;
use crate::registry::RoomEntry;
use crate::room_log::log_turn;
use crate::upgrade::handing_over::{Stays, as_it_was, encode, hand_over};
use crate::versions::VersionError;
use crate::worker::Worker;
use crate::worker::set_back::not_after;

/// How long after the system had no memory for a second instance a room tries again, in milliseconds: its clients are served
/// meanwhile.
const AGAIN_MS: u64 = 1_000;

/// How a room stands to the version of its party that is served.
#[derive(Default)]
pub(crate) struct Upgrade {
    /// It has another version.
    is_due: Cell<bool>,
    /// Since when it could have gone on, had it been quiet.
    since: Cell<Option<Timestamp>>,
    /// Its operations have been interrupted.
    was_interrupted: Cell<bool>,
    /// The version that is served could not take it over.
    has_stayed: Cell<bool>,
    /// It has gone on with the version that is served.
    has_switched: Cell<bool>,
    /// The system had no memory for a second instance: not to be tried before.
    not_before: Cell<Timestamp>,
    /// It was to be saved for that.
    was_to_be_kept: Cell<bool>,
    /// Its memory is of this version, which has not been loaded yet.
    memory_of: Cell<Option<ComponentDigest>>,
}

/// What a room is to do about another version before its next turn.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Step {
    /// Nothing yet.
    None,
    /// No turn before this time, or before its commits have been answered.
    StandStill(Timestamp),
    /// It is saved, before it goes on with it.
    Keep,
    /// It goes on with it now.
    Switch,
}

impl Upgrade {
    /// A room whose memory is of another version than the one that is served.
    pub(crate) fn set_memory_of(&self, digest: Option<ComponentDigest>) {
        self.memory_of.set(digest);
        self.is_due.set(digest.is_some());
    }

    /// Whether it has another version than the one that is served, and is to go on with that.
    pub(crate) fn is_due(&self) -> bool {
        self.is_due.get()
    }

    pub(crate) fn has_stayed(&self) -> bool {
        self.has_stayed.get()
    }

    pub(crate) fn has_switched(&self) -> bool {
        self.has_switched.get()
    }

    /// It is saved so that it can go on with it: what comes waits until then.
    pub(crate) fn is_kept_for_it(&self) -> bool {
        self.is_due.get() && self.was_to_be_kept.get()
    }

    /// When it is to be tried again, if the system had no memory for it.
    pub(crate) fn again_at(&self) -> Option<Timestamp> {
        Some(self.not_before.get()).filter(|at| self.is_due.get() && *at > Timestamp(0))
    }

    /// When it has waited long enough. Not while it waits for the system: then it is a room like others, and may sleep.
    pub(crate) fn deadline(&self, wait_ms: u64) -> Option<Timestamp> {
        let is_waited_for = self.is_due.get() && !self.was_interrupted.get() && self.again_at().is_none();
        let since = self.since.get().filter(|_| is_waited_for);
        since.map(|since| since.after_ms(wait_ms))
    }

    /// It is tried now, and has waited since now.
    pub(crate) fn clock_was_set_back(&self, now: Timestamp) {
        not_after(&self.since, now);
        self.not_before.set(self.not_before.get().min(now));
    }

    fn forget(&self, is_due: bool) {
        self.is_due.set(is_due);
        self.since.set(None);
        self.was_interrupted.set(false);
        self.has_stayed.set(false);
        self.has_switched.set(false);
        self.not_before.set(Timestamp(0));
        self.was_to_be_kept.set(false);
    }
}

impl Worker {
    /// Another version of a party is served.
    pub(crate) fn look_at_versions(&self, project: &str, name: &str) {
        let Some(served) = self.node().party(project, name) else { return };
        for entry in self.rooms().all() {
            // A socket outside of rooms stays with the version that took it.
            if entry.address().is_of(project, name) && !entry.address().is_unnamed() {
                let its = entry.upgrade.memory_of.get();
                let its = its.unwrap_or_else(|| digest_of(&entry.party().component));
                entry.upgrade.forget(its != digest_of(&served.component));
                entry.wake.set();
            }
        }
    }
}

/// Looks whether a room with another version than the one that is served can go on with that now, and what is to come before.
/// Ends its operations if it has been given its time.
pub(crate) fn step(worker: &Worker, entry: &RoomEntry, core: &mut Room, now: Timestamp) -> Step {
    match rest_step(entry, core, now) {
        Step::Switch => keeping::step(worker, entry, core, now),
        other => other,
    }
}

/// The same, whether or not its memory is in the store.
fn rest_step(entry: &RoomEntry, core: &mut Room, now: Timestamp) -> Step {
    let upgrade = &entry.upgrade;
    if upgrade.not_before.get() > now {
        return Step::None;
    }
    upgrade.not_before.set(Timestamp(0));
    let is_over = |since: Timestamp| since.after_ms(entry.party().limits.upgrade_wait_ms) <= now;
    match core.readiness() {
        Readiness::NotNow => Step::None,
        Readiness::Fresh | Readiness::Quiet => Step::Switch,
        Readiness::Busy if upgrade.was_interrupted.get() => match core.has_outcomes() {
            true => Step::None,
            false => Step::Switch,
        },
        Readiness::Busy => {
            let since = upgrade.since.get().unwrap_or(now);
            upgrade.since.set(Some(since));
            if !is_over(since) {
                return Step::None;
            }
            upgrade.was_interrupted.set(true);
            core.interrupt();
            if core.has_outcomes() { Step::None } else { Step::Switch }
        }
    }
}

/// The room's memory is to be woken: with the version that it is of. `false`: not now, or not at all, and the room says
/// so itself.
pub(crate) async fn load_version(worker: &Rc<Worker>, entry: &Rc<RoomEntry>, what: Rebuild) -> bool {
    if let Some(digest) = entry.upgrade.memory_of.get() {
        match worker.node().version(entry.address().project(), entry.address().party(), digest).await {
            Ok(party) => {
                entry.upgrade.memory_of.set(None);
                take_version(entry, &party);
                let served = worker.node().party_of(entry.address());
                let is_served = served.is_some_and(|served| digest_of(&served.component) == digest);
                entry.upgrade.is_due.set(!is_served);
            }
            Err(VersionError::Store(StorageReadError::Io(error))) => {
                unreadable(entry, &error);
                return false;
            }
            Err(VersionError::Store(StorageReadError::NoMemory(refused))) => {
                worker.system_is_full(entry, &refused.to_string());
                return false;
            }
            Err(VersionError::Load(_, LoadError::Refused(reason))) => {
                worker.system_is_full(entry, &reason);
                return false;
            }
            Err(error) => {
                let is_durable = entry.core.borrow().config().durable.is_some();
                if is_durable {
                    entry.core.borrow_mut().damaged(&error.to_string());
                } else {
                    tracing::error!(room = %entry.address(), "its memory is lost, and it starts afresh: {error}");
                    entry.upgrade.set_memory_of(None);
                    entry.core.borrow_mut().memory_lost(worker.now());
                }
                carry(worker, entry);
                return false;
            }
        }
    }
    // Nothing of it could be carried over: there is no need to wake it for that.
    if entry.upgrade.is_due() && matches!(what, Rebuild::Asleep(_)) && entry.core.borrow().has_nothing_open()
    {
        let Some(new) = worker.node().party_of(entry.address()) else { return true };
        if !entry.party().component.can_hand_over_to(&new.component) {
            say_that_it_forgets(entry);
            start_over(worker, entry, &new);
            return false;
        }
    }
    true
}

/// The version of a room is another one from now on; its memory is not touched.
fn take_version(entry: &RoomEntry, party: &Arc<Party>) {
    let config = config_of(entry, party);
    entry.core.borrow_mut().reconfigure(config);
    entry.set_party(party);
}

fn config_of(entry: &RoomEntry, party: &Party) -> Arc<RoomConfig> {
    let core = entry.core.borrow();
    let RoomConfig { address, limits, vars, storage, durable, .. } = &**core.config();
    Arc::new(RoomConfig {
        address: Arc::clone(address),
        limits: Arc::clone(limits),
        handlers: party.handlers,
        vars: Arc::clone(vars),
        storage: Arc::clone(storage),
        duplicate_keys: party.duplicate_keys,
        profile: party.profile,
        durable: durable.map(|_| digest_of(&party.component)),
    })
}

fn say_that_it_forgets(entry: &RoomEntry) {
    tracing::warn!(
        room = %entry.address(),
        "starts afresh from its storage: the version before has no `save`, or this one no `restore` (docs/deploy.md)"
    );
}

fn start_over(worker: &Worker, entry: &RoomEntry, new: &Arc<Party>) {
    let config = config_of(entry, new);
    entry.core.borrow_mut().start_over(config);
    switched(entry, new);
    carry(worker, entry);
    tracing::debug!(room = %entry.address(), "starts afresh with the new version at its next event");
}

fn switched(entry: &RoomEntry, new: &Arc<Party>) {
    entry.set_party(new);
    entry.upgrade.forget(false);
    entry.upgrade.has_switched.set(true);
    entry.stays_awake.set(false);
}

/// A room goes on with the version of its party that is served.
pub(crate) async fn switch(worker: &Rc<Worker>, entry: &Rc<RoomEntry>, instance: &mut Option<Instance>) {
    let (old, new) = (entry.party(), worker.node().party_of(entry.address()));
    entry.core.borrow_mut().is_to_be_kept(false);
    let Some(new) = new else { return entry.upgrade.forget(false) };
    let has_memory = entry.core.borrow().readiness() != Readiness::Fresh;
    let hands_over = has_memory && old.component.can_hand_over_to(&new.component);
    let Some(awake) = instance.as_mut().filter(|_| hands_over) else {
        if has_memory {
            say_that_it_forgets(entry);
        }
        return start_over(worker, entry, &new);
    };
    let mut fresh = match new.component.instantiate().await {
        Ok(fresh) => fresh,
        Err(cause) => return stays(worker, entry, &Stays::Start(cause)),
    };
    // The room is to be as it was if it stays, whatever `save` does to it.
    let backup = match awake.capture() {
        // Nothing has begun that would have to be taken back.
        Err(refused @ NotCapturable::NoMemory(_)) => return stays(worker, entry, &refused.into()),
        backup => backup,
    };
    let turn = entry.core.borrow_mut().begin_upgrade(worker.moment(worker.now()));
    let (mut turn, handed) = hand_over(awake, &mut fresh, turn, sleeps(&new)).await;
    let handed = match handed {
        Ok(Some(image)) => encode(image).await.map(Some).map_err(Stays::from),
        Ok(None) => Ok(None),
        Err(why) => Err(why),
    };
    log_turn(entry, &mut turn).await;
    let image = match handed {
        Ok(image) => image,
        Err(why) => {
            entry.core.borrow_mut().stays(turn);
            stays(worker, entry, &why);
            drop(fresh);
            *instance = as_it_was(worker, entry, &old, instance.take(), backup.ok(), &why).await;
            carry(worker, entry);
            return;
        }
    };
    let config = config_of(entry, &new);
    let image = image.map(|image| (digest_of(&new.component), image));
    let upgraded = entry.core.borrow_mut().upgraded(turn, config, image);
    *instance = Some(fresh);
    commit(worker, entry, upgraded).await;
    worker.waits_no_more(entry, worker.now());
    switched(entry, &new);
    entry.active_at.set(worker.now());
    carry(worker, entry);
    tracing::debug!(room = %entry.address(), "goes on with the new version");
}

/// The switch, as one commit.
async fn commit(worker: &Rc<Worker>, entry: &Rc<RoomEntry>, upgraded: Upgraded) {
    let bytes = match upgraded.encode() {
        // Made anew of what is durable, it goes on with the version that it had then, and tries again.
        Err(refused) => {
            tracing::error!(room = %entry.address(), "cannot go on with the new version now: {refused}");
            return entry.core.borrow_mut().cannot_go_on(upgraded);
        }
        Ok(None) => None,
        Ok(Some(bytes)) => {
            entry.kept_bytes.set(bytes.len() as u64);
            if bytes.len() <= CHECKPOINT_INLINE_BYTES_MAX {
                Some(CheckpointBytes::Inline(bytes))
            } else if let Some(staged) = stage(worker, entry, bytes, Patience::Full).await {
                Some(CheckpointBytes::Staged(staged))
            } else {
                return entry.core.borrow_mut().cannot_go_on(upgraded);
            }
        }
    };
    if bytes.is_some() {
        entry.saved_at.set(worker.now());
        entry.checkpoint_at.set(Some(worker.now()));
        // It has a checkpoint, and is to sleep all the same when nothing comes.
        entry.has_changed.set(true);
        worker.tallies().checkpoint();
    }
    entry.core.borrow_mut().goes_on(upgraded, bytes);
}

fn stays(worker: &Worker, entry: &RoomEntry, why: &Stays) {
    if let Some(reason) = why.for_now() {
        // It goes on with what it has until then, and its clients with it.
        entry.upgrade.not_before.set(worker.now().after_ms(AGAIN_MS));
        return worker.misses_a_second_place(entry, reason);
    }
    entry.upgrade.forget(false);
    entry.upgrade.has_stayed.set(true);
    tracing::warn!(
        room = %entry.address(),
        "stays with the version that it has: {why}\nhint: `party-host deploy --rollback` goes back to it for all rooms"
    );
}
