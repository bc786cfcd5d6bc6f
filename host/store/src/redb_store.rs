//! The engine that survives: one redb file per data directory.
//!
//! How it is laid out, and why, is told in `docs/store-layout.md`; what is promised, in [`crate::store`]. In
//! reading order: `directory` is who may use it, [`device`] what it lies on, `checksums`, `blocks` and `leaf` how
//! damage of it is found, `layout` every byte of it, `opening` and `engine` how it is opened and kept going when
//! something fails, `unwritten` how it is read while nothing can be written, `batch` how it is written, `snapshot` and `room` how it is read, `doubt` how it is read once a
//! damaged row has been seen, [`check`] how it is read in full, and `trouble` what all of them report. What is kept of
//! rooms' memories is told in `blobs` (checkpoints and components in chunks), `staging`, `journal`, `components` and
//! `index`, and of parties in `versions`.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use party_core::address::RoomAddress;
use party_core::commit::{ComponentDigest, RoomCommit, StagedCheckpoint};
use party_core::ids::{Epoch, Timestamp};
use party_core::storage::{RoomStorage, StorageReadError, Visit};
use thiserror::Error;

use crate::kept::{
    CHECKPOINT_BYTES_MAX, COMPONENT_BYTES_MAX, JournalEntry, KeepError, KeptCheckpoint, RoomSummary,
};
use crate::redb_store::batch::Batch;
use crate::redb_store::check::CheckReport;
use crate::redb_store::device::Device;
use crate::redb_store::directory::{DataDirectory, STORE_FILE};
use crate::redb_store::doubt::Survey;
use crate::redb_store::engine::Engine;
use crate::redb_store::layout::{StoredRecord, room_prefix};
use crate::redb_store::opening::create_store;
use crate::redb_store::room::RedbRoom;
use crate::redb_store::snapshot::Snapshot;
use crate::redb_store::trouble::Trouble;
use crate::store::{AcquireError, CommitError, RoomsQuery, Store, Written, check_size};
use crate::versions::{self as known, PartyVersions};

mod aside;
mod batch;
mod blobs;
mod blocks;
pub mod check;
mod checksums;
mod components;
pub mod device;
mod directory;
mod doubt;
mod engine;
mod index;
mod journal;
mod layout;
mod leaf;
mod leftovers;
mod opening;
mod room;
mod snapshot;
mod staging;
mod trouble;
mod unwritten;
mod versions;

/// How the engine is run.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RedbOptions {
    /// Memory for cached pages, in bytes.
    pub cache_bytes: usize,
    /// From this size of the file on, every commit also stores what a quick start after a crash needs. Below it, a
    /// crash costs a check of the whole file at the next start, and a commit one sync instead of two.
    pub quick_repair_bytes_min: u64,
    /// How long to wait for a data directory that another process holds.
    pub lock_wait: Duration,
}

impl Default for RedbOptions {
    fn default() -> RedbOptions {
        RedbOptions {
            cache_bytes: 64 << 20,
            quick_repair_bytes_min: 128 << 20,
            lock_wait: Duration::from_secs(1),
        }
    }
}

/// Why a store cannot be opened.
#[derive(Debug, Error)]
pub enum OpenError {
    /// Another process holds the data directory.
    #[error(
        "the data directory {} is in use by process {holder}\n\
         hint: stop that host first, or start this one with another --data directory",
        path.display()
    )]
    InUse {
        /// The directory.
        path: PathBuf,
        /// The holder's process id, or `unknown`.
        holder: String,
    },
    /// The file is no store.
    #[error("the file is no store: {why}\nhint: move it away, or point --data at another directory")]
    NotAStore {
        /// How one can tell.
        why: &'static str,
    },
    /// The file is of a format that this program does not know.
    #[error(
        "the store is of format {found}; this program knows formats {oldest} to {newest}\n\
         hint: a newer party-host wrote it: use that one"
    )]
    OtherFormat {
        /// Its version.
        found: u32,
        /// The oldest version that can be opened.
        oldest: u32,
        /// The newest, which is the one that is written.
        newest: u32,
    },
    /// A part that all rooms share is damaged.
    #[error("the store is damaged: {cause}\nhint: run `party-host check`; nothing of it is thrown away")]
    Damaged {
        /// What does not fit.
        cause: String,
    },
    /// The file is older than what was acknowledged.
    #[error(
        "the store ends at batch {batch}, but batch {acknowledged} was acknowledged: it is damaged, or an old copy\n\
         hint: run `party-host check`; if it is a backup that you mean to use, remove the file rooms.batch"
    )]
    Behind {
        /// The last batch in the store.
        batch: u64,
        /// The last that was acknowledged.
        acknowledged: u64,
    },
    /// There is no store where there was one.
    #[error(
        "{} is gone, but rooms were kept in it\n\
         hint: bring it back, or remove {} to begin with an empty store",
        path.display(), last_batch.display()
    )]
    Missing {
        /// Where the store was.
        path: PathBuf,
        /// What tells of it.
        last_batch: PathBuf,
    },
    /// The data directory cannot be used.
    #[error("cannot {what} {}: {source}", path.display())]
    Io {
        /// What was tried.
        what: &'static str,
        /// On what.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The device or the engine failed.
    #[error("the store cannot be opened: {cause}")]
    Failed {
        /// What failed.
        cause: String,
    },
}

