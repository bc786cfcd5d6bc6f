//! A finished turn: its changes become the room's, its outputs go to the gate, its event ends or goes on.

use crate::commit::{Alarm, KvChanges, RoomCommit, RoomRecord};
use crate::event::{DropCause, Failure, Output, StartReason, TurnEnd};
use crate::ids::{ConnectionId, EventId, Timestamp};
use crate::profile;
use crate::room::{Action, Phase, Report, Room};
use crate::session::ReadyState;
use crate::turn::{Changes, Subject, Turn};

impl Room {
    /// Takes a turn back, with how it ended.
    pub fn end_turn(&mut self, turn: Turn, end: TurnEnd) {
        let Turn { state, event_id, subject, now, changes, .. } = turn;
        assert!(self.state.is_none(), "one turn at a time");
        self.state = Some(state);
        let durable = self.gate.durable();
        self.home().overlay.settle(durable);
        match end {
            TurnEnd::Dropped(cause) => self.drop_turn(subject, cause, now),
            TurnEnd::Done => self.keep_turn(event_id, subject, Some(Ok(())), changes, now),
            TurnEnd::Failed(failure) => self.keep_turn(event_id, subject, Some(Err(failure)), changes, now),
            TurnEnd::Pending => self.keep_turn(event_id, subject, None, changes, now),
        }
    }

    /// Applies a turn's changes. `ended` is how its event ended, if it has.
    fn keep_turn(
        &mut self,
        event_id: EventId,
        subject: Subject,
        ended: Option<Result<(), Failure>>,
        mut changes: Changes,
        now: Timestamp,
    ) {
        let alarm_before = self.home().alarm.record();
        let kv = std::mem::take(&mut changes.kv);
        let settled = std::mem::take(&mut changes.settled);
        let storage_bytes_delta = changes.storage_bytes_delta;
        let mut outputs = self.apply(changes, now);
        let mut own_end = ended;
        for (event, outcome) in settled {
            if event == event_id {
                own_end = own_end.or(Some(outcome));
            } else if let Some(subject) = self.home().pending.remove(event) {
                outputs.extend(self.end_event(subject, outcome, now));
            }
        }
        match own_end {
            Some(outcome) => outputs.extend(self.end_event(subject, outcome, now)),
            None => {
                let deadline = self.deadline(subject, now);
                self.home().pending.add(event_id, subject, deadline);
            }
        }
        let state = self.home();
        state.storage_bytes = state.storage_bytes.saturating_add_signed(storage_bytes_delta);
        if !kv.is_empty() || state.alarm.record() != alarm_before {
            self.commit(kv);
        }
        let passed = self.gate.pass(outputs);
        self.actions.extend(passed.into_iter().map(Action::Output));
        if let Some(failure) = self.start_failure.take() {
            self.refuse_next_event(&failure, now);
        }
    }

    /// Applies everything but writes, settlements and the event's own end.
    fn apply(&mut self, changes: Changes, now: Timestamp) -> Vec<Output> {
        let hold_deadline_ms = self.config.limits.hold_deadline_ms;
        let state = self.home();
        for (connection, change) in changes.sessions {
            let Some(session) = state.sessions.get_mut(&connection) else { continue };
            if let Some(tags) = change.accepted_with {
                session.accepted = true;
                session.tags = tags;
            }
            if let Some(attachment) = change.attachment {
                session.attachment = attachment;
            }
            if change.closed && session.ready_state != ReadyState::Closed {
                session.ready_state = ReadyState::Closing;
            }
            if change.rejected {
                session.ready_state = ReadyState::Closed;
            }
        }
        for request in &changes.answered {
            state.requests.remove(request);
        }
        if let Some(alarm) = changes.alarm {
            state.alarm.set(alarm);
        }
        state.next_operation += changes.started_ids;
        for (id, operation) in changes.started {
            state.operations.start(id, operation);
        }
        for id in changes.cancelled {
            state.operations.end(id);
        }
        if let Some(holds) = changes.holds {
            if state.holds == 0 || holds == 0 {
                state.hold_until = if holds == 0 { Timestamp::NEVER } else { now.after_ms(hold_deadline_ms) };
            }
            state.holds = holds;
        }
        changes.outputs
    }

    fn deadline(&self, subject: Subject, now: Timestamp) -> Timestamp {
        let limits = &self.config.limits;
        match subject {
            Subject::Start => now.after_ms(limits.hold_deadline_ms),
            Subject::Connect(_) => now.after_ms(limits.connect_deadline_ms),
            Subject::Request(_) => now.after_ms(limits.request_deadline_ms),
            Subject::Alarm => now.after_ms(limits.alarm_deadline_ms),
            Subject::Message(_)
            | Subject::Close(_)
            | Subject::Error(_)
            | Subject::ResponseClosed
            | Subject::Completed => Timestamp::NEVER,
        }
    }

    /// Takes the next commit number for these changes and the record as it now is.
    fn commit(&mut self, changes: KvChanges) {
        let ids_reserved = self.reserve_ids();
        let seq = self.gate.issue();
        let state = self.home();
        let record =
            RoomRecord { seq, alarm: state.alarm.record(), storage_bytes: state.storage_bytes, ids_reserved };
        state.overlay.push(seq, changes.clone());
        let address = self.config.address.clone();
        self.actions.push(Action::Commit(RoomCommit { address, record, changes }));
    }

