//! The next turn: which event, and whether the guest is needed for it at all.

use std::sync::Arc;

use crate::event::{Event, Failure, Handlers, Output, StartReason};
use crate::ids::{ConnectionId, Timestamp};
use crate::mailbox::Lane;
use crate::profile;
use crate::room::{Moment, Phase, Room};
use crate::session::{ReadyState, Session};
use crate::turn::{Subject, Turn};

impl Room {
    /// Whether [`Room::begin_turn`] would do something.
    pub fn wants_a_turn(&self, now: Timestamp) -> bool {
        let Some(lane) = self.lane(now) else { return false };
        self.mailbox.has(lane)
    }

    fn lane(&self, now: Timestamp) -> Option<Lane> {
        let state = self.state.as_ref()?;
        if self.gate.uncommitted() >= u64::from(self.config.limits.uncommitted_turns_max) {
            return None;
        }
        match self.phase {
            Phase::Suspended { until } if until > now => None,
            Phase::Starting => Some(Lane::Completions),
            Phase::Running if state.holds > 0 => Some(Lane::Completions),
            Phase::Running | Phase::Fresh(_) | Phase::Suspended { .. } => Some(Lane::All),
        }
    }

    /// The next turn that the guest is to run, if there is one. Events that need no guest are answered here.
    pub fn begin_turn(&mut self, moment: Moment) -> Option<Turn> {
        loop {
            let lane = self.lane(moment.now)?;
            if !self.mailbox.has(lane) {
                return None;
            }
            let now = moment.now.max(self.home().last_now);
            self.home().last_now = now;
            let event = match self.phase {
                Phase::Fresh(reason) => self.start(reason, moment),
                Phase::Suspended { .. } => self.start(StartReason::Lost, moment),
                Phase::Starting | Phase::Running => None,
            };
            let event = match event {
                Some(event) => event,
                None => match self.mailbox.pop(lane).and_then(|event| self.admit(event, now)) {
                    Some(event) => event,
                    None => continue,
                },
            };
            let event_id = self.next_event_id();
            let state = self.state.take().expect("the lane was open, so the state is home");
            return Some(Turn::new(Arc::clone(&self.config), state, event, event_id, now, moment.seed));
        }
    }

    /// A new life begins.
    fn start(&mut self, reason: StartReason, moment: Moment) -> Option<Event> {
        self.home().incarnation = moment.incarnation;
        if self.config.handlers.has(Handlers::ON_START) {
            self.phase = Phase::Starting;
            return Some(Event::Start(reason));
        }
        self.phase = Phase::Running;
        None
    }

    /// Readies the state for an event. Gives the event back if the guest is to be called with it.
    fn admit(&mut self, event: Event, now: Timestamp) -> Option<Event> {
        let handlers = self.config.handlers;
        match event {
            Event::Start(_) => Some(event),
            Event::Connect(connection) => {
                self.admit_connection(connection)?;
                if handlers.has(Handlers::ON_CONNECT) {
                    return Some(event);
                }
                self.finish_event(Subject::Connect(connection), Ok(()), now);
                None
            }
            Event::Message(connection, _) => {
                let session = self.home().sessions.get(&connection)?;
                let is_open = session.accepted && session.ready_state == ReadyState::Open;
                (is_open && handlers.has(Handlers::ON_MESSAGE)).then_some(event)
            }
            Event::Close(connection, ..) => {
                let session = self.home().sessions.get_mut(&connection)?;
                session.ready_state = ReadyState::Closed;
                if session.accepted && handlers.has(Handlers::ON_CLOSE) {
                    return Some(event);
                }
                self.home().sessions.remove(&connection);
                None
            }
            Event::Error(connection, _) => {
                let is_known = self.home().sessions.contains_key(&connection);
                (is_known && handlers.has(Handlers::ON_ERROR)).then_some(event)
            }
            Event::Request(request, _) => {
                if handlers.has(Handlers::ON_REQUEST) {
                    self.home().requests.insert(request);
                    return Some(event);
                }
                self.output(Output::Respond(request, profile::failed(profile::NO_ON_REQUEST, None, "")));
                None
            }
            Event::ResponseClosed(request) => {
                let was_open = self.home().requests.remove(&request);
                (was_open && handlers.has(Handlers::ON_RESPONSE_CLOSED)).then_some(event)
            }
            Event::Alarm => {
                self.alarm_waits = false;
                if !self.home().alarm.ring(now) {
                    return None;
                }
                if handlers.has(Handlers::ON_ALARM) {
                    return Some(event);
                }
                let before = self.home().alarm.record();
                self.finish_event(Subject::Alarm, Ok(()), now);
                self.commit_record_if_changed(before);
                None
            }
            Event::Completed(operation, _) => {
                let was_open = self.home().operations.end(operation);
                (was_open && handlers.has(Handlers::ON_COMPLETED)).then_some(event)
            }
        }
    }

    /// Makes a session of a client that has arrived.
    fn admit_connection(&mut self, connection: ConnectionId) -> Option<()> {
        let arriving = self.arriving.remove(&connection)?;
        let due = arriving.connection.opened_at.after_ms(self.config.limits.accept_deadline_ms);
        if arriving.upgraded {
            self.accept_due.remove(&(due, connection));
        }
        let mut session = Session::connecting(arriving.connection);
        session.upgraded = arriving.upgraded;
        self.home().sessions.insert(connection, session);
        Some(())
    }

    /// Answers the event that a start was for, when the start has failed.
    pub(crate) fn refuse_next_event(&mut self, failure: &Failure, now: Timestamp) {
        let Some(event) = self.mailbox.pop(Lane::All) else { return };
        match event {
            Event::Connect(connection) => {
                let Some(arriving) = self.arriving.remove(&connection) else { return };
                self.drop_accept_deadline(arriving.connection.opened_at, connection);
                let output = if arriving.upgraded {
                    Output::Close(connection, Some(profile::connect_failed(&failure.message)))
                } else {
                    let response = profile::failed(&failure.message, failure.status, profile::CONNECT_FAILED);
                    Output::Reject(connection, response)
                };
                self.output(output);
            }
            Event::Request(request, _) => {
                let response = profile::failed(&failure.message, failure.status, profile::REQUEST_FAILED);
                self.output(Output::Respond(request, response));
            }
            Event::Close(connection, ..) => {
                self.home().sessions.remove(&connection);
            }
            Event::Alarm => {
                self.alarm_waits = false;
                let before = self.home().alarm.record();
                if self.home().alarm.ring(now) {
                    self.finish_event(Subject::Alarm, Err(failure.clone()), now);
                    self.commit_record_if_changed(before);
                }
            }
            Event::Start(_)
            | Event::Message(..)
            | Event::Error(..)
            | Event::ResponseClosed(_)
            | Event::Completed(..) => {}
        }
    }

    pub(crate) fn drop_accept_deadline(&mut self, opened_at: Timestamp, connection: ConnectionId) {
        let due = opened_at.after_ms(self.config.limits.accept_deadline_ms);
        self.accept_due.remove(&(due, connection));
    }
}
