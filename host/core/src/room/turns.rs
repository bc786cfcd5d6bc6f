//! The next turn: which event, and whether the guest is needed for it at all.

use std::sync::Arc;

use crate::event::{Event, Handlers, Output, StartReason};
use crate::ids::{ConnectionId, Timestamp};
use crate::limits::TURN_OUTPUTS_MAX;
use crate::mailbox::Lane;
use crate::message::CloseFrame;
use crate::operation::Operation;
use crate::planted::{self, PlantedBug};
use crate::room::{Away, Moment, Phase, Room, Service};
use crate::session::{ReadyState, Session};
use crate::turn::{Subject, Turn};

impl Room {
    /// Whether [`Room::begin_turn`] would do something, or the room must first be read from the store.
    pub fn wants_a_turn(&self, now: Timestamp) -> bool {
        if self.is_unread() {
            return self.service == Service::Open;
        }
        let Some(lane) = self.lane(now) else { return false };
        self.mailbox.has(lane)
    }

    /// Whether one of the events that wait may need the guest: whoever has no instance makes one before
    /// [`Room::begin_turn`], because a turn that was begun cannot wait for it. Nothing happens to the room.
    pub fn may_need_its_guest(&self, now: Timestamp) -> bool {
        let Some(lane) = self.lane(now) else { return false };
        let handlers = self.config.handlers;
        let begins = matches!(self.phase, Phase::Fresh(_) | Phase::Suspended { .. });
        let starts = begins && handlers.has(Handlers::ON_START);
        self.mailbox.any(lane, |event| {
            let is_heard = handlers.has(handler_of(event))
                || (self.may_close_for(event) && handlers.has(Handlers::ON_CLOSE));
            (starts || is_heard) && (!begins || self.is_about_something(event, now))
        })
    }

    fn lane(&self, now: Timestamp) -> Option<Lane> {
        let state = self.state.as_ref()?;
        if self.waits_to_be_rebuilt() || self.waits_to_be_saved() || self.stands_still() || self.is_over() {
            return None;
        }
        let limits = &self.config.limits;
        let uncommitted_bytes = self.gate.held_bytes() + state.overlay.bytes();
        if self.service != Service::Open
            || self.gate.waiting_turns() >= u64::from(limits.uncommitted_turns_max)
            || uncommitted_bytes >= limits.uncommitted_bytes_max
            || self.gate.held_outputs() >= TURN_OUTPUTS_MAX
        {
            return None;
        }
        match self.phase {
            Phase::Suspended { until } if until > now || self.recording.is_some() => None,
            Phase::Running if planted::is(PlantedBug::HoldIgnored) => Some(Lane::All),
            Phase::Starting => Some(Lane::Completions),
            Phase::Running if state.holds > 0 => Some(Lane::Completions),
            Phase::Running | Phase::Fresh(_) | Phase::Suspended { .. } => Some(Lane::All),
        }
    }

    /// The next turn that the guest is to run, if there is one. Events that need no guest are answered here.
    pub fn begin_turn(&mut self, moment: Moment) -> Option<Box<Turn>> {
        loop {
            let lane = self.lane(moment.now)?;
            self.clock = moment.now;
            let now = self.tell_time(moment.now);
            match self.phase {
                Phase::Fresh(_) | Phase::Suspended { .. } => self.discard_ghosts(now),
                Phase::Starting | Phase::Running => {}
            }
            if !self.mailbox.has(lane) {
                return None;
            }
            let event = match self.phase {
                Phase::Fresh(reason) => self.start(reason, moment),
                Phase::Suspended { .. } => self.start(StartReason::Lost, moment),
                Phase::Starting | Phase::Running => None,
            };
            let (event, note) = match event {
                Some(event) => {
                    let note = self.note(&event, now);
                    (event, note)
                }
                None => {
                    let event = self.next_event(lane)?;
                    let note = self.note(&event, now);
                    let alarm_before = self.home().alarm.record();
                    match self.admit(event, now) {
                        Some(event) => (event, note),
                        None => {
                            self.touch();
                            self.record_unheard(note);
                            self.commit_record_if_changed(alarm_before);
                            self.commit_if_much_waits();
                            continue;
                        }
                    }
                }
            };
            self.stay_awake();
            let event_id = self.next_event_id();
            self.open_turn(note, event_id, moment.seed);
            let state = self.state.take().expect("the lane was open, so the state is home");
            self.away = Away { sessions: state.sessions.len(), requests: state.requests_open() };
            let config = Arc::clone(&self.config);
            return Some(Turn::new(config, state, event, event_id, now, moment.seed));
        }
    }

