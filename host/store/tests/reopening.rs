//! Faults at random moments, in commits, in the reopenings that follow them and in the starts of new processes: as long
//! as no bit is flipped, nothing is ever called damaged, everything acknowledged is there, and the store goes on.
//!
//! The hardest are faults that follow one another: a commit is torn, redb repairs the file by a transaction of its own,
//! and that opening fails before it is over. What the first fault has left unfinished must not look like damage to the
//! opening after it.

use std::env;

use party_core::commit::RoomCommit;
use party_core::storage::StorageReadError;
use party_store::kept::KeepError;
use party_store::redb_store::{OpenError, RedbOptions, RedbStore};
use party_store::store::{AcquireError, CommitError, Store};
use party_store::testing::chance::Chance;
use party_store::testing::model::Model;
use party_store::testing::simulated_disk::{DiskFault, FaultKind, SimulatedDisk};
use party_store::testing::staging::{StagingError, commit_staging};
use party_store::testing::workload::{Workload, put_components, room};

/// How a process ends in the middle of its work.
#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    Closed,
    Killed,
    PowerCut,
}

/// How often what happened.
#[derive(Debug, Default)]
struct Happened {
    acknowledged: u64,
    not_written: u64,
    unavailable: u64,
    unsettled: u64,
    starts_failed: u64,
    reopened: u64,
}

struct Run {
    disk: SimulatedDisk,
    options: RedbOptions,
    chance: Chance,
    workload: Workload,
    model: Model,
    /// The batch of which nobody knows whether it was written.
    unknown: Option<Vec<RoomCommit>>,
    kinds: &'static [FaultKind],
    ends: &'static [End],
    happened: Happened,
}

const ALL: [FaultKind; 6] = [
    FaultKind::Read,
    FaultKind::Write,
    FaultKind::Space,
    FaultKind::Growth,
    FaultKind::SyncWaiting,
    FaultKind::SyncDropped,
];
/// Those after which a new process finds in the cache only what the disk has, or will have.
const WAITING: &[FaultKind] = ALL.split_at(5).0;

impl Run {
    fn new(seed: u64) -> Run {
        let mut chance = Chance::new(seed);
        let disk = SimulatedDisk::new(chance.bits());
        let options = RedbOptions {
            quick_repair_bytes_min: *chance.pick(&[u64::MAX, u64::MAX, 0, 2 << 20]),
            cache_bytes: *chance.pick(&[32 << 10, 64 << 20]),
            ..RedbOptions::default()
        };
        RedbStore::create_on(&disk, options).unwrap();
        // A process that is killed leaves in the cache what a sync has dropped, and the next one cannot know of it.
        let (kinds, ends): (&[_], &[_]) = if chance.one_in(2) {
            (WAITING, &[End::Closed, End::Killed, End::PowerCut])
        } else {
            (&ALL, &[End::PowerCut])
        };
        let workload = Workload::plain(12, 6, 1_500);
        let (model, happened) = (Model::default(), Happened::default());
        Run { disk, options, chance, workload, model, unknown: None, kinds, ends, happened }
    }

    fn plan(&mut self) {
        let faults: Vec<DiskFault> = (0..self.chance.below(4))
            .map(|_| {
                let kind = *self.chance.pick(self.kinds);
                let after = if kind == FaultKind::SyncWaiting || kind == FaultKind::SyncDropped {
                    self.chance.below(8)
                } else {
                    self.chance.below(40)
                };
                let times = if self.chance.one_in(6) { u64::MAX } else { 1 + self.chance.below(3) };
                DiskFault { kind, after, times }
            })
            .collect();
        self.disk.plan(faults);
    }

    /// Starts a process, works, and ends it.
    fn process(&mut self) {
        let Some(store) = self.start() else { return };
        let Some(epoch) = self.acquire(&store) else { return self.end(store) };
        if self.unknown.is_some() {
            self.disk.heal();
            self.compare(&store);
        }
        for _ in 0..self.chance.below(8) {
            if self.chance.one_in(2) {
                self.plan();
            }
            let mut after = self.model.clone();
            let batch = self.workload.batch(&mut self.chance, &mut after, 6);
            match commit_staging(&store, epoch, &batch) {
                Ok(()) => {
                    self.happened.acknowledged += 1;
                    self.model = after;
                }
                Err(StagingError::Commit(CommitError::NotWritten { .. })) => self.happened.not_written += 1,
                Err(StagingError::Commit(CommitError::Unavailable { cause })) => {
                    self.happened.unavailable += 1;
                    not_damaged(&cause);
                    self.unknown = Some(batch);
                    if self.chance.one_in(3) {
                        return self.end(store);
                    }
                }
                Err(StagingError::Staging(
                    KeepError::Unavailable { cause } | KeepError::NotWritten { cause },
                )) => not_damaged(&cause),
                Err(error) => panic!("{error:?}"),
            }
            if self.chance.one_in(2) {
                self.read(&store);
            }
            if self.unknown.is_some() || self.chance.one_in(3) {
                self.disk.heal();
                self.compare(&store);
            }
        }
        self.end(store);
    }

