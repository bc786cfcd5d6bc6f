//! What a transcript says, line by line.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use party_core::ids::{ConnectionId, NextIds, RequestId, Seed};
use party_core::profile::Profile;

use crate::transcript::payload::Payload;
use crate::transcript::template::Template;
use crate::world::Memory;

/// A transcript that has been read.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Transcript {
    /// What stands before the first step.
    pub settings: Settings,
    /// In the order in which they happen.
    pub steps: Vec<Step>,
    /// The lines of the file.
    pub(crate) lines: Vec<String>,
}

/// What is said before the first step. What is not said is the project's.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Settings {
    /// Parties by name: the file of a component, as written.
    pub parties: Vec<(String, PathBuf)>,
    /// What becomes of rooms' memory.
    pub memory: Option<Memory>,
    /// In whose words clients are answered.
    pub profile: Option<Profile>,
    /// Limits by name.
    pub limits: Vec<(String, u64)>,
    /// Vars by name.
    pub vars: Vec<(String, String)>,
    /// Scheduled runs: names and expressions.
    pub crons: Vec<(String, String)>,
    /// The room of lines that name none.
    pub room: Option<String>,
    /// Where all chance comes from.
    pub seed: Option<u64>,
    /// What the clock says at the beginning, in milliseconds since 1970.
    pub time: Option<u64>,
}

/// A step and where it stands.
#[derive(Clone, PartialEq, Debug)]
pub struct Step {
    /// The number of its line, from 1.
    pub line: usize,
    /// How many lines it has: the headers of a request stand below it.
    pub lines: usize,
    /// What happens.
    pub action: Action,
}

impl Step {
    /// Whether it says what must be so, and does nothing.
    pub(crate) fn expects(&self) -> bool {
        matches!(self.action, Action::Expect(_) | Action::Unordered(_))
    }
}

/// A room as a transcript names it: `PARTY/ROOM`.
pub(crate) type RoomName = String;

/// What happens in a step.
#[derive(Clone, PartialEq, Debug)]
pub enum Action {
    /// Something that a client does.
    Client(String, Deed),
    /// An HTTP request.
    Request(Box<Request>),
    /// The client of the request with this name goes before it is answered.
    Leave(String),
    /// Time passes.
    Advance(Duration),
    /// The clock is set ahead at once.
    Jump(Duration),
    /// What the guest draws in the turns of the next step that does something comes from these, one each.
    Draw(Vec<Seed>),
    /// A room sleeps at once.
    Hibernate(RoomName),
    /// The host dies and starts again after this time.
    Crash(Duration),
    /// It stops in good order and starts again after this time.
    Restart(Duration),
    /// Another version of a party is deployed.
    Upgrade(String, PathBuf),
    /// The version before is.
    RollBack(String),
    /// A copy of the first room, as the second.
    Fork(RoomName, RoomName),
    /// A room becomes a file, for the steps that follow.
    Export(PathBuf, RoomName),
    /// A room from a file.
    Import(PathBuf, RoomName),
    /// A room from a file goes on as the one that it was.
    Continue(Box<Continue>),
    /// What becomes of commits.
    Commits(Commits),
    /// What this client receives is not looked at any more.
    Ignore(String),
    /// What the world outside answers.
    Outbound(Box<Outbound>),
    /// Something must be so.
    Expect(Expectation),
    /// All of these, in any order.
    Unordered(Vec<(usize, Expectation)>),
}

/// A room that goes on as the one that it was.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Continue {
    /// Where it is kept.
    pub file: PathBuf,
    /// Where it goes on.
    pub room: RoomName,
    /// The clients that are still there, by their sessions.
    pub clients: BTreeMap<ConnectionId, String>,
    /// The requests that still wait for an answer.
    pub requests: BTreeMap<RequestId, String>,
    /// The ids that come next; none: its host was started again, and nobody is there.
    pub next: Option<NextIds>,
}

/// What a client does.
#[derive(Clone, PartialEq, Debug)]
pub enum Deed {
    /// It asks for a WebSocket.
    Connect {
        /// To which room; or a path of the host, if it begins with `/`.
        to: String,
        /// Behind the `?`.
        query: Option<Template>,
        /// More headers.
        headers: Vec<(String, Template)>,
    },
    /// It sends a message.
    Send(Payload),
    /// It closes its connection.
    Close(u16, Template),
    /// Its connection breaks.
    Cut,
    /// It reads nothing any more.
    Stall,
    /// So many bytes a second reach it.
    Slow(u64),
    /// Nothing passes on its connection any more, and neither end is told.
    Dead,
}

