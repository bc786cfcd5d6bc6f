//! What is kept of rooms' memories in the redb engine: that all of it is reclaimed, that a staging holds nobody up, and
//! that damage harms the room that it is in.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use party_core::address::RoomAddress;
use party_core::commit::{MemoryChange, RoomCommit};
use party_core::ids::Epoch;
use party_core::storage::StorageReadError;
use party_store::redb_store::{RedbOptions, RedbStore};
use party_store::store::{CommitError, Refusal, Store};
use party_store::testing::conformance::memories::{changing, checkpoint, pattern, record, staged};
use party_store::testing::conformance::putting;
use party_store::testing::model::{Comparison, Model};
use party_store::testing::simulated_disk::{DiskFault, FaultKind, SimulatedDisk};
use party_store::testing::workload::{LARGE_COMPONENT, SMALL_COMPONENT, put_components, room};

fn opened(disk: &SimulatedDisk) -> RedbStore {
    RedbStore::open_on(Box::new(disk.clone()), RedbOptions::default()).unwrap()
}

/// A store with the components of workloads.
fn made() -> (SimulatedDisk, RedbStore, Epoch) {
    let disk = SimulatedDisk::new(1);
    RedbStore::create_on(&disk, RedbOptions::default()).unwrap();
    let store = opened(&disk);
    let epoch = store.acquire().unwrap();
    put_components(&store, epoch).unwrap();
    (disk, store, epoch)
}

fn put_staged(store: &RedbStore, epoch: Epoch, address: &Arc<RoomAddress>, seq: u64, bytes: &[u8]) {
    let ahead = store.stage_checkpoint(epoch, address, bytes).unwrap();
    store.commit(epoch, &[changing(address, seq, staged(ahead))]).unwrap();
}

/// Commits of another room until nothing is left to reclaim but what is too little to be worth it.
fn sweep(store: &RedbStore, epoch: Epoch) {
    let broom = room("broom");
    let mut seq = store.record(&broom).unwrap().unwrap_or_default().seq.0;
    while store.unreclaimed().0 > 0 {
        seq += 1;
        store.commit(epoch, &[putting(&broom, seq, &[])]).unwrap();
        assert!(seq < 10_000, "each commit takes its share of {:?}", store.unreclaimed());
    }
    assert_eq!(store.check().unwrap().stray_chunks, 0);
}

#[test]
fn old_checkpoints_are_reclaimed_and_the_file_stays_as_it_is() {
    const FILE_BYTES_MAX: u64 = 20 << 20;
    let (_, store, epoch) = made();
    let a = room("a");
    let bytes = pattern(3_000_000);
    for seq in 1..=12 {
        put_staged(&store, epoch, &a, seq, &bytes[..bytes.len() - seq as usize]);
        sweep(&store, epoch);
    }
    assert!(store.file_bytes() < FILE_BYTES_MAX, "36 MB went through {} bytes", store.file_bytes());
    store.commit(epoch, &[changing(&a, 13, MemoryChange::Forget { then: None })]).unwrap();
    sweep(&store, epoch);
    assert!(store.check().unwrap().is_sound());
}

/// A room that sleeps and wakes and does nothing else: one commit for each checkpoint. The file once grew by each.
#[test]
fn large_checkpoints_that_follow_one_another_do_not_grow_the_file_without_end() {
    let ((_, store, epoch), a) = (made(), room("a"));
    let mut grown = Vec::new();
    for seq in 1..=60 {
        put_staged(&store, epoch, &a, seq, &pattern(4_000_000 + seq as usize));
        grown.push(store.file_bytes());
    }
    assert_eq!(grown[59], grown[9], "{grown:?}");
    assert!(store.unreclaimed().0 <= 2, "{:?}", store.unreclaimed());
}

#[test]
fn what_was_staged_and_never_taken_is_reclaimed_also_after_a_kill() {
    for is_killed in [false, true] {
        let (disk, store, epoch) = made();
        let (a, b) = (room("a"), room("b"));
        put_staged(&store, epoch, &b, 1, &pattern(100_000));
        store.stage_checkpoint(epoch, &a, &pattern(1_000_000)).unwrap();
        // A staging that is cut short, too.
        disk.plan([DiskFault { kind: FaultKind::Write, after: 400, times: u64::MAX }]);
        store.stage_checkpoint(epoch, &b, &pattern(2_000_000)).unwrap_err();
        disk.heal();
        if is_killed {
            disk.kill();
        }
        drop(store);
        let store = opened(&disk);
        let epoch = store.acquire().unwrap();
        assert_eq!(store.unreclaimed().0, 2, "killed: {is_killed}");
        sweep(&store, epoch);
        assert_eq!(store.checkpoint(&b).unwrap().unwrap().bytes, pattern(100_000));
        assert!(store.check().unwrap().is_sound());
    }
}

