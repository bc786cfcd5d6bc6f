//! A room out of a file that is no copy: it goes on as the one that it was. For whoever plays its past once more.
//!
//! Either its host has just been started again, so that it hears of every client that it knew that it has gone; or its clients and
//! requests are still there ([`Here`]). Then each of them takes the next free seat when it asks: the first who wants to be let in
//! sits in the session with the smallest id.

use std::rc::Rc;
use std::sync::Arc;

use party_core::address::RoomAddress;
use party_core::checkpoint::{Checkpoint, CheckpointError};
use party_core::room::{Here, NotHere};
use party_runtime::snapshot::MEMORY_BYTES_MAX;
use party_store::room_file::RoomFile;
use thiserror::Error;

use crate::apart::run_apart;
use crate::node::{Node, Unavailable};
use crate::transfer::bring::{FIRST, bring_in};
use crate::transfer::{Brought, ImportError, Reservation, wakes_at};
use crate::worker::Worker;

/// Why a room cannot go on as the one that it was.
#[derive(Debug, Error)]
pub enum ContinueError {
    /// It cannot be brought in.
    #[error(transparent)]
    Import(#[from] ImportError),
    /// Its checkpoint cannot be read.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// The file has no memory, in which somebody could be known.
    #[error("the file has no memory of the room: nobody can be there who is known to it")]
    NoMemory,
    /// Somebody is not there, or what comes next has been.
    #[error(transparent)]
    Here(#[from] NotHere),
    /// The room cannot be opened.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

impl Node {
    /// Brings in a room that goes on as the one that it was: with those who are here, or, without any of them, as one whose host
    /// was started again.
    pub async fn continue_room(
        &self,
        file: RoomFile,
        to: &RoomAddress,
        here: Option<Here>,
    ) -> Result<Brought, ContinueError> {
        let known = file.memory.as_ref().map(|memory| Checkpoint::decode(&memory.checkpoint)).transpose()?;
        let goes_on = match (here, known) {
            (None, _) => None,
            (Some(_), None) => return Err(ContinueError::NoMemory),
            (Some(here), Some(known)) => {
                here.check(&known)?;
                Some((here, known.as_it_is(FIRST).map_err(ImportError::from)?))
            }
        };
        let (index, asked) = (self.worker_of(to), to.clone());
        let reserve = move |worker: &Rc<Worker>| worker.reserve(&asked);
        if !self.look_on(index, reserve).await.map_err(ImportError::from)? {
            return Err(ImportError::Exists(to.clone()).into());
        }
        let reservation = Reservation { node: self, address: to };
        let (store, epoch, address) = (Arc::clone(self.store()), self.epoch(), to.clone());
        let party = self.party_of(to);
        let memory_bytes_max = party.map_or(MEMORY_BYTES_MAX, |party| party.limits.memory_bytes_max);
        // Its component is no room's until the commit.
        let _versions = self.versions().hold().await;
        let bring = move || {
            bring_in(store.as_ref(), epoch, file, &address, memory_bytes_max, |it| it.as_it_is(FIRST))
        };
        let brought = run_apart(bring).await;
        let address = Arc::new(to.clone());
        let wakes_at = wakes_at(&brought, self.clock().now());
        match goes_on.filter(|_| brought.is_ok()) {
            Some((here, checkpoint)) => {
                let open = move |worker: &Rc<Worker>| worker.go_on(&address, checkpoint, here);
                self.look_on(index, open).await.map_err(ImportError::from)??;
                drop(reservation);
            }
            None => {
                drop(reservation);
                if let Some(at) = wakes_at {
                    let remember = move |worker: &Rc<Worker>| worker.remember_alarm(at, address);
                    self.look_on(index, remember).await.map_err(ImportError::from)?;
                }
            }
        }
        Ok(brought?)
    }
}
