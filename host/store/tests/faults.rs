//! Failing devices: EIO, a full disk and failed syncs at every operation of a commit. Nothing acknowledged is lost,
//! every answer is true, and the store goes on by itself once the device works.

use party_core::storage::StorageReadError;
use party_store::redb_store::{RedbOptions, RedbStore};
use party_store::store::{AcquireError, CommitError, Store};
use party_store::testing::chance::Chance;
use party_store::testing::conformance::putting;
use party_store::testing::model::{Comparison, Model};
use party_store::testing::simulated_disk::{DiskFault, FaultKind, SimulatedDisk};
use party_store::testing::staging::commit_staging;
use party_store::testing::workload::{Workload, put_components, room};

fn opened(seed: u64, quick_repair_bytes_min: u64, cache_bytes: usize) -> (SimulatedDisk, RedbStore) {
    let options = RedbOptions { quick_repair_bytes_min, cache_bytes, ..RedbOptions::default() };
    let disk = SimulatedDisk::new(seed);
    RedbStore::create_on(&disk, options).unwrap();
    let store = RedbStore::open_on(Box::new(disk.clone()), options).unwrap();
    (disk, store)
}

/// How often each answer was given.
#[derive(Debug, Default)]
struct Answers {
    ok: u64,
    not_written: u64,
    unavailable: u64,
}

/// Commits once while `faults` are planned, checks that the answer is true, then that the store goes on, and last that
/// the power may fail and what was acknowledged is there.
fn commit_through(faults: &[DiskFault], quick_repair_bytes_min: u64, answers: &mut Answers) {
    let seed = faults.iter().map(|fault| fault.after).sum();
    let (disk, store) = opened(seed, quick_repair_bytes_min, 64 << 20);
    let mut chance = Chance::new(seed);
    let workload = Workload::plain(30, 10, 2_000);
    let mut model = Model::default();
    let epoch = store.acquire().unwrap();
    put_components(&store, epoch).unwrap();
    for _ in 0..3 {
        let batch = workload.batch(&mut chance, &mut model, 20);
        commit_staging(&store, epoch, &batch).unwrap();
    }
    disk.plan(faults.iter().copied());
    let mut after = model.clone();
    let batch = workload.batch(&mut chance, &mut after, 20);
    let answer = store.commit(epoch, &batch);
    disk.heal();
    match answer {
        Ok(()) => {
            answers.ok += 1;
            model = after;
        }
        Err(CommitError::NotWritten { cause }) => {
            answers.not_written += 1;
            assert!(!cause.is_empty());
        }
        Err(CommitError::Unavailable { cause }) => {
            answers.unavailable += 1;
            assert!(!cause.is_empty());
            if model.compare(&store).is_err() {
                model = after;
            }
        }
        Err(error) => panic!("{error}"),
    }
    model.compare(&store).unwrap();
    let batch = workload.batch(&mut chance, &mut model, 20);
    store.commit(epoch, &batch).unwrap();
    model.compare(&store).unwrap();
    disk.cut_power();
    drop(store);
    disk.restore_power();
    let store = RedbStore::open_on(Box::new(disk), RedbOptions::default()).unwrap();
    model.compare(&store).unwrap();
}

fn commit_through_all(kind: FaultKind, times: u64) -> Answers {
    let mut answers = Answers::default();
    // A commit makes some thirty writes and one or two syncs; a few more belong to what follows.
    let operations = match kind {
        FaultKind::SyncWaiting | FaultKind::SyncDropped => 4,
        _ => 40,
    };
    for quick_repair_bytes_min in [u64::MAX, 0] {
        for after in 0..operations {
            println!(
                "{kind:?} {times} times after {after}, quick repair from {quick_repair_bytes_min} bytes"
            );
            commit_through(&[DiskFault { kind, after, times }], quick_repair_bytes_min, &mut answers);
        }
    }
    println!("{kind:?} {times} times: {answers:?}");
    answers
}

#[test]
fn a_commit_goes_through_one_failed_write() {
    let answers = commit_through_all(FaultKind::Write, 1);
    assert!(answers.not_written > 0 && answers.ok > 0 && answers.unavailable == 0, "{answers:?}");
}

