//! What a group commit and a read cost, through the `Store` seam.
//!
//! Each commit puts one key of a hundred bytes into one of a thousand rooms, over the room's own small set of keys,
//! so that the file stays as it is while the benchmark runs. The figures are in `docs/store-layout.md`.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use party_core::address::RoomAddress;
use party_core::commit::{KvChanges, RoomCommit, RoomRecord};
use party_core::ids::{CommitSeq, Epoch};
use party_core::storage::{KeyRange, RoomStorage, Visit};
use party_store::redb_store::{RedbOptions, RedbStore};
use party_store::store::Store;
use party_store::testing::chance::Chance;
use party_store::testing::workload::room;
use tempfile::TempDir;

const ROOMS: usize = 1_000;
const KEYS: u64 = 8;
const VALUE_BYTES: usize = 100;

struct Bench {
    _directory: TempDir,
    store: RedbStore,
    epoch: Epoch,
    rooms: Vec<(Arc<RoomAddress>, CommitSeq)>,
    chance: Chance,
}

impl Bench {
    fn new(quick_repair_bytes_min: u64) -> Bench {
        let directory = tempfile::tempdir().unwrap();
        let options = RedbOptions { quick_repair_bytes_min, ..RedbOptions::default() };
        let store = RedbStore::open(directory.path(), options).unwrap();
        let epoch = store.acquire().unwrap();
        let rooms = (0..ROOMS).map(|number| (room(&format!("room-{number:06}")), CommitSeq(0))).collect();
        let mut bench = Bench { _directory: directory, store, epoch, rooms, chance: Chance::new(1) };
        for _ in 0..100 {
            let batch = bench.batch(256);
            bench.store.commit(epoch, &batch).unwrap();
        }
        bench
    }

    fn batch(&mut self, commits: usize) -> Vec<RoomCommit> {
        (0..commits)
            .map(|_| {
                let index = self.chance.index(self.rooms.len());
                let (address, seq) = &mut self.rooms[index];
                *seq = seq.next();
                let key = Bytes::from(format!("key-{}", self.chance.below(KEYS)));
                let entries = BTreeMap::from([(key, Some(Bytes::from(vec![b'x'; VALUE_BYTES])))]);
                let record = RoomRecord { seq: *seq, ..RoomRecord::default() };
                let changes = KvChanges { cleared: false, entries };
                RoomCommit { address: address.clone(), record, changes, memory: None }
            })
            .collect()
    }
}

fn commits(criterion: &mut Criterion) {
    for (name, quick_repair_bytes_min) in [("commit", u64::MAX), ("commit with quick repair", 0)] {
        let mut group = criterion.benchmark_group(name);
        group.measurement_time(Duration::from_secs(4)).sample_size(30);
        let mut bench = Bench::new(quick_repair_bytes_min);
        for commits in [1, 16, 64, 256] {
            group.throughput(Throughput::Elements(commits as u64));
            group.bench_function(BenchmarkId::from_parameter(commits), |bencher| {
                bencher.iter_custom(|iterations| {
                    let mut spent = Duration::ZERO;
                    for _ in 0..iterations {
                        let batch = bench.batch(commits);
                        let start = std::time::Instant::now();
                        bench.store.commit(bench.epoch, &batch).unwrap();
                        spent += start.elapsed();
                    }
                    spent
                });
            });
        }
    }
}

fn reads(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("read");
    let mut bench = Bench::new(u64::MAX);
    let storages: Vec<Arc<dyn RoomStorage>> =
        bench.rooms.iter().map(|(address, _)| bench.store.storage(address)).collect();
    let chance = &mut bench.chance;
    group.bench_function("get", |bencher| {
        bencher.iter(|| {
            let key = [b"key-0", b"key-1", b"key-2"][chance.index(3)];
            storages[chance.index(ROOMS)].get(key).unwrap()
        });
    });
    group.bench_function("get of a missing key", |bencher| {
        bencher.iter(|| storages[chance.index(ROOMS)].get(b"missing").unwrap());
    });
    group.bench_function("scan of eight entries", |bencher| {
        bencher.iter(|| {
            let mut bytes = 0;
            storages[chance.index(ROOMS)]
                .scan(&KeyRange::default(), false, &mut |key, value| {
                    bytes += key.len() + value.len();
                    Visit::Continue
                })
                .unwrap();
            bytes
        });
    });
    group.bench_function("record", |bencher| {
        bencher.iter(|| bench.store.record(&bench.rooms[chance.index(ROOMS)].0).unwrap());
    });
}

criterion_group!(benches, commits, reads);
criterion_main!(benches);
