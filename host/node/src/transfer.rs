//! Rooms on their way: out to a file, in from one, and copies beside the original.
//!
//! A room that comes out is read as one commit left it: what is read twice around the reading must not have moved. A room
//! that comes in is one commit of a room that has none, so that it is there in whole or not at all. Its memory goes on as
//! a new life without clients: the room is told so, and what has become of what it had begun (`core`, `elsewhere`). The
//! same is done to a store alone, when no host runs.

mod again;
mod bring;
mod going_on;
mod recorded_room;
pub(crate) mod standstill;
mod taken_again;

use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;

use bytes::Bytes;
use party_core::address::RoomAddress;
use party_core::commit::RoomRecord;
use party_core::event::ResumeReason;
use party_core::ids::{Incarnation, Timestamp};
use party_core::large::{NoMemory, claim_u64};
use party_core::storage::{KeyRange, StorageReadError, Visit};
use party_runtime::load::LoadError;
use party_runtime::snapshot::MEMORY_BYTES_MAX;
use party_store::kept::RoomSummary;
use party_store::room_file::{ENTRIES_BYTES_MAX, ENTRIES_MAX, RoomFile, RoomFileMemory};
use party_store::store::{CommitError, Store};
use thiserror::Error;

pub use again::{Again, Left, TakeAgainError};
pub use bring::{Brought, ImportError, import};
pub use going_on::ContinueError;
/// Rooms as files: whoever asks for a room gets it as one, and brings it as one.
pub use party_store::room_file;
pub use recorded_room::{RECORDED_BYTES_MAX, RecordedError, RecordedRoom};
pub use taken_again::{Recorded, export_left, why_nothing_is_recorded};

use crate::apart::run_apart;
use crate::inspection::InspectError;
use crate::node::Node;
use crate::transfer::standstill::LOOK_MS;
use crate::versions::VersionError;
use crate::worker::Worker;

/// How often a room is read that moves meanwhile.
const READS_MAX: u32 = 20;

/// How long after a room was brought of which it is not known whether it is there it is looked for, in milliseconds.
const LOOK_AGAIN_MS: u64 = 1_000;

