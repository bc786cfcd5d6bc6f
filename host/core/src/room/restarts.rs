//! Losing the instance: what becomes of everything that its memory knew about.

use std::collections::BTreeSet;

use crate::event::{Event, Failure, Output, StartReason};
use crate::http::Response;
use crate::ids::{CommitSeq, ConnectionId, Timestamp};
use crate::mailbox::Lane;
use crate::message::CloseFrame;
use crate::planted::{self, PlantedBug};
use crate::profile;
use crate::room::{Action, Memory, Phase, Report, Room, Service};
use crate::session::ReadyState;
use crate::turn::Subject;

/// Who goes on with the room when the guest that it had does not.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Successor {
    /// A new life, which begins with what is stored.
    KnowsNothing,
    /// Another version, which has taken over what this one knew.
    WasTold,
}

impl Room {
    /// A commit has become durable.
    pub fn committed(&mut self, seq: CommitSeq) {
        if self.service == Service::Failed {
            return;
        }
        let released = self.gate.committed(seq);
        if let Some(state) = &mut self.state {
            state.overlay.settle(seq);
        }
        self.actions.extend(released.into_iter().map(Action::Output));
        if self.gate.uncommitted() == 0 {
            self.calls_answered.clear();
        }
        self.unsaved = self.unsaved.take().filter(|unsaved| unsaved.seq > seq);
        self.fall_asleep(seq);
    }

    /// The instance goes and the next event starts a new life. `dropped` is what the dropped turn was about, if
    /// there was one. If the room was starting, the event that it started for is answered with `failure`.
    pub(crate) fn start_afresh(&mut self, dropped: Option<Subject>, failure: &Failure, now: Timestamp) {
        if self.ends_instead(dropped) {
            return;
        }
        self.end_life(|room| {
            let was_starting = room.phase == Phase::Starting;
            room.lose_memory(dropped, now);
            match was_starting {
                true => room.refuse_next_event(failure, now),
                false => room.phase = Phase::Fresh(StartReason::Lost),
            }
        });
        self.count_drop(now);
    }

    /// `on-start` has failed: the next event tries again.
    pub(crate) fn fail_start(&mut self, failure: &Failure, now: Timestamp) {
        self.end_life(|room| {
            room.lose_memory(None, now);
            room.refuse_next_event(failure, now);
        });
    }

    /// The memory is gone: operations are cancelled, open requests answered, connecting clients turned away,
    /// pending events and the auto-response forgotten. Open sockets stay. Within [`Room::end_life`].
    pub(super) fn lose_memory(&mut self, dropped: Option<Subject>, now: Timestamp) {
        self.memory = Memory::Awake;
        self.kept = None;
        if let Some(recording) = &mut self.recording {
            recording.forget_life();
        }
        self.actions.push(Action::DropInstance);
        self.end_auto_response();
        self.end_what_is_open(dropped, Successor::KnowsNothing, now);
    }

    /// Whoever knew of what is open is gone. Whoever comes after may have been told of the clients.
    pub(super) fn end_what_is_open(
        &mut self,
        dropped: Option<Subject>,
        successor: Successor,
        now: Timestamp,
    ) {
        self.forget_completions();
        if !planted::is(PlantedBug::LifeForgetsNothing) {
            self.forget_works();
        }
        self.break_streams_off();
        let state = self.home();
        state.operations.clear();
        state.holds = 0;
        state.hold_until = Timestamp::NEVER;
        for subject in state.pending.take_all().into_iter().chain(dropped) {
            match subject {
                Subject::Connect(connection) => match successor {
                    Successor::KnowsNothing => self.lose_connecting(connection),
                    Successor::WasTold => {
                        // One that has been let in is listed: its close is told like any other.
                        let failure = Failure { message: String::new(), stack: None, status: None };
                        for output in self.end_connect(connection, Err(failure)) {
                            self.output(output);
                        }
                    }
                },
                Subject::Alarm => {
                    if !planted::is(PlantedBug::DroppedAlarmNotRetried) {
                        self.fail_alarm(now);
                    }
                }
                Subject::Close(connection) => {
                    self.home().sessions.remove(&connection);
                }
                Subject::Start
                | Subject::Resume
                | Subject::Message(_)
                | Subject::Error(_)
                | Subject::Request(_)
                | Subject::ResponseClosed
                | Subject::Stream(_)
                | Subject::Drain
                | Subject::Completed => {}
            }
        }
        self.home().answered_whole.clear();
        for request in std::mem::take(&mut self.home().requests) {
            if !planted::is(PlantedBug::OpenRequestForgotten) {
                let response = profile::failed("");
                self.output(Output::Respond(request, response));
            }
        }
    }

