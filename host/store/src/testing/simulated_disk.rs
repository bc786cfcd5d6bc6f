//! A disk that loses what a real one may lose.
//!
//! It keeps two images. The *live* one is what reads see: every write at once. The *durable* one is what survives:
//! only a sync moves writes there. When power is cut, each write since the last sync is kept, lost, or torn into
//! sectors of which some are kept; then the live image is the durable one. Faults strike chosen operations.
//!
//! A failed sync comes in two kinds, as on Linux: the writes are still waiting for the next sync, or they have been
//! dropped although reads still show them. The latter show their absence only to who opens the disk with
//! [`Cache::Suspect`].

use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use redb::StorageBackend;
use rustix::io::Errno;

use crate::redb_store::device::{Cache, Device};
use crate::testing::chance::Chance;
use crate::testing::simulated_disk::images::{Change, Images};

mod images;

/// What goes wrong.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FaultKind {
    /// A read fails with EIO.
    Read,
    /// A write fails with EIO.
    Write,
    /// A write or an extension fails with ENOSPC.
    Space,
    /// An extension fails with ENOSPC, and nothing else: what is there can be written over.
    Growth,
    /// A sync fails with EIO; what was to be synced is still waiting.
    SyncWaiting,
    /// A sync fails with EIO; what was to be synced is dropped, though reads still show it.
    SyncDropped,
    /// A sync reports success and does nothing.
    SyncLie,
    /// The power fails before a write, an extension or a sync.
    Power,
}

/// When something goes wrong.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct DiskFault {
    /// What.
    pub kind: FaultKind,
    /// How many operations that it could strike still work.
    pub after: u64,
    /// How many it strikes then, at least 1; `u64::MAX` for all.
    pub times: u64,
}

/// A disk in memory. Clones are the same disk.
#[derive(Clone)]
pub struct SimulatedDisk {
    disk: Arc<Mutex<Disk>>,
}

struct Disk {
    images: Images,
    powered: bool,
    faults: VecDeque<DiskFault>,
    /// Which opening may use the disk; none after it was closed.
    open: Option<u64>,
    openings: u64,
    chance: Chance,
    /// The last acknowledged batch, as noted, and the notes since the last power cut.
    acknowledged: u64,
    notes: Vec<u64>,
}

/// Kinds of operations, by what can strike them.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Operation {
    Read,
    Write,
    Grow,
    Sync,
}

impl SimulatedDisk {
    /// An empty disk; `seed` decides what power cuts leave.
    pub fn new(seed: u64) -> SimulatedDisk {
        SimulatedDisk::from_image(seed, Vec::new(), 0)
    }

    /// A disk that holds `image`, with a note that batch `acknowledged` was the last.
    pub fn from_image(seed: u64, image: Vec<u8>, acknowledged: u64) -> SimulatedDisk {
        let disk = Disk {
            images: Images::new(image),
            powered: true,
            faults: VecDeque::new(),
            open: None,
            openings: 0,
            chance: Chance::new(seed),
            acknowledged,
            notes: Vec::new(),
        };
        SimulatedDisk { disk: Arc::new(Mutex::new(disk)) }
    }

    /// What reads of the disk see.
    pub fn image(&self) -> Vec<u8> {
        self.disk().images.live.clone()
    }

    /// Plans faults, in place of those before. Each begins to count when the one before it is over.
    pub fn plan(&self, faults: impl IntoIterator<Item = DiskFault>) {
        self.disk().faults = faults.into_iter().collect();
    }

    /// Forgets the planned faults.
    pub fn heal(&self) {
        self.disk().faults.clear();
    }

    /// Cuts off whoever has the disk open, as when its process is killed: all that was written is still seen.
    pub fn kill(&self) {
        self.disk().open = None;
    }

    /// The last batch that was noted as acknowledged.
    pub fn acknowledged_batch(&self) -> u64 {
        self.disk().acknowledged
    }

    /// Cuts the power now: every operation fails until it is restored.
    pub fn cut_power(&self) {
        self.disk().powered = false;
    }

    /// Whether there is power.
    pub fn is_powered(&self) -> bool {
        self.disk().powered
    }

    /// Brings the power back, with what the cut has left. Whoever had the disk open must open it again.
    pub fn restore_power(&self) {
        let mut disk = self.disk();
        disk.survive();
        disk.powered = true;
        disk.open = None;
        disk.faults.clear();
    }

    /// Loses everything since the last sync, and cuts off whoever has the disk open: a disk that was taken away and
    /// came back.
    pub fn forget_unsynced(&self) {
        let mut disk = self.disk();
        disk.images.drop_pending();
        disk.images.reread();
        disk.open = None;
        disk.faults.clear();
    }

