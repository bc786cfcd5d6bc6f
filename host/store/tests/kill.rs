//! `kill -9` under load: a child process commits from several writers and prints what was acknowledged; the parent
//! kills it at a random point, opens the store and looks at what is there.
//!
//! What a room holds after its n-th commit is a function of the room and n, so a room can be checked without
//! knowing what the child did. Each batch is announced before it is committed: the last one, if it was not
//! acknowledged, must be there whole or not at all.

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::io::{self, BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, mpsc};
use std::thread;

use bytes::Bytes;
use party_core::address::RoomAddress;
use party_core::commit::{
    Alarm, CheckpointBytes, JournalRecord, KvChanges, MemoryChange, NewCheckpoint, RoomCommit, RoomRecord,
};
use party_core::ids::{CommitSeq, Timestamp};
use party_store::redb_store::{RedbOptions, RedbStore};
use party_store::store::Store;
use party_store::testing::chance::Chance;
use party_store::testing::model::{Comparison, Model, all_rooms, all_wakes};
use party_store::testing::staging::commit_staging;
use party_store::testing::workload::{LARGE_COMPONENT, SMALL_COMPONENT, put_components, room};
use tempfile::TempDir;

const DIRECTORY_VARIABLE: &str = "PARTY_STORE_KILLED_IN";
const SEED_VARIABLE: &str = "PARTY_STORE_KILLED_SEED";
const WRITERS: u64 = 8;
const ROOMS_PER_WRITER: u64 = 5;
const BATCH_COMMITS: usize = 64;
const KEYS: u64 = 7;

/// Quick repair comes in at a size that a run crosses.
fn options() -> RedbOptions {
    RedbOptions { quick_repair_bytes_min: 6 << 20, cache_bytes: 1 << 20, ..RedbOptions::default() }
}

fn address(number: u64) -> Arc<RoomAddress> {
    room(&format!("room-{number}"))
}

/// The changes of a room's n-th commit: it clears now and then, puts two keys and deletes one.
fn changes(number: u64, seq: u64) -> KvChanges {
    let mut chance = Chance::new(number << 32 | seq);
    let key = |index: u64| Bytes::from(format!("key-{index}"));
    let value = |chance: &mut Chance| {
        let bytes = usize::try_from(chance.below(3_000)).unwrap();
        Bytes::from(format!("{number}/{seq}/").repeat(bytes / 8 + 1))
    };
    let mut entries = BTreeMap::from([(key(chance.below(KEYS)), None)]);
    for _ in 0..2 {
        entries.insert(key(chance.below(KEYS)), Some(value(&mut chance)));
    }
    KvChanges { cleared: chance.one_in(10), entries }
}

fn commit(number: u64, seq: u64) -> RoomCommit {
    let alarm = seq.is_multiple_of(3).then_some(Alarm { at: Timestamp(seq), attempts: 0 });
    let record = RoomRecord {
        seq: CommitSeq(seq),
        alarm,
        storage_bytes: seq,
        ids_reserved: number,
        moved_at: CommitSeq(seq),
        memory_due: seq.is_multiple_of(5).then_some(Timestamp(seq)),
    };
    let memory = memory_change(number, seq).map(Box::new);
    RoomCommit { address: address(number), record, changes: changes(number, seq), memory }
}

/// What a room's n-th commit does to its memory: every second room has a journal, and checkpoints come at fixed
/// numbers, some of them large enough to be staged.
fn memory_change(number: u64, seq: u64) -> Option<MemoryChange> {
    let mut chance = Chance::new(!(number << 32 | seq));
    let is_begun_at = |seq: &u64| seq.is_multiple_of(7) || seq.is_multiple_of(23) || seq.is_multiple_of(41);
    let begun_at = (0..=seq).rev().find(is_begun_at).unwrap_or_default();
    let component = [SMALL_COMPONENT, LARGE_COMPONENT][usize::try_from(begun_at / 5 % 2).unwrap()];
    let mut bytes = |bytes_max: u64| {
        let repeated =
            format!("{number}/{seq}/").repeat(usize::try_from(chance.below(bytes_max / 4)).unwrap());
        Bytes::from(repeated)
    };
    let checkpoint = |bytes| {
        let bytes = CheckpointBytes::Inline(bytes);
        Some(MemoryChange::Checkpoint(NewCheckpoint { component, bytes }))
    };
    match seq {
        seq if seq.is_multiple_of(41) => Some(MemoryChange::Forget { then: None }),
        seq if seq.is_multiple_of(23) => checkpoint(bytes(15_000)),
        seq if seq.is_multiple_of(7) => checkpoint(bytes(1_500)),
        _ if number.is_multiple_of(2) => {
            Some(MemoryChange::Append(JournalRecord { component, bytes: bytes(600) }))
        }
        _ => None,
    }
}

