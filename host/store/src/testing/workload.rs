//! Random commits that hold together: numbered in order, over rooms and keys chosen to be awkward.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use party_core::address::{ROOM_BYTES_MAX, RoomAddress};
use party_core::commit::{
    Alarm, CheckpointBytes, ComponentDigest, IDS_RESERVED_STEP, JournalRecord, KvChanges, MemoryChange,
    NewCheckpoint, RoomCommit, RoomRecord,
};
use party_core::ids::{Epoch, Timestamp};

use crate::kept::KeepError;
use crate::store::Store;
use crate::testing::chance::Chance;
use crate::testing::model::{Model, ModelMemory};

/// The room `room` of party `main` in project `p`.
pub fn room(room: &str) -> Arc<RoomAddress> {
    address("p", "main", room)
}

/// A room that is allowed; panics if it is not.
pub fn address(project: &str, party: &str, room: &str) -> Arc<RoomAddress> {
    Arc::new(RoomAddress::new(project, party, room).expect("a test names allowed rooms"))
}

/// Rooms whose ids begin, end or order each other in ways that a careless key layout confuses.
pub fn awkward_rooms() -> Vec<Arc<RoomAddress>> {
    let mut rooms: Vec<Arc<RoomAddress>> = [
        "a",
        "aa",
        "ab",
        "a ",
        "a!",
        "a%00",
        "a\u{a0}",
        "a\u{10ffff}",
        "main",
        "ÿ",
        "~",
        &"x".repeat(ROOM_BYTES_MAX),
    ]
    .iter()
    .map(|id| room(id))
    .collect();
    rooms.extend([address("p", "main-", "a"), address("p", "mai", "na"), address("p-", "main", "a")]);
    rooms.sort();
    rooms
}

/// Keys at the edges of byte order, a tag byte or a terminator in each place.
pub fn awkward_keys() -> Vec<Bytes> {
    let keys: [&[u8]; 16] = [
        b"",
        b"\0",
        b"\0\0",
        b"\0\x01",
        b"\0\xff",
        b"\x01",
        b"\x01\0",
        b"\x02",
        b"a",
        b"a\0",
        b"a\0b",
        b"ab",
        b"a\xff",
        b"b",
        b"\xff",
        b"\xff\xff",
    ];
    keys.iter().map(|key| Bytes::from_static(key)).collect()
}

/// Makes commits that follow what `model` holds.
#[derive(Clone, Debug)]
pub struct Workload {
    rooms: Vec<Arc<RoomAddress>>,
    keys: Vec<Bytes>,
    value_bytes_max: usize,
    destroys: bool,
}

impl Workload {
    /// Over the awkward rooms and keys, with values up to so many bytes.
    pub fn awkward(value_bytes_max: usize) -> Workload {
        Workload { rooms: awkward_rooms(), keys: awkward_keys(), value_bytes_max, destroys: true }
    }

    /// Over `rooms` plain rooms with up to `keys` plain keys each.
    pub fn plain(rooms: usize, keys: usize, value_bytes_max: usize) -> Workload {
        let rooms = (0..rooms).map(|number| room(&format!("room-{number:05}"))).collect();
        let keys = (0..keys).map(|number| Bytes::from(format!("key-{number:03}"))).collect();
        Workload { rooms, keys, value_bytes_max, destroys: true }
    }

    /// The same, in which no room is destroyed: what a store has then grown to stays in use.
    pub fn destroying_nothing(self) -> Workload {
        Workload { destroys: false, ..self }
    }

    /// A batch of up to `commits_max` commits, some perhaps of the same room. The model is brought up to it.
    pub fn batch(&self, chance: &mut Chance, model: &mut Model, commits_max: usize) -> Vec<RoomCommit> {
        let commits = 1 + chance.index(commits_max);
        (0..commits)
            .map(|_| {
                let commit = self.commit(chance, model);
                model.apply(std::slice::from_ref(&commit));
                commit
            })
            .collect()
    }

