//! The end of a turn and of events, and the loss of the memory, in the model.

use bytes::Bytes;
use party_core::commit::Alarm;
use party_core::event::{DropCause, Event, Failure, Output, StartReason, TurnEnd};
use party_core::http::Response;
use party_core::ids::{ConnectionId, Timestamp};
use party_core::limits::{ALARM_RETRIES_MAX, ALARM_RETRY_FIRST_MS};
use party_core::message::CloseFrame;
use party_core::profile;
use party_core::room::Phase;
use party_core::session::ReadyState;

use crate::model::{Draft, Model, Pending, Session, Sleeping};

impl Session {
    /// Whether the handshake of a client that is there has no answer yet.
    pub(crate) fn waits_for_its_answer(&self) -> bool {
        !self.upgraded && !self.connect_ended && !self.rejected && self.gone.is_none()
    }
}

impl Model {
    /// A turn ends: its draft becomes the state, or nothing of it does.
    pub(crate) fn end(&mut self, draft: Draft, end: &TurnEnd) {
        let now = draft.now;
        let own = match end {
            TurnEnd::Dropped(DropCause::Aborted(reason)) => return self.abort(&draft.event, reason, now),
            TurnEnd::Dropped(cause) => {
                let stack = Some(cause.to_string());
                let failure = Failure { stack, ..Failure::default() };
                return self.start_afresh(Some(&draft.event), &failure, now);
            }
            TurnEnd::Done => Some(draft.own_settled.unwrap_or(Ok(()))),
            TurnEnd::Failed(failure) => Some(Err(failure.clone())),
            TurnEnd::Pending => draft.own_settled,
        };
        self.memory += 1;
        let alarm_before = self.state.alarm_record();
        let before = std::mem::replace(&mut self.state, draft.state);
        let cancelled = self.keep_answers(&before.operations);
        for session in self.state.sessions.values_mut().filter(|session| session.rejected) {
            session.state = ReadyState::Closed;
        }
        let mut outputs = draft.outputs;
        outputs.extend(cancelled);
        if self.state.auto_response != before.auto_response {
            outputs.insert(0, Output::AutoResponse(self.state.auto_response.clone()));
        }
        for (event, outcome) in draft.settled {
            outputs.extend(self.end_event(&event, outcome, now));
        }
        match own {
            Some(outcome) => outputs.extend(self.end_event(&draft.event, outcome, now)),
            None => {
                let until = self.deadline_ms(&draft.event).map(|ms| now.after_ms(ms));
                self.state.pending.insert(draft.event_id, Pending { event: draft.event, until });
            }
        }
        if draft.destroys {
            return self.destroy(outputs);
        }
        if draft.wrote || self.state.alarm_record() != alarm_before {
            let entries = &self.state.entries;
            let bytes = |key: &Bytes| key.len() + entries.get(key).map_or(0, Bytes::len);
            let bytes = draft.changed.iter().map(|key| bytes(key) as u64).sum();
            self.commit(bytes, draft.wrote);
        }
        self.ledger.expect(outputs);
        if let Some(failure) = self.start_failure.take() {
            self.end_life(|model| {
                model.lose_memory(None, now);
                model.refuse_next(&failure, now);
            });
        }
    }

    /// The room ends, and nothing is left of it.
    fn destroy(&mut self, mut outputs: Vec<Output>) {
        self.is_destroyed = true;
        outputs.retain(|output| match output {
            Output::Begin(id, ..) => {
                self.state.operations.remove(id);
                false
            }
            _ => true,
        });
        self.state.entries.clear();
        (self.state.alarm, self.state.ringing) = (None, None);
        if self.ledger.has_issued() {
            self.commit(0, true);
            self.snapshots.back_mut().expect("it was just taken").destroys = true;
        }
        self.ledger.expect(outputs);
        self.end_operations();
        self.is_open = false;
        self.turn_everyone_away(&CloseFrame::new(profile::CLOSE_GOING_AWAY, "the room was destroyed"));
        self.instances_lost += 1;
    }

    /// A life ends. That it has is in the store, with all that it changes, before anyone is told.
    pub(crate) fn end_life(&mut self, end: impl FnOnce(&mut Model)) {
        let alarm_before = self.state.alarm_record();
        self.told_later = Some(Vec::new());
        end(self);
        if std::mem::take(&mut self.store_has_memory) {
            self.memory_due = None;
            self.commit(0, false);
            self.snapshots.back_mut().expect("it was just taken").forgets = true;
        } else {
            self.commit_alarm(alarm_before);
        }
        let told = self.told_later.take().expect("it was just put there");
        self.say(told);
    }