#[test]
fn a_full_disk_refuses_commits_until_there_is_space() {
    let answers = commit_through_all(FaultKind::Space, u64::MAX);
    assert!(answers.unavailable > 0 && answers.ok > 0, "{answers:?}");
}

/// On a disk that is full what is there can be written over, but nothing can be added: reading needs no space.
#[test]
fn rooms_are_read_while_the_disk_is_full() {
    for quick_repair_bytes_min in [u64::MAX, 0] {
        let (disk, store) = opened(4, quick_repair_bytes_min, 16 << 10);
        let mut chance = Chance::new(4);
        let workload = Workload::plain(30, 10, 2_000);
        let mut model = Model::default();
        let epoch = store.acquire().unwrap();
        put_components(&store, epoch).unwrap();
        disk.plan([DiskFault { kind: FaultKind::Growth, after: 0, times: u64::MAX }]);
        let (mut written, mut refused) = (0, 0);
        while refused < 20 {
            let mut after = model.clone();
            let batch = workload.batch(&mut chance, &mut after, 20);
            match store.commit(epoch, &batch) {
                Ok(()) => {
                    model = after;
                    written += 1;
                }
                Err(CommitError::NotWritten { .. }) => refused += 1,
                Err(error) => panic!("after {written} commits and {refused} refused: {error}"),
            }
            model.compare(&store).unwrap();
        }
        println!("{written} commits, {refused} refused");
        disk.heal();
        commit_staging(&store, epoch, &workload.batch(&mut chance, &mut model, 20)).unwrap();
        model.compare(&store).unwrap();
    }
}

#[test]
fn a_commit_goes_through_one_failed_sync() {
    for kind in [FaultKind::SyncWaiting, FaultKind::SyncDropped] {
        let answers = commit_through_all(kind, 1);
        assert!(answers.not_written > 0 && answers.ok > 0 && answers.unavailable == 0, "{answers:?}");
    }
}

#[test]
fn a_device_that_keeps_failing_is_reported_and_recovers() {
    for kind in [FaultKind::Write, FaultKind::SyncWaiting, FaultKind::SyncDropped] {
        let answers = commit_through_all(kind, u64::MAX);
        assert!(answers.unavailable > 0, "{answers:?}");
    }
}

/// Faults in the recovery too: in the opening, and in the transaction that confirms what was found. Once, such a
/// confirmation had a number of its own, and when it failed but was there after all, the next opening took it for
/// the batch.
#[test]
fn a_recovery_that_fails_as_well_does_not_mistake_what_became_of_the_batch() {
    let mut answers = Answers::default();
    let fault = |kind, after| DiskFault { kind, after, times: 1 };
    for quick_repair_bytes_min in [u64::MAX, 0] {
        for kind in [FaultKind::Write, FaultKind::SyncWaiting, FaultKind::SyncDropped, FaultKind::Read] {
            for (first, then) in [(FaultKind::Write, kind), (FaultKind::SyncWaiting, kind)] {
                // The last reads come after the confirmation: what it has confirmed must not be forgotten with them.
                let operations = match kind {
                    FaultKind::Write => 30,
                    FaultKind::Read => 50,
                    _ => 8,
                };
                for after in 0..operations {
                    println!("{first:?}, then {kind:?} after {after}, from {quick_repair_bytes_min} bytes");
                    commit_through(
                        &[fault(first, 0), fault(then, after)],
                        quick_repair_bytes_min,
                        &mut answers,
                    );
                }
            }
        }
    }
    println!("{answers:?}");
    assert!(answers.ok > 0 && answers.not_written > 0 && answers.unavailable == 0, "{answers:?}");
}

