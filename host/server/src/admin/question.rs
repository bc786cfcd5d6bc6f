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
    Deploy(String),
    /// `POST /rollback`: serve the version of a party again that was served before.
    RollBack(String),
    /// `GET /versions`: how far the rooms of a party have come with the version that is served.
    Versions(String),
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
    /// Names a room that cannot be.
    #[error(transparent)]
    Address(#[from] AddressError),
}

/// The most of anything that is repeated in an error.
const SHOWN_CHARS_MAX: usize = 64;

fn shown(text: &str) -> String {
    text.chars().take(SHOWN_CHARS_MAX).collect()
}

impl Question {
    /// Reads a request's first line. Rooms that name no project are of `project`.
    pub fn parse(method: &Method, path: &str, query: &str, project: &str) -> Result<Question, QuestionError> {
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
                Question::Rooms(rooms(&mut fields, project)?)
            }
            "/room" => {
                takes("/room", Method::GET)?;
                Question::Room(fields.needed_room("room", project)?)
            }
            "/export" => {
                takes("/export", Method::GET)?;
                Question::Export(fields.needed_room("room", project)?)
            }
            "/recorded" => {
                takes("/recorded", Method::GET)?;
                Question::Recorded(fields.needed_room("room", project)?)
            }
            "/import" => {
                takes("/import", Method::POST)?;
                Question::Import(fields.needed_room("room", project)?)
            }
            "/fork" => {
                takes("/fork", Method::POST)?;
                let from = fields.needed_room("room", project)?;
                Question::Fork { from, to: fields.needed_room("to", project)? }
            }
            "/deploy" => {
                takes("/deploy", Method::POST).and_then(|()| fields.party()).map(Question::Deploy)?
            }
            "/rollback" => {
                takes("/rollback", Method::POST).and_then(|()| fields.party()).map(Question::RollBack)?
            }
            "/versions" => {
                takes("/versions", Method::GET).and_then(|()| fields.party()).map(Question::Versions)?
            }
            other => return Err(QuestionError::Path { path: shown(other) }),
        };
        fields.done()?;
        Ok(question)
    }
}

fn rooms(fields: &mut Fields, project: &str) -> Result<RoomsQuestion, QuestionError> {
    let project = fields.take("project").unwrap_or_else(|| project.to_owned());
    check_name("project", &project)?;
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
    let after = fields.take("after").map(|room| parse_room(&room, &project)).transpose()?;
    let prefix = fields.take("prefix").unwrap_or_default();
    let (state, limit) = (state.transpose()?, limit.transpose()?.unwrap_or(LIMIT_DEFAULT));
    Ok(RoomsQuestion { project, party, prefix, state, after, limit })
}

