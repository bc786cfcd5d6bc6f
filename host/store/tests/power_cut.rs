//! Power cuts: only synced bytes survive, writes since the last sync are kept, lost or torn.
//!
//! Each cut is at a chosen write or sync, wherever that falls: in a commit, in an opening, in a recovery, in a
//! closing. After each the store must open, hold every acknowledged batch, and hold the batch under way whole or
//! not at all.

use std::collections::BTreeSet;
use std::env;

use party_core::commit::RoomCommit;
use party_store::kept::KeepError;
use party_store::redb_store::{RedbOptions, RedbStore};
use party_store::store::{CommitError, Store};
use party_store::testing::chance::Chance;
use party_store::testing::model::{Comparison, Model};
use party_store::testing::simulated_disk::{DiskFault, FaultKind, SimulatedDisk};
use party_store::testing::staging::{StagingError, commit_staging};
use party_store::testing::workload::{Workload, put_components};

const CUTS_PER_SEED: usize = 10;

/// Where a cut has hit, and what was left of the batch under way.
#[derive(Debug, Default)]
struct Cuts {
    while_opening: u64,
    while_staging: u64,
    batch_kept: u64,
    batch_lost: u64,
    no_batch: u64,
}

struct Run {
    disk: SimulatedDisk,
    options: RedbOptions,
    chance: Chance,
    workload: Workload,
    model: Model,
    cuts: Cuts,
}

impl Run {
    fn new(seed: u64) -> Run {
        let mut chance = Chance::new(seed);
        let disk = SimulatedDisk::new(chance.bits());
        // A quarter each: never, always, and from a size on that is crossed during the run.
        let quick_repair_bytes_min = *chance.pick(&[u64::MAX, 0, 2 << 20, 4 << 20]);
        let cache_bytes = *chance.pick(&[32 << 10, 64 << 20]);
        let options = RedbOptions { quick_repair_bytes_min, cache_bytes, ..RedbOptions::default() };
        RedbStore::create_on(&disk, options).unwrap();
        let workload =
            if chance.one_in(2) { Workload::awkward(20_000) } else { Workload::plain(50, 20, 400) };
        Run { disk, options, chance, workload, model: Model::default(), cuts: Cuts::default() }
    }

    /// Works until the power fails, then brings it back and looks at what is left.
    fn cut(&mut self) {
        let after = if self.chance.one_in(3) { self.chance.below(12) } else { self.chance.below(400) };
        self.disk.plan([DiskFault { kind: FaultKind::Power, after, times: 1 }]);
        let under_way = self.work();
        self.disk.cut_power();
        self.disk.restore_power();
        let store = RedbStore::open_on(Box::new(self.disk.clone()), self.options).unwrap();
        let report = store.check().unwrap();
        assert!(report.is_sound() && report.stray_chunks == 0, "{report:?}");
        let Some(batch) = under_way else {
            self.cuts.no_batch += 1;
            self.model.compare(&store).unwrap();
            return;
        };
        if self.model.compare(&store).is_ok() {
            self.cuts.batch_lost += 1;
        } else {
            self.cuts.batch_kept += 1;
            self.model.apply(&batch);
            self.model.compare(&store).unwrap();
        }
    }

    /// Opens, commits and closes until the power fails. The batch that was under way then, if one was.
    fn work(&mut self) -> Option<Vec<RoomCommit>> {
        loop {
            let Ok(store) = RedbStore::open_on(Box::new(self.disk.clone()), self.options) else {
                self.cuts.while_opening += 1;
                return None;
            };
            let epoch = store.acquire().ok()?;
            put_components(&store, epoch).ok()?;
            for _ in 0..self.chance.below(40) {
                let mut after = self.model.clone();
                let batch = self.workload.batch(&mut self.chance, &mut after, 20);
                match commit_staging(&store, epoch, &batch) {
                    Ok(()) => self.model = after,
                    Err(StagingError::Commit(CommitError::Unavailable { .. })) => return Some(batch),
                    Err(StagingError::Staging(KeepError::Unavailable { .. })) => {
                        self.cuts.while_staging += 1;
                        return None;
                    }
                    Err(error) => panic!("{error:?}"),
                }
            }
            drop(store);
            if !self.disk.is_powered() {
                return None;
            }
        }
    }
}

#[test]
fn a_power_cut_loses_nothing_acknowledged_and_leaves_nothing_partial() {
    let seeds = if env::var_os("PARTY_LONG").is_some() { 1_000 } else { 50 };
    let mut total = Cuts::default();
    for seed in 0..seeds {
        println!("seed {seed}");
        let mut run = Run::new(seed);
        for _ in 0..CUTS_PER_SEED {
            run.cut();
        }
        total.while_opening += run.cuts.while_opening;
        total.while_staging += run.cuts.while_staging;
        total.batch_kept += run.cuts.batch_kept;
        total.batch_lost += run.cuts.batch_lost;
        total.no_batch += run.cuts.no_batch;
    }
    println!("{total:?}");
    assert!(total.while_staging > 0, "some cuts hit a staging");
    assert!(total.batch_lost > 0 && total.batch_kept > 0 && total.while_opening > 0 && total.no_batch > 0);
}

/// A disk that confirms syncs and does nothing can lose everything. What is left must still not be a lie: a store
/// that opens shows of each room a state that the room once had, or says that it is damaged.
#[test]
fn a_disk_that_lies_about_syncs_is_contained() {
    let (mut opened, mut refused, mut reported) = (0, 0, 0);
    for seed in 0..60 {
        println!("seed {seed}");
        let mut chance = Chance::new(seed);
        let disk = SimulatedDisk::new(seed);
        let options = RedbOptions {
            quick_repair_bytes_min: *chance.pick(&[0, u64::MAX]),
            cache_bytes: 32 << 10,
            ..RedbOptions::default()
        };
        let workload = Workload::plain(30, 10, 300);
        RedbStore::create_on(&disk, options).unwrap();
        let store = RedbStore::open_on(Box::new(disk.clone()), options).unwrap();
        let epoch = store.acquire().unwrap();
        put_components(&store, epoch).unwrap();
        let mut history = vec![Model::default()];
        for round in 0..40 {
            if round == 20 {
                disk.plan([DiskFault { kind: FaultKind::SyncLie, after: 0, times: u64::MAX }]);
            }
            let mut model = history.last().cloned().unwrap_or_default();
            let batch = workload.batch(&mut chance, &mut model, 10);
            commit_staging(&store, epoch, &batch).unwrap();
            history.push(model);
        }
        disk.cut_power();
        drop(store);
        disk.restore_power();
        // Half of the time the note of the last batch is lost too, which would give the disk away at once.
        let noted = if chance.one_in(2) { disk.acknowledged_batch() } else { 0 };
        let disk = SimulatedDisk::from_image(seed, disk.image(), noted);
        let Ok(store) = RedbStore::open_on(Box::new(disk), options) else {
            refused += 1;
            continue;
        };
        opened += 1;
        for address in history.iter().flat_map(|model| model.rooms.keys()).collect::<BTreeSet<_>>() {
            let fates: Vec<Comparison> =
                history.iter().map(|model| model.compare_room(&store, address)).collect();
            let once_so = fates.contains(&Comparison::Same);
            let is_reported = fates.iter().any(|fate| matches!(fate, Comparison::Reported(_)));
            assert!(once_so || is_reported, "room {address} is as it never was: {:?}", fates.last());
            reported += usize::from(is_reported);
        }
    }
    println!("{opened} opened, {refused} refused, {reported} rooms reported damaged");
    assert!(opened > 0 && refused > 0);
}
