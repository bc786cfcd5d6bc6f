//! Rooms that are told to sleep now, by a person or a test, and whether they are awake.
//!
//! A room sleeps by itself when nothing has happened for a while; who tells it to does not wait for that, and is told
//! why it cannot. Nothing else differs: it is saved, and sleeps when that is durable, as any other.

use std::rc::Rc;

use party_core::address::RoomAddress;
use party_core::room::Restless;
use party_core::storage::StorageReadError;
use party_runtime::capture::NotCapturable;
use thiserror::Error;
use tokio::sync::oneshot;

use crate::hibernation::sleeps;
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
#[derive(Clone, PartialEq, Eq, Debug, Error)]
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
    /// Its component cannot be captured.
    #[error(transparent)]
    NotCapturable(#[from] NotCapturable),
    /// Its memory could not be captured when that was last tried.
    #[error("its memory could not be captured; the log says why")]
    NotCaptured,
    /// Something is under way.
    #[error(transparent)]
    Restless(#[from] Restless),
    /// The store cannot be read.
    #[error(transparent)]
    Storage(#[from] StorageReadError),
    /// The host ends.
    #[error("the host is shutting down")]
    Ending,
}

impl Node {
    /// Tells a room to sleep now. Asked again later, it says what has come of it.
    pub async fn hibernate(&self, address: &RoomAddress) -> Result<Bedtime, StaysAwake> {
        let asked = address.clone();
        self.look(address, move |worker| tell(worker, &asked)).await.unwrap_or(Err(StaysAwake::Ending))
    }

    /// Whether a room is awake: it has an instance.
    pub async fn is_awake(&self, address: &RoomAddress) -> bool {
        let asked = address.clone();
        let awake = move |worker: &Rc<Worker>| {
            worker.rooms().by_address(&asked).is_some_and(|entry| entry.is_awake.get())
        };
        self.look(address, awake).await.unwrap_or(false)
    }

    /// Asks a room's worker something. `None` if that has ended.
    async fn look<T: Send + 'static>(
        &self,
        address: &RoomAddress,
        look: impl FnOnce(&Rc<Worker>) -> T + Send + 'static,
    ) -> Option<T> {
        let (sender, receiver) = oneshot::channel();
        self.run_on(self.worker_of(address), move |worker| {
            // Whoever asked may have lost patience.
            let _ = sender.send(look(worker));
        });
        receiver.await.ok()
    }
}

fn tell(worker: &Rc<Worker>, address: &RoomAddress) -> Result<Bedtime, StaysAwake> {
    let party = worker.node().party(address.party()).ok_or(StaysAwake::NoSuchParty)?;
    match worker.rooms().by_address(address) {
        Some(entry) => tell_entry(&entry),
        None if party.memory == Memory::Volatile => Err(StaysAwake::Volatile),
        None => {
            let summary = worker.node().store().summary(address)?;
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
    if !sleeps(party) {
        party.component.capturable().map_err(Clone::clone)?;
    }
    let reason = entry.core.borrow().restless();
    match reason {
        Some(Restless::Asleep) => Ok(Bedtime::Sleeps),
        Some(reason) => {
            // It is not to sleep behind the back of whoever has been told that it does not.
            entry.sleep_soon.set(false);
            Err(StaysAwake::Restless(reason))
        }
        None if entry.stays_awake.get() => Err(StaysAwake::NotCaptured),
        None => {
            entry.sleep_soon.set(true);
            entry.wake.set();
            Ok(Bedtime::Soon)
        }
    }
}
