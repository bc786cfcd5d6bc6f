//! The suite that every engine passes: what [`crate::store`] promises, one fact per test.
//!
//! An engine brings a [`Rig`], and [`store_conformance!`](crate::store_conformance) makes a test of each fact.
//! A fact that an engine cannot keep is a fault of the engine, never a reason to change the suite.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::thread;

use bytes::Bytes;
use party_core::address::RoomAddress;
use party_core::commit::{Alarm, KvChanges, RoomCommit, RoomRecord};
use party_core::ids::{CommitSeq, Epoch, Timestamp};
use party_core::storage::{KeyRange, RoomStorage, Visit};

use crate::store::{BATCH_COMMITS_MAX, CommitError, Refusal, RoomsQuery, RoomsScope, Store};
use crate::testing::chance::Chance;
use crate::testing::model::{Model, all_wakes};
use crate::testing::staging::commit_staging;
use crate::testing::workload::{Workload, address, awkward_keys, awkward_rooms, put_components, room};

pub mod destroying;
pub mod memories;
pub mod versions;

/// The longest value of the contract, with its host-side header.
const VALUE_BYTES_MAX: usize = 131_072 + 34;
/// The longest key of the contract.
const KEY_BYTES_MAX: usize = 2_048;

/// An engine with something durable to come back to.
pub trait Rig {
    /// The store as it is open now.
    fn store(&self) -> Arc<dyn Store>;

    /// Closes the store and opens what is durable.
    fn restart(&mut self);
}

/// Makes a test of each fact of the suite. `$rig` is an expression that makes a [`Rig`] with an empty store.
#[macro_export]
macro_rules! store_conformance {
    ($rig:expr) => {
        $crate::store_conformance!($rig;
            a_batch_is_whole_after_a_restart,
            an_older_owner_is_refused,
            gaps_and_repeats_are_refused_and_leave_no_trace,
            a_batch_may_hold_several_commits_of_one_room,
            a_batch_has_a_bound,
            a_clear_comes_before_the_puts_of_its_commit,
            scans_go_both_ways_within_their_range,
            rooms_do_not_see_each_other,
            the_longest_keys_and_values_are_kept,
            rooms_that_wake_by_themselves_are_visited_in_order_of_time,
            rooms_are_listed_page_by_page,
            a_reader_sees_a_commit_whole_or_not_at_all,
            random_commits_match_the_model
        );
        $crate::store_conformance!($rig; memories:
            a_checkpoint_is_kept_with_its_commit,
            a_staged_checkpoint_is_taken_by_one_commit,
            what_is_staged_stands_for_itself,
            what_was_staged_is_gone_when_it_is_given_up_or_the_store_has_another_owner,
            the_journal_holds_what_came_after_the_checkpoint,
            a_batch_may_change_a_memory_several_times,
            a_component_is_kept_while_a_room_needs_it,
            a_memory_belongs_to_one_component_that_is_there,
            what_is_too_large_is_refused,
            an_older_owner_puts_nothing_aside,
            rooms_are_listed_with_what_is_kept_of_them
        );
        $crate::store_conformance!($rig; destroying: a_room_that_is_destroyed_has_never_been);
        $crate::store_conformance!($rig; versions:
            versions_of_parties_are_known_after_a_restart,
            versions_of_parties_are_kept_by_who_reclaims,
            versions_of_parties_are_the_owners_and_bounded
        );
    };
    ($rig:expr; $part:ident: $($fact:ident),*) => {
        $(#[test]
        fn $fact() {
            $crate::testing::conformance::$part::$fact(&mut $rig);
        })*
    };
    ($rig:expr; $($fact:ident),*) => {
        $(#[test]
        fn $fact() {
            $crate::testing::conformance::$fact(&mut $rig);
        })*
    };
}

/// A commit of a room that puts these entries, with no alarm.
pub fn putting(address: &Arc<RoomAddress>, seq: u64, entries: &[(&[u8], &[u8])]) -> RoomCommit {
    let entries: BTreeMap<Bytes, Option<Bytes>> = entries
        .iter()
        .map(|(key, value)| (Bytes::copy_from_slice(key), Some(Bytes::copy_from_slice(value))))
        .collect();
    commit_of(address, seq, None, KvChanges { cleared: false, entries })
}

