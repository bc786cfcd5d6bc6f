//! What a lobby is asked, and what its answers mean: PartyKit's, where it has any.

use std::collections::BTreeSet;

use crate::event::{DropCause, Failure, Handlers};
use crate::http::{Header, Request, Response};
use crate::ids::Timestamp;
use crate::limits::Limits;
use crate::profile::Profile;

/// What the lobby is asked.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum LobbyEvent {
    /// A client wants to connect to a room.
    BeforeConnect(String, Box<Request>),
    /// A request is for a room.
    BeforeRequest(String, Box<Request>),
    /// A URL is no room and no asset.
    Fetch(Box<Request>),
    /// A scheduled run.
    Cron(CronRun),
}

/// A scheduled run.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CronRun {
    /// What it is called in the configuration.
    pub name: String,
    /// When it runs, as it stands there.
    pub expression: String,
    /// The time that it is for; it is never earlier than that.
    pub scheduled_at: Timestamp,
}

/// What a lobby event is about.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LobbyKind {
    /// `before-connect`
    BeforeConnect,
    /// `before-request`
    BeforeRequest,
    /// `on-fetch`
    Fetch,
    /// `on-cron`
    Cron,
}

impl LobbyEvent {
    /// What it is about.
    pub fn kind(&self) -> LobbyKind {
        match self {
            LobbyEvent::BeforeConnect(..) => LobbyKind::BeforeConnect,
            LobbyEvent::BeforeRequest(..) => LobbyKind::BeforeRequest,
            LobbyEvent::Fetch(_) => LobbyKind::Fetch,
            LobbyEvent::Cron(_) => LobbyKind::Cron,
        }
    }

    /// What counts of the request that it is about, where another is to stand in its place.
    pub(super) fn came(&self) -> Option<Came> {
        match self {
            LobbyEvent::BeforeConnect(_, request)
            | LobbyEvent::BeforeRequest(_, request)
            | LobbyEvent::Fetch(request) => {
                let framing = request.headers.iter().filter(|header| header.frames()).cloned().collect();
                let (method, uri) = (request.method.clone(), request.uri.clone());
                Some(Came { method, uri, framing, body_waits: request.body_waits })
            }
            LobbyEvent::Cron(_) => None,
        }
    }
}

/// What counts of a request that has come, where another is to stand in its place.
#[derive(Debug)]
pub(crate) struct Came {
    pub(crate) method: String,
    pub(crate) uri: String,
    /// What its client has said of how long the body is.
    pub(crate) framing: Vec<Header>,
    /// The body is still with the client.
    pub(crate) body_waits: bool,
}

impl LobbyKind {
    /// The handler that takes it.
    pub fn handler(self) -> Handlers {
        match self {
            LobbyKind::BeforeConnect => Handlers::BEFORE_CONNECT,
            LobbyKind::BeforeRequest => Handlers::BEFORE_REQUEST,
            LobbyKind::Fetch => Handlers::ON_FETCH,
            LobbyKind::Cron => Handlers::ON_CRON,
        }
    }

    /// The name of the export that takes it.
    pub fn name(self) -> &'static str {
        match self {
            LobbyKind::BeforeConnect => "before-connect",
            LobbyKind::BeforeRequest => "before-request",
            LobbyKind::Fetch => "on-fetch",
            LobbyKind::Cron => "on-cron",
        }
    }

    /// How long it may take, in milliseconds: as long as what it stands before, a scheduled run as long as an alarm.
    pub(super) fn deadline_ms(self, limits: &Limits) -> u64 {
        match self {
            LobbyKind::BeforeConnect => limits.connect_deadline_ms,
            LobbyKind::BeforeRequest | LobbyKind::Fetch => limits.request_deadline_ms,
            LobbyKind::Cron => limits.alarm_deadline_ms,
        }
    }

    /// Whether anybody waits for a decision.
    pub(crate) fn is_decided(self) -> bool {
        match self {
            LobbyKind::BeforeConnect | LobbyKind::BeforeRequest | LobbyKind::Fetch => true,
            LobbyKind::Cron => false,
        }
    }

    /// It has ended without a decision.
    pub(super) fn undecided(self, profile: Profile) -> Verdict {
        match self {
            LobbyKind::BeforeConnect => Verdict::Proceed(Vec::new()),
            LobbyKind::BeforeRequest => match profile.no_decision() {
                Some(response) => Verdict::Respond(response),
                None => Verdict::Proceed(Vec::new()),
            },
            LobbyKind::Fetch | LobbyKind::Cron => Verdict::Pass,
        }
    }

    /// The guest has caught an error.
    pub(super) fn failed(self, profile: Profile, failure: &Failure) -> Verdict {
        Verdict::Respond(match self {
            LobbyKind::BeforeConnect | LobbyKind::BeforeRequest => profile.lobby_failed(failure),
            LobbyKind::Fetch | LobbyKind::Cron => profile.fetch_failed(failure),
        })
    }

    /// The guest did not return; or there is none to ask, which is no refusal.
    pub(super) fn dropped(self, profile: Profile, cause: &DropCause) -> Verdict {
        let refused = match self {
            LobbyKind::BeforeConnect | LobbyKind::BeforeRequest => profile.lobby_dropped(),
            LobbyKind::Fetch | LobbyKind::Cron => profile.fetch_dropped(),
        };
        Verdict::Respond(match cause {
            DropCause::Instantiation(_) | DropCause::NoMemory(_) | DropCause::Storage(_) => {
                Response::text(503, NO_INSTANCE)
            }
            DropCause::Trap(_)
            | DropCause::Fuel { .. }
            | DropCause::Deadline { .. }
            | DropCause::Aborted(_)
            | DropCause::PendingEvents { .. } => refused,
        })
    }
}

/// What is answered where the system has nothing to give.
const NO_INSTANCE: &str = "the host cannot ask the lobby now; try again";

/// What the guest says of it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Decision {
    /// Go on, with these headers added to the request, or instead of those of the same name.
    Proceed(Vec<Header>),
    /// Go on as this request, of which no more is true than it says.
    ProceedAs(Box<Request>),
    /// Answer so.
    Respond(Response),
}

/// What becomes of whoever waits.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// It goes on, with these headers added to the request, or instead of those of the same name.
    Proceed(Vec<Header>),
    /// It goes on as this request.
    ProceedAs(Box<Request>),
    /// It is answered so.
    Respond(Response),
    /// Nothing was said of it: a URL is nothing, a scheduled run is over.
    Pass,
}

/// Headers of a request as the lobby has changed them.
pub fn with_headers(mut headers: Vec<Header>, changes: Vec<Header>) -> Vec<Header> {
    if !changes.is_empty() {
        let changed: BTreeSet<&str> = changes.iter().map(|change| change.name.as_str()).collect();
        headers.retain(|header| !changed.contains(header.name.as_str()));
        headers.extend(changes);
    }
    headers
}
