//! The compile cache: what is in it is used, what is damaged is made again, and nobody else can write to it.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use party_core::limits::Limits;
use party_runtime::cache::CacheError;
use party_runtime::component::Component;
use party_runtime::engine::{Engine, EngineError, EngineOptions};

use crate::guests::{Guest, echo};
use crate::room::{block_on, vars};

fn engine(directory: &Path) -> Result<Engine, EngineError> {
    Engine::new(EngineOptions { rooms_awake_max: 4, compile_cache: Some(directory.into()) })
}

fn load(engine: &Engine, guest: &[u8]) -> Component {
    engine.load(guest, &vars(), &Arc::new(Limits::default())).unwrap()
}

fn files(directory: &Path) -> Vec<PathBuf> {
    fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect()
}

fn inode(path: &Path) -> u64 {
    fs::metadata(path).unwrap().ino()
}

#[test]
fn compiled_code_is_kept_for_this_user_and_used_again() {
    let temporary = tempfile::tempdir().unwrap();
    let directory = temporary.path().join("made/on/demand");
    let guest = echo().build();
    load(&engine(&directory).unwrap(), &guest);
    let [file] = &files(&directory)[..] else { panic!("one component, one file") };
    assert_eq!(fs::metadata(&directory).unwrap().mode() & 0o777, 0o700);
    assert_eq!(fs::metadata(file).unwrap().mode() & 0o777, 0o600);
    let before = inode(file);
    let again = load(&engine(&directory).unwrap(), &guest);
    assert_eq!((files(&directory), inode(file)), (vec![file.clone()], before));
    assert!(block_on(again.instantiate()).is_ok());
    load(&engine(&directory).unwrap(), &Guest::new().build());
    assert_eq!(files(&directory).len(), 2);
}

#[test]
fn a_damaged_file_is_made_again() {
    let temporary = tempfile::tempdir().unwrap();
    let directory = temporary.path().join("cache");
    let guest = echo().build();
    let engine = engine(&directory).unwrap();
    load(&engine, &guest);
    let [file] = &files(&directory)[..] else { panic!("one component, one file") };
    let whole = fs::read(file).unwrap();
    let mut flipped = whole.clone();
    flipped[whole.len() / 2] ^= 1;
    let mut trailer = whole.clone();
    trailer[whole.len() - 1] ^= 1;
    for damaged in [&flipped, &trailer, &whole[..whole.len() / 2].to_vec(), &Vec::new()] {
        fs::remove_file(file).unwrap();
        fs::write(file, damaged).unwrap();
        let component = load(&engine, &guest);
        assert!(block_on(component.instantiate()).is_ok());
        // Compiling twice does not give the same bytes. A file that is whole is not made again.
        let (made, bytes) = (inode(file), fs::metadata(file).unwrap().len());
        load(&engine, &guest);
        assert_eq!((inode(file), bytes), (made, whole.len() as u64), "the file is whole again");
    }
}

#[test]
fn a_directory_that_others_can_enter_is_refused() {
    let temporary = tempfile::tempdir().unwrap();
    let directory = temporary.path().join("cache");
    fs::create_dir(&directory).unwrap();
    fs::set_permissions(&directory, Permissions::from_mode(0o755)).unwrap();
    let Err(EngineError::Cache(error)) = engine(&directory) else { panic!("it is taken") };
    assert!(matches!(error, CacheError::OpenToOthers { mode: 0o755, .. }), "{error}");
    assert!(error.to_string().contains("mode 755; it must belong to user"), "{error}");
}

#[test]
fn a_file_or_a_link_in_place_of_the_directory_is_refused() {
    let temporary = tempfile::tempdir().unwrap();
    let file = temporary.path().join("file");
    fs::write(&file, "").unwrap();
    assert!(matches!(engine(&file), Err(EngineError::Cache(CacheError::Io { .. }))));
    let (target, link) = (temporary.path().join("target"), temporary.path().join("link"));
    fs::create_dir(&target).unwrap();
    fs::set_permissions(&target, Permissions::from_mode(0o700)).unwrap();
    std::os::unix::fs::symlink(&target, &link).unwrap();
    assert!(matches!(engine(&link), Err(EngineError::Cache(CacheError::NotADirectory { .. }))));
}

#[test]
fn a_cache_that_cannot_be_written_is_no_reason_not_to_serve() {
    let temporary = tempfile::tempdir().unwrap();
    let directory = temporary.path().join("cache");
    let engine = engine(&directory).unwrap();
    fs::remove_dir(&directory).unwrap();
    let component = load(&engine, &echo().build());
    assert!(block_on(component.instantiate()).is_ok());
}