impl OpenError {
    pub(crate) fn from_trouble(trouble: &Trouble) -> OpenError {
        let cause = trouble.to_string();
        match trouble {
            Trouble::Damage(_) | Trouble::Panic(_) => OpenError::Damaged { cause },
            Trouble::NoMemory(_) => OpenError::Failed { cause },
            Trouble::Engine(error) => match **error {
                redb::Error::Corrupted(_)
                | redb::Error::TableDoesNotExist(_)
                | redb::Error::TableIsMultimap(_)
                | redb::Error::TableTypeMismatch { .. }
                | redb::Error::TypeDefinitionChanged { .. } => OpenError::Damaged { cause },
                _ => OpenError::Failed { cause },
            },
        }
    }
}

/// A store in a redb file. Dropping it closes the file and lets go of the data directory; the storage of a room that
/// somebody still has answers with an error from then on.
pub struct RedbStore {
    engine: Arc<Engine>,
    /// Held as long as the store is open.
    _directory: Option<DataDirectory>,
}

impl RedbStore {
    /// Opens the store of a data directory, which is created if it is missing. Only one process can have it open.
    pub fn open(directory: &Path, options: RedbOptions) -> Result<RedbStore, OpenError> {
        let directory = DataDirectory::lock(directory, options.lock_wait)?;
        directory.ensure_store(|device| RedbStore::create_on(device, options))?;
        let engine = Arc::new(Engine::open(Box::new(directory.device()), options)?);
        Ok(RedbStore { engine, _directory: Some(directory) })
    }

    /// Whether there is a store in a data directory, of which nothing is opened or made.
    pub fn is_in(directory: &Path) -> bool {
        directory.join(STORE_FILE).is_file()
    }

    /// Makes an empty store on an empty device. If it fails or is cut short, the device must be emptied before it
    /// is tried again.
    pub fn create_on(device: &dyn Device, options: RedbOptions) -> Result<(), OpenError> {
        create_store(device, &options)
    }

    /// Opens the store on a device. The caller sees to it that nobody else has it open.
    pub fn open_on(device: Box<dyn Device>, options: RedbOptions) -> Result<RedbStore, OpenError> {
        let engine = Arc::new(Engine::open(device, options)?);
        Ok(RedbStore { engine, _directory: None })
    }

    /// How long the file is, in bytes.
    pub fn file_bytes(&self) -> u64 {
        self.engine.findings().file_bytes()
    }

    /// How many damaged pages have been read since the store was opened; one more if there were any before. If
    /// it is not 0 the store should be checked: rooms that are not damaged go on, more slowly.
    pub fn doubts(&self) -> u64 {
        self.engine.findings().doubts()
    }

    /// Reads everything and says what is damaged. Takes about a second for a gigabyte, and memory for the names of
    /// all rooms.
    pub fn check(&self) -> Result<CheckReport, StorageReadError> {
        let report = self.engine.read(|_| {
            let (snapshot, journals) = self.engine.journals()?;
            snapshot.check(&journals)
        });
        let report = report.map_err(Trouble::into_read_error)?;
        Ok(CheckReport { doubts: self.doubts(), ..report })
    }

    /// A room's record, with what its entries and its memory must be.
    fn stored(&self, snapshot: &Snapshot, prefix: &[u8]) -> Result<Option<StoredRecord>, Trouble> {
        let stored = snapshot.record(prefix)?;
        if stored.is_none() && self.doubts() > 0 {
            self.engine.with_survey(snapshot, |survey| survey.check_absent(prefix))?;
        }
        Ok(stored)
    }

    /// What is still to be reclaimed: blobs that nothing points to, and records of journals that are covered. Every
    /// batch takes its share of it, so it is no concern of anybody's but a test's.
    pub fn unreclaimed(&self) -> (usize, usize) {
        let index = self.engine.index();
        (index.blobs.loose(), index.journal.covered())
    }

    /// How often the file was opened again after a failure since this store was opened.
    pub fn reopened(&self) -> u64 {
        self.engine.reopened()
    }
}

impl Drop for RedbStore {
    fn drop(&mut self) {
        self.engine.shut();
    }
}