    /// Events about nothing that there still is, and closes that no life was to hear of: they start no new one.
    fn discard_ghosts(&mut self, now: Timestamp) {
        while let Some(event) = self.mailbox.peek(Lane::All) {
            if self.is_about_something(event, now) {
                return;
            }
            match self.mailbox.pop(Lane::All) {
                Some(Event::Alarm) => self.alarm_waits = false,
                Some(Event::Close(connection, ..)) => {
                    self.home().sessions.remove(&connection);
                }
                Some(
                    Event::Start(_)
                    | Event::Connect(_)
                    | Event::Message(..)
                    | Event::Error(..)
                    | Event::Request(..)
                    | Event::ResponseClosed(_)
                    | Event::Resume(_)
                    | Event::Stream(..)
                    | Event::Drain(..)
                    | Event::Completed(..),
                )
                | None => {}
            }
        }
    }

    /// Whether what a new life would hear of is still there.
    fn is_about_something(&self, event: &Event, now: Timestamp) -> bool {
        let state = self.state.as_ref().expect("the lane was open, so the state is home");
        match event {
            Event::Start(_) | Event::Request(..) => true,
            Event::Connect(connection) => self.arriving.contains_key(connection),
            Event::Message(connection, _) | Event::Error(connection, _) => {
                state.sessions.get(connection).is_some_and(|it| it.ready_state == ReadyState::Open)
            }
            Event::Close(connection, ..) => state.sessions.get(connection).is_some_and(|it| it.accepted),
            Event::ResponseClosed(request) => {
                state.requests.contains(request) || state.streams.answer_to(*request).is_some()
            }
            Event::Stream(stream, _) | Event::Drain(stream, _) => state.streams.get(*stream).is_some(),
            Event::Alarm => state.alarm.due().is_some_and(|at| at <= now),
            Event::Completed(operation, _) => state.operations.contains(*operation),
            // The memory that it was about is lost.
            Event::Resume(_) => false,
        }
    }

    /// A new life begins.
    fn start(&mut self, reason: StartReason, moment: Moment) -> Option<Event> {
        self.home().incarnation = moment.incarnation;
        let starts = self.config.handlers.has(Handlers::ON_START);
        self.phase = if starts { Phase::Starting } else { Phase::Running };
        self.record_life();
        starts.then_some(Event::Start(reason))
    }

