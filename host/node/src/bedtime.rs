//! Rooms that are told to sleep now, by a person or a test, and whether they are awake.
//!
//! A room sleeps by itself when nothing has happened for a while; who tells it to does not wait for that, and is told
//! why it cannot. Nothing else differs: it is saved, and sleeps when that is durable, as any other.

use std::rc::Rc;

use party_core::address::RoomAddress;
use party_core::room::Restless;
use party_runtime::capture::NotCapturable;
use thiserror::Error;

use crate::inspection::InspectError;
use crate::node::Node;
use crate::party::Memory;
use crate::registry::RoomEntry;
use crate::worker::Worker;

/// What comes of telling a room to sleep.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Bedtime {
    /// It sleeps, or has left nothing that could.
    Sleeps,
    /// It is being saved, and will sleep when that is durable if nothing comes before.
    Soon,
}

/// Why a room that was told to sleep stays awake.
#[derive(Debug, Error)]
pub enum StaysAwake {
    /// There never was such a room, or nothing is left of it.
    #[error("there is no such room")]
    NoSuchRoom,
    /// Its party is none of this host's.
    #[error("there is no such party")]
    NoSuchParty,
    /// Its party keeps no memory.
    #[error("its party says memory = \"volatile\"")]
    Volatile,
    /// Its component cannot be captured, or its memory could not be when that was last tried.
    #[error(transparent)]
    NotCapturable(#[from] NotCapturable),
    /// Something is under way.
    #[error(transparent)]
    Restless(#[from] Restless),
    /// The store cannot be read, or the host ends.
    #[error(transparent)]
    Inspect(#[from] InspectError),
}

impl Node {
    /// Tells a room to sleep now. Asked again later, it says what has come of it.
    pub async fn hibernate(&self, address: &RoomAddress) -> Result<Bedtime, StaysAwake> {
        let asked = address.clone();
        self.look_on(self.worker_of(address), move |worker| tell(worker, &asked)).await?
    }

    /// Whether a room is awake: it has an instance.
    pub async fn is_awake(&self, address: &RoomAddress) -> bool {
        let asked = address.clone();
        let awake = move |worker: &Rc<Worker>| {
            worker.rooms().by_address(&asked).is_some_and(|entry| entry.is_awake.get())
        };
        self.look_on(self.worker_of(address), awake).await.unwrap_or(false)
    }
}

fn tell(worker: &Rc<Worker>, address: &RoomAddress) -> Result<Bedtime, StaysAwake> {
    let party = worker.node().party_of(address).ok_or(StaysAwake::NoSuchParty)?;
    match worker.rooms().by_address(address) {
        Some(entry) => tell_entry(&entry),
        None if party.memory == Memory::Volatile => Err(StaysAwake::Volatile),
        None => {
            let summary = worker.node().store().summary(address).map_err(InspectError::from)?;
            let sleeps = summary.is_some_and(|summary| summary.checkpoint.is_some());
            if sleeps { Ok(Bedtime::Sleeps) } else { Err(StaysAwake::NoSuchRoom) }
        }
    }
}

fn tell_entry(entry: &RoomEntry) -> Result<Bedtime, StaysAwake> {
    let party = entry.party();
    if party.memory == Memory::Volatile {
        return Err(StaysAwake::Volatile);
    }
    party.component.capturable().map_err(Clone::clone)?;
    let (reason, not_captured) = (entry.core.borrow().restless(), entry.not_captured.borrow().clone());
    match reason {
        Some(Restless::Asleep) => Ok(Bedtime::Sleeps),
        Some(reason) => {
            // It is not to sleep behind the back of whoever has been told that it does not.
            entry.sleep_soon.set(false);
            Err(StaysAwake::Restless(reason))
        }
        None => {
            // Whatever was in the way of the last attempt may have gone.
            entry.sleep_soon.set(true);
            entry.wake.set();
            not_captured.map_or(Ok(Bedtime::Soon), |reason| Err(StaysAwake::NotCapturable(reason)))
        }
    }
}