/// Brings what each room must hold up to the commits that a store has.
#[derive(Default)]
struct Oracle {
    model: Model,
    reached: BTreeMap<u64, u64>,
}

impl Oracle {
    fn advance(&mut self, number: u64, seq: u64) {
        let reached = self.reached.entry(number).or_default();
        while *reached < seq {
            *reached += 1;
            self.model.apply(&[commit(number, *reached)]);
        }
    }
}

/// The child: commits until it is killed, or for so many batches.
fn work(directory: &Path, seed: u64, batches: u64, out: &mut dyn Write) {
    let store = RedbStore::open(directory, options()).unwrap();
    let epoch = store.acquire().unwrap();
    put_components(&store, epoch).unwrap();
    let (sender, receiver) = mpsc::sync_channel::<(u64, u64, mpsc::SyncSender<()>)>(256);
    thread::scope(|scope| {
        for writer in 0..WRITERS {
            let (sender, store) = (sender.clone(), &store);
            scope.spawn(move || {
                let mut chance = Chance::new(seed ^ writer);
                loop {
                    let number = writer * ROOMS_PER_WRITER + chance.below(ROOMS_PER_WRITER);
                    let last = store.record(&address(number)).unwrap().unwrap_or_default().seq;
                    let (reply, replied) = mpsc::sync_channel(1);
                    if sender.send((number, last.next().0, reply)).is_err() || replied.recv().is_err() {
                        return;
                    }
                }
            });
        }
        drop(sender);
        for _ in 0..batches {
            let first = receiver.recv().unwrap();
            let mut waiting = vec![first];
            waiting.extend(receiver.try_iter().take(BATCH_COMMITS - 1));
            let named: Vec<String> =
                waiting.iter().map(|(number, seq, _)| format!("{number}:{seq}")).collect();
            writeln!(out, "try {}", named.join(" ")).unwrap();
            let batch: Vec<RoomCommit> =
                waiting.iter().map(|&(number, seq, _)| commit(number, seq)).collect();
            commit_staging(&store, epoch, &batch).unwrap();
            writeln!(out, "ack").unwrap();
            waiting.iter().for_each(|(_, _, reply)| reply.send(()).unwrap());
        }
        drop(receiver);
    });
}

/// What a child printed, up to where it was killed.
#[derive(Default)]
struct Printed {
    acknowledged: Vec<Vec<(u64, u64)>>,
    under_way: Option<Vec<(u64, u64)>>,
}

impl Printed {
    fn line(&mut self, line: &str) {
        if let Some(named) = line.strip_prefix("try ") {
            assert!(self.under_way.is_none(), "one batch at a time");
            let pair = |named: &str| {
                let (number, seq) = named.split_once(':').unwrap();
                (number.parse().unwrap(), seq.parse().unwrap())
            };
            self.under_way = Some(named.split(' ').map(pair).collect());
        } else if line == "ack" {
            self.acknowledged.extend(self.under_way.take());
        }
    }
}

fn spawn(directory: &Path, seed: u64) -> Child {
    let mut command = Command::new(env::current_exe().unwrap());
    command.args(["--exact", "the_child_commits_what_the_oracle_says", "--nocapture"]);
    command.env(DIRECTORY_VARIABLE, directory).env(SEED_VARIABLE, seed.to_string());
    command.stdout(Stdio::piped()).stderr(Stdio::inherit()).spawn().unwrap()
}

/// Lets a child live until it has printed so many lines, then kills it and reads the rest of what it printed.
fn kill_after(lines: u64, directory: &Path, seed: u64) -> Printed {
    let mut child = spawn(directory, seed);
    let mut printed = Printed::default();
    let mut reader = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    for _ in 0..lines {
        line.clear();
        if reader.read_line(&mut line).unwrap() > 0 {
            printed.line(line.trim_end());
        }
    }
    child.kill().unwrap();
    loop {
        line.clear();
        // The last line may have been cut off; then it was not printed.
        if reader.read_line(&mut line).unwrap() == 0 || !line.ends_with('\n') {
            break;
        }
        printed.line(line.trim_end());
    }
    child.wait().unwrap();
    printed
}