fn commit_of(address: &Arc<RoomAddress>, seq: u64, alarm: Option<Alarm>, changes: KvChanges) -> RoomCommit {
    let record = RoomRecord { seq: CommitSeq(seq), alarm, ..RoomRecord::default() };
    RoomCommit { address: address.clone(), record, changes, memory: None }
}

fn get(store: &dyn Store, address: &Arc<RoomAddress>, key: &[u8]) -> Option<Bytes> {
    store.storage(address).get(key).unwrap()
}

/// All of a batch, of several rooms, is there after a restart; a room that has not committed is not.
pub fn a_batch_is_whole_after_a_restart(rig: &mut dyn Rig) {
    let epoch = rig.store().acquire().unwrap();
    let batch =
        [putting(&room("a"), 1, &[(b"k", b"1")]), putting(&room("b"), 1, &[(b"k", b"2"), (b"l", b"")])];
    rig.store().commit(epoch, &batch).unwrap();
    rig.restart();
    let mut model = Model::default();
    model.apply(&batch);
    model.compare(&*rig.store()).unwrap();
    assert_eq!(rig.store().record(&room("c")).unwrap(), None);
    assert_eq!(get(&*rig.store(), &room("c"), b"k"), None);
}

/// Each owner gets an epoch above all before it, also across restarts, and only the newest may write.
pub fn an_older_owner_is_refused(rig: &mut dyn Rig) {
    let first = rig.store().acquire().unwrap();
    rig.store().commit(first, &[putting(&room("a"), 1, &[(b"k", b"first")])]).unwrap();
    rig.restart();
    let second = rig.store().acquire().unwrap();
    assert!(second > first, "{second} follows {first}");
    let stale = CommitError::Stale { held: first, current: second };
    let batch = [putting(&room("a"), 2, &[(b"k", b"stale")])];
    assert_eq!(rig.store().commit(first, &batch), Err(stale.clone()));
    assert_eq!(rig.store().commit(first, &[]), Err(stale));
    let unknown = Epoch(second.0 + 1);
    assert_eq!(
        rig.store().commit(unknown, &batch),
        Err(CommitError::Stale { held: unknown, current: second })
    );
    assert_eq!(get(&*rig.store(), &room("a"), b"k"), Some(Bytes::from_static(b"first")));
    rig.store().commit(second, &[]).unwrap();
    rig.store().commit(second, &[putting(&room("a"), 2, &[(b"k", b"second")])]).unwrap();
    assert_eq!(get(&*rig.store(), &room("a"), b"k"), Some(Bytes::from_static(b"second")));
}

/// A commit that does not follow the room's last one is refused together with its whole batch.
pub fn gaps_and_repeats_are_refused_and_leave_no_trace(rig: &mut dyn Rig) {
    let epoch = rig.store().acquire().unwrap();
    let (a, b) = (room("a"), room("b"));
    let mut model = Model::default();
    let first = [putting(&a, 1, &[(b"k", b"1")])];
    rig.store().commit(epoch, &first).unwrap();
    model.apply(&first);
    let good = putting(&b, 1, &[(b"k", b"1")]);
    let cases: [(&[u64], u64, u64); 6] =
        [(&[1], 2, 1), (&[3], 2, 3), (&[0], 2, 0), (&[2, 2], 3, 2), (&[2, 4], 3, 4), (&[2, 3, 1], 4, 1)];
    for (seqs, expected, found) in cases {
        let bad = seqs.iter().map(|&seq| putting(&a, seq, &[(b"k", b"bad")]));
        let batch: Vec<RoomCommit> = std::iter::once(good.clone()).chain(bad).collect();
        let refusal = Refusal::OutOfOrder { expected: CommitSeq(expected), found: CommitSeq(found) };
        let refused = CommitError::Refused { address: a.clone(), refusal };
        assert_eq!(rig.store().commit(epoch, &batch), Err(refused), "{seqs:?}");
        model.compare(&*rig.store()).unwrap();
    }
    rig.restart();
    model.compare(&*rig.store()).unwrap();
}

