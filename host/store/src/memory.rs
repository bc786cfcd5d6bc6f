//! The engine that keeps rooms in memory: for tests and for set-ups where nothing has to survive.
//!
//! It behaves as the durable engines do, except that "durable" means as long as the process. A
//! [`MemoryImage`] is its durable state at one moment, so that a simulated crash can go back to it.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::ops::Bound;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use bytes::Bytes;
use party_core::address::RoomAddress;
use party_core::commit::{Alarm, KvChanges, RoomCommit, RoomRecord};
use party_core::ids::{Epoch, Timestamp};
use party_core::storage::{KeyRange, RoomStorage, StorageReadError, Visit};

use crate::store::{
    AcquireError, CommitError, ROOMS_PAGE_MAX, RoomsQuery, Store, check_epoch, check_order, check_size,
};

/// A store in memory. Clones share their state.
#[derive(Clone, Debug, Default)]
pub struct MemoryStore {
    durable: Arc<RwLock<MemoryImage>>,
}

/// Everything that a [`MemoryStore`] has acknowledged at one moment. Rooms are shared with the store until one
/// side changes them, so taking an image costs time by the number of rooms, not by their size.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct MemoryImage {
    epoch: Epoch,
    rooms: BTreeMap<Arc<RoomAddress>, Arc<KeptRoom>>,
}

#[derive(Clone, PartialEq, Eq, Debug, Default)]
struct KeptRoom {
    record: RoomRecord,
    entries: BTreeMap<Bytes, Bytes>,
}

impl MemoryStore {
    /// A store that holds what `image` holds.
    pub fn from_image(image: MemoryImage) -> MemoryStore {
        MemoryStore { durable: Arc::new(RwLock::new(image)) }
    }

    /// What would survive a crash now.
    pub fn image(&self) -> MemoryImage {
        self.read().clone()
    }

    /// Goes back to (or forward to) `image`, as after a crash. Whoever held the store before must acquire it anew.
    pub fn restore(&self, image: MemoryImage) {
        *self.write() = image;
    }

    fn read(&self) -> RwLockReadGuard<'_, MemoryImage> {
        // A panic while the lock is held cannot leave a half-written batch: changes are swapped in at the end.
        self.durable.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, MemoryImage> {
        self.durable.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Store for MemoryStore {
    fn acquire(&self) -> Result<Epoch, AcquireError> {
        let mut durable = self.write();
        durable.epoch = Epoch(durable.epoch.0 + 1);
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
        }
        durable.rooms.extend(changed.into_iter().map(|(address, room)| (address, Arc::new(room))));
        Ok(())
    }

    fn record(&self, address: &RoomAddress) -> Result<Option<RoomRecord>, StorageReadError> {
        Ok(self.read().rooms.get(address).map(|room| room.record))
    }

    fn storage(&self, address: &Arc<RoomAddress>) -> Arc<dyn RoomStorage> {
        Arc::new(MemoryRoom { store: self.clone(), address: address.clone() })
    }

    fn alarms(&self, visit: &mut dyn FnMut(&RoomAddress, Alarm) -> Visit) -> Result<(), StorageReadError> {
        let durable = self.read().clone();
        let mut alarms: Vec<(Timestamp, &Arc<RoomAddress>, Alarm)> = durable
            .rooms
            .iter()
            .filter_map(|(address, room)| room.record.alarm.map(|alarm| (alarm.at, address, alarm)))
            .collect();
        alarms.sort_by_key(|&(at, address, _)| (at, address));
        for (_, address, alarm) in alarms {
            if visit(address, alarm) == Visit::Stop {
                break;
            }
        }
        Ok(())
    }

    fn rooms(&self, query: &RoomsQuery<'_>) -> Result<Vec<RoomAddress>, StorageReadError> {
        let durable = self.read();
        let of_party =
            |address: &RoomAddress| address.project() == query.project && address.party() == query.party;
        let wanted = |address: &RoomAddress| {
            address.room().starts_with(query.prefix) && query.after.is_none_or(|after| address.room() > after)
        };
        Ok(durable
            .rooms
            .keys()
            .filter(|address| of_party(address) && wanted(address))
            .take(query.limit.min(ROOMS_PAGE_MAX))
            .map(|address| RoomAddress::clone(address))
            .collect())
    }
}

impl KeptRoom {
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
