//! What is answered: each question is put to the node, and its answer written as `shapes` has it.

use std::sync::Arc;

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::Method;
use hyper::body::{Body, Incoming};
use party_core::address::RoomAddress;
use party_core::large;
use party_node::inspection::InspectError;
use party_node::node::Node;
use party_node::project::Project;
use party_node::transfer::room_file::{FILE_BYTES_MAX, RoomFile};
use party_node::transfer::{Brought, ExportError, ForkError, ImportError, RecordedError};
use serde::Serialize;

use crate::admin::conversation::Desk;
use crate::admin::question::{Question, QuestionError};
use crate::admin::shapes::{Arrived, Details, Host, Rooms, Served};
use crate::admin::{deploy, metrics};

/// An answer.
pub(super) enum Answer {
    Json(Bytes),
    Text(String),
    File(Bytes),
}

/// No answer, and why.
pub(super) struct Refused {
    pub(super) status: u16,
    /// What is wrong, perhaps with a hint behind it.
    pub(super) error: String,
}

pub(super) fn refused(status: u16, error: impl ToString) -> Refused {
    Refused { status, error: error.to_string() }
}

/// Answers a request.
pub(super) async fn answer(
    desk: &Desk,
    method: &Method,
    path: &str,
    query: &str,
    body: Incoming,
) -> Result<Answer, Refused> {
    let node = &desk.node;
    let projects: Vec<String> = node.projects().iter().map(|project| project.name.clone()).collect();
    match Question::parse(method, path, query, &projects)? {
        Question::Host => json(&host(node)),
        Question::Rooms(question) => json(&Rooms::of(node.rooms(&question).await?)),
        Question::Room(address) => match node.room(&address).await? {
            Some(details) => json(&Details::of(&details)),
            None => Err(no_such_room(node, &address)),
        },
        Question::Metrics => Ok(Answer::Text(metrics::text(&node.figures().await?))),
        Question::Export(address) => {
            let _place = desk.transfer()?;
            let file = node.export_room(&address).await.map_err(|error| not_exported(node, error))?;
            let mut bytes = buffer(file.file_bytes_max())?;
            file.write(&mut bytes).map_err(|error| refused(500, error))?;
            Ok(Answer::File(bytes.into()))
        }
        Question::Recorded(address) => {
            let _place = desk.transfer()?;
            let recorded = node.journal_of(&address).await.map_err(|error| not_exported(node, error))?;
            let recorded = recorded.ok_or_else(|| nothing_recorded(node, &address))?;
            let room = recorded.into_room().map_err(|error| not_exported(node, error))?;
            large::claim_u64(room.base.file_bytes_max().saturating_mul(2))
                .map_err(|error| refused(503, error))?;
            Ok(Answer::File(room.encode().map_err(not_sent)?))
        }
        Question::Import(to) => {
            let _place = desk.transfer()?;
            let bytes = collect(body, FILE_BYTES_MAX).await?;
            // It is taken apart into its keys, its values and its memory.
            large::claim(bytes.len()).map_err(|error| refused(503, error))?;
            let file = RoomFile::read(&mut &bytes[..]).map_err(|error| refused(400, error))?;
            drop(bytes);
            let brought = node.import_room(file, &to).await?;
            json(&Arrived::of(&to, &brought, note(node, &to, &brought)))
        }
        Question::Fork { from, to } => {
            let _place = desk.transfer()?;
            let brought = node.fork_room(&from, &to).await.map_err(|error| not_forked(node, error))?;
            json(&Arrived::of(&to, &brought, note(node, &to, &brought)))
        }
        Question::Deploy(party) => deploy::deploy(node, &party, body).await,
        Question::RollBack(party) => deploy::roll_back(node, &party).await,
        Question::Versions(party) => deploy::versions(node, &party).await,
    }
}

fn host(node: &Node) -> Host {
    let served = |project: &Arc<Project>| Served {
        name: project.name.clone(),
        parties: node.party_names(&project.name),
    };
    let projects: Vec<Served> = node.projects().iter().map(served).collect();
    let first =
        projects.first().cloned().unwrap_or_else(|| Served { name: String::new(), parties: Vec::new() });
    Host {
        version: env!("CARGO_PKG_VERSION").into(),
        process: std::process::id(),
        project: first.name,
        parties: first.parties,
        projects,
    }
}

impl Desk {
    /// The place of the one room that can be on its way.
    fn transfer(&self) -> Result<impl Drop + '_, Refused> {
        self.transfers.try_acquire().map_err(|_| refused(503, BUSY))
    }
}

const BUSY: &str = "another room is being exported, imported or forked\nhint: try again when that is done";

/// Collects a file within its bound, in memory that grows with what comes.
pub(super) async fn collect(mut body: Incoming, bytes_max: u64) -> Result<Bytes, Refused> {
    let too_large =
        |bytes: u64| refused(413, format!("the file is {bytes} bytes or more; the limit is {bytes_max}"));
    if body.size_hint().lower() > bytes_max {
        return Err(too_large(body.size_hint().lower()));
    }
    let mut bytes = Vec::new();
    while let Some(frame) = body.frame().await {
        let frame =
            frame.map_err(|error| refused(400, format!("the file did not come in whole: {error}")))?;
        if let Ok(data) = frame.into_data() {
            large::reserve_ahead(&mut bytes, data.len()).map_err(|error| refused(503, error))?;
            bytes.extend_from_slice(&data);
        }
        if bytes.len() as u64 > bytes_max {
            return Err(too_large(bytes.len() as u64));
        }
    }
    Ok(bytes.into())
}