/// Commits of one room in one batch take effect in their order, and only together.
pub fn a_batch_may_hold_several_commits_of_one_room(rig: &mut dyn Rig) {
    let epoch = rig.store().acquire().unwrap();
    let a = room("a");
    let cleared = KvChanges { cleared: true, entries: BTreeMap::from([(Bytes::from_static(b"y"), None)]) };
    let batch = [
        putting(&a, 1, &[(b"x", b"1"), (b"y", b"1")]),
        putting(&room("b"), 1, &[]),
        commit_of(&a, 2, None, cleared),
        putting(&a, 3, &[(b"z", b"3")]),
    ];
    rig.store().commit(epoch, &batch).unwrap();
    let mut model = Model::default();
    model.apply(&batch);
    assert_eq!(model.rooms[&a].entries.len(), 1, "only z is left");
    model.compare(&*rig.store()).unwrap();
    rig.restart();
    model.compare(&*rig.store()).unwrap();
}

/// The largest batch is written, a larger one refused.
pub fn a_batch_has_a_bound(rig: &mut dyn Rig) {
    let epoch = rig.store().acquire().unwrap();
    let a = room("a");
    let commits = |count: usize, first: u64| -> Vec<RoomCommit> {
        (0..count as u64).map(|index| putting(&a, first + index, &[(b"k", b"v")])).collect()
    };
    let too_large = commits(BATCH_COMMITS_MAX + 1, 1);
    let refused = Err(CommitError::TooLarge { commits: too_large.len() });
    assert_eq!(rig.store().commit(epoch, &too_large), refused);
    assert_eq!(rig.store().record(&a).unwrap(), None);
    rig.store().commit(epoch, &commits(BATCH_COMMITS_MAX, 1)).unwrap();
    assert_eq!(rig.store().record(&a).unwrap().unwrap().seq, CommitSeq(BATCH_COMMITS_MAX as u64));
}

/// What a commit clears is what was there before it.
pub fn a_clear_comes_before_the_puts_of_its_commit(rig: &mut dyn Rig) {
    let epoch = rig.store().acquire().unwrap();
    let (a, neighbour) = (room("a"), room("aa"));
    let before =
        [putting(&a, 1, &[(b"old", b"1"), (b"kept", b"1")]), putting(&neighbour, 1, &[(b"k", b"1")])];
    let entries = BTreeMap::from([
        (Bytes::from_static(b"kept"), Some(Bytes::from_static(b"2"))),
        (Bytes::from_static(b"never"), None),
    ]);
    let clearing = [commit_of(&a, 2, None, KvChanges { cleared: true, entries })];
    let mut model = Model::default();
    for batch in [&before[..], &clearing[..]] {
        rig.store().commit(epoch, batch).unwrap();
        model.apply(batch);
        model.compare(&*rig.store()).unwrap();
    }
    rig.restart();
    model.compare(&*rig.store()).unwrap();
}

fn scanned(storage: &dyn RoomStorage, range: &KeyRange, reverse: bool, limit: usize) -> Vec<Bytes> {
    let mut keys = Vec::new();
    storage
        .scan(range, reverse, &mut |key, value| {
            assert_eq!(key, value, "each value is its key");
            keys.push(Bytes::copy_from_slice(key));
            if keys.len() == limit { Visit::Stop } else { Visit::Continue }
        })
        .unwrap();
    keys
}

/// Every range between any two awkward keys, both ways, with and without a stop.
pub fn scans_go_both_ways_within_their_range(rig: &mut dyn Rig) {
    let epoch = rig.store().acquire().unwrap();
    let keys = awkward_keys();
    let entries: Vec<(&[u8], &[u8])> = keys.iter().map(|key| (key.as_ref(), key.as_ref())).collect();
    let batch: Vec<RoomCommit> = ["a", "b", "c"].iter().map(|id| putting(&room(id), 1, &entries)).collect();
    rig.store().commit(epoch, &batch).unwrap();
    let storage = rig.store().storage(&room("b"));
    let ends = keys.iter().cloned().map(Some).chain([None]);
    for (start, end) in keys.iter().flat_map(|start| ends.clone().map(move |end| (start, end))) {
        let range = KeyRange { start: start.clone(), end };
        let within = |key: &&Bytes| **key >= range.start && range.end.as_ref().is_none_or(|end| **key < *end);
        let mut expected: Vec<Bytes> = keys.iter().filter(within).cloned().collect();
        expected.sort();
        assert_eq!(scanned(&*storage, &range, false, usize::MAX), expected, "{range:?}");
        assert_eq!(scanned(&*storage, &range, false, 2), expected[..expected.len().min(2)], "{range:?}");
        expected.reverse();
        assert_eq!(scanned(&*storage, &range, true, usize::MAX), expected, "{range:?} backwards");
        assert_eq!(
            scanned(&*storage, &range, true, 2),
            expected[..expected.len().min(2)],
            "{range:?} backwards"
        );
    }
}

