//! What time brings, in the model: whatever is due is looked for.

use party_core::event::{Event, Failure, Output, StartReason};
use party_core::http::Response;
use party_core::ids::{EventId, Timestamp};
use party_core::room::Phase;

use crate::model::Model;

/// How long a dropped turn counts.
const DROPS_WINDOW_MS: u64 = 60_000;

impl Model {
    /// The room's time never decreases.
    pub(crate) fn tell_time(&mut self, now: Timestamp) -> Timestamp {
        self.now = self.now.max(now);
        self.now
    }

    /// Puts in what is due. Gives back how many handshakes were answered because their time had come.
    pub(crate) fn on_time(&mut self, now: Timestamp) -> usize {
        if !self.is_open {
            return 0;
        }
        self.clock = now;
        let now = self.tell_time(now);
        if let Phase::Suspended { until } = self.phase {
            if until > now {
                return 0;
            }
            self.phase = Phase::Fresh(StartReason::Lost);
        }
        self.forget_drops();
        self.ring(now);
        let accepted = self.accept_overdue(now);
        while let Some(id) = self.next_overdue(now) {
            self.end_overdue(id, now);
        }
        if self.state.holds > 0 && self.state.held_until <= now {
            self.reset("events.hold", now);
        }
        let is_suspended = matches!(self.phase, Phase::Suspended { .. });
        if !self.alarm_waits && self.is_alarm_due(now) && !is_suspended {
            self.alarm_waits = true;
            self.waiting.push_back(Event::Alarm);
        }
        accepted
    }

    pub(crate) fn forget_drops(&mut self) {
        let now = self.clock;
        self.drops.iter_mut().for_each(|drop| *drop = now.min(*drop));
        self.drops.retain(|drop| now.since_ms(*drop) < DROPS_WINDOW_MS);
    }

    fn accept_overdue(&mut self, now: Timestamp) -> usize {
        let accept_ms = self.limits.accept_deadline_ms;
        let is_due = |opened_at: Timestamp| opened_at.after_ms(accept_ms) <= now;
        let mut accepted = Vec::new();
        for (id, arriving) in &mut self.arriving {
            if !arriving.upgraded && is_due(arriving.opened_at) {
                arriving.upgraded = true;
                accepted.push(*id);
            }
        }
        for (id, session) in &mut self.state.sessions {
            if session.waits_for_its_answer() && is_due(session.opened_at) {
                session.upgraded = true;
                accepted.push(*id);
            }
        }
        let count = accepted.len();
        self.say(accepted.into_iter().map(Output::Accept).collect());
        count
    }

    fn next_overdue(&self, now: Timestamp) -> Option<EventId> {
        let pending = self.state.pending.iter();
        let overdue = pending.filter_map(|(id, pending)| Some((pending.until.filter(|at| *at <= now)?, *id)));
        overdue.min().map(|(_, id)| id)
    }

    fn end_overdue(&mut self, id: EventId, now: Timestamp) {
        let pending = self.state.pending.get_mut(&id).expect("it was found there");
        let failure = |name: &str, ms: u64| Failure {
            message: format!("{name} did not settle within {ms} ms"),
            ..Failure::default()
        };
        let event = match &pending.event {
            Event::Start(_) => return self.reset("on-start", now),
            Event::Request(request, _) => {
                if !self.state.requests.remove(request) {
                    pending.until = None;
                    return;
                }
                let ms = self.limits.request_deadline_ms;
                let response = Response::text(504, format!("The room did not answer within {ms} ms"));
                let answer = Output::Respond(*request, response);
                self.state.pending.remove(&id);
                return self.say(vec![answer]);
            }
            event => event.clone(),
        };
        self.state.pending.remove(&id);
        let ms = self.deadline_ms(&event).expect("it has a deadline, which has passed");
        let before = self.state.alarm_record();
        let outputs = self.end_event(&event, Err(failure(event.name(), ms)), now);
        self.say(outputs);
        self.commit_alarm(before);
    }

    fn reset(&mut self, what: &str, now: Timestamp) {
        let ms = self.limits.hold_deadline_ms;
        let message = format!("{what} did not settle within {ms} ms");
        self.start_afresh(None, &Failure { message, ..Failure::default() }, now);
    }

    pub(crate) fn deadline_ms(&self, event: &Event) -> Option<u64> {
        match event {
            Event::Start(_) => Some(self.limits.hold_deadline_ms),
            Event::Connect(_) => Some(self.limits.connect_deadline_ms),
            Event::Request(..) => Some(self.limits.request_deadline_ms),
            Event::Alarm => Some(self.limits.alarm_deadline_ms),
            Event::Close(..) => Some(self.limits.close_deadline_ms),
            Event::Resume(_)
            | Event::Message(..)
            | Event::Error(..)
            | Event::ResponseClosed(_)
            | Event::Stream(..)
            | Event::Drain(..)
            | Event::Completed(..) => None,
        }
    }

    /// When time next brings something.
    pub(crate) fn next_deadline(&self) -> Option<Timestamp> {
        if !self.is_open {
            return None;
        }
        if let Phase::Suspended { until } = self.phase {
            return Some(until);
        }
        let state = &self.state;
        let may_ring = !self.alarm_waits && state.ringing.is_none();
        let alarm = state.alarm.filter(|_| may_ring).map(|alarm| alarm.at);
        let held = (state.holds > 0).then_some(state.held_until);
        let drop = self.drops.first().map(|drop| drop.after_ms(DROPS_WINDOW_MS));
        let undecided = state.operations.values().filter(|operation| !operation.is_decided);
        let ends = undecided.map(|operation| operation.due);
        let settle = state.pending.values().filter_map(|pending| pending.until);
        let arriving = self.arriving.values().filter(|arriving| !arriving.upgraded);
        let connecting = state.sessions.values().filter(|session| session.waits_for_its_answer());
        let opened = arriving.map(|it| it.opened_at).chain(connecting.map(|it| it.opened_at));
        let accept = opened.map(|at| at.after_ms(self.limits.accept_deadline_ms));
        [alarm, held, drop].into_iter().flatten().chain(ends).chain(settle).chain(accept).min()
    }
}
