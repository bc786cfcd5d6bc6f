//! Damage: one flipped bit anywhere in the file, or its end cut off, is detected or provably harmless, and what it
//! harms is as little as possible.
//!
//! Every damaged store is read in full and compared with the model. It may refuse to open, or say of a room that it
//! is damaged; it may never answer anything but what was written.

use std::env;
use std::sync::Arc;

use party_core::address::RoomAddress;
use party_core::commit::{Alarm, RoomCommit};
use party_core::ids::Timestamp;
use party_core::storage::StorageReadError;
use party_store::redb_store::{OpenError, RedbOptions, RedbStore};
use party_store::store::{CommitError, Refusal, Store};
use party_store::testing::chance::Chance;
use party_store::testing::conformance::putting;
use party_store::testing::model::{Comparison, Model, all_rooms, all_wakes};
use party_store::testing::simulated_disk::SimulatedDisk;
use party_store::testing::staging::commit_staging;
use party_store::testing::workload::{LARGE_COMPONENT, SMALL_COMPONENT, Workload, put_components, room};

/// The layer of checksums puts one block before redb's first.
const REDB_HEADER_AT: usize = 4_096;
const REDB_HEADER_BYTES: usize = 320;
const BLOCK_BYTES: usize = 4_096;

/// A store to damage: its file, what it must hold, and how it is opened.
struct Original {
    name: &'static str,
    image: Vec<u8>,
    acknowledged: u64,
    model: Model,
    options: RedbOptions,
}

fn options(quick_repair_bytes_min: u64) -> RedbOptions {
    RedbOptions { quick_repair_bytes_min, ..RedbOptions::default() }
}

/// Stores that were closed, and stores whose host was killed, without and with quick repair.
fn originals(seed: u64) -> Vec<Original> {
    let mut originals = Vec::new();
    for (name, killed, quick_repair_bytes_min) in [
        ("closed", false, u64::MAX),
        ("closed, with quick repair", false, 0),
        ("killed", true, u64::MAX),
        ("killed, with quick repair", true, 0),
    ] {
        let options = options(quick_repair_bytes_min);
        let (disk, store, model) = filled(seed, options);
        if killed {
            disk.kill();
        }
        drop(store);
        let (image, acknowledged) = (disk.image(), disk.acknowledged_batch());
        originals.push(Original { name, image, acknowledged, model, options });
    }
    originals
}

fn filled(seed: u64, options: RedbOptions) -> (SimulatedDisk, RedbStore, Model) {
    let mut chance = Chance::new(seed);
    let disk = SimulatedDisk::new(seed);
    RedbStore::create_on(&disk, options).unwrap();
    let store = RedbStore::open_on(Box::new(disk.clone()), options).unwrap();
    let epoch = store.acquire().unwrap();
    put_components(&store, epoch).unwrap();
    let mut model = Model::default();
    for workload in [Workload::plain(60, 12, 150), Workload::awkward(3_000)].map(Workload::destroying_nothing)
    {
        for _ in 0..30 {
            let batch = workload.batch(&mut chance, &mut model, 30);
            commit_staging(&store, epoch, &batch).unwrap();
        }
    }
    (disk, store, model)
}

/// What became of one damaged store.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Fate {
    /// Nothing: the damage lies where nothing is read.
    Harmless,
    /// It does not open.
    Refused,
    /// It opens, and says of so many rooms that they are damaged or cannot be read.
    RoomsReported(usize),
}

/// Opens a damaged store, reads all of it, writes to it and reads it again. Panics if it ever lies.
fn examine(original: &Original, image: Vec<u8>, chance: &mut Chance) -> Fate {
    let disk = SimulatedDisk::from_image(0, image, original.acknowledged);
    let store = match RedbStore::open_on(Box::new(disk), original.options) {
        Ok(store) => store,
        Err(
            error @ (OpenError::Damaged { .. }
            | OpenError::Behind { .. }
            | OpenError::NotAStore { .. }
            | OpenError::OtherFormat { .. }
            | OpenError::Failed { .. }),
        ) => {
            assert!(
                error.to_string().contains("hint: ") || matches!(error, OpenError::Failed { .. }),
                "{error}"
            );
            return Fate::Refused;
        }
        Err(error @ (OpenError::InUse { .. } | OpenError::Missing { .. } | OpenError::Io { .. })) => {
            panic!("{error}")
        }
    };
    let mut model = original.model.clone();
    let reported = reported_rooms(&store, &model);
    assert_lists_do_not_lie(&store, &model);
    let address = chance.pick(&model.rooms.keys().cloned().collect::<Vec<_>>()).clone();
    let seq = model.rooms[&address].record.seq.next();
    let commit = putting(&address, seq.0, &[(b"after the damage", b"1")]);
    let written = store.acquire().map(|epoch| store.commit(epoch, std::slice::from_ref(&commit)));
    match written {
        Ok(Ok(())) => model.apply(&[commit]),
        Ok(Err(
            CommitError::Refused { .. } | CommitError::NotWritten { .. } | CommitError::Unavailable { .. },
        ))
        | Err(_) => {}
        Ok(Err(error @ (CommitError::Stale { .. } | CommitError::TooLarge { .. }))) => panic!("{error}"),
    }
    let reported = reported.max(reported_rooms(&store, &model));
    assert_lists_do_not_lie(&store, &model);
    if reported == 0 { Fate::Harmless } else { Fate::RoomsReported(reported) }
}

