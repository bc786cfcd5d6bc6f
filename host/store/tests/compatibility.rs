//! A store that an older program wrote opens with this one: `data/format-1.store` was made by format 1 and is kept.
//!
//! `PARTY_WRITE_EXAMPLE=<file>` makes such a file anew, for the next format; it never replaces the old one.

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::path::Path;

use bytes::Bytes;
use party_core::commit::{Alarm, KvChanges, RoomCommit, RoomRecord};
use party_core::ids::{CommitSeq, Timestamp};
use party_store::redb_store::device::FileDevice;
use party_store::redb_store::{RedbOptions, RedbStore};
use party_store::store::Store;
use party_store::testing::model::Model;
use party_store::testing::workload::{address, room};

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

#[test]
fn a_store_of_format_1_opens() {
    if let Some(path) = env::var_os("PARTY_WRITE_EXAMPLE") {
        let path = Path::new(&path);
        let device = FileDevice::new(path.to_owned(), path.with_extension("batch"));
        RedbStore::create_on(&device, RedbOptions::default()).unwrap();
        let store = open(path);
        let epoch = store.acquire().unwrap();
        store.commit(epoch, &example()).unwrap();
    }
    let kept = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/format-1.store");
    let directory = tempfile::tempdir().unwrap();
    let copy = directory.path().join("copy.store");
    fs::copy(kept, &copy).unwrap();
    let store = open(&copy);
    let mut model = Model::default();
    model.apply(&example());
    model.compare(&store).unwrap();
    assert!(store.check().unwrap().is_sound());
    let epoch = store.acquire().unwrap();
    assert_eq!(epoch.0, 2);
    let mut next = example().remove(0);
    next.record.seq = CommitSeq(3);
    store.commit(epoch, &[next.clone()]).unwrap();
    model.apply(&[next]);
    model.compare(&store).unwrap();
}
