//! What the admin socket can be asked: a path and a query, parsed once, all of it or nothing.

use hyper::Method;
use party_core::address::{AddressError, RoomAddress, check_name};
use party_core::query::decode_bytes;
use party_node::inspection::{PAGE_ROOMS_MAX, RoomState, RoomsQuestion};
use thiserror::Error;

/// Rooms on a page unless said otherwise.
pub const LIMIT_DEFAULT: usize = 100;

/// What can be asked.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Question {
    /// `GET /`: who is this?
    Host,
    /// `GET /rooms`: a page of rooms.
    Rooms(RoomsQuestion),
    /// `GET /room`: one room in full.
    Room(RoomAddress),
    /// `GET /metrics`
    Metrics,
    /// `GET /export`: a room as a file.
    Export(RoomAddress),
    /// `GET /recorded`: what is recorded of a durable room, and the room with which that begins.
    Recorded(RoomAddress),
    /// `POST /import`: a room out of a file, which is the body.
    Import(RoomAddress),
    /// `POST /fork`: a copy of a room.
    Fork {
        /// Of which.
        from: RoomAddress,
        /// Where.
        to: RoomAddress,
    },
    /// `POST /deploy`: serve another version of a party, whose component is the body.
    Deploy(PartyName),
    /// `POST /rollback`: serve the version of a party again that was served before.
    RollBack(PartyName),
    /// `GET /versions`: how far the rooms of a party have come with the version that is served.
    Versions(PartyName),
}

/// A party of a project.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PartyName {
    /// The project.
    pub project: String,
    /// The party.
    pub party: String,
}

/// Why something was not understood.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
pub enum QuestionError {
    /// No such path.
    #[error(
        "there is nothing at {path:?}; ask /, /rooms, /room, /metrics, /export, /recorded, /import, /fork, /deploy, /rollback or /versions"
    )]
    Path {
        /// As much of it as is fit to print.
        path: String,
    },
    /// The path is asked in another way.
    #[error("{path} takes {wanted}")]
    Method {
        /// The path.
        path: &'static str,
        /// The method that it takes.
        wanted: Method,
    },
    /// A field of the query is not known here.
    #[error("there is no field {0:?} here")]
    UnknownField(String),
    /// A field is there twice.
    #[error("the field {0:?} is there twice")]
    Twice(String),
    /// A field that is needed is not there.
    #[error("the field {0:?} is missing")]
    Missing(&'static str),
    /// A field holds what it cannot.
    #[error("{field} is {value:?}; it must be {wanted}")]
    Value {
        /// Its name.
        field: &'static str,
        /// What it holds, as much as is fit to print.
        value: String,
        /// What it may hold.
        wanted: &'static str,
    },
    /// There are several projects, and none is named.
    #[error(
        "there are several projects here, {}: {}",
        listed(projects),
        match room {
            Some(room) => format!("name the room as PROJECT/PARTY/ROOM, for example {}/{room}", projects[0]),
            None => "name one as project=".into(),
        }
    )]
    Ambiguous {
        /// The projects, two at least.
        projects: Vec<String>,
        /// What was named, as much as is fit to print, if it was a room.
        room: Option<String>,
    },
    /// Names a room that cannot be.
    #[error(transparent)]
    Address(#[from] AddressError),
}

/// As many projects as are told of.
const PROJECTS_SHOWN: usize = 16;

fn listed(projects: &[String]) -> String {
    let more = if projects.len() > PROJECTS_SHOWN { ", …" } else { "" };
    projects.iter().take(PROJECTS_SHOWN).map(String::as_str).collect::<Vec<_>>().join(", ") + more
}

/// The most of anything that is repeated in an error.
const SHOWN_CHARS_MAX: usize = 64;

fn shown(text: &str) -> String {
    text.chars().take(SHOWN_CHARS_MAX).collect()
}

impl Question {
    /// Reads a request's first line. Rooms and parties that name no project are of the one that there is: of several, they must
    /// name it.
    pub fn parse(
        method: &Method,
        path: &str,
        query: &str,
        projects: &[String],
    ) -> Result<Question, QuestionError> {
        let mut fields = Fields::parse(query)?;
        let takes = |path: &'static str, wanted: Method| match *method == wanted {
            true => Ok(()),
            false => Err(QuestionError::Method { path, wanted }),
        };
        let question = match path {
            "/" => takes("/", Method::GET).map(|()| Question::Host)?,
            "/metrics" => takes("/metrics", Method::GET).map(|()| Question::Metrics)?,
            "/rooms" => {
                takes("/rooms", Method::GET)?;
                Question::Rooms(rooms(&mut fields, projects)?)
            }
            "/room" => {
                takes("/room", Method::GET)?;
                Question::Room(fields.needed_room("room", projects)?)
            }
            "/export" => {
                takes("/export", Method::GET)?;
                Question::Export(fields.needed_room("room", projects)?)
            }
            "/recorded" => {
                takes("/recorded", Method::GET)?;
                Question::Recorded(fields.needed_room("room", projects)?)
            }
            "/import" => {
                takes("/import", Method::POST)?;
                Question::Import(fields.needed_room("room", projects)?)
            }
            "/fork" => {
                takes("/fork", Method::POST)?;
                let from = fields.needed_room("room", projects)?;
                Question::Fork { from, to: fields.needed_room("to", projects)? }
            }
            "/deploy" => {
                takes("/deploy", Method::POST).and_then(|()| fields.party(projects)).map(Question::Deploy)?
            }
            "/rollback" => takes("/rollback", Method::POST)
                .and_then(|()| fields.party(projects))
                .map(Question::RollBack)?,
            "/versions" => takes("/versions", Method::GET)
                .and_then(|()| fields.party(projects))
                .map(Question::Versions)?,
            other => return Err(QuestionError::Path { path: shown(other) }),
        };
        fields.done()?;
        Ok(question)
    }
}

