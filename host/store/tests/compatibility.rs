//! A store that an older program wrote opens with this one: `data/format-1.store` was made by format 1 and is kept, and
//! so is one of format 2.
//!
//! `PARTY_WRITE_EXAMPLE=<file>` makes such a file anew, for the next format; it never replaces the old one.

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::path::Path;

use bytes::Bytes;
use party_core::commit::{Alarm, KvChanges, MemoryChange, RoomCommit, RoomRecord};
use party_core::ids::{CommitSeq, Timestamp};
use party_store::redb_store::device::FileDevice;
use party_store::redb_store::{RedbOptions, RedbStore};
use party_store::store::Store;
use party_store::testing::conformance::memories::{changing, checkpoint, pattern, record};
use party_store::testing::model::Model;
use party_store::testing::staging::commit_staging;
use party_store::testing::workload::{address, put_components, room};

/// What the example holds.
fn example() -> Vec<RoomCommit> {
    let rooms = [room("lobby"), room("a%20b"), room("größe"), address("q", "other-party", "lobby")];
    let mut commits = Vec::new();
    for (index, address) in rooms.iter().enumerate() {
        let index = index as u64;
        for seq in 1..=2 {
            let entries: BTreeMap<Bytes, Option<Bytes>> = (0..5u8)
                .map(|key| {
                    let value = (u64::from(key) % 3 != seq).then(|| vec![key; usize::from(key) * 400].into());
                    (Bytes::from(vec![0xff - key, 0, key]), value)
                })
                .collect();
            let record = RoomRecord {
                seq: CommitSeq(seq),
                alarm: index.is_multiple_of(2).then_some(Alarm { at: Timestamp(1_000 + index), attempts: 1 }),
                storage_bytes: 10 * index,
                ids_reserved: 1 << 20,
                moved_at: CommitSeq(seq),
                memory_due: None,
            };
            let changes = KvChanges { cleared: false, entries };
            commits.push(RoomCommit { address: address.clone(), record, changes, memory: None });
        }
    }
    commits
}

fn open(path: &Path) -> RedbStore {
    let device = FileDevice::new(path.to_owned(), path.with_extension("batch"));
    RedbStore::open_on(Box::new(device), RedbOptions::default()).unwrap()
}

/// What format 2 added: checkpoints, one of them staged, journals and components.
fn memories() -> Vec<RoomCommit> {
    let (lobby, other) = (room("lobby"), address("q", "other-party", "lobby"));
    vec![
        changing(&lobby, 3, checkpoint(&pattern(9_000))),
        changing(&lobby, 4, MemoryChange::Append(record(b"since the checkpoint"))),
        changing(&other, 3, MemoryChange::Append(record(b"since the beginning"))),
        changing(&room("sleeping"), 1, checkpoint(b"asleep")),
    ]
}

/// Opens a copy of a kept file, compares it, commits to it and compares it again.
fn check(name: &str, mut model: Model) {
    let kept = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(name);
    let directory = tempfile::tempdir().unwrap();
    let copy = directory.path().join("copy.store");
    fs::copy(kept, &copy).unwrap();
    let store = open(&copy);
    model.compare(&store).unwrap();
    assert!(store.check().unwrap().is_sound());
    let epoch = store.acquire().unwrap();
    assert_eq!(epoch.0, 2);
    put_components(&store, epoch).unwrap();
    let lobby = room("lobby");
    let seq = model.rooms[&lobby].record.seq.next().0;
    let next = [changing(&lobby, seq, checkpoint(b"next")), changing(&room("new"), 1, checkpoint(b"new"))];
    store.commit(epoch, &next).unwrap();
    model.apply(&next);
    model.compare(&store).unwrap();
    drop(store);
    model.compare(&open(&copy)).unwrap();
}

#[test]
fn a_store_of_format_1_opens_and_takes_memories() {
    let mut model = Model::default();
    model.apply(&example());
    check("format-1.store", model);
}

#[test]
fn a_store_of_format_2_opens() {
    let mut model = Model::default();
    model.apply(&example());
    model.apply(&memories());
    if let Some(path) = env::var_os("PARTY_WRITE_EXAMPLE") {
        let path = Path::new(&path);
        let device = FileDevice::new(path.to_owned(), path.with_extension("batch"));
        RedbStore::create_on(&device, RedbOptions::default()).unwrap();
        let store = open(path);
        let epoch = store.acquire().unwrap();
        put_components(&store, epoch).unwrap();
        store.commit(epoch, &example()).unwrap();
        commit_staging(&store, epoch, &memories()).unwrap();
    }
    check("format-2.store", model);
}