impl Store for RedbStore {
    fn acquire(&self) -> Result<Epoch, AcquireError> {
        self.engine.acquire().map_err(|trouble| AcquireError::Unavailable { cause: trouble.to_string() })
    }

    fn commit(&self, epoch: Epoch, batch: &[RoomCommit]) -> Result<(), CommitError> {
        check_size(batch)?;
        self.engine.commit(epoch, &Batch::new(batch)?)
    }

    fn summary(&self, address: &RoomAddress) -> Result<Option<RoomSummary>, StorageReadError> {
        let prefix = room_prefix(address);
        let stored = self.engine.read_of(&prefix, |snapshot| self.stored(snapshot, &prefix));
        Ok(stored.map_err(Trouble::into_read_error)?.map(|stored| stored.summary()))
    }

    fn storage(&self, address: &Arc<RoomAddress>) -> Arc<dyn RoomStorage> {
        Arc::new(RedbRoom { engine: self.engine.clone(), prefix: room_prefix(address) })
    }

    fn wakes(&self, visit: &mut dyn FnMut(&RoomAddress, Timestamp) -> Visit) -> Result<(), StorageReadError> {
        self.engine
            .visit(|snapshot, visited| snapshot.wakes(visited, visit))
            .map_err(Trouble::into_read_error)
    }

    fn rooms(&self, query: &RoomsQuery<'_>) -> Result<Vec<(RoomAddress, RoomSummary)>, StorageReadError> {
        let rooms = self.engine.read(|snapshot| {
            let found = snapshot.rooms(query);
            if self.doubts() == 0 {
                return found;
            }
            self.engine.with_survey(snapshot, Survey::check_whole)?;
            snapshot.rooms_by_walk(query)
        });
        rooms.map_err(Trouble::into_read_error)
    }

    fn stage_checkpoint(
        &self,
        epoch: Epoch,
        address: &RoomAddress,
        bytes: &[u8],
    ) -> Result<StagedCheckpoint, KeepError> {
        KeepError::check_size("checkpoint", bytes.len(), CHECKPOINT_BYTES_MAX)?;
        let pointer = self.engine.stage(epoch, &room_prefix(address), bytes);
        let pointer = pointer.map_err(KeepError::from_commit)?;
        Ok(StagedCheckpoint { id: pointer.blob, bytes: pointer.bytes })
    }

    fn unstage_checkpoint(&self, staged: StagedCheckpoint) {
        self.engine.index().blobs.give_up(staged.id);
    }

    fn checkpoint(&self, address: &RoomAddress) -> Result<Option<KeptCheckpoint>, StorageReadError> {
        let prefix = room_prefix(address);
        let kept = self.engine.read_of(&prefix, |snapshot| {
            let memory = self.stored(snapshot, &prefix)?.and_then(|stored| stored.memory);
            memory.map_or(Ok(None), |memory| snapshot.checkpoint(&prefix, &memory))
        });
        kept.map_err(Trouble::into_read_error)
    }

    fn journal(&self, address: &RoomAddress) -> Result<Vec<JournalEntry>, StorageReadError> {
        let prefix = room_prefix(address);
        let entries = self.engine.read_of(&prefix, |_| {
            let (snapshot, places) = self.engine.journal_places(&prefix)?;
            let memory = self.stored(&snapshot, &prefix)?.and_then(|stored| stored.memory);
            memory.map_or(Ok(Vec::new()), |memory| snapshot.journal(&prefix, &memory, &places))
        });
        entries.map_err(Trouble::into_read_error)
    }

    fn put_component(&self, epoch: Epoch, digest: ComponentDigest, bytes: &[u8]) -> Result<(), KeepError> {
        KeepError::check_size("component", bytes.len(), COMPONENT_BYTES_MAX)?;
        self.engine.put_component(epoch, digest, bytes).map_err(KeepError::from_commit)
    }

    fn component(&self, digest: ComponentDigest) -> Result<Option<Bytes>, StorageReadError> {
        self.engine.read(|snapshot| snapshot.component(digest)).map_err(Trouble::into_read_error)
    }

    fn reclaim_components(&self, epoch: Epoch, keep: &[ComponentDigest]) -> Result<usize, KeepError> {
        self.engine.reclaim_components(epoch, keep).map_err(KeepError::from_commit)
    }

    fn written(&self) -> Written {
        self.engine.written()
    }

    fn versions(&self) -> Result<Vec<PartyVersions>, StorageReadError> {
        self.engine.read(Snapshot::versions).map_err(Trouble::into_read_error)
    }

    fn put_versions(&self, epoch: Epoch, versions: &[PartyVersions]) -> Result<(), KeepError> {
        known::check_size(versions)?;
        self.engine.put_versions(epoch, versions).map_err(KeepError::from_commit)
    }
}