fn reported_rooms(store: &RedbStore, model: &Model) -> usize {
    let comparisons = model.rooms.keys().map(|address| model.compare_room(store, address));
    let never_seen = store.record(&room("never seen")).map(|record| assert_eq!(record, None));
    let mut reported = usize::from(never_seen.is_err());
    for comparison in comparisons {
        match comparison {
            Comparison::Same => {}
            Comparison::Reported(_) => reported += 1,
            Comparison::Differs(difference) => panic!("silently wrong: {difference}"),
        }
    }
    reported
}

fn assert_lists_do_not_lie(store: &RedbStore, model: &Model) {
    if let Ok(rooms) = all_rooms(store) {
        assert_eq!(rooms, model.listed());
    }
    for component in [SMALL_COMPONENT, LARGE_COMPONENT] {
        if let Ok(kept) = store.component(component) {
            let expected = if component == SMALL_COMPONENT { 17 } else { 600 * 17 };
            assert_eq!(kept.map(|bytes| bytes.len()), Some(expected), "component {component}");
        }
    }
    // The alarm of a room whose record is damaged is not told of: that room fails closed in any case.
    if let Ok(wakes) = all_wakes(store) {
        let mut expected = model.wakes();
        expected.retain(|(_, address)| store.record(address).is_ok());
        let told: Vec<_> =
            wakes.iter().filter(|(_, address)| store.record(address).is_ok()).cloned().collect();
        assert_eq!(told, expected);
    }
}

fn rounds(short: u64) -> u64 {
    if env::var_os("PARTY_LONG").is_some() { short * 50 } else { short }
}

#[test]
fn a_flipped_bit_is_never_believed() {
    let seed = 0x5eed_0002;
    println!("seed {seed:#x}");
    let mut chance = Chance::new(seed);
    for original in originals(seed) {
        let used: Vec<usize> = (0..original.image.len() / BLOCK_BYTES)
            .filter(|block| {
                original.image[block * BLOCK_BYTES..][..BLOCK_BYTES].iter().any(|&byte| byte != 0)
            })
            .collect();
        let mut fates = Vec::new();
        for round in 0..rounds(250) {
            let mut image = original.image.clone();
            let byte = if chance.one_in(25) {
                REDB_HEADER_AT + chance.index(REDB_HEADER_BYTES)
            } else {
                chance.pick(&used) * BLOCK_BYTES + chance.index(BLOCK_BYTES)
            };
            let bit = chance.below(8);
            image[byte] ^= 1 << bit;
            println!("{}, round {round}: bit {bit} of byte {byte}", original.name);
            fates.push(examine(&original, image, &mut chance));
        }
        assert!(fates.contains(&Fate::Harmless) && fates.contains(&Fate::Refused), "{fates:?}");
        if original.name.starts_with("closed") {
            let one_room = fates.iter().filter(|fate| **fate == Fate::RoomsReported(1)).count();
            let more = fates.iter().filter(|fate| **fate > Fate::RoomsReported(1)).count();
            println!("{}: {one_room} flips harm one room, {more} more than one", original.name);
            assert!(one_room > 2 * more, "most damage harms one room: {one_room} against {more}");
        }
    }
}

#[test]
fn a_file_that_was_cut_off_is_refused() {
    let seed = 0x5eed_0003;
    println!("seed {seed:#x}");
    let mut chance = Chance::new(seed);
    for original in originals(seed) {
        for round in 0..rounds(15) {
            let mut image = original.image.clone();
            let len = if chance.one_in(2) {
                chance.index(image.len())
            } else {
                image.len() - chance.index(2 * BLOCK_BYTES) - 1
            };
            println!("{}, round {round}: {len} of {} bytes", original.name, image.len());
            // After a kill the last pages may be free; redb makes do without them, and all of the model is there.
            let is_only_the_end = original.name.starts_with("killed") && len + 2 * BLOCK_BYTES >= image.len();
            image.truncate(len);
            let fate = examine(&original, image, &mut chance);
            assert!(fate == Fate::Refused || is_only_the_end && fate == Fate::Harmless, "{fate:?}");
        }
    }
}

/// Finds the only place of these bytes in a file.
fn place_of(image: &[u8], bytes: &[u8]) -> usize {
    let mut places = image.windows(bytes.len()).enumerate().filter(|(_, window)| *window == bytes);
    let (place, _) = places.next().expect("they are there");
    assert_eq!(places.next(), None, "they are there once");
    place
}