/// Memory for a file that is sent.
fn buffer(bytes: u64) -> Result<Vec<u8>, Refused> {
    large::list(usize::try_from(bytes).unwrap_or(usize::MAX)).map_err(|error| refused(503, error))
}

/// What will stand in the way of a room that has come in.
fn note(node: &Node, to: &RoomAddress, brought: &Brought) -> Option<String> {
    let Some(party) = node.party(to.project(), to.party()) else {
        let (project, party) = (to.project(), to.party());
        return Some(format!(
            "this host serves no party {project}/{party}; the room waits for one that does"
        ));
    };
    let served = party_core::commit::ComponentDigest(party.component.digest().0);
    let differs = brought.component.is_some_and(|component| component != served);
    differs.then(|| {
        "this host serves the party with another component: the room goes on with its own until it is quiet, and then with that one"
            .into()
    })
}

/// Whoever named the room may have got its party wrong.
fn no_such_room(node: &Node, address: &RoomAddress) -> Refused {
    let (project, party, _) = address.names();
    let (named, parties) = (node.named(address), node.party_names(project));
    let what = match node.projects() {
        _ if parties.iter().any(|known| known == party) => format!("there is no room {named}"),
        [only] if only.name == project => {
            format!("there is no room {named}, and no party {party}: this host serves {}", parties.join(", "))
        }
        [_] => format!("there is no room {named}"),
        several if parties.is_empty() => {
            let names: Vec<&str> = several.iter().map(|project| project.name.as_str()).collect();
            format!(
                "there is no room {named}, and no project {project}: this host serves {}",
                names.join(", ")
            )
        }
        _ => format!(
            "there is no room {named}, and no party {party} in {project}, which has {}",
            parties.join(", ")
        ),
    };
    refused(404, format!("{what}\nhint: `party-host rooms` lists those that there are"))
}

pub(super) fn json<T: Serialize>(value: &T) -> Result<Answer, Refused> {
    let bytes = serde_json::to_vec(value).map_err(|error| refused(500, error))?;
    Ok(Answer::Json(bytes.into()))
}

impl From<QuestionError> for Refused {
    fn from(error: QuestionError) -> Refused {
        let status = match &error {
            QuestionError::Path { .. } => 404,
            QuestionError::Method { .. } => 405,
            QuestionError::UnknownField(_)
            | QuestionError::Ambiguous { .. }
            | QuestionError::Twice(_)
            | QuestionError::Missing(_)
            | QuestionError::Value { .. }
            | QuestionError::Address(_) => 400,
        };
        refused(status, error)
    }
}

impl From<InspectError> for Refused {
    fn from(error: InspectError) -> Refused {
        refused(503, error)
    }
}

fn not_exported(node: &Node, error: ExportError) -> Refused {
    match &error {
        ExportError::NoSuchRoom(address) => no_such_room(node, address),
        ExportError::TooLarge { .. } => refused(413, error),
        // Of the moment: what was asked is right, and may be done when it is asked again.
        ExportError::Restless { .. }
        | ExportError::Moving
        | ExportError::Journal
        | ExportError::NotNow(_) => refused(503, error),
        ExportError::NoComponent
        | ExportError::Version(_)
        | ExportError::TakeAgain(_)
        | ExportError::Storage(_) => refused(500, error),
        ExportError::Inspect(_) => refused(503, error),
    }
}

/// It is not durable, or was saved just now.
fn nothing_recorded(node: &Node, address: &RoomAddress) -> Refused {
    let hint = node.why_nothing_is_recorded(address);
    refused(409, format!("{} has no recorded turns\nhint: {hint}", node.named(address)))
}

fn not_sent(error: RecordedError) -> Refused {
    match error {
        RecordedError::TooLarge { .. } => refused(413, error),
        RecordedError::Base(_) | RecordedError::Length => refused(500, error),
    }
}

fn not_forked(node: &Node, error: ForkError) -> Refused {
    match error {
        ForkError::Export(error) => not_exported(node, error),
        ForkError::Import(error) => error.into(),
    }
}

impl From<ImportError> for Refused {
    fn from(error: ImportError) -> Refused {
        let status = match &error {
            ImportError::Exists(_) => 409,
            ImportError::Memory { .. } => 413,
            ImportError::OtherComponent { .. }
            | ImportError::Checkpoint(_)
            | ImportError::Unfit(_)
            | ImportError::Image(_)
            | ImportError::Ids(_)
            | ImportError::Alarm(_) => 400,
            ImportError::Storage(_) | ImportError::Keep(_) | ImportError::Commit(_) => 500,
            ImportError::Inspect(_) | ImportError::NoMemory(_) => 503,
        };
        refused(status, error)
    }
}