    /// Readies the state for an event. Gives the event back if the guest is to be called with it.
    pub(super) fn admit(&mut self, event: Event, now: Timestamp) -> Option<Event> {
        let handlers = self.config.handlers;
        match event {
            Event::Start(_) => Some(event),
            Event::Resume(_) => handlers.has(Handlers::ON_RESUME).then_some(event),
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
            Event::Close(connection, frame, was_clean) => self.admit_close(connection, frame, was_clean),
            Event::Error(connection, _) => {
                let is_known = self.home().sessions.contains_key(&connection);
                (is_known && handlers.has(Handlers::ON_ERROR)).then_some(event)
            }
            Event::Request(request, _) => {
                if !self.admit_call(request, now) {
                    return None;
                }
                if handlers.has(Handlers::ON_REQUEST) {
                    if self.calls.is_open(request) {
                        self.home().answered_whole.insert(request);
                    }
                    self.home().requests.insert(request);
                    return Some(event);
                }
                // Clients hear it at the edge, so who hears it here is another room.
                self.output(Output::Respond(request, self.config.profile.no_on_request_for_a_room()));
                None
            }
            Event::ResponseClosed(request) => {
                self.close_call(request);
                let state = self.home();
                let was_open = state.forget_request(request);
                let stream = state.streams.answer_to(request).and_then(|id| state.streams.remove(id));
                ((was_open || stream.is_some()) && handlers.has(Handlers::ON_RESPONSE_CLOSED))
                    .then_some(event)
            }
            Event::Alarm => {
                self.alarm_waits = false;
                if !self.home().alarm.ring(now) {
                    return None;
                }
                if handlers.has(Handlers::ON_ALARM) {
                    return Some(event);
                }
                self.finish_event(Subject::Alarm, Ok(()), now);
                None
            }
            Event::Completed(operation, ref outcome) => {
                let ended = self.home().operations.end(operation);
                self.admit_stream(operation, outcome, ended.is_some());
                let is_once = ended.as_ref().is_some_and(Operation::is_made_once);
                self.hears = Some(operation).filter(|_| is_once && outcome.is_of_who_was_asked());
                let was_open = ended.is_some()
                    || planted::is(PlantedBug::CompletionTwice)
                    || planted::is(PlantedBug::AnswerTwice)
                    || planted::is(PlantedBug::CancelledCompletionDelivered);
                (was_open && handlers.has(Handlers::ON_COMPLETED)).then_some(event)
            }
            Event::Stream(stream, ref what) => {
                let is_known = self.admit_stream_event(stream, what, now);
                (is_known && handlers.has(Handlers::ON_STREAM)).then_some(event)
            }
            Event::Drain(stream, bytes) => {
                let is_known = self.admit_drain(stream, bytes);
                (is_known && handlers.has(Handlers::ON_DRAIN)).then_some(event)
            }
        }
    }

    /// A socket has gone. If its `on-connect` has not ended, its close is told when that has.
    fn admit_close(&mut self, connection: ConnectionId, frame: CloseFrame, was_clean: bool) -> Option<Event> {
        let has_handler = self.config.handlers.has(Handlers::ON_CLOSE);
        let session = self.home().sessions.get_mut(&connection)?;
        if session.is_rejected() {
            return None;
        }
        if !session.connect_ended {
            session.ready_state = ReadyState::Closing;
            session.gone = Some((frame, was_clean));
            let opened_at = session.opened_at;
            self.drop_accept_deadline(opened_at, connection);
            return None;
        }
        session.ready_state = ReadyState::Closed;
        if session.accepted && has_handler {
            return Some(Event::Close(connection, frame, was_clean));
        }
        self.home().sessions.remove(&connection);
        None
    }

    /// Makes a session of a client that has arrived.
    fn admit_connection(&mut self, connection: ConnectionId) -> Option<()> {
        let arriving = self.arriving.remove(&connection)?;
        let mut session = Session::connecting(arriving.connection);
        session.upgraded = arriving.upgraded;
        self.home().sessions.insert(connection, Box::new(session));
        Some(())
    }

    pub(crate) fn drop_accept_deadline(&mut self, opened_at: Timestamp, connection: ConnectionId) {
        let due = opened_at.after_ms(self.config.limits.accept_deadline_ms);
        self.accept_due.remove(&(due, connection));
    }
}

/// The handler that hears of an event.
fn handler_of(event: &Event) -> Handlers {
    match event {
        Event::Start(_) => Handlers::ON_START,
        Event::Resume(_) => Handlers::ON_RESUME,
        Event::Connect(_) => Handlers::ON_CONNECT,
        Event::Message(..) => Handlers::ON_MESSAGE,
        Event::Close(..) => Handlers::ON_CLOSE,
        Event::Error(..) => Handlers::ON_ERROR,
        Event::Request(..) => Handlers::ON_REQUEST,
        Event::ResponseClosed(_) => Handlers::ON_RESPONSE_CLOSED,
        Event::Alarm => Handlers::ON_ALARM,
        Event::Completed(..) => Handlers::ON_COMPLETED,
        Event::Stream(..) => Handlers::ON_STREAM,
        Event::Drain(..) => Handlers::ON_DRAIN,
    }
}
