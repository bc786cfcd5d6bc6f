//! Turns of lobby events: outside any room, and about what somebody waits for at its door.

use std::sync::Arc;

use thiserror::Error;

use crate::event::Event;
use crate::http::Header;
use crate::ids::{EventId, Seed, Timestamp};
use crate::limits::REQUEST_HEAD_BYTES_MAX;
use crate::lobby::{Decision, LobbyEvent, LobbyKind};
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
    pub(crate) decision: Option<Decision>,
}

/// Why a decision was refused.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
pub enum DecideError {
    /// No such event waits for one.
    #[error("no such event waits for a decision")]
    NotPending,
    /// The body of the response, or the headers, are too large.
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

/// Headers as a request has them, their names in lower case.
fn fit(mut headers: Vec<Header>) -> Result<Vec<Header>, DecideError> {
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
