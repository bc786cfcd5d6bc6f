//! What time brings: sleeps that are over, the alarm, deadlines.

use crate::event::{Event, Failure, Outcome, Output, StartReason};
use crate::http::Response;
use crate::ids::Timestamp;
use crate::operation::{Operation, OperationError};
use crate::planted::{self, PlantedBug};
use crate::room::pending::{OverdueEvent, PendingEvent};
use crate::room::{Phase, Report, Room, RoomState, Service};
use crate::turn::Subject;

/// The window in which dropped turns are counted, in milliseconds.
const DROPS_WINDOW_MS: u64 = 60_000;

impl RoomState {
    /// When the guest's memory has something to do by itself, apart from the alarm.
    pub(super) fn next_due(&self) -> Option<Timestamp> {
        let held = (self.holds > 0).then_some(self.hold_until);
        // Another process must begin it again at once, or say that it was interrupted.
        let is_worked_for = self.operations.worked_on().next().is_some();
        let streams = (!self.streams.is_empty()).then_some(self.last_now);
        let works = is_worked_for.then_some(self.last_now);
        let works = works.filter(|_| !planted::is(PlantedBug::WorkDueAtItsDeadline));
        [self.operations.next_due(), self.pending.next_deadline(), held, works, streams]
            .into_iter()
            .flatten()
            .min()
    }
}

impl Room {
    /// When [`Room::on_time`] next has something to do; after [`Room::on_time`] it is always later than then.
    /// Unknown (`None`) while a turn is out.
    pub fn next_deadline(&self) -> Option<Timestamp> {
        let is_known = self.service == Service::Open && !self.is_unread();
        let state = self.state.as_ref().filter(|_| is_known)?;
        if let Phase::Suspended { until } = self.phase {
            // Over, a durable room waits for its driver to forget it.
            return Some(until).filter(|until| *until > state.last_now || self.recording.is_none());
        }
        let alarm = state.alarm.due().filter(|_| !self.alarm_waits);
        let held = (state.holds > 0).then_some(state.hold_until);
        let accept = self.accept_due.first().map(|(due, _)| *due);
        let drop_forgotten = self.drops.front().map(|drop| drop.after_ms(DROPS_WINDOW_MS));
        let sleep = state.operations.next_due();
        [alarm, held, accept, drop_forgotten, sleep, state.pending.next_deadline()]
            .into_iter()
            .flatten()
            .min()
    }

    /// Puts in what is due. Does nothing while a turn is out: the driver calls it again before the next one.
    pub fn on_time(&mut self, now: Timestamp) {
        if self.state.is_none() || self.service != Service::Open || self.is_unread() {
            return;
        }
        self.clock = now;
        let now = self.tell_time(now);
        if let Phase::Suspended { until } = self.phase {
            if until > now || self.recording.is_some() {
                return;
            }
            self.phase = Phase::Fresh(StartReason::Lost);
        }
        self.forget_drops();
        while let Some((operation, what)) = self.home().operations.take_due(now) {
            if let Operation::Work { .. } = what {
                if !planted::is(PlantedBug::TimeoutForgetsNothing) {
                    self.output(Output::Forget(operation));
                }
                self.mailbox.push(Event::Completed(operation, Outcome::Failed(OperationError::Timeout)));
                continue;
            }
            self.mailbox.push(Event::Completed(operation, Outcome::Slept));
            if planted::is(PlantedBug::CompletionTwice) {
                self.mailbox.push(Event::Completed(operation, Outcome::Slept));
            }
        }
        self.accept_overdue(now);
        self.end_overdue(now);
        if self.home().holds > 0 && self.home().hold_until <= now {
            self.record_time(now);
            self.reset_overdue("events.hold", now);
        }
        self.ring_alarm(now);
        self.commit_if_much_waits();
    }

    /// Comes last: what is overdue may have been the alarm that rang, and then the one after it is due.
    fn ring_alarm(&mut self, now: Timestamp) {
        let is_suspended = matches!(self.phase, Phase::Suspended { .. });
        let is_due = self.home().alarm.due().is_some_and(|at| at <= now);
        if is_due && !self.alarm_waits && !is_suspended {
            self.alarm_waits = true;
            self.mailbox.push(Event::Alarm);
        }
    }

    /// The room's own time, which never decreases whatever the host's clock does.
    pub(crate) fn tell_time(&mut self, now: Timestamp) -> Timestamp {
        let state = self.home();
        state.last_now = state.last_now.max(now);
        let now = state.last_now;
        self.calls.tell_time(now);
        now
    }

    /// Clients that have waited long enough for `on-connect` get their 101.
    fn accept_overdue(&mut self, now: Timestamp) {
        while let Some((due, connection)) = self.accept_due.first().copied() {
            if due > now {
                return;
            }
            self.accept_due.pop_first();
            self.touch();
            self.record_time(now);
            if let Some(arriving) = self.arriving.get_mut(&connection) {
                arriving.upgraded = true;
            } else if let Some(session) = self.home().sessions.get_mut(&connection) {
                session.upgraded = true;
            } else {
                continue;
            }
            self.output(Output::Accept(connection));
        }
    }

    /// Events that have not settled in time.
    fn end_overdue(&mut self, now: Timestamp) {
        while let Some(OverdueEvent { id, subject, deadline_ms }) = self.home().pending.take_overdue(now) {
            self.touch();
            self.record_time(now);
            match subject {
                Subject::Start => return self.reset_overdue(subject.name(), now),
                Subject::Request(request) => {
                    if !self.home().forget_request(request) {
                        // Answered, or its client has gone: what the handler still does is bound by nothing.
                        self.home().pending.add(id, PendingEvent { subject, deadline_ms: None }, now);
                        continue;
                    }
                    self.report(Report::Overdue { event: subject.name(), deadline_ms });
                    let text = format!("The room did not answer within {deadline_ms} ms");
                    self.output(Output::Respond(request, Response::text(504, text)));
                }
                Subject::Connect(_)
                | Subject::Resume
                | Subject::Alarm
                | Subject::Message(_)
                | Subject::Close(_)
                | Subject::Error(_)
                | Subject::ResponseClosed
                | Subject::Stream(_)
                | Subject::Drain
                | Subject::Completed => {
                    self.report(Report::Overdue { event: subject.name(), deadline_ms });
                    let message = format!("{} did not settle within {deadline_ms} ms", subject.name());
                    let before = self.home().alarm.record();
                    self.finish_event(subject, Err(Failure { message, stack: None, status: None }), now);
                    self.commit_record_if_changed(before);
                }
            }
        }
    }

    /// A start or a hold that lasts too long: the room starts afresh.
    fn reset_overdue(&mut self, what: &'static str, now: Timestamp) {
        let deadline_ms = self.config.limits.hold_deadline_ms;
        self.report(Report::Overdue { event: what, deadline_ms });
        let message = format!("{what} did not settle within {deadline_ms} ms");
        self.start_afresh(None, &Failure { message, stack: None, status: None }, now);
    }

    /// Dropped turns count for a while of the host's clock, which goes on when it is set back.
    pub(crate) fn forget_drops(&mut self) {
        let now = self.clock;
        self.drops.iter_mut().for_each(|drop| *drop = now.min(*drop));
        while self.drops.front().is_some_and(|drop| now.since_ms(*drop) >= DROPS_WINDOW_MS) {
            self.drops.pop_front();
        }
    }
}