    fn start(&mut self) -> Option<RedbStore> {
        if self.chance.one_in(3) {
            self.plan();
        }
        for _ in 0..3 {
            match RedbStore::open_on(Box::new(self.disk.clone()), self.options) {
                Ok(store) => return Some(store),
                Err(OpenError::Failed { .. }) => self.happened.starts_failed += 1,
                Err(error) => panic!("{error}"),
            }
            if self.chance.one_in(3) {
                self.cut_power();
            }
        }
        self.disk.heal();
        None
    }

    fn acquire(&mut self, store: &RedbStore) -> Option<party_core::ids::Epoch> {
        for _ in 0..3 {
            let acquired = store.acquire().map_err(|error| match error {
                AcquireError::Unavailable { cause } => not_damaged(&cause),
            });
            if let Ok(epoch) = acquired
                && put_components(store, epoch).is_ok()
            {
                return Some(epoch);
            }
        }
        None
    }

    /// Reads under faults: that may fail, but only as I/O does.
    fn read(&mut self, store: &RedbStore) {
        for _ in 0..3 {
            match store.record(&room("room-00003")) {
                Ok(_) | Err(StorageReadError::Io(_)) => {}
                Err(error) => panic!("{error}"),
            }
        }
    }

    /// Everything acknowledged is there, and the batch under way is whole or not there at all.
    fn compare(&mut self, store: &RedbStore) {
        let compared = self.model.compare(store);
        if let (Err(_), Some(batch)) = (&compared, self.unknown.take()) {
            self.happened.unsettled += 1;
            self.model.apply(&batch);
            return self.model.compare(store).unwrap();
        }
        compared.unwrap();
    }

    fn end(&mut self, store: RedbStore) {
        self.happened.reopened += store.reopened();
        match *self.chance.pick(self.ends) {
            End::Closed => {}
            End::Killed => self.disk.kill(),
            End::PowerCut => self.cut_power(),
        }
        drop(store);
        if self.chance.one_in(2) {
            self.disk.heal();
        }
    }

    fn cut_power(&mut self) {
        self.disk.cut_power();
        self.disk.restore_power();
    }

    /// A last process finds everything, and each block as its checksum says.
    fn finish(&mut self) {
        self.disk.heal();
        let store = RedbStore::open_on(Box::new(self.disk.clone()), self.options).unwrap();
        self.compare(&store);
        let report = store.check().unwrap();
        assert!(report.is_sound(), "{report:?}");
    }
}

/// Nobody has flipped a bit.
fn not_damaged(cause: &str) {
    assert!(!cause.contains("damage") && !cause.contains("checksum"), "{cause}");
    assert!(!cause.contains("lost acknowledged") && !cause.contains("panicked"), "{cause}");
}

#[test]
fn faults_at_random_moments_are_never_taken_for_damage() {
    let first = env::var("PARTY_SEED").ok().map(|seed| seed.parse().expect("a number"));
    let seeds = match (first, env::var_os("PARTY_LONG")) {
        (Some(seed), _) => seed..seed + 1,
        (None, Some(_)) => 0..20_000,
        (None, None) => 0..600,
    };
    let mut total = Happened::default();
    for seed in seeds {
        println!("PARTY_SEED={seed}");
        let mut run = Run::new(seed);
        for _ in 0..6 {
            run.process();
        }
        run.finish();
        let Happened { acknowledged, not_written, unavailable, unsettled, starts_failed, reopened } =
            run.happened;
        total.acknowledged += acknowledged;
        total.not_written += not_written;
        total.unavailable += unavailable;
        total.unsettled += unsettled;
        total.starts_failed += starts_failed;
        total.reopened += reopened;
    }
    println!("{total:?}");
    if first.is_none() {
        assert!(total.acknowledged > 0 && total.not_written > 0 && total.unavailable > 0, "{total:?}");
        assert!(total.unsettled > 0 && total.starts_failed > 0 && total.reopened > 0, "{total:?}");
    }
}
