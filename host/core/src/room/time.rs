//! What time brings: sleeps that are over, the alarm, deadlines.

use crate::event::{DropCause, Event, Failure, Outcome, Output, StartReason};
use crate::http::Response;
use crate::ids::Timestamp;
use crate::room::{Phase, Report, Room};
use crate::turn::Subject;

impl Room {
    /// When [`Room::on_time`] next has something to do. Unknown (`None`) while a turn is out.
    pub fn next_deadline(&self) -> Option<Timestamp> {
        let state = self.state.as_ref()?;
        let alarm = state.alarm.due().filter(|_| !self.alarm_waits);
        let suspended = match self.phase {
            Phase::Suspended { until } => Some(until),
            Phase::Fresh(_) | Phase::Starting | Phase::Running => None,
        };
        let held = (state.holds > 0).then_some(state.hold_until);
        let accept = self.accept_due.first().map(|(due, _)| *due);
        let all =
            [alarm, suspended, held, accept, state.operations.next_due(), state.pending.next_deadline()];
        let next = all.into_iter().flatten().min()?;
        Some(match suspended {
            Some(until) => next.max(until),
            None => next,
        })
    }

    /// Puts in what is due. Does nothing while a turn is out: the driver calls it again before the next one.
    pub fn on_time(&mut self, now: Timestamp) {
        if self.state.is_none() {
            return;
        }
        if let Phase::Suspended { until } = self.phase {
            if until > now {
                return;
            }
            self.phase = Phase::Fresh(StartReason::Lost);
        }
        while let Some(operation) = self.home().operations.take_due(now) {
            self.mailbox.push(Event::Completed(operation, Outcome::Slept));
        }
        if !self.alarm_waits && self.home().alarm.due().is_some_and(|at| at <= now) {
            self.alarm_waits = true;
            self.mailbox.push(Event::Alarm);
        }
        self.accept_overdue(now);
        self.end_overdue(now);
        if self.home().holds > 0 && self.home().hold_until <= now {
            self.reset_overdue("events.hold", now);
        }
    }

    /// Clients that have waited long enough for `on-connect` get their 101.
    fn accept_overdue(&mut self, now: Timestamp) {
        while let Some((due, connection)) = self.accept_due.first().copied() {
            if due > now {
                return;
            }
            self.accept_due.pop_first();
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
        while let Some((_, subject)) = self.home().pending.take_overdue(now) {
            let limits = &self.config.limits;
            match subject {
                Subject::Start => {
                    self.reset_overdue("on-start", now);
                    return;
                }
                Subject::Request(request) => {
                    let deadline_ms = limits.request_deadline_ms;
                    self.report(Report::Overdue { event: subject.name(), deadline_ms });
                    if self.home().requests.remove(&request) {
                        let text = format!("The room did not answer within {deadline_ms} ms");
                        self.output(Output::Respond(request, Response::text(504, text)));
                    }
                }
                Subject::Connect(_) | Subject::Alarm => {
                    let deadline_ms = match subject {
                        Subject::Connect(_) => limits.connect_deadline_ms,
                        _ => limits.alarm_deadline_ms,
                    };
                    self.report(Report::Overdue { event: subject.name(), deadline_ms });
                    let message = format!("{} did not settle within {deadline_ms} ms", subject.name());
                    let failure = Failure { message, stack: None, status: None };
                    let before = self.home().alarm.record();
                    self.finish_event(subject, Err(failure), now);
                    self.commit_record_if_changed(before);
                }
                Subject::Message(_)
                | Subject::Close(_)
                | Subject::Error(_)
                | Subject::ResponseClosed
                | Subject::Completed => unreachable!("only these have a deadline"),
            }
        }
    }

    /// A start or a hold that lasts too long: the room starts afresh.
    fn reset_overdue(&mut self, what: &'static str, now: Timestamp) {
        let deadline_ms = self.config.limits.hold_deadline_ms;
        self.report(Report::Overdue { event: what, deadline_ms });
        let was_starting = self.phase == Phase::Starting;
        let before = self.home().alarm.record();
        self.lose_memory(now);
        self.commit_record_if_changed(before);
        self.phase = Phase::Fresh(if was_starting { StartReason::FailedBefore } else { StartReason::Lost });
        if was_starting {
            let message = format!("{what} did not settle within {deadline_ms} ms");
            self.refuse_next_event(&Failure { message, stack: None, status: None }, now);
        }
        let cause = DropCause::Trap(format!("{what} lasted longer than {deadline_ms} ms"));
        self.report(Report::Dropped { event: what, cause });
        self.count_drop(now);
    }
}
