//! Turns of lobby events: outside any room, and about what somebody waits for at its door.

use std::sync::Arc;

use thiserror::Error;

use crate::event::Event;
use crate::fetch::url_fault;
use crate::http::{Header, Request};
use crate::ids::{EventId, Seed, Timestamp};
use crate::limits::{LOBBY_HEADERS_MAX, REQUEST_HEAD_BYTES_MAX};
use crate::lobby::{Came, Decision, LobbyEvent, LobbyKind};
use crate::room::{RoomConfig, RoomState};
use crate::turn::{Subject, Turn};

/// What a turn has of the lobby event that it belongs to.
#[derive(Debug)]
pub(crate) struct LobbyTurn {
    pub(crate) kind: LobbyKind,
    /// The event's id.
    pub(crate) id: EventId,
    /// It is the turn in which the guest is called with the event; others bring what its operations have come to.
    pub(crate) is_own: bool,
    pub(crate) about: Option<LobbyEvent>,
    /// Whether somebody waits for a decision.
    pub(crate) waits: bool,
    /// Of the request that it is about.
    pub(crate) came: Option<Arc<Came>>,
    pub(crate) decision: Option<Decision>,
}

/// Why a decision was refused.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
pub enum DecideError {
    /// No such event waits for one.
    #[error("no such event waits for a decision")]
    NotPending,
    /// A body, the headers, or the head of the request are too large.
    #[error("the limit is {0} bytes")]
    TooLarge(u64),
    /// It cannot be sent.
    #[error("{0}")]
    BadDecision(String),
    /// There is nothing to decide in a room.
    #[error("only a lobby event is decided")]
    NotInTheLobby,
}

impl Turn {
    pub(crate) fn of_lobby(
        config: Arc<RoomConfig>,
        state: Box<RoomState>,
        lobby: LobbyTurn,
        event: Option<Event>,
        (event_id, now, seed): (EventId, Timestamp, Seed),
    ) -> Box<Turn> {
        // What the end of a turn means for its subject is for rooms only.
        let mut turn = Turn::about(config, state, (Subject::Completed, event), event_id, now, seed);
        turn.lobby = Some(Box::new(lobby));
        turn
    }

    /// Whether it is outside any room.
    pub fn is_in_the_lobby(&self) -> bool {
        self.lobby.is_some()
    }

    /// Takes the lobby event that the guest is to be called with, if it is the turn for that.
    pub fn take_lobby_event(&mut self) -> Option<LobbyEvent> {
        self.lobby.as_mut()?.about.take()
    }

    /// Decides a lobby event, once.
    pub fn decide(&mut self, event: EventId, decision: Decision) -> Result<(), DecideError> {
        let Some(lobby) = &self.lobby else {
            // A socket is accepted or rejected.
            return Err(if self.is_unnamed() { DecideError::NotPending } else { DecideError::NotInTheLobby });
        };
        let is_settled = self.changes.settled_ids.contains(&event);
        if event != lobby.id || !lobby.waits || lobby.decision.is_some() || is_settled {
            return Err(DecideError::NotPending);
        }
        let decision = match decision {
            Decision::Proceed(headers) => Decision::Proceed(fit(headers)?),
            Decision::ProceedAs(request) => {
                let body_bytes_max = self.config.limits.request_body_bytes_max;
                Decision::ProceedAs(Box::new(lobby.stand_in(*request, body_bytes_max)?))
            }
            Decision::Respond(response) => {
                let bytes_max = self.config.limits.response_body_bytes_max;
                if response.body.len() > bytes_max as usize {
                    return Err(DecideError::TooLarge(u64::from(bytes_max)));
                }
                if let Some(fault) = response.fault(200) {
                    return Err(DecideError::BadDecision(fault));
                }
                Decision::Respond(response)
            }
        };
        if let Some(lobby) = &mut self.lobby {
            lobby.decision = Some(decision);
        }
        Ok(())
    }
}

impl LobbyTurn {
    /// The request that goes on in the place of the one that has come.
    fn stand_in(&self, mut request: Request, body_bytes_max: u32) -> Result<Request, DecideError> {
        let bad = |fault: String| Err(DecideError::BadDecision(fault));
        let came = match (self.kind, &self.came) {
            (LobbyKind::BeforeConnect | LobbyKind::BeforeRequest, Some(came)) => came,
            _ => return bad("there is no room that it could go on to".into()),
        };
        let has_body = request.body_waits || !request.body.is_empty();
        if self.kind == LobbyKind::BeforeConnect && (request.method != "GET" || has_body) {
            return bad("a client connects with a GET without a body".into());
        }
        if request.body_waits && !came.body_waits {
            return bad("no body waits with the client: say the body that has come along".into());
        }
        if request.body.len() as u64 > u64::from(body_bytes_max) {
            return Err(DecideError::TooLarge(body_bytes_max.into()));
        }
        // What is measured first is not repeated in an error, however long it is.
        if request.method.len() + request.uri.len() > REQUEST_HEAD_BYTES_MAX {
            return Err(DecideError::TooLarge(REQUEST_HEAD_BYTES_MAX as u64));
        }
        // What the client could say it can say again.
        if request.method != came.method
            && let Some(fault) = request.method_fault()
        {
            return bad(fault);
        }
        if request.uri != came.uri
            && let Some(fault) = request.uri_fault().or_else(|| url_fault(&request.uri, ["https", "http"]))
        {
            return bad(fault);
        }
        request.headers = fit(request.headers)?;
        request.headers.retain(|header| !header.frames());
        match request.body_waits {
            true => request.headers.extend(came.framing.iter().cloned()),
            false if request.body.is_empty() => {}
            false => {
                let value = request.body.len().to_string().into();
                request.headers.push(Header { name: "content-length".into(), value });
            }
        }
        if request.bytes() - request.body.len() as u64 > REQUEST_HEAD_BYTES_MAX as u64 {
            return Err(DecideError::TooLarge(REQUEST_HEAD_BYTES_MAX as u64));
        }
        Ok(request)
    }
}

/// Headers as a request has them, their names in lower case.
fn fit(mut headers: Vec<Header>) -> Result<Vec<Header>, DecideError> {
    if headers.len() > LOBBY_HEADERS_MAX {
        let fault = format!("there are {} headers; the limit is {LOBBY_HEADERS_MAX}", headers.len());
        return Err(DecideError::BadDecision(fault));
    }
    for header in &mut headers {
        header.name.make_ascii_lowercase();
        if let Some(fault) = header.fault() {
            return Err(DecideError::BadDecision(fault));
        }
    }
    if headers.iter().map(Header::bytes).sum::<usize>() > REQUEST_HEAD_BYTES_MAX {
        return Err(DecideError::TooLarge(REQUEST_HEAD_BYTES_MAX as u64));
    }
    Ok(headers)
}
