//! The engine that keeps rooms in memory: for tests and for set-ups where nothing has to survive.
//!
//! It behaves as the durable engines do, except that "durable" means as long as the process. A
//! [`MemoryImage`] is its durable state at one moment, so that a simulated crash can go back to it.

mod room_memory;

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use bytes::Bytes;
use party_core::address::RoomAddress;
use party_core::commit::{
    CheckpointBytes, ComponentDigest, KvChanges, MemoryChange, NewCheckpoint, RoomCommit, RoomRecord,
    StagedCheckpoint,
};
use party_core::ids::{CommitSeq, Epoch, Timestamp};
use party_core::storage::{KeyRange, RoomStorage, StorageReadError, Visit};

use crate::kept::{
    CHECKPOINT_BYTES_MAX, COMPONENT_BYTES_MAX, JournalEntry, KeepError, KeptCheckpoint, RoomSummary,
};
use crate::memory::room_memory::RoomMemory;
use crate::store::{
    AcquireError, CommitError, ROOMS_PAGE_MAX, Refusal, RoomsQuery, Store, Written, check_epoch, check_order,
    check_size,
};
use crate::versions::{self, PartyVersions};

/// A store in memory. Clones share their state.
#[derive(Clone, Debug, Default)]
pub struct MemoryStore {
    durable: Arc<RwLock<MemoryImage>>,
    staged: Arc<Mutex<Staged>>,
    transactions: Arc<AtomicU64>,
}

/// The checkpoints that no commit has taken yet. A restart loses them.
#[derive(Debug, Default)]
struct Staged {
    last_id: u64,
    by_id: BTreeMap<u64, (RoomAddress, Bytes)>,
}

/// Everything that a [`MemoryStore`] has acknowledged at one moment. Rooms are shared with the store until one
/// side changes them, so taking an image costs time by the number of rooms, not by their size.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct MemoryImage {
    epoch: Epoch,
    rooms: BTreeMap<Arc<RoomAddress>, Arc<KeptRoom>>,
    components: BTreeMap<ComponentDigest, Bytes>,
    versions: Vec<PartyVersions>,
}

#[derive(Clone, PartialEq, Eq, Debug, Default)]
struct KeptRoom {
    record: RoomRecord,
    entries: BTreeMap<Bytes, Bytes>,
    memory: Option<RoomMemory>,
}

impl MemoryStore {
    /// A store that holds what `image` holds.
    pub fn from_image(image: MemoryImage) -> MemoryStore {
        MemoryStore { durable: Arc::new(RwLock::new(image)), ..MemoryStore::default() }
    }

    /// What would survive a crash now.
    pub fn image(&self) -> MemoryImage {
        self.read().clone()
    }

    /// Goes back to (or forward to) `image`, as after a crash. Whoever held the store before must acquire it anew.
    pub fn restore(&self, image: MemoryImage) {
        *self.write() = image;
        self.staged().by_id.clear();
    }

    fn read(&self) -> RwLockReadGuard<'_, MemoryImage> {
        // A panic while the lock is held cannot leave a half-written batch: changes are swapped in at the end.
        self.durable.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn staged(&self) -> MutexGuard<'_, Staged> {
        self.staged.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The bytes of the checkpoint that a change puts, if it puts one.
    fn new_checkpoint(&self, address: &RoomAddress, change: &MemoryChange) -> Result<Option<Bytes>, Refusal> {
        match change {
            MemoryChange::Checkpoint(NewCheckpoint { bytes: CheckpointBytes::Inline(bytes), .. }) => {
                Ok(Some(bytes.clone()))
            }
            MemoryChange::Checkpoint(NewCheckpoint { bytes: CheckpointBytes::Staged(staged), .. }) => {
                match self.staged().by_id.get(&staged.id) {
                    Some((owner, bytes)) if owner == address => Ok(Some(bytes.clone())),
                    Some(_) | None => Err(Refusal::NotStaged { id: staged.id }),
                }
            }
            MemoryChange::Append(_) | MemoryChange::Forget { .. } | MemoryChange::Destroy => Ok(None),
        }
    }