/// What a URL outside answers.
#[derive(Clone, PartialEq, Debug)]
pub struct Outbound {
    /// `GET`, or `*` for any.
    pub method: String,
    /// In full.
    pub url: Template,
    /// How long after it was asked.
    pub after: Duration,
    /// What.
    pub laid: Laid,
}

/// An answer from outside, or why there is none.
#[derive(Clone, PartialEq, Debug)]
pub enum Laid {
    /// A response.
    Answers {
        /// Its status.
        status: u16,
        /// Its headers.
        headers: Vec<(String, Template)>,
        /// Empty if there is none.
        body: Option<Payload>,
    },
    /// Which failure, and what it says.
    Fails(String, Template),
    /// It never answers.
    Hangs,
}

/// What a room has fetched.
#[derive(Clone, PartialEq, Debug)]
pub struct Fetched {
    /// `GET`.
    pub method: String,
    /// In full.
    pub url: Template,
    /// Some of its headers, by lower-case name.
    pub headers: Vec<(String, Template)>,
    /// None: whatever it is.
    pub body: Option<Payload>,
}

/// What becomes of commits.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Commits {
    /// The next one fails.
    Fail,
    /// All wait.
    Wait,
    /// Those that wait are durable, and none waits any more.
    Go,
}

/// A request and what comes back.
#[derive(Clone, PartialEq, Debug)]
pub struct Request {
    /// What stands before the arrow.
    pub(crate) head: String,
    /// `GET`.
    pub method: String,
    /// As the host sees it.
    pub path: Template,
    /// Headers to be sent.
    pub headers: Vec<(String, Template)>,
    /// Empty if there is none.
    pub body: Option<Payload>,
    /// What becomes of it.
    pub answer: Answer,
}

/// What becomes of a request.
#[derive(Clone, PartialEq, Debug)]
pub enum Answer {
    /// It is answered at once.
    Now(Reply),
    /// It is looked at later, under this name.
    Later(String),
}

/// A response that is expected.
#[derive(Clone, PartialEq, Debug)]
pub struct Reply {
    /// Its status.
    pub status: u16,
    /// Its body; none: whatever it is.
    pub body: Option<Payload>,
    /// Some of its headers, by lower-case name.
    pub headers: Vec<(String, Template)>,
}

/// What must be so.
#[derive(Clone, PartialEq, Debug)]
pub enum Expectation {
    /// What a client received.
    Received(String, Seen),
    /// The response to a request with this name.
    Answered(String, Reply),
    /// What rooms have fetched next.
    Fetched(Box<Fetched>),
    /// Whether a room is awake.
    Awake(RoomName, bool),
    /// What is durable under a key; none: nothing.
    Stored(RoomName, Template, Option<Payload>),
    /// How many keys are durable.
    Keys(RoomName, u64),
    /// A turn was dropped, and why holds this.
    Dropped(Template),
    /// A line that a guest has logged holds this.
    Logged(Template),
}

/// What a client sees next.
#[derive(Clone, PartialEq, Debug)]
pub enum Seen {
    /// A message.
    Message(Payload),
    /// A close, with a code, and with a reason if one is expected.
    Close(u16, Option<Template>),
    /// The end of its connection.
    Lost,
    /// It was not let in.
    Refused(Reply),
    /// Nothing.
    Nothing,
}

impl fmt::Display for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.body {
            None => write!(f, "{}", self.status),
            Some(body) => write!(f, "{} {body}", self.status),
        }
    }
}

impl fmt::Display for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Seen::Message(payload) => payload.fmt(f),
            Seen::Close(code, None) => write!(f, "close {code}"),
            Seen::Close(code, Some(reason)) => write!(f, "close {code} {reason}"),
            Seen::Lost => f.write_str("lost"),
            Seen::Refused(reply) => write!(f, "refused {reply}"),
            Seen::Nothing => f.write_str("nothing"),
        }
    }
}