    fn disk(&self) -> MutexGuard<'_, Disk> {
        self.disk.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Disk {
    /// Whether an operation of this opening works.
    fn admit(&mut self, opening: u64, operation: Operation) -> io::Result<Admitted> {
        if !self.powered || self.open != Some(opening) {
            return Err(Errno::IO.into());
        }
        let Some(fault) = self.faults.front_mut() else { return Ok(Admitted::Fully) };
        if !fault.kind.strikes(operation) {
            return Ok(Admitted::Fully);
        }
        if fault.after > 0 {
            fault.after -= 1;
            return Ok(Admitted::Fully);
        }
        fault.times = fault.times.saturating_sub(1);
        let kind = fault.kind;
        if fault.times == 0 {
            self.faults.pop_front();
        }
        match kind {
            FaultKind::Space | FaultKind::Growth => Err(Errno::NOSPC.into()),
            FaultKind::Read | FaultKind::Write | FaultKind::SyncWaiting => Err(Errno::IO.into()),
            FaultKind::SyncDropped => {
                self.images.drop_pending();
                Err(Errno::IO.into())
            }
            FaultKind::SyncLie => Ok(Admitted::Seemingly),
            FaultKind::Power => {
                self.powered = false;
                Err(Errno::IO.into())
            }
        }
    }

    fn close(&mut self, opening: u64) {
        if self.open == Some(opening) {
            self.open = None;
        }
    }

    /// The power was cut.
    fn survive(&mut self) {
        self.images.survive(&mut self.chance);
        // The note is never synced: any of those since the last cut may be the one that is left.
        let notes = std::mem::take(&mut self.notes);
        if !notes.is_empty() && !self.chance.one_in(4) {
            self.acknowledged = *self.chance.pick(&notes);
        }
    }
}

/// Whether an operation does what it reports.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Admitted {
    Fully,
    Seemingly,
}

impl FaultKind {
    fn strikes(self, operation: Operation) -> bool {
        match self {
            FaultKind::Read => operation == Operation::Read,
            FaultKind::Write | FaultKind::Space => matches!(operation, Operation::Write | Operation::Grow),
            FaultKind::Growth => operation == Operation::Grow,
            FaultKind::SyncWaiting | FaultKind::SyncDropped | FaultKind::SyncLie => {
                operation == Operation::Sync
            }
            FaultKind::Power => operation != Operation::Read,
        }
    }
}

impl Device for SimulatedDisk {
    fn open(&self, cache: Cache) -> io::Result<Box<dyn StorageBackend>> {
        let mut disk = self.disk();
        if !disk.powered {
            return Err(Errno::IO.into());
        }
        if disk.open.is_some() {
            return Err(io::Error::new(io::ErrorKind::WouldBlock, "the simulated disk is open already"));
        }
        if cache == Cache::Suspect {
            disk.images.reread();
        }
        disk.openings += 1;
        disk.open = Some(disk.openings);
        Ok(Box::new(OpenDisk { disk: self.clone(), opening: disk.openings }))
    }

    fn acknowledged(&self) -> io::Result<u64> {
        Ok(self.disk().acknowledged)
    }

    fn acknowledge(&self, batch: u64) {
        let mut disk = self.disk();
        let before = disk.acknowledged;
        disk.notes.push(before);
        disk.notes.push(batch);
        disk.acknowledged = batch;
    }
}

struct OpenDisk {
    disk: SimulatedDisk,
    opening: u64,
}

impl fmt::Debug for OpenDisk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "OpenDisk({})", self.opening)
    }
}

impl Drop for OpenDisk {
    fn drop(&mut self) {
        self.disk.disk().close(self.opening);
    }
}

impl StorageBackend for OpenDisk {
    fn len(&self) -> io::Result<u64> {
        let mut disk = self.disk.disk();
        disk.admit(self.opening, Operation::Read)?;
        Ok(disk.images.live.len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let mut disk = self.disk.disk();
        disk.admit(self.opening, Operation::Read)?;
        let start = usize::try_from(offset).map_err(io::Error::other)?;
        let found = start.checked_add(out.len()).and_then(|end| disk.images.live.get(start..end));
        out.copy_from_slice(found.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let mut disk = self.disk.disk();
        let len = usize::try_from(len).map_err(io::Error::other)?;
        let operation = if len > disk.images.live.len() { Operation::Grow } else { Operation::Write };
        disk.admit(self.opening, operation)?;
        disk.images.change(Change::Length(len));
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut disk = self.disk.disk();
        if disk.admit(self.opening, Operation::Sync)? == Admitted::Fully {
            disk.images.sync();
        }
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let mut disk = self.disk.disk();
        disk.admit(self.opening, Operation::Write)?;
        let offset = usize::try_from(offset).map_err(io::Error::other)?;
        disk.images.change(Change::Write { offset, bytes: data.to_vec() });
        Ok(())
    }

    fn close(&self) -> io::Result<()> {
        self.disk.disk().close(self.opening);
        Ok(())
    }
}