    fn write(&self) -> RwLockWriteGuard<'_, MemoryImage> {
        self.durable.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Store for MemoryStore {
    fn acquire(&self) -> Result<Epoch, AcquireError> {
        let mut durable = self.write();
        durable.epoch = Epoch(durable.epoch.0 + 1);
        self.staged().by_id.clear();
        Ok(durable.epoch)
    }

    fn commit(&self, epoch: Epoch, batch: &[RoomCommit]) -> Result<(), CommitError> {
        check_size(batch)?;
        let mut durable = self.write();
        check_epoch(epoch, durable.epoch)?;
        let mut changed: BTreeMap<Arc<RoomAddress>, KeptRoom> = BTreeMap::new();
        for commit in batch {
            let room = match changed.entry(commit.address.clone()) {
                Entry::Occupied(occupied) => occupied.into_mut(),
                Entry::Vacant(vacant) => {
                    let kept = durable.rooms.get(&commit.address);
                    vacant.insert(kept.map_or_else(KeptRoom::default, |kept| KeptRoom::clone(kept)))
                }
            };
            check_order(&commit.address, room.record.seq, commit.record.seq)?;
            room.record = commit.record;
            room.apply(&commit.changes);
            if let Some(change) = &commit.memory {
                let refused = |refusal| CommitError::Refused { address: commit.address.clone(), refusal };
                let checkpoint = self.new_checkpoint(&commit.address, change).map_err(refused)?;
                room.memory = RoomMemory::after(room.memory.take(), change, checkpoint, commit.record.seq)
                    .map_err(refused)?;
                if **change == MemoryChange::Destroy {
                    *room = KeptRoom::default();
                }
            }
        }
        for (address, room) in &changed {
            if let Some(RoomMemory { component, .. }) = room.memory
                && !durable.components.contains_key(&component)
            {
                let refusal = Refusal::UnknownComponent { component };
                return Err(CommitError::Refused { address: address.clone(), refusal });
            }
        }
        for memory in batch.iter().filter_map(|commit| commit.memory.as_deref()) {
            if let MemoryChange::Checkpoint(NewCheckpoint {
                bytes: CheckpointBytes::Staged(staged), ..
            }) = memory
            {
                self.staged().by_id.remove(&staged.id);
            }
        }
        for (address, room) in changed {
            match room.record.seq {
                CommitSeq(0) => durable.rooms.remove(&address),
                _ => durable.rooms.insert(address, Arc::new(room)),
            };
        }
        self.transactions.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    fn summary(&self, address: &RoomAddress) -> Result<Option<RoomSummary>, StorageReadError> {
        Ok(self.read().rooms.get(address).map(|room| room.summary()))
    }

    fn storage(&self, address: &Arc<RoomAddress>) -> Arc<dyn RoomStorage> {
        Arc::new(MemoryRoom { store: self.clone(), address: address.clone() })
    }

    fn wakes(&self, visit: &mut dyn FnMut(&RoomAddress, Timestamp) -> Visit) -> Result<(), StorageReadError> {
        let durable = self.read().clone();
        let wakes = |(address, room): (&Arc<RoomAddress>, &Arc<KeptRoom>)| {
            room.record.wakes_at().map(|at| (at, address.clone()))
        };
        for (at, address) in durable.rooms.iter().filter_map(wakes).collect::<BTreeSet<_>>() {
            if visit(&address, at) == Visit::Stop {
                break;
            }
        }
        Ok(())
    }

    fn rooms(&self, query: &RoomsQuery<'_>) -> Result<Vec<(RoomAddress, RoomSummary)>, StorageReadError> {
        let durable = self.read();
        let rooms = durable.rooms.iter().filter(|(address, _)| {
            query.scope.holds(address) && query.after.is_none_or(|after| address.as_ref() > after)
        });
        Ok(rooms
            .take(query.limit.min(ROOMS_PAGE_MAX))
            .map(|(address, room)| (RoomAddress::clone(address), room.summary()))
            .collect())
    }

    fn stage_checkpoint(
        &self,
        epoch: Epoch,
        address: &RoomAddress,
        bytes: &[u8],
    ) -> Result<StagedCheckpoint, KeepError> {
        KeepError::check_size("checkpoint", bytes.len(), CHECKPOINT_BYTES_MAX)?;
        let durable = self.read();
        check_epoch(epoch, durable.epoch).map_err(KeepError::from_commit)?;
        let mut staged = self.staged();
        staged.last_id += 1;
        let id = staged.last_id;
        staged.by_id.insert(id, (address.clone(), Bytes::copy_from_slice(bytes)));
        self.transactions.fetch_add(1, Ordering::Relaxed);
        Ok(StagedCheckpoint { id, bytes: bytes.len() as u64 })
    }

    fn unstage_checkpoint(&self, staged: StagedCheckpoint) {
        self.staged().by_id.remove(&staged.id);
    }

    fn checkpoint(&self, address: &RoomAddress) -> Result<Option<KeptCheckpoint>, StorageReadError> {
        let durable = self.read();
        let memory = durable.rooms.get(address).and_then(|room| room.memory.as_ref());
        Ok(memory.and_then(|memory| {
            let (seq, bytes) = memory.checkpoint.clone()?;
            Some(KeptCheckpoint { seq, component: memory.component, bytes })
        }))
    }

    fn journal(&self, address: &RoomAddress) -> Result<Vec<JournalEntry>, StorageReadError> {
        let durable = self.read();
        let memory = durable.rooms.get(address).and_then(|room| room.memory.as_ref());
        Ok(memory.map_or_else(Vec::new, |memory| memory.journal.clone()))
    }

    fn put_component(&self, epoch: Epoch, digest: ComponentDigest, bytes: &[u8]) -> Result<(), KeepError> {
        KeepError::check_size("component", bytes.len(), COMPONENT_BYTES_MAX)?;
        let mut durable = self.write();
        check_epoch(epoch, durable.epoch).map_err(KeepError::from_commit)?;
        durable.components.entry(digest).or_insert_with(|| Bytes::copy_from_slice(bytes));
        Ok(())
    }

    fn component(&self, digest: ComponentDigest) -> Result<Option<Bytes>, StorageReadError> {
        Ok(self.read().components.get(&digest).cloned())
    }

    fn reclaim_components(&self, epoch: Epoch, keep: &[ComponentDigest]) -> Result<usize, KeepError> {
        let mut durable = self.write();
        check_epoch(epoch, durable.epoch).map_err(KeepError::from_commit)?;
        let of_rooms = durable.rooms.values().filter_map(|room| Some(room.memory.as_ref()?.component));
        let needed: BTreeSet<ComponentDigest> = of_rooms.chain(keep.iter().copied()).collect();
        let before = durable.components.len();
        durable.components.retain(|digest, _| needed.contains(digest));
        Ok(before - durable.components.len())
    }

    fn written(&self) -> Written {
        Written { transactions: self.transactions.load(Ordering::Relaxed), ..Written::default() }
    }

    fn versions(&self) -> Result<Vec<PartyVersions>, StorageReadError> {
        Ok(self.read().versions.clone())
    }

    fn put_versions(&self, epoch: Epoch, versions: &[PartyVersions]) -> Result<(), KeepError> {
        versions::check_size(versions)?;
        let mut durable = self.write();
        check_epoch(epoch, durable.epoch).map_err(KeepError::from_commit)?;
        durable.versions = versions.to_vec();
        Ok(())
    }
}

impl KeptRoom {
    fn summary(&self) -> RoomSummary {
        RoomMemory::summary(self.record, self.memory.as_ref())
    }

    fn apply(&mut self, changes: &KvChanges) {
        if changes.cleared {
            self.entries.clear();
        }
        for (key, value) in &changes.entries {
            match value {
                Some(value) => self.entries.insert(key.clone(), value.clone()),
                None => self.entries.remove(key),
            };
        }
    }
}

struct MemoryRoom {
    store: MemoryStore,
    address: Arc<RoomAddress>,
}

impl RoomStorage for MemoryRoom {
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, StorageReadError> {
        Ok(self.store.read().rooms.get(&self.address).and_then(|room| room.entries.get(key).cloned()))
    }

    fn scan(
        &self,
        range: &KeyRange,
        reverse: bool,
        visit: &mut dyn FnMut(&[u8], &[u8]) -> Visit,
    ) -> Result<(), StorageReadError> {
        if range.end.as_ref().is_some_and(|end| *end <= range.start) {
            return Ok(());
        }
        let Some(room) = self.store.read().rooms.get(&self.address).cloned() else { return Ok(()) };
        let end = range.end.as_ref().map_or(Bound::Unbounded, Bound::Excluded);
        let mut entries = room.entries.range::<Bytes, _>((Bound::Included(&range.start), end));
        while let Some((key, value)) = if reverse { entries.next_back() } else { entries.next() } {
            if visit(key, value) == Visit::Stop {
                break;
            }
        }
        Ok(())
    }
}