/// Rooms whose ids are close to each other share nothing.
pub fn rooms_do_not_see_each_other(rig: &mut dyn Rig) {
    let epoch = rig.store().acquire().unwrap();
    let rooms = awkward_rooms();
    let keys = awkward_keys();
    let mut model = Model::default();
    for (index, address) in rooms.iter().enumerate() {
        let value = index.to_string();
        let entries: Vec<(&[u8], &[u8])> =
            keys.iter().skip(index % 3).step_by(2).map(|key| (key.as_ref(), value.as_bytes())).collect();
        let batch = [putting(address, 1, &entries)];
        rig.store().commit(epoch, &batch).unwrap();
        model.apply(&batch);
    }
    model.compare(&*rig.store()).unwrap();
    for address in &rooms {
        let changes = KvChanges { cleared: true, entries: BTreeMap::new() };
        let batch = [commit_of(address, 2, None, changes)];
        rig.store().commit(epoch, &batch).unwrap();
        model.apply(&batch);
        model.compare(&*rig.store()).unwrap();
    }
}

/// The contract's longest key and value, in the room with the longest id.
pub fn the_longest_keys_and_values_are_kept(rig: &mut dyn Rig) {
    let epoch = rig.store().acquire().unwrap();
    let longest = awkward_rooms().into_iter().max_by_key(|address| address.room().len()).unwrap();
    let (key, value) = (vec![0xff; KEY_BYTES_MAX], vec![0; VALUE_BYTES_MAX]);
    let batch = [putting(&longest, 1, &[(&key, &value), (b"", b"")])];
    rig.store().commit(epoch, &batch).unwrap();
    rig.restart();
    let mut model = Model::default();
    model.apply(&batch);
    model.compare(&*rig.store()).unwrap();
}

/// Alarms are set, moved, counted up and cleared, and a memory is due; a visit sees whichever comes first, by time,
/// and stops when told to.
pub fn rooms_that_wake_by_themselves_are_visited_in_order_of_time(rig: &mut dyn Rig) {
    let epoch = rig.store().acquire().unwrap();
    let at = |ms: u64, attempts: u32| Some(Alarm { at: Timestamp(ms), attempts });
    let rounds: [[(&str, Option<Alarm>); 3]; 4] = [
        [("a", at(300, 0)), ("b", at(100, 0)), ("c", at(u64::MAX, 0))],
        [("a", at(300, 1)), ("b", at(400, 0)), ("c", None)],
        [("a", None), ("b", at(400, 0)), ("c", at(0, u32::MAX))],
        [("a", at(400, 0)), ("b", None), ("c", at(256, 0))],
    ];
    let mut model = Model::default();
    for (round, alarms) in rounds.iter().enumerate() {
        let batch: Vec<RoomCommit> = alarms
            .iter()
            .map(|&(id, alarm)| {
                let mut commit = commit_of(&room(id), round as u64 + 1, alarm, KvChanges::default());
                commit.record.memory_due = (id == "b").then_some(Timestamp(350));
                commit
            })
            .collect();
        rig.store().commit(epoch, &batch).unwrap();
        model.apply(&batch);
        model.compare(&*rig.store()).unwrap();
    }
    rig.restart();
    assert_eq!(all_wakes(&*rig.store()).unwrap(), model.wakes());
    let mut visits = 0;
    let stop = &mut |_: &RoomAddress, _: Timestamp| {
        visits += 1;
        Visit::Stop
    };
    rig.store().wakes(stop).unwrap();
    assert_eq!(visits, 1);
}

