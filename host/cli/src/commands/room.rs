//! `party-host room recover`: a room that refuses everyone, because its memory cannot be made again, goes on without it.
//!
//! What is refused is never deleted: all of it is copied, and the copy is on disk, before anything changes.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result, anyhow};
use party_core::address::RoomAddress;
use party_node::giving_up::{Diagnosis, GiveUpError, Keep, diagnose, give_up};
use party_store::store::Store;

use crate::args::admin::{RoomArguments, RoomCommand};
use crate::asking::{Knows, Projects, no_such_room, who_knows};
use crate::problem::{failure, usage};
use crate::telling::bytes;

/// Below the data directory: what was given up.
const RECOVERED: &str = "recovered";
/// So many characters of a room's id stand in the name of its file; the whole id stands in it.
const NAME_CHARS_MAX: usize = 80;
/// So many files of one name are made.
const FILES_MAX: u32 = 1_000;

pub(crate) fn run(arguments: &RoomArguments) -> Result<()> {
    let RoomCommand::Recover { room: name, at, to_checkpoint, past_damage, force, dry_run } = &arguments.what;
    let store = match who_knows(&at.data)? {
        Knows::Store(store) => store,
        Knows::Host(asked) => {
            let process = asked.itself.process;
            return Err(failure(
                format!("a host runs on {} (process {process})", at.data.display()),
                "stop it first; rooms are recovered while no host runs",
            ));
        }
    };
    let projects = Projects::of_store(store.as_ref())?;
    let address = Arc::new(projects.room(name)?);
    let diagnosis = diagnose(&store, &address).map_err(|error| not_recovered(store.as_ref(), error))?;
    let keep = match (to_checkpoint, past_damage) {
        (true, _) => Keep::Checkpoint,
        (false, true) => Keep::PastDamage,
        (false, false) => Keep::Readable,
    };
    tell(&diagnosis, &projects.name_of(&address));
    if diagnosis.problems.is_empty() && !force && !dry_run {
        return Err(usage(
            format!("nothing is found to be wrong with {name}; its variables would be lost"),
            "if a host refuses it all the same (its log says why: `replay diverged`), add --force",
        ));
    }
    let (count, to) = (diagnosis.records_kept(keep), diagnosis.kept_to(keep));
    let all = diagnosis.leftovers.records.len();
    if *dry_run {
        println!(
            "would keep: storage as of commit {to}, with the writes of {count} of {all} recorded commits"
        );
        println!("would give up: variables, timers and whatever was under way");
        return Ok(());
    }
    let aside = put_aside(&at.data, &diagnosis)?;
    println!("put aside: {}", aside.display());
    let epoch = store.acquire()?;
    let given_up =
        give_up(&store, epoch, &diagnosis, keep).map_err(|error| not_recovered(store.as_ref(), error))?;
    let size = bytes(given_up.storage_bytes);
    println!(
        "kept: storage as of commit {to} ({size}), with the writes of {count} of {all} recorded commits"
    );
    println!(
        "given up: variables, timers and whatever was under way; the next event starts the room (`lost`)"
    );
    Ok(())
}

fn not_recovered(store: &dyn Store, error: GiveUpError) -> anyhow::Error {
    match error {
        GiveUpError::NoSuchRoom(address) => no_such_room(store, &address),
        GiveUpError::NoMemory(address) => match Projects::of_store(store) {
            Ok(projects) => usage(
                format!("no memory of {} is kept", projects.name_of(&address)),
                "there is nothing to recover: the room starts from its storage",
            ),
            Err(error) => error,
        },
        GiveUpError::Storage(_) | GiveUpError::Commit(_) => anyhow!(error),
    }
}

fn tell(diagnosis: &Diagnosis, named: &str) {
    let Diagnosis { summary, leftovers, problems, .. } = diagnosis;
    println!("room: {named}, last commit {}", summary.record.seq);
    match &leftovers.checkpoint {
        Some(left) => {
            println!("checkpoint: {}, of commit {}", bytes(left.bytes.len() as u64), leftovers.since)
        }
        None => println!("checkpoint: none"),
    }
    println!("journal: {} records found of {}", leftovers.records.len(), leftovers.records_expected);
    for problem in problems {
        println!("wrong: {problem}");
    }
    if problems.is_empty() {
        println!("wrong: nothing that can be found without a host");
    }
}

/// Copies all that is to be given up into a new file, and waits until it is on the disk.
fn put_aside(data: &Path, diagnosis: &Diagnosis) -> Result<PathBuf> {
    let directory = data.join(RECOVERED);
    let made = DirBuilder::new().mode(0o700).create(&directory);
    if let Err(error) = made
        && error.kind() != io::ErrorKind::AlreadyExists
    {
        return Err(error).with_context(|| format!("{} cannot be made", directory.display()));
    }
    let (path, file) = new_file(&directory, &diagnosis.address, diagnosis.summary.record.seq.0)?;
    let mut writer = BufWriter::new(&file);
    let written = diagnosis.write(&mut writer).and_then(|()| writer.flush()).and_then(|()| file.sync_all());
    let written = written.and_then(|()| sync(&directory)).and_then(|()| sync(data));
    if written.is_err() {
        // Half a copy helps nobody; the room is as it was.
        let _ = fs::remove_file(&path);
    }
    written.with_context(|| format!("{} cannot be written; nothing has changed", path.display()))?;
    Ok(path)
}

fn sync(directory: &Path) -> io::Result<()> {
    File::open(directory)?.sync_all()
}

fn new_file(directory: &Path, address: &RoomAddress, commit: u64) -> Result<(PathBuf, File)> {
    let plain = |c: char| if c.is_ascii_alphanumeric() || c == '-' || c == '_' { c } else { '_' };
    let room: String = address.room().chars().take(NAME_CHARS_MAX).map(plain).collect();
    for number in 1..=FILES_MAX {
        let number = if number == 1 { String::new() } else { format!(".{number}") };
        let path = directory.join(format!("{}.{room}.{commit}{number}", address.party()));
        match OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path) {
            Ok(file) => return Ok((path, file)),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error).with_context(|| format!("{} cannot be made", path.display())),
        }
    }
    Err(failure(format!("{} is full of this room", directory.display()), "move what is in it elsewhere"))
}