fn check(store: &RedbStore, oracle: &mut Oracle, printed: Printed) -> bool {
    for (number, seq) in printed.acknowledged.into_iter().flatten() {
        oracle.advance(number, seq);
    }
    let mut kept = false;
    if let Some(batch) = printed.under_way {
        let is_there = |&(number, seq): &(u64, u64)| {
            store.record(&address(number)).unwrap().is_some_and(|record| record.seq.0 >= seq)
        };
        kept = batch.iter().any(is_there);
        assert!(!kept || batch.iter().all(is_there), "the batch under way is there in part: {batch:?}");
        if kept {
            batch.iter().for_each(|&(number, seq)| oracle.advance(number, seq));
        }
    }
    for number in 0..WRITERS * ROOMS_PER_WRITER {
        assert_eq!(oracle.model.compare_room(store, &address(number)), Comparison::Same);
    }
    assert_eq!(all_rooms(store).unwrap(), oracle.model.listed());
    assert_eq!(all_wakes(store).unwrap(), oracle.model.wakes());
    let report = store.check().unwrap();
    assert!(report.is_sound() && report.stray_chunks == 0, "{report:?}");
    kept
}

fn copied(directory: &Path) -> TempDir {
    let copy = tempfile::tempdir().unwrap();
    for file in fs::read_dir(directory).unwrap() {
        let file = file.unwrap();
        fs::copy(file.path(), copy.path().join(file.file_name())).unwrap();
    }
    copy
}

#[test]
fn a_killed_host_loses_nothing_acknowledged() {
    let kills: u64 = if env::var_os("PARTY_LONG").is_some() { 10_000 } else { 200 };
    let seed = 0x5eed_0004;
    println!("seed {seed:#x}");
    let mut chance = Chance::new(seed);
    let (mut batches, mut commits, mut under_way, mut kept) = (0, 0, 0, 0);
    let mut directory = tempfile::tempdir().unwrap();
    let mut oracle = Oracle::default();
    for kill in 0..kills {
        if kill % 50 == 0 {
            (directory, oracle) = (tempfile::tempdir().unwrap(), Oracle::default());
        }
        let lines = if chance.one_in(5) { chance.below(6) } else { chance.below(150) };
        let printed = kill_after(lines, directory.path(), chance.bits());
        batches += printed.acknowledged.len();
        commits += printed.acknowledged.iter().map(Vec::len).sum::<usize>();
        under_way += u64::from(printed.under_way.is_some());
        println!("kill {kill}: after {lines} lines, {} batches acknowledged", printed.acknowledged.len());
        // Half of the time a copy is looked at, so that the next child comes upon what the kill has left and not
        // upon a store that was opened and closed since.
        let copy = chance.one_in(2).then(|| copied(directory.path()));
        let looked_at = copy.as_ref().unwrap_or(&directory);
        let store = RedbStore::open(looked_at.path(), options()).unwrap();
        kept += u64::from(check(&store, &mut oracle, printed));
    }
    println!(
        "{batches} batches of {commits} commits acknowledged; {under_way} under way, {kept} of them kept"
    );
    assert!(commits > 0 && under_way > 0, "the kills have hit commits");
}

/// The child, if it is told to be one; else a short run of what the child does, against the same oracle.
#[test]
fn the_child_commits_what_the_oracle_says() {
    if let (Some(directory), Ok(seed)) = (env::var_os(DIRECTORY_VARIABLE), env::var(SEED_VARIABLE)) {
        work(Path::new(&directory), seed.parse().unwrap(), u64::MAX, &mut io::stdout());
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let mut out = Vec::new();
    work(directory.path(), 1, 40, &mut out);
    let mut printed = Printed::default();
    String::from_utf8(out).unwrap().lines().for_each(|line| printed.line(line));
    assert_eq!((printed.acknowledged.len(), &printed.under_way), (40, &None));
    let store = RedbStore::open(directory.path(), options()).unwrap();
    check(&store, &mut Oracle::default(), printed);
}