    /// What the end of an event is answered with.
    pub(crate) fn end_event(
        &mut self,
        event: &Event,
        outcome: Result<(), Failure>,
        now: Timestamp,
    ) -> Vec<Output> {
        match event {
            Event::Start(_) => match outcome {
                Ok(()) => self.phase = Phase::Running,
                Err(failure) => self.start_failure = Some(failure),
            },
            Event::Connect(id) => return self.end_connect(*id, outcome),
            Event::Request(id, _) => {
                if self.state.requests.remove(id) {
                    let response = match outcome {
                        Ok(()) => self.profile.no_response(),
                        Err(failure) => self.profile.request_failed(&failure),
                    };
                    return vec![Output::Respond(*id, response)];
                }
            }
            Event::Alarm => match outcome {
                Ok(()) => self.state.ringing = None,
                Err(_) => self.fail_alarm(now),
            },
            Event::Close(id, ..) => drop(self.state.sessions.remove(id)),
            Event::Resume(_)
            | Event::Message(..)
            | Event::Error(..)
            | Event::ResponseClosed(_)
            | Event::Stream(..)
            | Event::Drain(..)
            | Event::Completed(..) => {}
        }
        Vec::new()
    }

    fn end_connect(&mut self, id: ConnectionId, outcome: Result<(), Failure>) -> Vec<Output> {
        let Some(session) = self.state.sessions.get_mut(&id) else { return Vec::new() };
        session.connect_ended = true;
        session.accepted |= outcome.is_ok() && !session.rejected;
        if session.rejected || (session.gone.is_some() && !session.accepted) {
            self.state.sessions.remove(&id);
            return Vec::new();
        }
        if let Some((frame, was_clean)) = session.gone.take() {
            self.waiting.push_back(Event::Close(id, frame, was_clean));
            return Vec::new();
        }
        let mut outputs = Vec::new();
        if !session.upgraded {
            outputs.push(Output::Accept(id));
        }
        session.upgraded = true;
        outputs.push(Output::Read(id));
        match (session.state == ReadyState::Closing, outcome) {
            (true, _) => {}
            (false, Ok(())) => session.state = ReadyState::Open,
            (false, Err(failure)) => {
                session.state = ReadyState::Closing;
                outputs.extend(self.profile.connect_failed(id, &failure));
            }
        }
        outputs
    }

    fn fail_alarm(&mut self, now: Timestamp) {
        let Some(failed) = self.state.ringing.take() else { return };
        if self.state.alarm.is_none() && failed.attempts < ALARM_RETRIES_MAX {
            let at = now.after_ms(ALARM_RETRY_FIRST_MS << failed.attempts);
            self.state.alarm = Some(Alarm { at, attempts: failed.attempts + 1 });
        }
    }

    pub(crate) fn commit_alarm(&mut self, before: Option<Alarm>) {
        if self.state.alarm_record() != before {
            self.commit(0, false);
        }
    }

    /// The memory goes, because a turn was dropped or something took too long.
    pub(crate) fn start_afresh(&mut self, dropped: Option<&Event>, failure: &Failure, now: Timestamp) {
        self.end_life(|model| model.begin_afresh(dropped, failure, now));
        self.count_drop(now);
    }

    fn begin_afresh(&mut self, dropped: Option<&Event>, failure: &Failure, now: Timestamp) {
        let was_starting = self.phase == Phase::Starting;
        self.lose_memory(dropped, now);
        match was_starting {
            true => self.refuse_next(failure, now),
            false => self.phase = Phase::Fresh(StartReason::Lost),
        }
    }

    fn count_drop(&mut self, now: Timestamp) {
        self.drops.push(self.clock);
        self.forget_drops();
        let drops = self.drops.len();
        if drops > self.limits.drops_per_minute_max as usize {
            let reason = format!("the room is suspended after {drops} dropped turns within a minute");
            self.drops.clear();
            self.turn_everyone_away(&CloseFrame::new(profile::CLOSE_TRY_LATER, reason));
            self.phase = Phase::Suspended { until: now.after_ms(self.limits.suspended_ms) };
        }
    }

    /// What waits for the event is answered with the reason, and only that.
    fn abort(&mut self, event: &Event, reason: &str, now: Timestamp) {
        let failure = Failure { message: reason.to_owned(), ..Failure::default() };
        self.end_life(|model| {
            let dropped = match event {
                _ if model.phase == Phase::Starting => Some(event),
                Event::Request(id, _) => {
                    if model.state.requests.remove(id) {
                        let answer = model.profile.request_failed(&failure);
                        model.say(vec![Output::Respond(*id, answer)]);
                    }
                    None
                }
                Event::Connect(id) => {
                    model.lose_connecting(*id, &failure);
                    None
                }
                event => Some(event),
            };
            model.begin_afresh(dropped, &failure, now);
        });
        self.count_drop(now);
    }