#[test]
fn every_call_says_that_the_device_fails_and_works_again_when_it_does() {
    let (disk, store) = opened(1, u64::MAX, 64 << 20);
    let epoch = store.acquire().unwrap();
    let a = room("a");
    let commit = |seq: u64| [putting(&a, seq, &[(b"k", &seq.to_le_bytes())])];
    store.commit(epoch, &commit(1)).unwrap();
    disk.cut_power();
    for _ in 0..3 {
        let error = store.commit(epoch, &commit(2)).unwrap_err();
        assert!(matches!(&error, CommitError::Unavailable { .. }), "{error}");
        assert!(error.to_string().contains("hint: check the disk"), "{error}");
        assert!(matches!(store.record(&a), Err(StorageReadError::Io(_))));
        assert!(matches!(store.storage(&a).get(b"k"), Err(StorageReadError::Io(_))));
        assert!(matches!(store.acquire(), Err(AcquireError::Unavailable { .. })));
    }
    disk.restore_power();
    assert_eq!(store.record(&a).unwrap().unwrap().seq.0, 1);
    store.commit(epoch, &commit(2)).unwrap();
    assert_eq!(store.storage(&a).get(b"k").unwrap().unwrap().as_ref(), 2u64.to_le_bytes());
    assert!(store.reopened() > 0);
}

#[test]
fn a_failed_read_is_tried_once_more_on_a_device_opened_anew() {
    for quick_repair_bytes_min in [u64::MAX, 0] {
        let (disk, store) = opened(2, quick_repair_bytes_min, 16 << 10);
        let mut chance = Chance::new(2);
        let workload = Workload::plain(200, 20, 1_000);
        let mut model = Model::default();
        let epoch = store.acquire().unwrap();
        put_components(&store, epoch).unwrap();
        for _ in 0..40 {
            let batch = workload.batch(&mut chance, &mut model, 30);
            store.commit(epoch, &batch).unwrap();
        }
        for after in 0..60 {
            let reopened = store.reopened();
            disk.plan([DiskFault { kind: FaultKind::Read, after, times: 1 }]);
            for address in model.rooms.keys() {
                let record = store.record(address).unwrap().unwrap();
                let room = &model.rooms[address];
                assert_eq!(record, room.record);
                for (key, value) in &room.entries {
                    assert_eq!(store.storage(address).get(key).unwrap().as_ref(), Some(value));
                }
            }
            assert_eq!(store.reopened(), reopened + 1, "the read after {after} others has failed");
        }
        disk.plan([DiskFault { kind: FaultKind::Read, after: 0, times: u64::MAX }]);
        let failed = model.compare(&store).unwrap_err();
        assert!(failed.contains("cannot be read"), "{failed}");
        disk.heal();
        model.compare(&store).unwrap();
        // A scan that has begun to hand out entries cannot start over: it fails, or it is right.
        for after in 0..60 {
            disk.plan([DiskFault { kind: FaultKind::Read, after, times: 1 }]);
            for address in model.rooms.keys() {
                let fate = model.compare_room(&store, address);
                let allowed =
                    matches!(fate, Comparison::Same | Comparison::Reported(StorageReadError::Io(_)));
                assert!(allowed, "{fate:?}");
            }
        }
        disk.heal();
        store.commit(epoch, &workload.batch(&mut chance, &mut model, 30)).unwrap();
        model.compare(&store).unwrap();
    }
}

#[test]
fn a_device_that_forgets_acknowledged_writes_is_not_written_to() {
    let (disk, store) = opened(3, u64::MAX, 64 << 20);
    let epoch = store.acquire().unwrap();
    let a = room("a");
    store.commit(epoch, &[putting(&a, 1, &[])]).unwrap();
    disk.plan([DiskFault { kind: FaultKind::SyncLie, after: 0, times: u64::MAX }]);
    for seq in 2..10 {
        store.commit(epoch, &[putting(&a, seq, &[])]).unwrap();
    }
    disk.forget_unsynced();
    let error = store.commit(epoch, &[putting(&a, 10, &[])]).unwrap_err();
    assert!(error.to_string().contains("lost acknowledged writes"), "{error}");
    assert!(store.record(&a).is_err());
}