#[test]
fn covered_records_are_reclaimed_although_others_stand_between() {
    let (disk, store, epoch) = made();
    let (a, b) = (room("a"), room("b"));
    let append = || MemoryChange::Append(record(b"a record"));
    store.commit(epoch, &[changing(&b, 1, append())]).unwrap();
    for seq in 1..=2_000 {
        let is_covered = seq % 300 == 0;
        let mut batch = vec![changing(&a, seq, if is_covered { checkpoint(b"a") } else { append() })];
        if seq % 100 == 0 {
            batch.push(changing(&b, 1 + seq / 100, append()));
        }
        store.commit(epoch, &batch).unwrap();
        let covered = store.unreclaimed().1;
        assert!(covered < 600, "{covered} records are covered after commit {seq}");
    }
    assert_eq!(store.journal(&b).unwrap().len(), 21);
    assert_eq!(store.journal(&a).unwrap().len(), 200);
    disk.kill();
    drop(store);
    let store = opened(&disk);
    assert!(store.unreclaimed().1 < 600);
    assert_eq!(store.journal(&b).unwrap().len(), 21);
    assert_eq!(store.journal(&a).unwrap().len(), 200);
    assert!(store.check().unwrap().is_sound());
}

#[test]
fn components_that_nobody_needs_leave_no_chunk_behind() {
    let (_, store, epoch) = made();
    assert_eq!(store.reclaim_components(epoch, &[]), Ok(2));
    sweep(&store, epoch);
    assert!(store.check().unwrap().is_sound());
}

#[test]
fn commits_go_on_while_a_checkpoint_is_staged() {
    let directory = tempfile::tempdir().unwrap();
    let store = RedbStore::open(directory.path(), RedbOptions::default()).unwrap();
    let epoch = store.acquire().unwrap();
    put_components(&store, epoch).unwrap();
    let (a, b) = (room("a"), room("b"));
    let bytes = pattern(20_000_000);
    let is_done = AtomicBool::new(false);
    let commits = thread::scope(|scope| {
        let committer = scope.spawn(|| {
            let mut seq = 0;
            while !is_done.load(Ordering::SeqCst) {
                seq += 1;
                store.commit(epoch, &[putting(&b, seq, &[(b"k", &seq.to_le_bytes())])]).unwrap();
            }
            seq
        });
        let ahead = store.stage_checkpoint(epoch, &a, &bytes).unwrap();
        is_done.store(true, Ordering::SeqCst);
        store.commit(epoch, &[changing(&a, 1, staged(ahead))]).unwrap();
        committer.join().unwrap()
    });
    // It takes some forty transactions, and whoever waits gets its turn after each.
    assert!(commits > 20, "{commits} commits beside the staging");
    assert_eq!(store.checkpoint(&a).unwrap().unwrap().bytes, bytes);
}

/// Three rooms, each with a checkpoint and a record of its own, the second's as large as given.
fn three_rooms(bytes: usize) -> (SimulatedDisk, Vec<Arc<RoomAddress>>, Model) {
    let (disk, store, epoch) = made();
    let rooms: Vec<Arc<RoomAddress>> = ["a", "b", "c"].map(room).to_vec();
    let mut model = Model::default();
    for address in &rooms {
        let mut body = format!("the checkpoint of {address}").into_bytes();
        body.extend(pattern(if address.room() == "b" { bytes } else { 100 }));
        let text = format!("the record of {address}");
        let batch: [RoomCommit; 2] = [
            changing(address, 1, checkpoint(&body)),
            changing(address, 2, MemoryChange::Append(record(text.as_bytes()))),
        ];
        store.commit(epoch, &batch).unwrap();
        model.apply(&batch);
    }
    (disk, rooms, model)
}

/// The store with one bit flipped in the last of these bytes, which stand in its file once.
fn damaged_at(disk: &SimulatedDisk, bytes: &[u8]) -> RedbStore {
    let mut image = disk.image();
    let places: Vec<usize> = image
        .windows(bytes.len())
        .enumerate()
        .filter(|(_, window)| *window == bytes)
        .map(|(place, _)| place)
        .collect();
    assert!(!places.is_empty());
    // Pages of earlier transactions may still show the same bytes; nobody reads those.
    places.iter().for_each(|place| image[place + bytes.len() - 1] ^= 0x20);
    opened(&SimulatedDisk::from_image(1, image, disk.acknowledged_batch()))
}

