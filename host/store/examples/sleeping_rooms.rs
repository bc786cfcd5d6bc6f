//! What a million sleeping rooms take: `sleeping_rooms [ROOMS] [DIRECTORY]`.
//!
//! A child process makes rooms with one small key and a checkpoint of 500 bytes each, in no order, and dies without
//! closing the store, as if it had been killed. Then the store is opened and some rooms are read. The figures are in
//! `docs/store-layout.md`.

use std::env;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use bytes::Bytes;
use party_core::address::RoomAddress;
use party_core::commit::{
    CheckpointBytes, ComponentDigest, KvChanges, MemoryChange, NewCheckpoint, RoomCommit, RoomRecord,
};
use party_core::ids::CommitSeq;
use party_store::redb_store::{RedbOptions, RedbStore};
use party_store::store::{RoomsQuery, RoomsScope, Store};
use party_store::testing::chance::Chance;
use party_store::testing::workload::room;

const CHECKPOINT_BYTES: usize = 500;
const BATCH_ROOMS: u64 = 128;
const READS: u64 = 1_000;
const CHILD_VARIABLE: &str = "PARTY_STORE_FILL";
const COMPONENT: ComponentDigest = ComponentDigest([1; 32]);

fn name(number: u64) -> std::sync::Arc<RoomAddress> {
    room(&format!("counter-{number:08}"))
}

/// Two commits: what the room stored, and its going to sleep.
fn commits(number: u64, chance: &mut Chance) -> [RoomCommit; 2] {
    let entries = [(Bytes::from_static(b"count"), Some(Bytes::copy_from_slice(&number.to_le_bytes())))];
    let record = |seq| RoomRecord {
        seq: CommitSeq(seq),
        storage_bytes: 13,
        ids_reserved: 1 << 20,
        moved_at: CommitSeq(1),
        ..RoomRecord::default()
    };
    let bytes: Vec<u8> = (0..CHECKPOINT_BYTES).map(|_| chance.bits() as u8).collect();
    let checkpoint = NewCheckpoint { component: COMPONENT, bytes: CheckpointBytes::Inline(bytes.into()) };
    let (address, changes) = (name(number), KvChanges { cleared: false, entries: entries.into() });
    let first = RoomCommit { address: address.clone(), record: record(1), changes, memory: None };
    let memory = Some(Box::new(MemoryChange::Checkpoint(checkpoint)));
    [first, RoomCommit { address, record: record(2), changes: KvChanges::default(), memory }]
}

fn fill(directory: &Path, rooms: u64) {
    let store = RedbStore::open(directory, RedbOptions::default()).unwrap();
    let epoch = store.acquire().unwrap();
    store.put_component(epoch, COMPONENT, b"component").unwrap();
    let mut chance = Chance::new(1);
    let mut order: Vec<u64> = (0..rooms).collect();
    for index in (1..order.len()).rev() {
        order.swap(index, chance.index(index + 1));
    }
    let start = Instant::now();
    for numbers in order.chunks(BATCH_ROOMS as usize) {
        let batch: Vec<RoomCommit> =
            numbers.iter().flat_map(|&number| commits(number, &mut chance)).collect();
        store.commit(epoch, &batch).unwrap();
    }
    println!("{rooms} rooms made in {:.1} s", start.elapsed().as_secs_f64());
    std::process::abort();
}

fn resident_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

fn look(directory: &Path, rooms: u64, what: &str) {
    let start = Instant::now();
    let store = RedbStore::open(directory, RedbOptions::default()).unwrap();
    println!(
        "{what}: open in {:.1} ms, {} KiB resident",
        start.elapsed().as_secs_f64() * 1e3,
        resident_kib()
    );
    let start = Instant::now();
    store.wakes(&mut |_, _| unreachable!("none has an alarm")).unwrap();
    println!("    rooms that wake by themselves: {:.2} ms", start.elapsed().as_secs_f64() * 1e3);
    let mut chance = Chance::new(2);
    let start = Instant::now();
    for _ in 0..READS {
        let address = name(chance.below(rooms));
        let kept = store.checkpoint(&address).unwrap().unwrap();
        assert_eq!(kept.bytes.len(), CHECKPOINT_BYTES);
    }
    println!("    a checkpoint: {:.1} µs", start.elapsed().as_secs_f64() * 1e6 / READS as f64);
    let start = Instant::now();
    let query = RoomsQuery { scope: RoomsScope::Everything, after: None, limit: 1_000 };
    let listed = store.rooms(&query).unwrap().len();
    println!("    a list of {listed}: {:.1} ms", start.elapsed().as_secs_f64() * 1e3);
    let per_room = store.file_bytes() / rooms;
    println!("    {} bytes of disk, {per_room} for each room", store.file_bytes());
}

fn main() -> io::Result<()> {
    let mut arguments = env::args().skip(1);
    let rooms = arguments.next().map_or(1_000_000, |rooms| rooms.parse().expect("a number of rooms"));
    let temporary = tempfile::tempdir()?;
    let directory = arguments.next().map_or_else(|| temporary.path().to_owned(), PathBuf::from);
    if env::var_os(CHILD_VARIABLE).is_some() {
        fill(&directory, rooms);
    }
    let mut child = Command::new(env::current_exe()?);
    child.arg(rooms.to_string()).arg(&directory).env(CHILD_VARIABLE, "1").status()?;
    look(&directory, rooms, "after a kill");
    look(&directory, rooms, "after a close");
    Ok(())
}
