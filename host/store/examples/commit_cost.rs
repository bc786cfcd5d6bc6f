//! What a batch costs the committing thread: `commit_cost [BATCHES [keys]]`, in microseconds of CPU and of time for each
//! commit. With `keys` only the first kind is measured, alone.
//!
//! The first kind of commit is what the benchmark of commits does: a key of 100 bytes in one of a thousand rooms. The
//! others append a journal record of 200 bytes instead, or as well. The kinds take turns, so that what else happens on
//! the machine happens to all of them.

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use party_core::address::RoomAddress;
use party_core::commit::{
    CheckpointBytes, ComponentDigest, JournalRecord, KvChanges, MemoryChange, NewCheckpoint, RoomCommit,
    RoomRecord,
};
use party_core::ids::CommitSeq;
use party_store::redb_store::{RedbOptions, RedbStore};
use party_store::store::Store;
use party_store::testing::chance::Chance;
use party_store::testing::workload::room;

const ROOMS: usize = 1_000;
/// A room with a journal puts a checkpoint after so many records.
const RECORDS_MAX: u64 = 100;
const COMPONENT: ComponentDigest = ComponentDigest([1; 32]);

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Kind {
    Key,
    Record,
    KeyAndRecord,
}

fn commit(kind: Kind, address: &Arc<RoomAddress>, seq: &mut CommitSeq, chance: &mut Chance) -> RoomCommit {
    *seq = seq.next();
    let mut changes = KvChanges::default();
    if kind != Kind::Record {
        let key = Bytes::from(format!("key-{}", chance.below(8)));
        changes.entries = BTreeMap::from([(key, Some(Bytes::from(vec![b'x'; 100])))]);
    }
    let memory = (kind != Kind::Key).then(|| {
        Box::new(if seq.0.is_multiple_of(RECORDS_MAX) {
            let bytes = CheckpointBytes::Inline(Bytes::from(vec![b'c'; 500]));
            MemoryChange::Checkpoint(NewCheckpoint { component: COMPONENT, bytes })
        } else {
            MemoryChange::Append(JournalRecord { component: COMPONENT, bytes: vec![b'r'; 200].into() })
        })
    });
    let record = RoomRecord { seq: *seq, ..RoomRecord::default() };
    RoomCommit { address: address.clone(), record, changes, memory }
}

/// Nanoseconds that this thread has run.
fn cpu() -> u64 {
    let text = fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    text.split(' ').next().unwrap().parse().unwrap()
}

struct Case {
    kind: Kind,
    store: RedbStore,
    epoch: party_core::ids::Epoch,
    rooms: Vec<(Arc<RoomAddress>, CommitSeq)>,
    chance: Chance,
    _directory: tempfile::TempDir,
}

impl Case {
    fn new(kind: Kind) -> Case {
        let directory = tempfile::tempdir().unwrap();
        let store = RedbStore::open(directory.path(), RedbOptions::default()).unwrap();
        let epoch = store.acquire().unwrap();
        store.put_component(epoch, COMPONENT, b"component").unwrap();
        let rooms = (0..ROOMS).map(|number| (room(&format!("room-{number:06}")), CommitSeq(0))).collect();
        let mut case = Case { kind, store, epoch, rooms, chance: Chance::new(1), _directory: directory };
        for _ in 0..400 {
            case.run(256);
        }
        case.settle();
        case
    }

    /// Commits until what was covered so far has been removed: it would be charged to the batches that come next.
    fn settle(&mut self) {
        while self.store.unreclaimed().1 > 2 * 256 {
            self.run(1);
        }
    }

    /// Commits once; CPU and time in nanoseconds.
    fn run(&mut self, commits: usize) -> (u64, u64) {
        let batch: Vec<RoomCommit> = (0..commits)
            .map(|_| {
                let (address, seq) = &mut self.rooms[self.chance.index(ROOMS)];
                commit(self.kind, address, seq, &mut self.chance)
            })
            .collect();
        let (cpu_before, start) = (cpu(), Instant::now());
        self.store.commit(self.epoch, &batch).unwrap();
        (cpu() - cpu_before, start.elapsed().as_nanos() as u64)
    }
}

fn median(mut values: Vec<u64>) -> u64 {
    values.sort_unstable();
    values[values.len() / 2]
}

fn main() {
    let batches: usize =
        env::args().nth(1).map_or(300, |batches| batches.parse().expect("a number of batches"));
    let kinds = [Kind::Key, Kind::Record, Kind::KeyAndRecord];
    let kinds = if env::args().nth(2).is_some_and(|only| only == "keys") { &kinds[..1] } else { &kinds };
    let mut cases: Vec<Case> = kinds.iter().copied().map(Case::new).collect();
    for commits in [1, 16, 64, 256] {
        let mut measured: Vec<Vec<(u64, u64)>> = vec![Vec::new(); cases.len()];
        cases.iter_mut().for_each(Case::settle);
        for _ in 0..batches {
            for (case, measured) in cases.iter_mut().zip(&mut measured) {
                measured.push(case.run(commits));
            }
        }
        for (case, measured) in cases.iter().zip(measured) {
            let each = |nanoseconds: u64| nanoseconds as f64 / commits as f64 / 1e3;
            let (cpu, time) = measured.into_iter().unzip();
            let (cpu, time) = (each(median(cpu)), each(median(time)));
            println!("{commits:4} commits of {:?}: {cpu:.1} µs of CPU, {time:.1} µs each", case.kind);
        }
    }
}