    pub(crate) fn commit_record_if_changed(&mut self, before: Option<Alarm>) {
        if self.home().alarm.record() != before {
            self.commit(KvChanges::default());
        }
    }

    /// Ends an event outside a turn.
    pub(crate) fn finish_event(&mut self, subject: Subject, outcome: Result<(), Failure>, now: Timestamp) {
        for output in self.end_event(subject, outcome, now) {
            self.output(output);
        }
    }

    /// What the end of an event means for what it is about.
    fn end_event(&mut self, subject: Subject, outcome: Result<(), Failure>, now: Timestamp) -> Vec<Output> {
        if let Err(failure) = &outcome {
            self.report(Report::Failed { event: subject.name(), failure: failure.clone() });
        }
        match subject {
            Subject::Start => {
                self.phase = match outcome {
                    Ok(()) => Phase::Running,
                    Err(failure) => {
                        self.start_failure = Some(failure);
                        Phase::Fresh(StartReason::FailedBefore)
                    }
                };
                Vec::new()
            }
            Subject::Connect(connection) => self.end_connect(connection, outcome),
            Subject::Request(request) => {
                if !self.home().requests.remove(&request) {
                    return Vec::new();
                }
                let response = match outcome {
                    Ok(()) => profile::failed(profile::NO_RESPONSE, None, ""),
                    Err(failure) => {
                        profile::failed(&failure.message, failure.status, profile::REQUEST_FAILED)
                    }
                };
                vec![Output::Respond(request, response)]
            }
            Subject::Alarm => {
                match outcome {
                    Ok(()) => self.home().alarm.settle(),
                    Err(_) => self.fail_alarm(now),
                }
                Vec::new()
            }
            Subject::Close(connection) => {
                self.home().sessions.remove(&connection);
                Vec::new()
            }
            Subject::Message(_) | Subject::Error(_) | Subject::ResponseClosed | Subject::Completed => {
                Vec::new()
            }
        }
    }

    pub(crate) fn fail_alarm(&mut self, now: Timestamp) {
        if self.home().alarm.fail(now) {
            self.report(Report::AlarmGivenUp);
        }
    }

    fn end_connect(&mut self, connection: ConnectionId, outcome: Result<(), Failure>) -> Vec<Output> {
        let Some(session) = self.home().sessions.get_mut(&connection) else { return Vec::new() };
        let upgraded = std::mem::replace(&mut session.upgraded, true);
        let opened_at = session.opened_at;
        let mut outputs = Vec::new();
        match (session.ready_state, &outcome) {
            // Rejected: the answer is among the turn's outputs.
            (ReadyState::Closed, _) if !session.accepted => {
                self.home().sessions.remove(&connection);
                upgraded_before_rejection(upgraded, connection, &mut outputs);
            }
            // Its socket has gone meanwhile; the close is, or will be, told.
            (ReadyState::Closed, _) => {}
            (ReadyState::Connecting | ReadyState::Open, Ok(())) => {
                session.accepted = true;
                session.ready_state = ReadyState::Open;
                if !upgraded {
                    outputs.push(Output::Accept(connection));
                }
                outputs.push(Output::Read(connection));
            }
            // Closed by the guest: the handshake is answered, then the close frame follows.
            (ReadyState::Closing, Ok(())) => {
                session.accepted = true;
                if !upgraded {
                    outputs.push(Output::Accept(connection));
                }
                outputs.push(Output::Read(connection));
            }
            (ReadyState::Connecting | ReadyState::Open | ReadyState::Closing, Err(failure)) => {
                session.ready_state = ReadyState::Closing;
                if !upgraded {
                    outputs.push(Output::Accept(connection));
                }
                outputs.push(Output::Read(connection));
                outputs.push(Output::Close(connection, Some(profile::connect_failed(&failure.message))));
            }
        }
        self.drop_accept_deadline(opened_at, connection);
        outputs
    }

    /// The turn leaves no trace, and the instance goes with it.
    fn drop_turn(&mut self, subject: Subject, cause: DropCause, now: Timestamp) {
        let text = cause.to_string();
        self.report(Report::Dropped { event: subject.name(), cause });
        let alarm_before = self.home().alarm.record();
        let failure = Failure { message: String::new(), stack: Some(text), status: None };
        match subject {
            Subject::Start => self.refuse_next_event(&failure, now),
            Subject::Connect(connection) => self.lose_connecting(connection),
            Subject::Request(request) => self.lose_request(request),
            Subject::Alarm => self.fail_alarm(now),
            Subject::Close(connection) => {
                self.home().sessions.remove(&connection);
            }
            Subject::Message(_) | Subject::Error(_) | Subject::ResponseClosed | Subject::Completed => {}
        }
        self.lose_memory(now);
        self.commit_record_if_changed(alarm_before);
        let reason = if subject == Subject::Start { StartReason::FailedBefore } else { StartReason::Lost };
        self.phase = Phase::Fresh(reason);
        self.count_drop(now);
    }
}

/// A client that got its 101 at the deadline cannot be answered with a response any more: it is closed.
fn upgraded_before_rejection(upgraded: bool, connection: ConnectionId, outputs: &mut Vec<Output>) {
    if upgraded {
        let frame = crate::message::CloseFrame::new(profile::CLOSE_POLICY, "the connection was refused");
        outputs.push(Output::Close(connection, Some(frame)));
    }
}
