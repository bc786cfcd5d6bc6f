//! Who knows about the rooms of a data directory: the host that runs on it, or, if none does, its store.
//!
//! The store is opened only if there is one, and only by who holds its lock, so no host can be running. Reading it
//! changes nothing of it.

use std::future::Future;
use std::path::Path;

use anyhow::{Context, Result, anyhow};
use party_core::address::{NAME_BYTES_MAX, ROOM_BYTES_MAX, RoomAddress};
use party_node::transfer::{ExportError, ImportError};
use party_server::admin::client::{AskError, RunningHost};
use party_server::admin::question::parse_room;
use party_server::admin::shapes::Host;
use party_store::redb_store::{OpenError, RedbOptions, RedbStore};
use party_store::store::{RoomsQuery, RoomsScope, Store};
use tokio::runtime::{Builder, Runtime};

use crate::problem::{failure, usage};

/// As many parties as are told of.
const PARTIES_SHOWN: usize = 16;

/// Who knows about the rooms.
pub(crate) enum Knows {
    /// A host that runs.
    Host(Box<Asked>),
    /// Nobody but the store.
    Store(Box<RedbStore>),
}

/// A host that runs, and what is needed to ask it.
pub(crate) struct Asked {
    runtime: Runtime,
    pub(crate) host: RunningHost,
    pub(crate) itself: Host,
}

impl Asked {
    /// Waits for an answer.
    pub(crate) fn wait<T>(&self, answer: impl Future<Output = Result<T, AskError>>) -> Result<T> {
        self.runtime.block_on(answer).map_err(problem)
    }
}

/// An answer that was refused because of what was asked is a matter of usage.
fn problem(error: AskError) -> anyhow::Error {
    match error {
        AskError::Refused { status: 400 | 404 | 409 | 413, error, hint: Some(hint) } => usage(error, hint),
        AskError::Refused { status: 400 | 404 | 409 | 413, error, hint: None } => {
            usage(error, "`--help` says what can be asked")
        }
        AskError::Refused { .. }
        | AskError::Place(_)
        | AskError::Ended { .. }
        | AskError::Broken { .. }
        | AskError::Late => error.into(),
    }
}

/// Finds out who knows about the rooms of a data directory.
pub(crate) fn who_knows(data: &Path) -> Result<Knows> {
    let found = RunningHost::find(data)?;
    if let Some(host) = found {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let itself = runtime.block_on(host.json("GET", "/")).map_err(problem)?;
        return Ok(Knows::Host(Box::new(Asked { runtime, host, itself })));
    }
    if !RedbStore::is_in(data) {
        return Err(usage(
            format!("there are no rooms in {}", data.display()),
            "name the data directory of the host with --data, as it was started with",
        ));
    }
    match RedbStore::open(data, RedbOptions::default()) {
        Ok(store) => Ok(Knows::Store(Box::new(store))),
        Err(OpenError::InUse { holder, .. }) => Err(failure(
            format!("process {holder} uses {} and does not answer at its admin socket", data.display()),
            "it may be starting or stopping: try again in a moment",
        )),
        Err(error) => Err(error).with_context(|| format!("the store in {} cannot be read", data.display())),
    }
}

/// A room as it was named, of this project unless it names one.
pub(crate) fn room(text: &str, project: &str) -> Result<RoomAddress> {
    parse_room(text, project)
        .map_err(|error| usage(error.to_string(), "name a room as PARTY/ROOM, for example main/lobby"))
}

/// The project of a store's rooms. `None` if it has none; an error if it has several, because then a room must say
/// whose it is.
pub(crate) fn project(store: &dyn Store) -> Result<Option<String>> {
    let first = |after: Option<&RoomAddress>| {
        store.rooms(&RoomsQuery { scope: RoomsScope::Everything, after, limit: 1 })
    };
    let Some((one, _)) = first(None)?.into_iter().next() else { return Ok(None) };
    let last = last_room(one.project(), &"z".repeat(NAME_BYTES_MAX))?;
    match first(Some(&last))?.into_iter().next() {
        None => Ok(Some(one.project().to_owned())),
        Some((other, _)) => Err(usage(
            format!(
                "rooms of several projects are kept here, {} and {} among them",
                one.project(),
                other.project()
            ),
            "start the host of one of them and ask that",
        )),
    }
}

/// No room of a party comes after this one.
fn last_room(project: &str, party: &str) -> Result<RoomAddress> {
    let room = char::MAX.to_string().repeat(ROOM_BYTES_MAX / char::MAX.len_utf8());
    Ok(RoomAddress::new(project, party, &room)?)
}

/// The parties of a project of which rooms are kept, up to [`PARTIES_SHOWN`].
pub(crate) fn parties(store: &dyn Store, project: &str) -> Result<Vec<String>> {
    let (mut parties, mut last): (Vec<String>, Option<RoomAddress>) = (Vec::new(), None);
    while parties.len() < PARTIES_SHOWN {
        let query = RoomsQuery { scope: RoomsScope::Project(project), after: last.as_ref(), limit: 1 };
        let Some((room, _)) = store.rooms(&query)?.into_iter().next() else { break };
        last = Some(last_room(project, room.party())?);
        parties.push(room.party().to_owned());
    }
    Ok(parties)
}

/// A store holds no such room: the answer for whoever named it, who may have got its party wrong.
pub(crate) fn no_such_room(store: &dyn Store, address: &RoomAddress) -> anyhow::Error {
    let (party, room) = (address.party(), address.room());
    let message = match parties(store, address.project()) {
        Ok(parties) if parties.is_empty() || parties.iter().any(|known| known == party) => {
            format!("there is no room {party}/{room}")
        }
        Ok(parties) => format!(
            "there is no room {party}/{room}, and none of a party {party}: those that are kept here are of {}",
            parties.join(", ")
        ),
        Err(error) => return error,
    };
    usage(message, "`party-host rooms` lists those that there are")
}

/// A failure to take a room out of a store, for the person who asked for it.
pub(crate) fn not_exported(store: &dyn Store, error: ExportError) -> anyhow::Error {
    match error {
        ExportError::NoSuchRoom(address) => no_such_room(store, &address),
        other => anyhow!(other),
    }
}

/// A failure to bring a room in, for the person who asked for it.
pub(crate) fn not_imported(error: ImportError) -> anyhow::Error {
    match error {
        ImportError::Exists(address) => usage(
            format!("there is a room {}/{} already", address.party(), address.room()),
            "choose another name",
        ),
        ImportError::OtherComponent { .. }
        | ImportError::Checkpoint(_)
        | ImportError::Unfit(_)
        | ImportError::Image(_)
        | ImportError::Ids(_)
        | ImportError::Alarm(_) => usage(error.to_string(), "export the room again"),
        ImportError::Memory { .. }
        | ImportError::Storage(_)
        | ImportError::Keep(_)
        | ImportError::Commit(_)
        | ImportError::NoMemory(_)
        | ImportError::Inspect(_) => anyhow!(error),
    }
}
