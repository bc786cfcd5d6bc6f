//! Opening: one host per data directory, files for its owner only, and a clear word about everything that is not a
//! store that this program can use.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use party_core::ids::CommitSeq;
use party_store::redb_store::device::FileDevice;
use party_store::redb_store::{OpenError, RedbOptions, RedbStore};
use party_store::store::Store;
use party_store::testing::chance::Chance;
use party_store::testing::conformance::putting;
use party_store::testing::workload::room;
use tempfile::TempDir;

/// Without waiting for another holder.
fn options() -> RedbOptions {
    RedbOptions { lock_wait: Duration::ZERO, ..RedbOptions::default() }
}

fn open(directory: &Path) -> Result<RedbStore, OpenError> {
    RedbStore::open(directory, options())
}

fn refused(directory: &Path) -> OpenError {
    match open(directory) {
        Ok(_) => panic!("it was opened"),
        Err(error) => error,
    }
}

fn filled() -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path()).unwrap();
    let epoch = store.acquire().unwrap();
    store.commit(epoch, &[putting(&room("a"), 1, &[(b"k", b"v")])]).unwrap();
    directory
}

#[test]
fn a_second_opener_is_told_who_holds_the_directory() {
    let directory = filled();
    let store = open(directory.path()).unwrap();
    let error = refused(directory.path());
    let OpenError::InUse { path, holder } = &error else { panic!("{error}") };
    assert_eq!(
        (path.as_path(), holder.as_str()),
        (directory.path(), std::process::id().to_string().as_str())
    );
    assert!(error.to_string().contains("hint: "), "{error}");
    drop(store);
    assert!(open(directory.path()).is_ok(), "the lock is gone with its holder");
}

#[test]
fn only_its_owner_may_look_into_a_store() {
    let parent = tempfile::tempdir().unwrap();
    let directory = parent.path().join("new/data");
    let store = open(&directory).unwrap();
    store.acquire().unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&directory), 0o700);
    let mut files: Vec<String> = Vec::new();
    for file in fs::read_dir(&directory).unwrap() {
        let file = file.unwrap();
        assert_eq!(mode(&file.path()), 0o600, "{}", file.path().display());
        files.push(file.file_name().into_string().unwrap());
    }
    files.sort();
    assert_eq!(files, ["lock", "rooms.batch", "rooms.store"]);
}

#[test]
fn what_is_no_store_is_refused_and_left_alone() {
    let mut chance = Chance::new(5);
    let noise: Vec<u8> = (0..100_000).map(|_| chance.bits() as u8).collect();
    let plain_redb = {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("plain");
        redb::Database::create(&path).unwrap();
        fs::read(path).unwrap()
    };
    let zeros = vec![0; 2 << 20];
    for (name, bytes) in [
        ("empty", &[][..]),
        ("short", b"x"),
        ("noise", &noise),
        ("text", "hello ".repeat(2_000).as_bytes()),
        ("zeros", &zeros),
        ("plain redb", &plain_redb),
    ] {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("rooms.store");
        fs::write(&path, bytes).unwrap();
        let error = refused(directory.path());
        assert!(matches!(error, OpenError::NotAStore { .. }), "{name}: {error}");
        assert!(error.to_string().contains("hint: "), "{error}");
        assert_eq!(fs::read(&path).unwrap(), bytes, "{name} is left alone");
    }
}

#[test]
fn a_store_is_made_only_where_nothing_is() {
    let directory = tempfile::tempdir().unwrap();
    let device = FileDevice::new(directory.path().join("store"), directory.path().join("batch"));
    RedbStore::create_on(&device, options()).unwrap();
    let made = fs::read(directory.path().join("store")).unwrap();
    assert!(matches!(RedbStore::create_on(&device, options()), Err(OpenError::NotAStore { .. })));
    assert_eq!(fs::read(directory.path().join("store")).unwrap(), made);
}

#[test]
fn a_directory_that_cannot_be_made_is_named() {
    let parent = tempfile::tempdir().unwrap();
    let file = parent.path().join("file");
    fs::write(&file, "").unwrap();
    let error = refused(&file.join("data"));
    assert!(matches!(&error, OpenError::Io { path, .. } if path.ends_with("file/data")), "{error}");
}

#[test]
fn a_store_that_is_gone_is_not_replaced_by_an_empty_one() {
    let directory = filled();
    fs::remove_file(directory.path().join("rooms.store")).unwrap();
    let error = refused(directory.path());
    assert!(matches!(error, OpenError::Missing { .. }), "{error}");
    assert!(!directory.path().join("rooms.store").exists());
    fs::remove_file(directory.path().join("rooms.batch")).unwrap();
    assert_eq!(open(directory.path()).unwrap().record(&room("a")).unwrap(), None);
}

#[test]
fn an_old_copy_is_not_taken_for_the_store() {
    let directory = filled();
    let path = directory.path().join("rooms.store");
    let copy = fs::read(&path).unwrap();
    let store = open(directory.path()).unwrap();
    let epoch = store.acquire().unwrap();
    store.commit(epoch, &[putting(&room("a"), 2, &[(b"k", b"w")])]).unwrap();
    drop(store);
    fs::write(&path, copy).unwrap();
    let error = refused(directory.path());
    assert!(matches!(error, OpenError::Behind { batch: 2, acknowledged: 4 }), "{error}");
    fs::remove_file(directory.path().join("rooms.batch")).unwrap();
    let store = open(directory.path()).unwrap();
    assert_eq!(store.record(&room("a")).unwrap().unwrap().seq, CommitSeq(1), "told to, it takes the copy");
}

#[test]
fn a_damaged_note_of_the_last_batch_is_no_obstacle() {
    let directory = filled();
    for bytes in [&b""[..], b"short", b"twelve bytes", &[0; 12]] {
        fs::write(directory.path().join("rooms.batch"), bytes).unwrap();
        let store = open(directory.path()).unwrap();
        assert_eq!(store.record(&room("a")).unwrap().unwrap().seq, CommitSeq(1));
    }
}

#[test]
fn an_unfinished_store_is_begun_anew() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("rooms.store.new"), b"cut short").unwrap();
    let store = open(directory.path()).unwrap();
    assert_eq!(store.record(&room("a")).unwrap(), None);
    assert!(!directory.path().join("rooms.store.new").exists());
}

#[test]
fn a_check_finds_nothing_wrong_with_a_sound_store() {
    let directory = filled();
    let report = open(directory.path()).unwrap().check().unwrap();
    assert!(report.is_sound() && report.rooms == 1, "{report:?}");
}

#[test]
fn a_closed_store_lets_go_of_its_directory_whoever_still_has_a_room() {
    let directory = filled();
    let store = open(directory.path()).unwrap();
    let storage = store.storage(&room("a"));
    assert!(storage.get(b"k").unwrap().is_some());
    drop(store);
    let error = storage.get(b"k").unwrap_err();
    assert!(error.to_string().contains("it has been closed"), "{error}");
    assert!(open(directory.path()).unwrap().storage(&room("a")).get(b"k").unwrap().is_some());
}
