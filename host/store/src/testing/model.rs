//! What a store must hold, in the plainest words: a map of rooms, each a record and a map of entries.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use party_core::address::RoomAddress;
use party_core::commit::{Alarm, RoomCommit, RoomRecord};
use party_core::ids::Timestamp;
use party_core::storage::{KeyRange, StorageReadError, Visit};

use crate::store::{RoomsQuery, Store};

/// One room of the model.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ModelRoom {
    /// Its record.
    pub record: RoomRecord,
    /// Its entries.
    pub entries: BTreeMap<Bytes, Bytes>,
}

/// What a store must hold.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Model {
    /// The rooms that have committed.
    pub rooms: BTreeMap<Arc<RoomAddress>, ModelRoom>,
}

/// How a room of a store compares with the model's.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Comparison {
    /// It is the same.
    Same,
    /// The store says that it is damaged or cannot be read.
    Reported(StorageReadError),
    /// It is another, and the store did not say so.
    Differs(String),
}

impl Model {
    /// Applies commits in order. Their numbers are not checked.
    pub fn apply(&mut self, batch: &[RoomCommit]) {
        for commit in batch {
            let room = self.rooms.entry(commit.address.clone()).or_default();
            room.record = commit.record;
            if commit.changes.cleared {
                room.entries.clear();
            }
            for (key, value) in &commit.changes.entries {
                match value {
                    Some(value) => room.entries.insert(key.clone(), value.clone()),
                    None => room.entries.remove(key),
                };
            }
        }
    }

    /// Compares one room: record, every entry by key, and scans both ways.
    pub fn compare_room(&self, store: &dyn Store, address: &Arc<RoomAddress>) -> Comparison {
        let expected = self.rooms.get(address).cloned().unwrap_or_default();
        match difference(store, address, &expected) {
            Ok(None) => Comparison::Same,
            Ok(Some(difference)) => Comparison::Differs(format!("room {address}: {difference}")),
            Err(error) => Comparison::Reported(error),
        }
    }

    /// Compares everything: the rooms of the model, the list of rooms and the alarms. `Err` tells the first
    /// difference, a reported failure included.
    pub fn compare(&self, store: &dyn Store) -> Result<(), String> {
        for address in self.rooms.keys() {
            match self.compare_room(store, address) {
                Comparison::Same => {}
                Comparison::Reported(error) => return Err(format!("room {address}: {error}")),
                Comparison::Differs(difference) => return Err(difference),
            }
        }
        let listed = all_rooms(store, self).map_err(|error| error.to_string())?;
        let expected: Vec<RoomAddress> =
            self.rooms.keys().map(|address| RoomAddress::clone(address)).collect();
        if listed != expected {
            return Err(format!("rooms are listed as {listed:?} instead of {expected:?}"));
        }
        let alarms = all_alarms(store).map_err(|error| error.to_string())?;
        let expected = self.alarms();
        if alarms != expected {
            return Err(format!("alarms are {alarms:?} instead of {expected:?}"));
        }
        Ok(())
    }

    /// The alarms in order of time and address.
    pub fn alarms(&self) -> Vec<(RoomAddress, Alarm)> {
        let of_room = |(address, room): (&Arc<RoomAddress>, &ModelRoom)| {
            room.record.alarm.map(|alarm| (RoomAddress::clone(address), alarm))
        };
        let mut alarms: Vec<(RoomAddress, Alarm)> = self.rooms.iter().filter_map(of_room).collect();
        alarms.sort_by_key(|(address, alarm): &(RoomAddress, Alarm)| -> (Timestamp, RoomAddress) {
            (alarm.at, address.clone())
        });
        alarms
    }
}

fn difference(
    store: &dyn Store,
    address: &Arc<RoomAddress>,
    expected: &ModelRoom,
) -> Result<Option<String>, StorageReadError> {
    let record = store.record(address)?.unwrap_or_default();
    if record != expected.record {
        return Ok(Some(format!("its record is {record:?} instead of {:?}", expected.record)));
    }
    let storage = store.storage(address);
    for (key, value) in &expected.entries {
        let found = storage.get(key)?;
        if found.as_ref() != Some(value) {
            return Ok(Some(format!("key {key:?} is {found:?} instead of {value:?}")));
        }
    }
    for reverse in [false, true] {
        let mut found = Vec::new();
        storage.scan(&KeyRange::default(), reverse, &mut |key, value| {
            found.push((Bytes::copy_from_slice(key), Bytes::copy_from_slice(value)));
            Visit::Continue
        })?;
        if reverse {
            found.reverse();
        }
        if !found.iter().map(|(key, value)| (key, value)).eq(expected.entries.iter()) {
            return Ok(Some(format!("a scan (reverse: {reverse}) found {found:?}")));
        }
    }
    Ok(None)
}

/// All rooms of the parties that the model knows, page by page.
pub fn all_rooms(store: &dyn Store, model: &Model) -> Result<Vec<RoomAddress>, StorageReadError> {
    let mut parties: Vec<(&str, &str)> =
        model.rooms.keys().map(|address| (address.project(), address.party())).collect();
    parties.dedup();
    let mut rooms: Vec<RoomAddress> = Vec::new();
    for (project, party) in parties {
        let mut after: Option<String> = None;
        loop {
            let query = RoomsQuery { project, party, prefix: "", after: after.as_deref(), limit: 7 };
            let page = store.rooms(&query)?;
            let Some(last) = page.last() else { break };
            after = Some(last.room().to_owned());
            rooms.extend(page);
        }
    }
    Ok(rooms)
}

/// All alarms in the order in which the store visits them.
pub fn all_alarms(store: &dyn Store) -> Result<Vec<(RoomAddress, Alarm)>, StorageReadError> {
    let mut alarms = Vec::new();
    store.alarms(&mut |address, alarm| {
        alarms.push((address.clone(), alarm));
        Visit::Continue
    })?;
    Ok(alarms)
}
