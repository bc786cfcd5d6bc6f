//! `party-host checkpoint`: rooms out to files, and in from them.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result};
use party_core::address::RoomAddress;
use party_core::event::ResumeReason;
use party_node::chance::Chance;
use party_node::clock::{Clock, SystemClock};
use party_node::transfer::{Elsewhere, ExportError, export, export_left, import};
use party_runtime::snapshot::MEMORY_BYTES_MAX;
use party_server::admin::question::encode;
use party_server::admin::shapes::Arrived;
use party_store::room_file::{FILE_BYTES_MAX, RoomFile};
use party_store::store::Store;
use tokio::runtime::Builder;

use crate::args::admin::{Checkpoint, CheckpointCommand};
use crate::asking::{Knows, Projects, not_exported, not_imported, who_knows};
use crate::commands::replay::engine;
use crate::problem::usage;
use crate::telling::bytes;

/// Such a room was volatile, or has stored something since it was last saved, when its host was killed.
const WITHOUT_VARIABLES: &str =
    "without variables: none are kept that fit to its storage; it starts afresh from that";

pub(crate) fn run(checkpoint: &Checkpoint) -> Result<()> {
    match &checkpoint.what {
        CheckpointCommand::Export { room, file, at } => export_room(room, file, &at.data),
        CheckpointCommand::Import { file, room, at } => import_room(file, room, &at.data),
    }
}

fn export_room(name: &str, path: &Path, data: &Path) -> Result<()> {
    let knows = who_knows(data)?;
    let projects = knows.projects()?;
    let address = projects.room(name)?;
    let written = match knows {
        Knows::Host(asked) => {
            let target = format!("/export?room={}", encode(&address.to_string()));
            let bytes = asked.wait(asked.host.file(&target, FILE_BYTES_MAX))?;
            RoomFile::read(&mut &bytes[..]).context("what the host sent is no room")?
        }
        Knows::Store(store) => take_out(store.as_ref(), &Arc::new(address), data)?,
    };
    write_new(path, |to| Ok(written.write(to)?))?;
    let size = fs::metadata(path).map_or(0, |found| found.len());
    println!("{}: {} in {}", path.display(), contents(&written, &projects), bytes(size));
    if written.memory.is_none() {
        println!("{WITHOUT_VARIABLES} where it is imported");
    }
    Ok(())
}

/// Takes a room out of a store that no host uses, as its last turn left it.
pub(crate) fn take_out(store: &dyn Store, address: &Arc<RoomAddress>, data: &Path) -> Result<RoomFile> {
    let now = SystemClock.now();
    let taken = match export(store, address, now) {
        Err(ExportError::Journal) => {
            eprintln!("its last turns stand in its journal: they are taken again, for the copy");
            let engine = engine(data)?;
            let runtime = Builder::new_current_thread().enable_time().build()?;
            runtime.block_on(export_left(store, &engine, address, now))
        }
        taken => taken,
    };
    taken.map_err(|error| not_exported(store, error))
}

/// Writes a file that is not there yet, for its owner's eyes only. If that fails, it is not there afterwards either.
pub(crate) fn write_new(path: &Path, write: impl FnOnce(&mut dyn Write) -> Result<()>) -> Result<()> {
    let file =
        OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).map_err(
            |error| match error.kind() {
                io::ErrorKind::AlreadyExists => {
                    usage(format!("{} is there already", path.display()), "choose another name")
                }
                _ => usage(format!("{} cannot be made: {error}", path.display()), "choose another place"),
            },
        )?;
    let mut writer = BufWriter::new(&file);
    let written = write(&mut writer).and_then(|()| Ok(writer.flush()?)).and_then(|()| Ok(file.sync_all()?));
    if written.is_err() {
        // What is half written is of no use to anybody; if it cannot go, it is found to be cut.
        let _ = fs::remove_file(path);
    }
    written.with_context(|| format!("{} cannot be written", path.display()))
}

fn contents(file: &RoomFile, projects: &Projects) -> String {
    let memory = if file.memory.is_some() { " and its variables" } else { "" };
    format!("room {} with {} keys{memory}", projects.name_of(&file.address), file.entries.len())
}

fn import_room(path: &Path, name: &str, data: &Path) -> Result<()> {
    let unreadable = |error: io::Error| {
        usage(format!("{} cannot be read: {error}", path.display()), "give a file that `export` wrote")
    };
    let mut whole = Vec::new();
    let file = File::open(path).map_err(unreadable)?;
    // One byte more than there may be is enough to refuse it.
    BufReader::new(file).take(FILE_BYTES_MAX + 1).read_to_end(&mut whole).map_err(unreadable)?;
    let file = RoomFile::read(&mut &whole[..]).map_err(|error| {
        let message = format!("{} cannot be imported: {error}", path.display());
        usage(message, "give a file that `party-host checkpoint export` wrote, as it was written")
    })?;
    let knows = who_knows(data)?;
    let mut projects = knows.projects()?;
    if projects.names().is_empty() {
        projects = Projects::only(file.address.project());
    }
    let address = projects.room(name)?;
    let arrived = match knows {
        Knows::Host(asked) => {
            let target = format!("/import?room={}", encode(&address.to_string()));
            drop(file);
            asked.wait(asked.host.send(&target, whole.into()))?
        }
        Knows::Store(store) => bring(store.as_ref(), file, &address, ResumeReason::Imported)?,
    };
    tell(&arrived, &projects);
    Ok(())
}

/// Brings a room into a store that no host uses.
pub(crate) fn bring(
    store: &dyn Store,
    file: RoomFile,
    to: &RoomAddress,
    reason: ResumeReason,
) -> Result<Arrived> {
    let epoch = store.acquire()?;
    let incarnation = Chance::from_system()?.incarnation();
    let elsewhere = Elsewhere { reason, incarnation, memory_bytes_max: MEMORY_BYTES_MAX };
    let brought = import(store, epoch, file, to, elsewhere);
    let brought = brought.map_err(|error| not_imported(store, error))?;
    Ok(Arrived::of(to, &brought, None))
}

/// Says what has come in.
pub(crate) fn tell(arrived: &Arrived, projects: &Projects) {
    let variables = if arrived.component.is_some() { " and its variables" } else { ", without variables" };
    let named = projects.named(&arrived.project, &arrived.party, &arrived.room);
    let size = bytes(arrived.storage_bytes);
    println!("{named}: {} keys ({size}){variables}", arrived.keys);
    if arrived.component.is_none() {
        println!("{WITHOUT_VARIABLES}");
    }
    if let Some(note) = &arrived.note {
        println!("note: {note}");
    }
}