    fn commit(&self, chance: &mut Chance, model: &Model) -> RoomCommit {
        let address = chance.pick(&self.rooms).clone();
        let before = model.rooms.get(&address).cloned().unwrap_or_default();
        let changes = self.changes(chance);
        let memory = self.memory_change(chance, before.memory.as_ref()).map(Box::new);
        let mut after = Model::default();
        after.rooms.insert(address.clone(), before.clone());
        after.apply(&[RoomCommit {
            address: address.clone(),
            record: before.record,
            changes: changes.clone(),
            memory: None,
        }]);
        let entries = &after.rooms.get(&address).map(|room| room.entries.clone()).unwrap_or_default();
        let seq = before.record.seq.next();
        let record = RoomRecord {
            seq,
            alarm: alarm(chance, before.record.alarm),
            memory_due: chance.one_in(5).then(|| Timestamp(1_000 + chance.below(6))),
            moved_at: if changes.is_empty() { before.record.moved_at } else { seq },
            storage_bytes: entries.iter().map(|(key, value)| (key.len() + value.len()) as u64).sum(),
            ids_reserved: before.record.ids_reserved.max(IDS_RESERVED_STEP),
        };
        RoomCommit { address, record, changes, memory }
    }

    fn changes(&self, chance: &mut Chance) -> KvChanges {
        let mut entries = BTreeMap::new();
        for _ in 0..chance.below(5) {
            let value = (!chance.one_in(4)).then(|| self.value(chance));
            entries.insert(chance.pick(&self.keys).clone(), value);
        }
        KvChanges { cleared: chance.one_in(8), entries }
    }

    /// Half of all commits leave the memory alone.
    fn memory_change(&self, chance: &mut Chance, before: Option<&ModelMemory>) -> Option<MemoryChange> {
        let component = *chance.pick(&[SMALL_COMPONENT, LARGE_COMPONENT]);
        let journal_record = |chance: &mut Chance, component| {
            let bytes = noise(chance, 400);
            JournalRecord { component, bytes }
        };
        match chance.below(13) {
            12 if self.destroys && chance.one_in(3) => Some(MemoryChange::Destroy),
            6..=8 => {
                let component = before.map_or(component, |memory| memory.component);
                Some(MemoryChange::Append(journal_record(chance, component)))
            }
            9 | 10 => {
                let bytes_max = if chance.one_in(6) { CHECKPOINT_BYTES } else { 600 };
                let bytes = CheckpointBytes::Inline(noise(chance, bytes_max));
                Some(MemoryChange::Checkpoint(NewCheckpoint { component, bytes }))
            }
            11 => {
                let then = chance.one_in(2).then(|| journal_record(chance, component));
                Some(MemoryChange::Forget { then })
            }
            _ => None,
        }
    }

    fn value(&self, chance: &mut Chance) -> Bytes {
        noise(chance, self.value_bytes_max)
    }
}

/// Puts the components that workloads need into a store.
pub fn put_components(store: &dyn Store, epoch: Epoch) -> Result<(), KeepError> {
    store.put_component(epoch, SMALL_COMPONENT, b"a small component")?;
    store.put_component(epoch, LARGE_COMPONENT, &b"a large component".repeat(600))
}

/// A component of one chunk, as [`put_components`] puts it.
pub const SMALL_COMPONENT: ComponentDigest = ComponentDigest([0xc1; 32]);
/// A component of three chunks.
pub const LARGE_COMPONENT: ComponentDigest = ComponentDigest([0xc2; 32]);
/// The most bytes of a workload's checkpoints: some take several chunks.
const CHECKPOINT_BYTES: usize = 20_000;

/// Up to so many bytes.
fn noise(chance: &mut Chance, bytes_max: usize) -> Bytes {
    let bytes = chance.index(bytes_max + 1);
    let mut value = Vec::with_capacity(bytes + 8);
    while value.len() < bytes {
        value.extend_from_slice(&chance.bits().to_le_bytes());
    }
    value.truncate(bytes);
    value.into()
}

fn alarm(chance: &mut Chance, before: Option<Alarm>) -> Option<Alarm> {
    match chance.below(6) {
        0 => None,
        // Few different times, so that rooms share them.
        1 => Some(Alarm { at: Timestamp(1_000 + chance.below(4)), attempts: 0 }),
        2 => before.map(|alarm| Alarm { at: alarm.at, attempts: alarm.attempts + 1 }),
        _ => before,
    }
}