/// Why a room cannot be taken out.
#[derive(Debug, Error)]
pub enum ExportError {
    /// There never was such a room, or nothing of it was ever stored.
    #[error("there is no room {0}")]
    NoSuchRoom(RoomAddress),
    /// It has more than one commit can bring in again.
    #[error("the room's {what} are {found}; the limit for a copy is {max}")]
    TooLarge {
        /// What, in the plural.
        what: &'static str,
        /// How many.
        found: u64,
        /// The bound.
        max: u64,
    },
    /// It has a journal, which must be taken again: [`export_left`].
    #[error("turns of the room stand in its journal since its last checkpoint")]
    Journal,
    /// And that cannot be.
    #[error(
        "the room cannot be made again as it was: {0}\n\
         hint: `party-host room recover` gives its variables up and keeps its storage"
    )]
    TakeAgain(#[source] TakeAgainError),
    /// The system has no memory, thread or file left to make it again with, which says nothing of the room.
    #[error("the room cannot be made again for a copy now: {0}\nhint: try again in a moment")]
    NotNow(String),
    /// It did not come to rest.
    #[error("the room cannot be saved now: {why}\nhint: try again in a moment")]
    Restless {
        /// What kept it.
        why: String,
    },
    /// It went on whenever it was read.
    #[error("the room is busy: it changed {READS_MAX} times while it was read\nhint: try again")]
    Moving,
    /// Its memory is kept, and the component without which that is worth nothing is not.
    #[error("the component of the room's memory is not in the store")]
    NoComponent,
    /// That component cannot be had.
    #[error("the component of the room's memory cannot be loaded: {0}")]
    Version(String),
    /// The store cannot be read.
    #[error(transparent)]
    Storage(#[from] StorageReadError),
    /// The host ends.
    #[error(transparent)]
    Inspect(#[from] InspectError),
}

impl From<NoMemory> for ExportError {
    fn from(refused: NoMemory) -> ExportError {
        ExportError::NotNow(refused.to_string())
    }
}

/// Reads a room of a store, with its memory if that is of use.
pub fn export(
    store: &dyn Store,
    address: &Arc<RoomAddress>,
    written_at: Timestamp,
) -> Result<RoomFile, ExportError> {
    let missing = || ExportError::NoSuchRoom(RoomAddress::clone(address));
    for _ in 0..READS_MAX {
        let before = store.summary(address)?.ok_or_else(missing)?;
        if before.journal.records > 0 {
            return Err(ExportError::Journal);
        }
        let bytes = before.record.storage_bytes;
        check("keys and values in bytes", bytes, ENTRIES_BYTES_MAX)?;
        let kept = before.checkpoint.map_or(0, |checkpoint| checkpoint.bytes);
        claim_u64(bytes.saturating_add(kept))?;
        let entries = entries(store, address)?;
        let checkpoint = store.checkpoint(address)?;
        let after = store.summary(address)?.ok_or_else(missing)?;
        if !is_same(&before, &after) {
            continue;
        }
        let memory = match checkpoint.filter(|kept| kept.seq >= after.record.moved_at) {
            None => None,
            Some(kept) => Some(RoomFileMemory {
                component: kept.component,
                component_bytes: store.component(kept.component)?.ok_or(ExportError::NoComponent)?,
                checkpoint: kept.bytes,
            }),
        };
        let RoomRecord { seq, alarm, ids_reserved, .. } = after.record;
        let address = RoomAddress::clone(address);
        return Ok(RoomFile { address, written_at, seq, alarm, ids_reserved, memory, entries });
    }
    Err(ExportError::Moving)
}

/// Whether nothing that a copy is made of has changed.
fn is_same(before: &RoomSummary, after: &RoomSummary) -> bool {
    before.record.moved_at == after.record.moved_at
        && before.checkpoint == after.checkpoint
        && before.component == after.component
        && after.journal.records == 0
}

fn check(what: &'static str, found: u64, max: u64) -> Result<(), ExportError> {
    if found > max { Err(ExportError::TooLarge { what, found, max }) } else { Ok(()) }
}

fn entries(store: &dyn Store, address: &Arc<RoomAddress>) -> Result<BTreeMap<Bytes, Bytes>, ExportError> {
    let (mut entries, mut bytes) = (BTreeMap::new(), 0);
    store.storage(address).scan(&KeyRange::default(), false, &mut |key, value| {
        bytes += (key.len() + value.len()) as u64;
        entries.insert(Bytes::copy_from_slice(key), Bytes::copy_from_slice(value));
        let fits = entries.len() as u64 <= ENTRIES_MAX && bytes <= ENTRIES_BYTES_MAX;
        if fits { Visit::Continue } else { Visit::Stop }
    })?;
    check("keys", entries.len() as u64, ENTRIES_MAX)?;
    check("keys and values in bytes", bytes, ENTRIES_BYTES_MAX)?;
    Ok(entries)
}

impl Node {
    /// A room as it is now: if it is awake it is saved first, and takes no turn until it has been read.
    pub async fn export_room(&self, address: &RoomAddress) -> Result<RoomFile, ExportError> {
        let address = Arc::new(address.clone());
        for _ in 0..READS_MAX {
            let saved = match self.stand_still(&address).await {
                Err(error) => Err(error),
                Ok(_standstill) => {
                    let (store, asked, now) =
                        (Arc::clone(self.store()), Arc::clone(&address), self.clock().now());
                    match run_apart(move || export(store.as_ref(), &asked, now)).await {
                        // It has recorded another turn since it was saved.
                        Err(ExportError::Journal) => Ok(()),
                        Ok(file)
                            if file.memory.is_none() && self.remembers_more(&address, file.seq).await? =>
                        {
                            self.clock().sleep_until(self.clock().now().after_ms(LOOK_MS)).await;
                            continue;
                        }
                        result => return result,
                    }
                }
            };
            // It does not stand still: what it has recorded until now is taken again beside it.
            let recorded = match self.recorded(&address).await {
                Ok(recorded) => recorded,
                Err(error) => return Err(saved.err().unwrap_or(error)),
            };
            match (recorded, saved) {
                (Some(file), _) => return Ok(file),
                (None, Err(error)) => return Err(error),
                // Another checkpoint has ended its journal since.
                (None, Ok(())) => {}
            }
        }
        Err(ExportError::Moving)
    }

    /// What is recorded of a durable room since its last checkpoint, or since its life began, as its last durable commit
    /// left it; `None` if that is nothing. The room goes on meanwhile.
    pub async fn journal_of(&self, address: &RoomAddress) -> Result<Option<Recorded>, ExportError> {
        let (store, asked) = (Arc::clone(self.store()), Arc::new(address.clone()));
        run_apart(move || Recorded::read(store.as_ref(), &asked)).await
    }

    /// Why nothing is recorded of a room, and what can be done: a hint for whoever wanted to see it.
    pub fn why_nothing_is_recorded(&self, address: &RoomAddress) -> &'static str {
        why_nothing_is_recorded(self.store().as_ref(), address)
    }

    /// A durable room as it was when it was read, between two of its turns; `None` if it had no journal then.
    async fn recorded(&self, address: &RoomAddress) -> Result<Option<RoomFile>, ExportError> {
        let Some(recorded) = self.journal_of(address).await? else { return Ok(None) };
        let party = self.version(address.project(), address.party(), recorded.component).await;
        let party = party.map_err(|error| match error {
            VersionError::Store(error @ (StorageReadError::Io(_) | StorageReadError::NoMemory(_))) => {
                ExportError::Storage(error)
            }
            VersionError::Load(_, LoadError::Refused(why)) => ExportError::NotNow(why),
            error => ExportError::Version(error.to_string()),
        })?;
        let file = recorded.take_again(self.store().as_ref(), &party.component, self.clock().now()).await?;
        Ok(Some(file))
    }

    /// Brings a room in.
    pub async fn import_room(&self, file: RoomFile, to: &RoomAddress) -> Result<Brought, ImportError> {
        self.bring(file, to, ResumeReason::Imported).await
    }

    /// Makes a copy of a room.
    pub async fn fork_room(&self, from: &RoomAddress, to: &RoomAddress) -> Result<Brought, ForkError> {
        let file = self.export_room(from).await?;
        Ok(self.bring(file, to, ResumeReason::Forked).await?)
    }

    async fn bring(
        &self,
        file: RoomFile,
        to: &RoomAddress,
        reason: ResumeReason,
    ) -> Result<Brought, ImportError> {
        let index = self.worker_of(to);
        let asked = to.clone();
        let reserve = move |worker: &Rc<Worker>| {
            worker.reserve(&asked).then(|| worker.moment(worker.now()).incarnation)
        };
        let reserved = self.look_on(index, reserve).await?;
        let incarnation = reserved.ok_or_else(|| ImportError::Exists(to.clone()))?;
        let reservation = Reservation { node: self, address: to };
        let (store, epoch, address) = (Arc::clone(self.store()), self.epoch(), to.clone());
        let party = self.party_of(to);
        let is_served = party.is_some();
        let memory_bytes_max = party.map_or(MEMORY_BYTES_MAX, |party| party.limits.memory_bytes_max);
        let elsewhere = Elsewhere { reason, incarnation, memory_bytes_max };
        // Its component is no room's until the commit.
        let _versions = self.versions().hold().await;
        let brought = run_apart(move || import(store.as_ref(), epoch, file, &address, elsewhere)).await;
        drop(reservation);
        if let (Ok(_), Some(rooms)) = (&brought, self.rooms_count()) {
            rooms.brought();
        }
        if let Some(at) = wakes_at(&brought, self.clock().now()).filter(|_| is_served) {
            let address = Arc::new(to.clone());
            self.look_on(index, move |worker| worker.remember_alarm(at, address)).await?;
        }
        brought
    }
}

/// When a room that was brought is to be opened for what is due. One of which it is not known whether it is there is opened
/// to see.
fn wakes_at(brought: &Result<Brought, ImportError>, now: Timestamp) -> Option<Timestamp> {
    match brought {
        Ok(brought) => brought.wakes_at,
        Err(ImportError::Commit(CommitError::Unavailable { .. })) => Some(now.after_ms(LOOK_AGAIN_MS)),
        Err(_) => None,
    }
}

/// As what a room comes in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Elsewhere {
    /// What it is told.
    pub reason: ResumeReason,
    /// The life that begins: a random one.
    pub incarnation: Incarnation,
    /// The most memory that a room of its party can have, in bytes; [`MEMORY_BYTES_MAX`] where that is not known.
    pub memory_bytes_max: u64,
}

/// Why there is no copy.
#[derive(Debug, Error)]
pub enum ForkError {
    /// The room cannot be read.
    #[error(transparent)]
    Export(#[from] ExportError),
    /// The copy cannot be written.
    #[error(transparent)]
    Import(#[from] ImportError),
}

/// Keeps a room from being opened while it is brought.
struct Reservation<'a> {
    node: &'a Node,
    address: &'a RoomAddress,
}

impl Drop for Reservation<'_> {
    fn drop(&mut self) {
        let address = self.address.clone();
        self.node.run_on(self.node.worker_of(self.address), move |worker| worker.release(&address));
    }
}