/// A closed store of three rooms, each with an alarm and a record that can be told by `ids_reserved`.
fn three_rooms() -> (SimulatedDisk, Vec<Arc<RoomAddress>>, Model) {
    let disk = SimulatedDisk::new(1);
    RedbStore::create_on(&disk, options(u64::MAX)).unwrap();
    let store = RedbStore::open_on(Box::new(disk.clone()), options(u64::MAX)).unwrap();
    let epoch = store.acquire().unwrap();
    let rooms: Vec<Arc<RoomAddress>> = ["a", "b", "c"].map(room).to_vec();
    let batch: Vec<RoomCommit> = (0..)
        .zip(&rooms)
        .map(|(index, address)| {
            let value = format!("the value of {address}");
            let mut commit = putting(address, 1, &[(b"k", value.as_bytes()), (b"other", b"1")]);
            commit.record.ids_reserved = MARK + index;
            commit.record.alarm = Some(Alarm { at: Timestamp(MARK + 0x100 + index), attempts: 0 });
            commit
        })
        .collect();
    store.commit(epoch, &batch).unwrap();
    let mut model = Model::default();
    model.apply(&batch);
    (disk, rooms, model)
}

const MARK: u64 = 0x1122_3344_5566_7700;

/// Opens what a disk holds with one bit flipped in the last of these bytes, which are there once.
fn opened_with_damage_at(disk: &SimulatedDisk, bytes: &[u8]) -> (SimulatedDisk, RedbStore) {
    let mut image = disk.image();
    let place = place_of(&image, bytes) + bytes.len() - 1;
    image[place] ^= 0x20;
    let disk = SimulatedDisk::from_image(1, image, disk.acknowledged_batch());
    let store = RedbStore::open_on(Box::new(disk.clone()), options(u64::MAX)).unwrap();
    (disk, store)
}

#[test]
fn a_damaged_value_harms_one_room() {
    let (disk, rooms, mut model) = three_rooms();
    let (disk, store) = opened_with_damage_at(&disk, b"the value of p/main/b");
    let damaged = store.storage(&rooms[1]).get(b"k").unwrap_err();
    assert!(matches!(&damaged, StorageReadError::Damaged(cause) if cause.contains("/b/")), "{damaged}");
    assert_eq!(store.doubts(), 1, "a damaged page is noticed");
    assert_eq!(model.compare_room(&store, &rooms[0]), Comparison::Same);
    assert_eq!(model.compare_room(&store, &rooms[2]), Comparison::Same);
    assert_eq!(store.record(&room("new")).unwrap(), None, "rooms can still be made");
    let report = store.check().unwrap();
    assert_eq!((report.rooms, report.damaged, report.rooms_problem), (3, 1, None));
    assert_eq!(report.damaged_rooms[0].0, *rooms[1]);

    let epoch = store.acquire().unwrap();
    let batch = [putting(&rooms[0], 2, &[(b"k", b"2")]), putting(&room("new"), 1, &[(b"k", b"1")])];
    store.commit(epoch, &batch).unwrap();
    model.apply(&batch);
    drop(store);

    // The page has been written anew since, with a checksum that fits; the doubt is remembered.
    let store = RedbStore::open_on(Box::new(disk), options(u64::MAX)).unwrap();
    assert_eq!(store.doubts(), 1);
    for address in [&rooms[0], &rooms[2], &room("new")] {
        assert_eq!(model.compare_room(&store, address), Comparison::Same);
    }
    assert_eq!(store.storage(&rooms[1]).get(b"k").unwrap_err(), damaged);
    assert!(store.storage(&rooms[1]).get(b"missing").is_err(), "the whole room fails closed");
}

#[test]
fn a_damaged_record_harms_one_room() {
    let (disk, rooms, model) = three_rooms();
    let (_, store) = opened_with_damage_at(&disk, &(MARK + 1).to_le_bytes());
    assert!(matches!(store.record(&rooms[1]), Err(StorageReadError::Damaged(_))));
    assert_eq!(model.compare_room(&store, &rooms[0]), Comparison::Same);
    assert_eq!(model.compare_room(&store, &rooms[2]), Comparison::Same);
    assert_eq!(store.record(&room("new")).unwrap(), None, "rooms can still be made");
    assert_eq!(all_wakes(&store).unwrap(), model.wakes(), "the table of alarms is whole");
    assert!(all_rooms(&store).is_err(), "a list of rooms would not be certain");
    let epoch = store.acquire().unwrap();
    let refused = store.commit(epoch, &[putting(&rooms[0], 2, &[]), putting(&rooms[1], 2, &[])]).unwrap_err();
    let CommitError::Refused { address, refusal: Refusal::Damaged(_) } = &refused else {
        panic!("{refused}")
    };
    assert_eq!(address, &rooms[1]);
    store.commit(epoch, &[putting(&rooms[0], 2, &[])]).unwrap();
    let report = store.check().unwrap();
    assert_eq!((report.rooms, report.damaged), (3, 1));
    assert!(report.rooms_problem.is_some() && !report.is_sound());
}

#[test]
fn damaged_alarms_are_made_good_from_the_records() {
    let (disk, _, model) = three_rooms();
    // The time of an alarm is big-endian in its key, and nowhere else. The last alarm stays the last.
    let (_, store) = opened_with_damage_at(&disk, &(MARK + 0x102).to_be_bytes());
    assert_eq!(all_wakes(&store).unwrap(), model.wakes());
    let report = store.check().unwrap();
    assert!(report.alarms_damaged && report.damaged == 0, "{report:?}");
}