fn assert_only_b_is_damaged(store: &RedbStore, rooms: &[Arc<RoomAddress>], model: &Model, what: &str) {
    for address in [&rooms[0], &rooms[2]] {
        assert_eq!(model.compare_room(store, address), Comparison::Same);
    }
    let Comparison::Reported(StorageReadError::Damaged(cause)) = model.compare_room(store, &rooms[1]) else {
        panic!("{:?}", model.compare_room(store, &rooms[1]));
    };
    assert!(cause.contains(what) && cause.contains("/b/"), "{cause}");
    let report = store.check().unwrap();
    assert_eq!((report.damaged, &report.damaged_rooms[0].0), (1, &*rooms[1]), "{report:?}");
}

#[test]
fn a_damaged_checkpoint_harms_one_room_and_can_be_replaced() {
    for bytes in [100, 20_000] {
        let (disk, rooms, mut model) = three_rooms(bytes);
        let store = damaged_at(&disk, b"the checkpoint of p/main/b");
        assert_only_b_is_damaged(&store, &rooms, &model, "the checkpoint of room");
        assert_eq!(store.journal(&rooms[1]).unwrap().len(), 1, "what is not damaged can still be read");
        let epoch = store.acquire().unwrap();
        let batch = [changing(&rooms[1], 3, checkpoint(b"anew"))];
        store.commit(epoch, &batch).unwrap();
        model.apply(&batch);
        assert_eq!(model.compare_room(&store, &rooms[1]), Comparison::Same);
    }
}

#[test]
fn a_damaged_record_of_a_journal_harms_one_room() {
    let (disk, rooms, model) = three_rooms(100);
    let store = damaged_at(&disk, b"the record of p/main/b");
    assert_only_b_is_damaged(&store, &rooms, &model, "the journal of room");
    assert!(store.checkpoint(&rooms[1]).unwrap().is_some());
}

#[test]
fn a_damaged_component_is_said_and_made_good_by_putting_it_again() {
    let (disk, rooms, model) = three_rooms(100);
    let store = damaged_at(&disk, b"a small component");
    let damaged = store.component(SMALL_COMPONENT).unwrap_err();
    assert!(damaged.to_string().contains(&format!("component {SMALL_COMPONENT}")), "{damaged}");
    assert!(store.component(LARGE_COMPONENT).unwrap().is_some());
    for address in &rooms {
        assert_eq!(model.compare_room(&store, address), Comparison::Same);
    }
    assert_eq!(store.check().unwrap().components_problems.len(), 1);
    let epoch = store.acquire().unwrap();
    put_components(&store, epoch).unwrap();
    assert_eq!(store.component(SMALL_COMPONENT).unwrap().unwrap(), "a small component");
    assert!(store.check().unwrap().components_problems.is_empty(), "its rooms are still counted");
    assert_eq!(store.reclaim_components(epoch, &[]), Ok(1), "the other one");
}

/// A staging that fails leaves a store that goes on, and a commit that fails leaves what was staged for the next.
#[test]
fn a_staged_checkpoint_outlives_a_commit_that_failed() {
    let (disk, store, epoch) = made();
    let a = room("a");
    let ahead = store.stage_checkpoint(epoch, &a, &pattern(50_000)).unwrap();
    disk.plan([DiskFault { kind: FaultKind::Write, after: 0, times: 1 }]);
    let failed = store.commit(epoch, &[changing(&a, 1, staged(ahead))]);
    assert!(matches!(failed, Err(CommitError::NotWritten { .. })), "{failed:?}");
    assert_eq!(store.reopened(), 1);
    store.commit(epoch, &[changing(&a, 1, staged(ahead))]).unwrap();
    // Here the sync fails after the transaction has been written: it is found durable when the file is opened anew.
    for seq in 2..30 {
        let ahead = store.stage_checkpoint(epoch, &a, &pattern(50_000 + seq)).unwrap();
        disk.plan([DiskFault { kind: FaultKind::SyncWaiting, after: 0, times: 1 }]);
        match store.commit(epoch, &[changing(&a, seq as u64, staged(ahead))]) {
            Ok(()) => {
                let again = store.commit(epoch, &[changing(&a, seq as u64 + 1, staged(ahead))]);
                let refused =
                    CommitError::Refused { address: a.clone(), refusal: Refusal::NotStaged { id: ahead.id } };
                assert_eq!(again, Err(refused), "it was taken");
                store.unstage_checkpoint(ahead);
            }
            Err(CommitError::NotWritten { .. }) => {
                store.commit(epoch, &[changing(&a, seq as u64, staged(ahead))]).unwrap();
            }
            Err(error) => panic!("{error}"),
        }
        sweep(&store, epoch);
        assert_eq!(store.checkpoint(&a).unwrap().unwrap().bytes, pattern(50_000 + seq));
    }
    assert!(store.check().unwrap().is_sound());
}