fn rooms(fields: &mut Fields, projects: &[String]) -> Result<RoomsQuestion, QuestionError> {
    let project = fields.project(projects)?;
    let party = fields.take("party");
    if let Some(party) = &party {
        check_name("party", party)?;
    }
    let state = fields.take("state").map(|name| {
        let wanted = "awake, starting, asleep, suspended, stored, damaged or waiting";
        let error = || QuestionError::Value { field: "state", value: shown(&name), wanted };
        RoomState::named(&name).ok_or_else(error)
    });
    let limit = fields.take("limit").map(|text| {
        let error = || QuestionError::Value { field: "limit", value: shown(&text), wanted: "1 to 1000" };
        text.parse().ok().filter(|limit| (1..=PAGE_ROOMS_MAX).contains(limit)).ok_or_else(error)
    });
    let after =
        fields.take("after").map(|room| parse_room(&room, std::slice::from_ref(&project))).transpose()?;
    let prefix = fields.take("prefix").unwrap_or_default();
    let (state, limit) = (state.transpose()?, limit.transpose()?.unwrap_or(LIMIT_DEFAULT));
    Ok(RoomsQuestion { project, party, prefix, state, after, limit })
}

/// A room as people name it: `party/room` where there is one project, or `project/party/room`.
pub fn parse_room(text: &str, projects: &[String]) -> Result<RoomAddress, QuestionError> {
    let parts: Vec<&str> = text.splitn(4, '/').collect();
    match parts[..] {
        [party, room] => Ok(RoomAddress::new(the_one(projects, Some(text))?, party, room)?),
        [project, party, room] => Ok(RoomAddress::new(project, party, room)?),
        _ => Err(QuestionError::Value { field: "room", value: shown(text), wanted: "PARTY/ROOM" }),
    }
}

/// The project that is meant where none is named.
fn the_one<'a>(projects: &'a [String], room: Option<&str>) -> Result<&'a str, QuestionError> {
    match projects {
        [] => Ok(NO_PROJECT),
        [only] => Ok(only),
        several => Err(QuestionError::Ambiguous { projects: several.to_vec(), room: room.map(shown) }),
    }
}

/// What stands for the project where there is none, and so no room.
const NO_PROJECT: &str = "-";

/// The fields of a query, each at most once.
struct Fields(Vec<(String, String)>);

impl Fields {
    fn parse(query: &str) -> Result<Fields, QuestionError> {
        let mut fields: Vec<(String, String)> = Vec::new();
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let value = String::from_utf8(decode_bytes(value)).map_err(|error| QuestionError::Value {
                field: "the query",
                value: shown(&String::from_utf8_lossy(error.as_bytes())),
                wanted: "UTF-8, percent-encoded",
            })?;
            if fields.iter().any(|(known, _)| known == name) {
                return Err(QuestionError::Twice(shown(name)));
            }
            fields.push((name.to_owned(), value));
        }
        Ok(Fields(fields))
    }

    fn take(&mut self, name: &str) -> Option<String> {
        let index = self.0.iter().position(|(known, _)| known == name)?;
        Some(self.0.swap_remove(index).1)
    }

    fn needed_room(&mut self, name: &'static str, projects: &[String]) -> Result<RoomAddress, QuestionError> {
        parse_room(&self.take(name).ok_or(QuestionError::Missing(name))?, projects)
    }

    fn project(&mut self, projects: &[String]) -> Result<String, QuestionError> {
        let project = match self.take("project") {
            Some(project) => project,
            None => the_one(projects, None)?.to_owned(),
        };
        check_name("project", &project)?;
        Ok(project)
    }

    fn party(&mut self, projects: &[String]) -> Result<PartyName, QuestionError> {
        let party = self.take("party").ok_or(QuestionError::Missing("party"))?;
        check_name("party", &party)?;
        Ok(PartyName { project: self.project(projects)?, party })
    }

    fn done(self) -> Result<(), QuestionError> {
        match self.0.into_iter().next() {
            Some((name, _)) => Err(QuestionError::UnknownField(shown(&name))),
            None => Ok(()),
        }
    }
}

/// A value as it stands in a query: all but what means nothing there is encoded.
pub fn encode(value: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte);
    value
        .bytes()
        .map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}

#[cfg(test)]
mod tests;
