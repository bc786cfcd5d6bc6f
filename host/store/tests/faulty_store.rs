//! The store with faults does what its script says, and nothing else.

use std::sync::Arc;
use std::thread;

use party_core::ids::CommitSeq;
use party_core::storage::{KeyRange, Visit};
use party_store::memory::MemoryStore;
use party_store::store::{CommitError, Store};
use party_store::testing::conformance::putting;
use party_store::testing::faulty_store::{Fault, FaultRates, FaultyStore};
use party_store::testing::workload::room;

fn seq(store: &dyn Store) -> u64 {
    store.record(&room("a")).unwrap().map_or(0, |record| record.seq.0)
}

#[test]
fn a_script_says_what_happens_to_each_commit() {
    let inner = Arc::new(MemoryStore::default());
    let script = [Fault::None, Fault::NotWritten, Fault::Unavailable, Fault::LostReply];
    let store = FaultyStore::scripted(inner.clone(), script);
    let epoch = store.acquire().unwrap();
    let commit = |seq: u64| store.commit(epoch, &[putting(&room("a"), seq, &[])]);
    assert_eq!((commit(1), seq(&*inner)), (Ok(()), 1));
    assert!(matches!(commit(2), Err(CommitError::NotWritten { .. })) && seq(&*inner) == 1);
    assert!(matches!(commit(2), Err(CommitError::Unavailable { .. })) && seq(&*inner) == 1);
    assert!(
        matches!(commit(2), Err(CommitError::Unavailable { .. })) && seq(&*inner) == 2,
        "only the reply is lost"
    );
    assert_eq!((commit(3), seq(&*inner)), (Ok(()), 3), "after the script nothing happens");
    store.then([Fault::NotWritten]);
    assert!(commit(4).is_err());
    assert_eq!(commit(4), Ok(()));
}

#[test]
fn a_held_commit_waits_until_it_is_released() {
    let store = FaultyStore::scripted(Arc::new(MemoryStore::default()), [Fault::Held, Fault::Held]);
    let epoch = store.acquire().unwrap();
    thread::scope(|scope| {
        let committer = scope.spawn(|| {
            for seq in 1..=2 {
                store.commit(epoch, &[putting(&room("a"), seq, &[])]).unwrap();
            }
        });
        for before in 0..2 {
            store.wait_until_held();
            assert_eq!((store.held(), seq(&store)), (1, before));
            store.release();
        }
        committer.join().unwrap();
    });
    assert_eq!((store.held(), seq(&store)), (0, 2));
}

#[test]
fn a_seed_gives_the_same_faults_again_and_about_as_many_as_asked_for() {
    let rates = FaultRates { not_written: 200, unavailable: 100, lost_reply: 100, held: 0 };
    let run = |seed: u64| -> Vec<bool> {
        let store = FaultyStore::seeded(Arc::new(MemoryStore::default()), seed, rates);
        let epoch = store.acquire().unwrap();
        let next = |store: &FaultyStore| CommitSeq(seq(store)).next().0;
        (0..1_000).map(|_| store.commit(epoch, &[putting(&room("a"), next(&store), &[])]).is_ok()).collect()
    };
    let first = run(7);
    assert_eq!(run(7), first);
    assert_ne!(run(8), first);
    let failed = first.iter().filter(|ok| !**ok).count();
    assert!((330..470).contains(&failed), "{failed} of 1,000 failed; 400 were asked for");
}

#[test]
fn reads_fail_while_they_are_told_to() {
    let store = FaultyStore::scripted(Arc::new(MemoryStore::default()), []);
    let storage = store.storage(&room("a"));
    for fail in [true, false] {
        store.set_reads_fail(fail);
        assert_eq!(storage.get(b"k").is_err(), fail);
        assert_eq!(storage.scan(&KeyRange::default(), false, &mut |_, _| Visit::Continue).is_err(), fail);
        assert_eq!(store.record(&room("a")).is_err(), fail);
        assert_eq!(store.wakes(&mut |_, _| Visit::Continue).is_err(), fail);
    }
}
