//! A room that is awake stands still for its copy: it is saved between two turns, and takes no further one until what its
//! checkpoint and its storage then are has been read.
//!
//! Otherwise a room that keeps storing has moved on whenever it is read, and a checkpoint that is older than its storage is
//! worth nothing. The room's own task does it: it saves the room as it is asked to, and begins no turn while it stands still.
//! What comes meanwhile waits in its mailbox. That is bounded: by the time in which it must be saved, and then by the time in
//! which it must be read.

use std::cell::Cell;
use std::rc::Rc;

use party_core::address::RoomAddress;
use party_core::ids::{CommitSeq, Timestamp};
use party_core::room::Phase;

use crate::hibernation::sleeps;
use crate::inspection::InspectError;
use crate::node::Node;
use crate::registry::RoomEntry;
use crate::transfer::ExportError;
use crate::unsaved;
use crate::worker::Worker;

/// How long a room may take to come to rest so that it can be saved, in milliseconds.
const REST_MS_MAX: u64 = 5_000;
/// How long a room waits for the reader of its copy, in milliseconds: less than a client waits for its 101.
const STAND_STILL_MS_MAX: u64 = 2_000;
/// How often it is looked at meanwhile, in milliseconds.
pub(super) const LOOK_MS: u64 = 5;

/// How a room stands still.
#[derive(Default)]
pub(crate) struct Standstill {
    /// Somebody wants a copy.
    pub(crate) is_wanted: Cell<bool>,
    /// It has been saved for that, and takes no turn before.
    until: Cell<Timestamp>,
}

impl Standstill {
    /// The commit that carries the room's checkpoint has been taken.
    pub(crate) fn saved(&self, now: Timestamp) {
        if self.is_wanted.get() {
            self.until.set(now.after_ms(REST_MS_MAX + STAND_STILL_MS_MAX));
        }
    }

    /// It takes turns again.
    pub(crate) fn goes_on(&self) {
        self.until.set(Timestamp(0));
    }

    /// Until when the room takes no turn, if that is so now.
    pub(crate) fn until(&self, now: Timestamp) -> Option<Timestamp> {
        Some(self.until.get()).filter(|until| *until > now)
    }
}

/// Keeps a room standing still while it is read.
pub(super) struct StandsStill<'a> {
    node: &'a Node,
    address: &'a RoomAddress,
}

impl Drop for StandsStill<'_> {
    fn drop(&mut self) {
        let address = self.address.clone();
        self.node.run_on(self.node.worker_of(self.address), move |worker| {
            let entry = worker.rooms().by_address(&address);
            if let Some(entry) = entry.filter(|entry| entry.standstill.is_wanted.replace(false)) {
                entry.standstill.goes_on();
                entry.save_soon.set(false);
                entry.put_in(|core| core.is_to_be_kept(false));
            }
        });
    }
}

impl Node {
    /// Has a room that is awake saved, waits until that is durable, and keeps it as it then is. Does nothing if its last
    /// checkpoint is what it is, or if its memory is never kept.
    pub(super) async fn stand_still<'a>(
        &'a self,
        address: &'a RoomAddress,
    ) -> Result<StandsStill<'a>, ExportError> {
        let stands_still = StandsStill { node: self, address };
        let begun_at = self.clock().now();
        let give_up_at = begun_at.after_ms(REST_MS_MAX);
        let mut was_asked = false;
        loop {
            let asked = address.clone();
            let look = move |worker: &Rc<Worker>| saving(worker, &asked, begun_at, was_asked);
            match self.look_on(self.worker_of(address), look).await? {
                Saving::Done => return Ok(stands_still),
                Saving::Failed(why) => return Err(ExportError::Restless { why }),
                Saving::UnderWay(why) if self.clock().now() >= give_up_at => {
                    return Err(ExportError::Restless { why });
                }
                Saving::UnderWay(_) => {
                    was_asked = true;
                    self.clock().sleep_until(self.clock().now().after_ms(LOOK_MS)).await;
                }
            }
        }
    }

    /// Whether a room that was read as of this commit, without a memory, has one all the same, or has moved since.
    pub(super) async fn remembers_more(
        &self,
        address: &RoomAddress,
        seq: CommitSeq,
    ) -> Result<bool, InspectError> {
        let asked = address.clone();
        let look = move |worker: &Rc<Worker>| {
            worker.rooms().by_address(&asked).is_some_and(|entry| {
                sleeps(&entry.party())
                    && matches!(entry.core.borrow().phase(), Phase::Starting | Phase::Running)
            })
        };
        let has_a_life = self.look_on(self.worker_of(address), look).await?;
        let last = self.store().record(address)?.map(|record| record.seq);
        Ok(has_a_life || last != Some(seq))
    }
}

/// How far a room has come that is to be saved.
enum Saving {
    Done,
    /// What keeps it.
    UnderWay(String),
    Failed(String),
}

fn saving(worker: &Worker, address: &RoomAddress, begun_at: Timestamp, was_asked: bool) -> Saving {
    let Some(entry) = worker.rooms().by_address(address) else { return Saving::Done };
    if !sleeps(&entry.party()) || !entry.is_awake.get() || entry.core.borrow().is_asleep() {
        // What it has stored is all there is of it, once that is durable.
        return match entry.core.borrow().uncommitted() {
            0 => Saving::Done,
            _ => Saving::UnderWay("its last commit is not durable yet".into()),
        };
    }
    let now = worker.now();
    if entry.standstill.until(now).is_some() {
        if entry.core.borrow().uncommitted() > 0 {
            return Saving::UnderWay("its checkpoint is not durable yet".into());
        }
        entry.standstill.until.set(now.after_ms(STAND_STILL_MS_MAX));
        // So that it goes on then, whatever comes or does not.
        entry.wake.set();
        return Saving::Done;
    }
    if was_asked && entry.save_again_at.get().is_some() {
        return Saving::Failed(unsaved::WHY.into());
    }
    if entry.saved_at.get() >= begun_at
        && let Some(reason) = &*entry.not_captured.borrow()
    {
        return Saving::Failed(reason.to_string());
    }
    ask_for_it(&entry);
    let why = entry.core.borrow().restless();
    Saving::UnderWay(why.map_or_else(|| "it is about to be saved".into(), |why| why.to_string()))
}

fn ask_for_it(entry: &RoomEntry) {
    let was_wanted = entry.standstill.is_wanted.replace(true);
    if !entry.save_soon.replace(true) || !was_wanted {
        entry.put_in(|core| core.is_to_be_kept(true));
    }
}