/// Listings follow byte order, keep to their prefix, go on after a room and stop at their limit.
pub fn rooms_are_listed_page_by_page(rig: &mut dyn Rig) {
    let epoch = rig.store().acquire().unwrap();
    let ids = ["a", "a-1", "a-2", "a-21", "a.", "b", "a\u{e4}"];
    let others = [address("p", "mai", "n"), address("p", "main2", "a"), address("q", "main", "a")];
    let rooms = ids.iter().map(|id| room(id)).chain(others);
    let batch: Vec<RoomCommit> = rooms.map(|address| putting(&address, 1, &[(b"k", b"v")])).collect();
    rig.store().commit(epoch, &batch).unwrap();
    let list = |prefix: &str, after: Option<&str>, limit: usize| -> Vec<String> {
        let scope = RoomsScope::Party { project: "p", party: "main", prefix };
        let after = after.map(room);
        let query = RoomsQuery { scope, after: after.as_deref(), limit };
        let rooms = rig.store().rooms(&query).unwrap();
        rooms.iter().map(|(address, _)| address.room().to_owned()).collect()
    };
    assert_eq!(list("", None, 100), ["a", "a-1", "a-2", "a-21", "a.", "a\u{e4}", "b"]);
    assert_eq!(list("a-", None, 100), ["a-1", "a-2", "a-21"]);
    assert_eq!(list("a-", Some("a-1"), 100), ["a-2", "a-21"]);
    assert_eq!(list("a-", Some("a-1"), 1), ["a-2"]);
    assert_eq!(list("a-", Some("a-10"), 1), ["a-2"], "the room named need not exist");
    assert_eq!(list("a-", Some("a"), 1), ["a-1"], "nor have the prefix");
    assert_eq!(list("a-", Some("b"), 1), [""; 0]);
    assert_eq!(list("", None, 0), [""; 0]);
    assert_eq!(list("z", None, 100), [""; 0]);
}

/// One writer rewrites sixteen keys in each commit while readers scan: no scan sees two commits at once.
pub fn a_reader_sees_a_commit_whole_or_not_at_all(rig: &mut dyn Rig) {
    const COMMITS: u64 = 100;
    let store = rig.store();
    let epoch = store.acquire().unwrap();
    let a = room("a");
    let commit = |seq: u64| {
        let value = seq.to_le_bytes();
        let keys: Vec<[u8; 1]> = (0..16).map(|key| [key]).collect();
        let entries: Vec<(&[u8], &[u8])> =
            keys.iter().map(|key| (key.as_slice(), value.as_slice())).collect();
        [putting(&a, seq, &entries)]
    };
    store.commit(epoch, &commit(1)).unwrap();
    thread::scope(|scope| {
        let read_to_the_end = || {
            let storage = store.storage(&a);
            let mut last = 0;
            while last < COMMITS {
                let mut seen = Vec::new();
                let visit = &mut |_: &[u8], value: &[u8]| {
                    seen.push(u64::from_le_bytes(value.try_into().unwrap()));
                    Visit::Continue
                };
                storage.scan(&KeyRange::default(), false, visit).unwrap();
                assert!(seen.len() == 16 && seen.iter().all(|&seq| seq == seen[0]), "{seen:?}");
                assert!(seen[0] >= last, "commit {} is seen after {last}", seen[0]);
                last = seen[0];
            }
        };
        let readers = [scope.spawn(read_to_the_end), scope.spawn(read_to_the_end)];
        for seq in 2..=COMMITS {
            store.commit(epoch, &commit(seq)).unwrap();
        }
        for reader in readers {
            reader.join().unwrap();
        }
    });
}

/// Random batches over awkward rooms and keys, with restarts between, against the model.
pub fn random_commits_match_the_model(rig: &mut dyn Rig) {
    let seed = 0x5eed_0001;
    println!("seed {seed:#x}");
    let mut chance = Chance::new(seed);
    let workload = Workload::awkward(300);
    let mut model = Model::default();
    let mut epoch = rig.store().acquire().unwrap();
    put_components(&*rig.store(), epoch).unwrap();
    for round in 0..150 {
        let batch = workload.batch(&mut chance, &mut model, 12);
        commit_staging(&*rig.store(), epoch, &batch).unwrap();
        if chance.one_in(10) {
            rig.restart();
            epoch = rig.store().acquire().unwrap();
        }
        if chance.one_in(5) {
            model.compare(&*rig.store()).unwrap_or_else(|difference| panic!("round {round}: {difference}"));
        }
    }
    model.compare(&*rig.store()).unwrap();
}
