//! Who knows about the rooms of a data directory: the host that runs on it, or, if none does, its store.
//!
//! The store is opened only if there is one, and only by who holds its lock, so no host can be running. Reading it
//! changes nothing of it.

use std::future::Future;
use std::path::Path;

use anyhow::{Context, Result, anyhow};
use party_core::address::RoomAddress;
use party_node::project::{kept_parties, kept_projects};
use party_node::transfer::{ExportError, ImportError};
use party_server::admin::client::{AskError, RunningHost};
use party_server::admin::question::{QuestionError, parse_room};
use party_server::admin::shapes::Host;
use party_store::redb_store::{OpenError, RedbOptions, RedbStore};
use party_store::store::Store;
use tokio::runtime::{Builder, Runtime};

use crate::problem::{failure, usage};

/// As many parties as are told of.
pub(crate) const PARTIES_SHOWN: usize = 16;
/// Projects that are looked for in a store.
const PROJECTS_MAX: usize = 65_536;

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

impl Knows {
    /// The projects that a room can be of.
    pub(crate) fn projects(&self) -> Result<Projects> {
        match self {
            Knows::Host(asked) => Ok(asked.projects()),
            Knows::Store(store) => Projects::of_store(store.as_ref()),
        }
    }
}

impl Asked {
    /// The projects that the host serves.
    pub(crate) fn projects(&self) -> Projects {
        Projects(self.itself.projects.iter().map(|project| project.name.clone()).collect())
    }
}

/// The projects that a room can be of: those that a host serves, or of which a store keeps rooms or versions. Of several, a room
/// must say whose it is, and is shown so.
#[derive(Default)]
pub(crate) struct Projects(Vec<String>);

impl Projects {
    /// Those that a store knows of.
    pub(crate) fn of_store(store: &dyn Store) -> Result<Projects> {
        let mut names = kept_projects(store, PROJECTS_MAX)?;
        // What is damaged of them is told by whoever needs it.
        names.extend(store.versions().unwrap_or_default().into_iter().map(|versions| versions.project));
        names.sort();
        names.dedup();
        Ok(Projects(names))
    }

    /// This one, and no other.
    pub(crate) fn only(name: &str) -> Projects {
        Projects(vec![name.to_owned()])
    }

    /// Their names.
    pub(crate) fn names(&self) -> &[String] {
        &self.0
    }

    /// A room as it was named.
    pub(crate) fn room(&self, text: &str) -> Result<RoomAddress> {
        parse_room(text, &self.0).map_err(|error| match error {
            QuestionError::Ambiguous { projects, .. } => usage(
                format!("there are several projects here: {}", projects.join(", ")),
                format!("name a room as PROJECT/PARTY/ROOM, for example {}/{text}", projects[0]),
            ),
            error => usage(error.to_string(), "name a room as PARTY/ROOM, for example main/lobby"),
        })
    }

    /// As a person names a room: what [`Projects::room`] reads.
    pub(crate) fn named(&self, project: &str, party: &str, room: &str) -> String {
        match &self.0[..] {
            [only] if only == project => format!("{party}/{room}"),
            [] => format!("{party}/{room}"),
            _ => format!("{project}/{party}/{room}"),
        }
    }

    /// The same.
    pub(crate) fn name_of(&self, address: &RoomAddress) -> String {
        let (project, party, room) = address.names();
        self.named(project, party, room)
    }

    /// As a person names a party.
    pub(crate) fn party(&self, project: &str, party: &str) -> String {
        if self.0.len() > 1 { format!("{project}/{party}") } else { party.to_owned() }
    }
}

/// A store holds no such room: the answer for whoever named it, who may have got its party wrong.
pub(crate) fn no_such_room(store: &dyn Store, address: &RoomAddress) -> anyhow::Error {
    let (projects, parties) =
        match (Projects::of_store(store), kept_parties(store, address.project(), PARTIES_SHOWN)) {
            (Ok(projects), Ok(parties)) => (projects, parties),
            (Err(error), _) => return error,
            (_, Err(error)) => return error.into(),
        };
    let (named, party) = (projects.name_of(address), address.party());
    let message = match parties.is_empty() || parties.iter().any(|known| known == party) {
        true => format!("there is no room {named}"),
        false => format!(
            "there is no room {named}, and none of a party {party}: those that are kept here are of {}",
            parties.join(", ")
        ),
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
pub(crate) fn not_imported(store: &dyn Store, error: ImportError) -> anyhow::Error {
    match error {
        ImportError::Exists(address) => match Projects::of_store(store) {
            Ok(projects) => usage(
                format!("there is a room {} already", projects.name_of(&address)),
                "choose another name",
            ),
            Err(error) => error,
        },
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