    pub(crate) fn lose_memory(&mut self, dropped: Option<&Event>, now: Timestamp) {
        self.instances_lost += 1;
        (self.memory, self.sleeping) = (0, Sleeping::Awake);
        if self.state.auto_response.take().is_some() {
            self.say(vec![Output::AutoResponse(None)]);
        }
        self.end_operations();
        self.state.holds = 0;
        let pending = std::mem::take(&mut self.state.pending);
        for event in pending.values().map(|pending| &pending.event).chain(dropped) {
            match event {
                Event::Connect(id) => self.lose_connecting(*id, &Failure::default()),
                Event::Alarm => self.fail_alarm(now),
                Event::Close(id, ..) => drop(self.state.sessions.remove(id)),
                Event::Start(_)
                | Event::Resume(_)
                | Event::Message(..)
                | Event::Error(..)
                | Event::Request(..)
                | Event::ResponseClosed(_)
                | Event::Stream(..)
                | Event::Drain(..)
                | Event::Completed(..) => {}
            }
        }
        let requests = std::mem::take(&mut self.state.requests);
        let lost = || profile::failed("");
        self.say(requests.into_iter().map(|id| Output::Respond(id, lost())).collect());
    }

    fn lose_connecting(&mut self, id: ConnectionId, why: &Failure) {
        let Some(session) = self.state.sessions.get_mut(&id) else { return };
        if session.rejected || session.gone.is_some() {
            self.state.sessions.remove(&id);
            return;
        }
        let mut outputs = Vec::new();
        if !session.upgraded {
            outputs.push(Output::Accept(id));
        }
        outputs.push(Output::Read(id));
        if session.state != ReadyState::Closing {
            outputs.extend(self.profile.connect_failed(id, why));
        }
        (session.upgraded, session.connect_ended, session.accepted) = (true, true, false);
        session.state = ReadyState::Closing;
        self.say(outputs);
    }

    /// The event that a start was for is answered with its failure.
    fn refuse_next(&mut self, failure: &Failure, now: Timestamp) {
        self.phase = Phase::Fresh(StartReason::FailedBefore);
        match self.waiting.pop_front() {
            Some(Event::Connect(id)) => {
                let Some(arriving) = self.arriving.remove(&id) else { return };
                self.say(self.profile.start_failed(id, arriving.upgraded, failure));
            }
            Some(Event::Request(id, _)) => {
                self.say(vec![Output::Respond(id, self.profile.request_failed(failure))]);
            }
            Some(Event::Close(id, ..)) => drop(self.state.sessions.remove(&id)),
            Some(Event::Alarm) => {
                self.alarm_waits = false;
                if self.is_alarm_due(now) {
                    self.state.ringing = self.state.alarm.take();
                    self.fail_alarm(now);
                }
            }
            Some(
                Event::Start(_)
                | Event::Resume(_)
                | Event::Message(..)
                | Event::Error(..)
                | Event::ResponseClosed(_)
                | Event::Stream(..)
                | Event::Drain(..)
                | Event::Completed(..),
            )
            | None => {}
        }
    }

    /// The room ends: everyone is told, and nothing more is taken.
    pub(crate) fn shut_down(&mut self, frame: &CloseFrame) {
        if self.is_open {
            self.is_open = false;
            self.turn_everyone_away(frame);
        }
    }

    fn turn_everyone_away(&mut self, frame: &CloseFrame) {
        let unavailable = || Response::text(503, frame.reason.clone());
        let away = |id, upgraded| match upgraded {
            true => Output::Close(id, Some(frame.clone())),
            false => Output::Reject(id, unavailable()),
        };
        let mut outputs = Vec::new();
        for event in std::mem::take(&mut self.waiting) {
            if let Event::Request(id, _) = event {
                outputs.push(Output::Respond(id, unavailable()));
            }
        }
        let requests = std::mem::take(&mut self.state.requests);
        outputs.extend(requests.into_iter().map(|id| Output::Respond(id, unavailable())));
        let arriving = std::mem::take(&mut self.arriving);
        outputs.extend(arriving.into_iter().map(|(id, arriving)| away(id, arriving.upgraded)));
        for (id, session) in std::mem::take(&mut self.state.sessions) {
            let was_told = session.upgraded && session.state == ReadyState::Closing;
            let is_there = !session.rejected && session.gone.is_none() && session.state != ReadyState::Closed;
            if is_there && !was_told {
                outputs.push(away(id, session.upgraded));
            }
        }
        self.alarm_waits = false;
        self.say(outputs);
    }
}