/// A disk that refused to be written could not be read either, because opening it anew writes: every turn that only read
/// was dropped then, and its room lost what it had in its variables.
#[test]
fn rooms_are_read_while_nothing_can_be_written() {
    let kinds = [FaultKind::Write, FaultKind::Space, FaultKind::SyncWaiting, FaultKind::SyncDropped];
    let mut unconfirmed = 0;
    for (kind, after) in kinds.into_iter().flat_map(|kind| (0..12).map(move |after| (kind, after))) {
        for quick_repair_bytes_min in [u64::MAX, 0] {
            let (disk, store) = opened(after, quick_repair_bytes_min, 16 << 10);
            let mut chance = Chance::new(after);
            let workload = Workload::plain(30, 10, 2_000);
            let mut model = Model::default();
            let epoch = store.acquire().unwrap();
            put_components(&store, epoch).unwrap();
            for _ in 0..6 {
                let batch = workload.batch(&mut chance, &mut model, 20);
                commit_staging(&store, epoch, &batch).unwrap();
            }
            let mut then = model.clone();
            let batch = workload.batch(&mut chance, &mut then, 6);
            disk.plan([DiskFault { kind, after, times: u64::MAX }]);
            let mut is_refused = false;
            for _ in 0..3 {
                match store.commit(epoch, &batch) {
                    Ok(()) => break,
                    Err(CommitError::Unavailable { .. }) => is_refused = true,
                    Err(CommitError::NotWritten { .. }) => {}
                    Err(error) => panic!("{error}"),
                }
                for (address, room) in &model.rooms {
                    let is_written = batch.iter().any(|commit| commit.address == *address);
                    for (key, value) in &room.entries {
                        let found = store.storage(address).get(key).unwrap();
                        let later = then.rooms.get(address).and_then(|room| room.entries.get(key));
                        assert!(found.as_ref() == Some(value) || (is_written && found.as_ref() == later));
                    }
                    match store.record(address) {
                        Ok(record) => {
                            assert_eq!(record.as_ref(), Some(&room.record), "{kind:?} after {after}")
                        }
                        Err(StorageReadError::Io(_)) if is_written => unconfirmed += 1,
                        Err(error) => panic!("{kind:?} after {after}: {error}"),
                    }
                }
            }
            disk.heal();
            let is_there = then.compare(&store).is_ok();
            assert!(
                is_there || model.compare(&store).is_ok(),
                "{kind:?} after {after}, refused: {is_refused}"
            );
            let mut last = if is_there { then } else { model };
            commit_staging(&store, epoch, &workload.batch(&mut chance, &mut last, 20)).unwrap();
            last.compare(&store).unwrap();
        }
    }
    assert!(unconfirmed > 0, "some batches are there and cannot be confirmed");
}

/// Who waits for a disk must see that it refuses: what is opened only to be read writes nothing to it, and an opening that
/// fails is a failure, too.
#[test]
fn a_disk_that_refuses_takes_nothing_and_says_that_it_fails() {
    for kind in [FaultKind::Write, FaultKind::Space, FaultKind::SyncWaiting] {
        let (disk, store) = opened(9, u64::MAX, 16 << 10);
        let mut chance = Chance::new(9);
        let workload = Workload::plain(30, 10, 2_000);
        let mut model = Model::default();
        let epoch = store.acquire().unwrap();
        put_components(&store, epoch).unwrap();
        commit_staging(&store, epoch, &workload.batch(&mut chance, &mut model, 20)).unwrap();
        let before = store.written();
        assert!(before.bytes > 0 && before.transactions > 0 && before.failed == 0, "{before:?}");
        disk.plan([DiskFault { kind, after: 0, times: u64::MAX }]);
        let mut last = before;
        for _ in 0..5 {
            let batch = workload.batch(&mut chance, &mut model.clone(), 20);
            store.commit(epoch, &batch).unwrap_err();
            // Readers open it, again and again.
            model.rooms.keys().for_each(|address| _ = store.record(address));
            let written = store.written();
            assert!(written.failed > last.failed, "{kind:?}: {last:?}, then {written:?}");
            assert_eq!(written.transactions, before.transactions);
            last = written;
        }
        if kind != FaultKind::SyncWaiting {
            assert_eq!(last.bytes, before.bytes, "{kind:?}: nothing reached the disk");
        }
        disk.heal();
        // What was refused may be there all the same.
        store.commit(epoch, &[putting(&room("another"), 1, &[])]).unwrap();
        let after = store.written();
        assert!(after.failed == 0 && after.bytes > last.bytes, "{after:?}");
    }
}