    /// The auto-response was of the life that ends.
    fn end_auto_response(&mut self) {
        if !planted::is(PlantedBug::AutoResponseOutlivesItsLife) && self.home().auto_response.take().is_some()
        {
            self.output(Output::AutoResponse(None));
        }
    }

    /// Answers the event that a start was for, when the start has failed.
    fn refuse_next_event(&mut self, failure: &Failure, now: Timestamp) {
        self.phase = Phase::Fresh(StartReason::FailedBefore);
        let Some(event) = self.mailbox.pop(Lane::All) else { return };
        match event {
            Event::Connect(connection) => {
                let Some(arriving) = self.arriving.remove(&connection) else { return };
                self.drop_accept_deadline(arriving.connection.opened_at, connection);
                for output in self.config.profile.start_failed(connection, arriving.upgraded, failure) {
                    self.output(output);
                }
            }
            Event::Request(request, _) => {
                self.output(Output::Respond(request, self.config.profile.request_failed(failure)));
            }
            Event::Close(connection, ..) => {
                self.home().sessions.remove(&connection);
            }
            Event::Alarm => {
                self.alarm_waits = false;
                if self.home().alarm.ring(now) {
                    self.finish_event(Subject::Alarm, Err(failure.clone()), now);
                }
            }
            Event::Start(_)
            | Event::Resume(_)
            | Event::Message(..)
            | Event::Error(..)
            | Event::ResponseClosed(_)
            | Event::Stream(..)
            | Event::Drain(..)
            | Event::Completed(..) => {}
        }
    }

    /// Counts a dropped turn; too many within a minute suspend the room.
    pub(super) fn count_drop(&mut self, now: Timestamp) {
        self.drops.push_back(self.clock);
        self.forget_drops();
        let drops = self.drops.len() as u32;
        if drops <= self.config.limits.drops_per_minute_max {
            return;
        }
        let until = now.after_ms(self.config.limits.suspended_ms);
        self.drops.clear();
        self.report(Report::Suspended { drops, until });
        let text = format!("the room is suspended after {drops} dropped turns within a minute");
        self.turn_everyone_away(&CloseFrame::new(profile::CLOSE_TRY_LATER, text));
        self.phase = Phase::Suspended { until };
    }

    /// A commit failed: everything that depended on it is dropped and every client told. The room ends with it:
    /// the driver carries out its actions, forgets it, and makes another from what is durable. Not while a turn
    /// is out. Further failures of commits of the same room change nothing.
    pub fn commit_failed(&mut self) {
        assert!(self.state.is_some(), "the driver waits for the turn to end");
        let before = std::mem::replace(&mut self.service, Service::Failed);
        let text = match before {
            Service::Failed => return,
            // It has ended in order, and everyone has been told.
            Service::Destroyed if self.gate.uncommitted() == 0 => return,
            Service::Unreadable => "the room could not be read",
            Service::Open | Service::ShutDown | Service::Stuck | Service::Damaged | Service::Destroyed => {
                self.report(Report::CommitFailed);
                "the room could not be written"
            }
        };
        self.actions.retain(|action| !matches!(action, Action::Commit(_)));
        self.actions.push(Action::DropInstance);
        let dropped = self.gate.fail();
        let frame = CloseFrame::new(profile::CLOSE_ERROR, text);
        if !planted::is(PlantedBug::HeldAnswerForgotten) {
            self.take_back(dropped, &frame);
        }
        self.turn_everyone_away(&frame);
    }

    /// Why a commit failed, for those who wait for an answer: said before [`Room::commit_failed`].
    pub fn fails_because(&mut self, why: &str) {
        self.cause = Some(why.lines().next().unwrap_or_default().into());
    }

    /// What is kept of the room could not be read just now, which says nothing of what it is. It takes no turn any more; as
    /// soon as [`Room::must_be_made_anew`] says so the driver ends it, and the next event finds it made anew of the store.
    /// `why` is told to those who wait for an answer.
    pub fn unreadable(&mut self, why: &str) {
        if self.service == Service::Open {
            self.cause = Some(why.into());
            self.service = Service::Unreadable;
        }
    }

    /// Whether that is so.
    pub fn is_unreadable(&self) -> bool {
        self.service == Service::Unreadable
    }