/// A room as people name it: `party/room`, or `project/party/room`.
pub fn parse_room(text: &str, project: &str) -> Result<RoomAddress, QuestionError> {
    let parts: Vec<&str> = text.splitn(4, '/').collect();
    match parts[..] {
        [party, room] => Ok(RoomAddress::new(project, party, room)?),
        [project, party, room] => Ok(RoomAddress::new(project, party, room)?),
        _ => Err(QuestionError::Value { field: "room", value: shown(text), wanted: "PARTY/ROOM" }),
    }
}

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

    fn needed_room(&mut self, name: &'static str, project: &str) -> Result<RoomAddress, QuestionError> {
        parse_room(&self.take(name).ok_or(QuestionError::Missing(name))?, project)
    }

    fn party(&mut self) -> Result<String, QuestionError> {
        let party = self.take("party").ok_or(QuestionError::Missing("party"))?;
        check_name("party", &party)?;
        Ok(party)
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
mod tests {
    use hyper::Method;
    use party_core::address::RoomAddress;
    use party_node::inspection::{RoomState, RoomsQuestion};

    use super::{Question, encode};

    fn parse(method: &Method, target: &str) -> Result<Question, String> {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        Question::parse(method, path, query, "mine").map_err(|error| error.to_string())
    }

    fn room(project: &str, party: &str, room: &str) -> RoomAddress {
        RoomAddress::new(project, party, room).unwrap()
    }

    #[test]
    fn questions_are_read_with_their_defaults() {
        let rooms = RoomsQuestion {
            project: "mine".into(),
            party: None,
            prefix: String::new(),
            state: None,
            after: None,
            limit: 100,
        };
        let get = |target| parse(&Method::GET, target).unwrap();
        assert_eq!(get("/"), Question::Host);
        assert_eq!(get("/metrics"), Question::Metrics);
        assert_eq!(get("/rooms"), Question::Rooms(rooms.clone()));
        let all = "/rooms?party=main&prefix=a%26b&state=asleep&after=main/x%20y&limit=1000";
        let expected = RoomsQuestion {
            party: Some("main".into()),
            prefix: "a&b".into(),
            state: Some(RoomState::Asleep),
            after: Some(room("mine", "main", "x y")),
            limit: 1000,
            ..rooms
        };
        assert_eq!(get(all), Question::Rooms(expected));
        assert_eq!(get("/room?room=main/lobby"), Question::Room(room("mine", "main", "lobby")));
        assert_eq!(get("/export?room=other/main/lobby"), Question::Export(room("other", "main", "lobby")));
        assert_eq!(get("/versions?party=main"), Question::Versions("main".into()));
        let deploy = parse(&Method::POST, "/deploy?party=main").unwrap();
        assert_eq!(deploy, Question::Deploy("main".into()));
        let fork = parse(&Method::POST, "/fork?room=main/a&to=main/b").unwrap();
        let (from, to) = (room("mine", "main", "a"), room("mine", "main", "b"));
        assert_eq!(fork, Question::Fork { from, to });
    }

    #[test]
    fn what_is_not_understood_is_said() {
        let long = format!("/{}", "x".repeat(10_000));
        let cases = [
            (Method::GET, "/nothing", "there is nothing at \"/nothing\""),
            (Method::GET, long.as_str(), "there is nothing at \"/xxx"),
            (Method::POST, "/rooms", "/rooms takes GET"),
            (Method::GET, "/deploy?party=main", "/deploy takes POST"),
            (Method::POST, "/deploy", "the field \"party\" is missing"),
            (Method::POST, "/rollback?party=A", "party name \"A\" is not allowed"),
            (Method::POST, "/versions?party=main", "/versions takes GET"),
            (Method::GET, "/fork?room=a/b&to=c/d", "/fork takes POST"),
            (Method::GET, "/import?room=a/b", "/import takes POST"),
            (Method::GET, "/?room=a/b", "there is no field \"room\" here"),
            (Method::GET, "/room?room=a/b&x", "there is no field \"x\" here"),
            (Method::GET, "/room?room=a/b&room=a/c", "the field \"room\" is there twice"),
            (Method::GET, "/room", "the field \"room\" is missing"),
            (Method::POST, "/fork?room=a/b", "the field \"to\" is missing"),
            (Method::GET, "/room?room=lobby", "room is \"lobby\"; it must be PARTY/ROOM"),
            (Method::GET, "/room?room=a/b/c/d", "room is \"a/b/c/d\"; it must be PARTY/ROOM"),
            (Method::GET, "/room?room=A/b", "party name \"A\" is not allowed"),
            (Method::GET, "/room?room=a/", "the room id is empty"),
            (Method::GET, "/room?room=a/%00", "the room id holds '\\0'"),
            (Method::GET, "/room?room=a/%ff", "the query is \"a/\u{fffd}\"; it must be UTF-8"),
            (Method::GET, "/rooms?state=tired", "state is \"tired\"; it must be awake"),
            (Method::GET, "/rooms?limit=0", "limit is \"0\"; it must be 1 to 1000"),
            (Method::GET, "/rooms?limit=1001", "limit is \"1001\""),
            (Method::GET, "/rooms?limit=-1", "limit is \"-1\""),
            (Method::GET, "/rooms?project=..", "project name \"..\" is not allowed"),
            (Method::GET, "/rooms?after=x", "room is \"x\""),
        ];
        for (method, target, expected) in cases {
            let error = parse(&method, target).unwrap_err();
            assert!(error.starts_with(expected), "{target}: {error:?}");
            assert!(error.len() < 200, "{target}: {error:?}");
        }
    }

    #[test]
    fn what_is_encoded_is_read_again() {
        for name in ["lobby", "a b&c=d%41", "éß", "[]&;"] {
            let question = parse(&Method::GET, &format!("/room?room={}", encode(&format!("main/{name}"))));
            assert_eq!(question, Ok(Question::Room(room("mine", "main", name))));
        }
    }
}
