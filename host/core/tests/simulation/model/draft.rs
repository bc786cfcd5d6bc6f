//! A turn in the model: a copy of the state, changed at once by every command.

use std::collections::BTreeSet;

use bytes::Bytes;
use party_core::auto_response::AutoResponse;
use party_core::commit::Alarm;
use party_core::event::{Event, Failure, Output};
use party_core::http::Response;
use party_core::ids::{ConnectionId, EventId, RequestId, Timestamp};
use party_core::message::{CloseFrame, Message, Text};
use party_core::profile;
use party_core::session::ReadyState;
use party_core::turn::connections::ConnectionError;
use party_core::turn::events::EventError;
use party_core::turn::responses::RespondError;

use crate::model::{Model, Session, State};

/// A turn under way.
pub(crate) struct Draft {
    pub(crate) state: State,
    pub(crate) event: Event,
    pub(crate) event_id: EventId,
    pub(crate) now: Timestamp,
    pub(crate) outputs: Vec<Output>,
    pub(crate) settled: Vec<(Event, Result<(), Failure>)>,
    pub(crate) own_settled: Option<Result<(), Failure>>,
    /// The room is to end with this turn.
    pub(crate) destroys: bool,
    /// Whether a key was put or deleted, were it to the same value.
    pub(crate) wrote: bool,
    /// Which keys the commit names, beside everything that it may clear first.
    pub(crate) changed: BTreeSet<Bytes>,
    pub(crate) storage_bytes_max: u64,
    pub(super) operations_open_max: u32,
    pub(super) request_deadline_ms: u64,
    holds_max: u32,
    hold_deadline_ms: u64,
    auto_response_chars_max: u32,
}

impl Model {
    /// A turn begins with this event.
    pub(crate) fn draft(&self, event: Event, event_id: EventId, now: Timestamp) -> Draft {
        Draft {
            state: self.state.clone(),
            event,
            event_id,
            now,
            outputs: Vec::new(),
            settled: Vec::new(),
            own_settled: None,
            destroys: false,
            wrote: false,
            changed: BTreeSet::new(),
            storage_bytes_max: self.limits.storage_bytes_max,
            operations_open_max: self.limits.operations_open_max,
            request_deadline_ms: self.limits.request_deadline_ms,
            holds_max: self.limits.holds_max,
            hold_deadline_ms: self.limits.hold_deadline_ms,
            auto_response_chars_max: self.limits.auto_response_chars_max,
        }
    }
}

impl Draft {
    fn session(&mut self, id: ConnectionId) -> Result<&mut Session, ConnectionError> {
        self.state.sessions.get_mut(&id).ok_or(ConnectionError::Unknown)
    }

    fn connecting(&mut self, id: ConnectionId) -> Result<&mut Session, ConnectionError> {
        let session = self.session(id)?;
        let is_undecided = session.state == ReadyState::Connecting && !session.accepted && !session.rejected;
        if is_undecided { Ok(session) } else { Err(ConnectionError::NotConnecting) }
    }

    fn open(&mut self, id: ConnectionId) -> Result<&mut Session, ConnectionError> {
        let session = self.session(id)?;
        match session.state {
            ReadyState::Connecting | ReadyState::Open => Ok(session),
            ReadyState::Closing | ReadyState::Closed => Err(ConnectionError::Closed),
        }
    }

    pub(crate) fn connections(&self, tag: Option<&str>) -> Vec<ConnectionId> {
        let sessions = self.state.sessions.iter().filter(|(_, session)| session.is_listed());
        let has_tag = |session: &Session| tag.is_none_or(|tag| session.tags.iter().any(|one| one == tag));
        sessions.filter(|(_, session)| has_tag(session)).map(|(id, _)| *id).collect()
    }

    pub(crate) fn accept(&mut self, id: ConnectionId, tags: Vec<String>) -> Result<(), ConnectionError> {
        let session = self.connecting(id)?;
        session.accepted = true;
        session.tags = tags;
        Ok(())
    }

    pub(crate) fn reject(&mut self, id: ConnectionId, response: Response) -> Result<(), ConnectionError> {
        let session = self.connecting(id)?;
        session.rejected = true;
        session.state = ReadyState::Closing;
        let output = match session.upgraded {
            true => Output::Close(id, Some(profile::refused_late())),
            false => Output::Reject(id, response),
        };
        self.outputs.push(output);
        Ok(())
    }

    pub(crate) fn send(&mut self, id: ConnectionId, message: Message) -> Result<(), ConnectionError> {
        self.open(id)?;
        self.outputs.push(Output::Send(id, message));
        Ok(())
    }

    pub(crate) fn broadcast(&mut self, message: Message, except: &[ConnectionId], tag: Option<&str>) -> u32 {
        let mut to = self.connections(tag);
        to.retain(|id| !except.contains(id));
        let count = to.len() as u32;
        self.outputs.push(Output::Broadcast(to, message));
        self.outputs.pop_if(|_| count == 0);
        count
    }

    pub(crate) fn close(
        &mut self,
        id: ConnectionId,
        frame: Option<CloseFrame>,
    ) -> Result<(), ConnectionError> {
        self.open(id)?.state = ReadyState::Closing;
        self.outputs.push(Output::Close(id, frame));
        Ok(())
    }

    pub(crate) fn attach(&mut self, id: ConnectionId, bytes: Bytes) -> Result<(), ConnectionError> {
        self.session(id)?.attachment = bytes;
        Ok(())
    }

    pub(crate) fn attachment(&mut self, id: ConnectionId) -> Result<Bytes, ConnectionError> {
        Ok(self.session(id)?.attachment.clone())
    }

    pub(crate) fn set_auto_response(&mut self, pair: Option<AutoResponse>) -> Result<(), ConnectionError> {
        let chars_max = self.auto_response_chars_max as usize;
        let is_long = |text: &Text| text.as_str().chars().count() > chars_max;
        if pair.as_ref().is_some_and(|pair| is_long(&pair.request) || is_long(&pair.response)) {
            return Err(ConnectionError::TooLong(self.auto_response_chars_max));
        }
        self.state.auto_response = pair;
        Ok(())
    }

    pub(crate) fn respond(&mut self, id: RequestId, response: Response) -> Result<(), RespondError> {
        if !self.state.requests.remove(&id) {
            return Err(RespondError::Unknown);
        }
        self.outputs.push(Output::Respond(id, response));
        Ok(())
    }

    pub(crate) fn settle(&mut self, id: EventId, outcome: Result<(), Failure>) -> Result<(), EventError> {
        if id == self.event_id && self.own_settled.is_none() {
            self.own_settled = Some(outcome);
            return Ok(());
        }
        let pending = self.state.pending.remove(&id).ok_or(EventError::NotPending)?;
        self.settled.push((pending.event, outcome));
        Ok(())
    }

    pub(crate) fn hold(&mut self) -> Result<(), EventError> {
        if self.state.holds >= self.holds_max {
            return Err(EventError::TooDeep(self.holds_max));
        }
        if self.state.holds == 0 {
            self.state.held_until = self.now.after_ms(self.hold_deadline_ms);
        }
        self.state.holds += 1;
        Ok(())
    }

    pub(crate) fn release(&mut self) -> Result<(), EventError> {
        self.state.holds = self.state.holds.checked_sub(1).ok_or(EventError::NotHeld)?;
        Ok(())
    }

    pub(crate) fn set_alarm(&mut self, at: Option<Timestamp>) {
        self.state.alarm = at.map(|at| Alarm { at, attempts: 0 });
    }
}