    /// Outputs that the gate dropped: whoever was to be answered or closed with them is so with `frame`.
    fn take_back(&mut self, dropped: Vec<Output>, frame: &CloseFrame) {
        let mut unanswered = BTreeSet::new();
        let mut unclosed = BTreeSet::new();
        let (mut unopened, mut unfinished) = (BTreeSet::new(), BTreeSet::new());
        for output in dropped {
            match output {
                Output::Accept(connection) | Output::Reject(connection, _) => {
                    unanswered.insert(connection);
                }
                Output::Close(connection, _) => {
                    unclosed.insert(connection);
                }
                // The answer may have been another next time: whoever called asks once more.
                Output::Respond(request, _) if self.calls_answered.contains(&request) => {}
                Output::Respond(request, _) => {
                    self.home().requests.insert(request);
                }
                Output::Open(request, stream, _) => {
                    self.home().requests.insert(request);
                    unopened.insert(stream);
                }
                Output::ReadBody(_, stream) => _ = unopened.insert(stream),
                Output::Finish(stream) | Output::BreakOff(stream) => {
                    unfinished.insert(stream);
                }
                Output::Read(_)
                | Output::Send(..)
                | Output::Broadcast(..)
                | Output::AutoResponse(_)
                // The room is made anew, and nobody works for this one any more.
                | Output::Interrupted(_)
                | Output::Write(..)
                | Output::SendOn(..)
                | Output::CloseOn(..)
                | Output::Begin(..)
                | Output::Forget(_) => {}
            }
        }
        for stream in &unopened {
            self.home().streams.remove(*stream);
        }
        // What their clients have of them is not all, and the room knows of them no more.
        if !planted::is(PlantedBug::HeldFinishForgotten) {
            for stream in unfinished.difference(&unopened) {
                self.output(Output::BreakOff(*stream));
            }
        }
        for connection in unanswered.union(&unclosed).copied() {
            let is_unanswered = unanswered.contains(&connection);
            if let Some(session) = self.home().sessions.get_mut(&connection) {
                session.upgraded &= !is_unanswered;
                if session.is_rejected() || session.ready_state == ReadyState::Closing {
                    session.ready_state = ReadyState::Open;
                }
            } else if let Some(arriving) = self.arriving.get_mut(&connection) {
                arriving.upgraded &= !is_unanswered;
            } else {
                self.turn_away(connection, !is_unanswered, frame);
            }
        }
    }

    /// The room ends, because its host or its party does: every client is told, every waiting request answered, and nothing
    /// more is taken. Commits under way still let out what waits for them. Not while a turn is out. Again, it
    /// changes nothing.
    pub fn shut_down(&mut self, frame: &CloseFrame) {
        assert!(self.state.is_some(), "the driver waits for the turn to end");
        if self.service == Service::Open {
            self.service = Service::ShutDown;
            self.turn_everyone_away(frame);
        }
    }

    fn turn_away(&mut self, connection: ConnectionId, upgraded: bool, frame: &CloseFrame) {
        self.output(match upgraded {
            true => Output::Close(connection, Some(frame.clone())),
            false => Output::Reject(connection, self.unavailable(frame)),
        });
    }

    pub(super) fn turn_everyone_away(&mut self, frame: &CloseFrame) {
        // Rooms that call ask once more, of the room as it will be then.
        let tells_callers = self.service == Service::Open;
        self.forget_completions();
        while let Some(event) = self.mailbox.pop(Lane::All) {
            if let Event::Request(request, _) = event
                && (self.calling.remove(&request).is_none() || tells_callers)
            {
                self.output(Output::Respond(request, self.unavailable(frame)));
            }
        }
        self.alarm_waits = false;
        self.accept_due.clear();
        for (connection, arriving) in std::mem::take(&mut self.arriving) {
            self.turn_away(connection, arriving.upgraded, frame);
        }
        for request in std::mem::take(&mut self.home().requests) {
            // A call that was heard has its answer still to come, or is asked for once more.
            match self.calls.is_open(request) {
                true => _ = self.home().requests.insert(request),
                false => self.output(Output::Respond(request, self.unavailable(frame))),
            }
        }
        self.break_streams_off();
        for (connection, session) in std::mem::take(&mut self.home().sessions) {
            let is_told = match session.ready_state {
                ReadyState::Connecting | ReadyState::Open => session.gone.is_some(),
                ReadyState::Closing => session.upgraded || session.gone.is_some(),
                ReadyState::Closed => true,
            };
            if !is_told {
                self.turn_away(connection, session.upgraded, frame);
            }
        }
    }

    /// What a request gets that is turned away.
    fn unavailable(&self, frame: &CloseFrame) -> Response {
        let cause = self.cause.as_ref().filter(|_| self.service == Service::Failed);
        Response::text(
            503,
            match cause {
                Some(cause) => format!("{}: {cause}", frame.reason),
                None => frame.reason.clone(),
            },
        )
    }
}
