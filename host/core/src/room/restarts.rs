//! Losing the instance: what becomes of everything that its memory knew about.

use crate::event::{Output, StartReason};
use crate::ids::{CommitSeq, ConnectionId, RequestId, Timestamp};
use crate::mailbox::Lane;
use crate::message::CloseFrame;
use crate::profile;
use crate::room::{Action, Phase, Report, Room};
use crate::session::ReadyState;
use crate::turn::Subject;

/// The window in which dropped turns are counted, in milliseconds.
const DROPS_WINDOW_MS: u64 = 60_000;

impl Room {
    /// A commit has become durable.
    pub fn committed(&mut self, seq: CommitSeq) {
        let released = self.gate.committed(seq);
        if let Some(state) = &mut self.state {
            state.overlay.settle(seq);
        }
        self.actions.extend(released.into_iter().map(Action::Output));
    }

    /// The memory is gone: operations are cancelled, open requests answered, connecting clients turned away,
    /// pending events forgotten. Open sockets stay.
    pub(crate) fn lose_memory(&mut self, now: Timestamp) {
        self.actions.push(Action::DropInstance);
        self.mailbox.clear_completions();
        let state = self.home();
        state.operations.clear();
        state.holds = 0;
        state.hold_until = Timestamp::NEVER;
        for subject in self.home().pending.take_all() {
            match subject {
                Subject::Connect(connection) => self.lose_connecting(connection),
                Subject::Alarm => self.fail_alarm(now),
                Subject::Close(connection) => {
                    self.home().sessions.remove(&connection);
                }
                Subject::Start
                | Subject::Message(_)
                | Subject::Error(_)
                | Subject::Request(_)
                | Subject::ResponseClosed
                | Subject::Completed => {}
            }
        }
        let open: Vec<RequestId> = self.home().requests.iter().copied().collect();
        for request in open {
            self.lose_request(request);
        }
    }

    pub(crate) fn lose_request(&mut self, request: RequestId) {
        if self.home().requests.remove(&request) {
            let response = profile::failed(profile::REQUEST_FAILED, None, "");
            self.output(Output::Respond(request, response));
        }
    }

    pub(crate) fn lose_connecting(&mut self, connection: ConnectionId) {
        let Some(session) = self.home().sessions.get_mut(&connection) else { return };
        if session.ready_state == ReadyState::Closed && session.accepted {
            return;
        }
        let (upgraded, opened_at) = (session.upgraded, session.opened_at);
        session.upgraded = true;
        session.ready_state = ReadyState::Closing;
        if !upgraded {
            self.output(Output::Accept(connection));
        }
        self.output(Output::Read(connection));
        self.output(Output::Close(connection, Some(profile::connect_failed(""))));
        self.drop_accept_deadline(opened_at, connection);
    }

    /// Counts a dropped turn; too many within a minute suspend the room.
    pub(crate) fn count_drop(&mut self, now: Timestamp) {
        self.drops.push_back(now);
        while self.drops.front().is_some_and(|drop| now.since_ms(*drop) >= DROPS_WINDOW_MS) {
            self.drops.pop_front();
        }
        let drops = self.drops.len() as u32;
        if drops <= self.config.limits.drops_per_minute_max {
            return;
        }
        let until = now.after_ms(self.config.limits.suspended_ms);
        self.drops.clear();
        self.report(Report::Suspended { drops, until });
        let text = format!("the room is suspended after {drops} dropped turns within a minute");
        self.turn_everyone_away(CloseFrame::new(profile::CLOSE_TRY_LATER, text));
        self.phase = Phase::Suspended { until };
    }

    /// A commit failed: everything that depended on it is dropped, every client is told, and the room is to be
    /// made anew from what is durable. The driver forgets this `Room` after carrying out its actions.
    pub fn commit_failed(&mut self) {
        assert!(self.state.is_some(), "the driver waits for the turn to end");
        self.gate.fail();
        self.report(Report::CommitFailed);
        self.actions.push(Action::DropInstance);
        self.turn_everyone_away(CloseFrame::new(profile::CLOSE_ERROR, "the room could not be written"));
        self.phase = Phase::Fresh(StartReason::Lost);
    }

    /// The room ends, because its host or its party does: every client is told so, every waiting request answered.
    pub fn shut_down(&mut self, frame: &CloseFrame) {
        self.turn_everyone_away(frame.clone());
    }

    fn turn_everyone_away(&mut self, frame: CloseFrame) {
        let unavailable = || crate::http::Response::text(503, frame.reason.clone());
        while let Some(event) = self.mailbox.pop(Lane::All) {
            if let crate::event::Event::Request(request, _) = event {
                self.output(Output::Respond(request, unavailable()));
            }
        }
        self.alarm_waits = false;
        for (connection, arriving) in std::mem::take(&mut self.arriving) {
            self.output(match arriving.upgraded {
                true => Output::Close(connection, Some(frame.clone())),
                false => Output::Reject(connection, unavailable()),
            });
        }
        self.accept_due.clear();
        for request in std::mem::take(&mut self.home().requests) {
            self.output(Output::Respond(request, unavailable()));
        }
        for (connection, session) in std::mem::take(&mut self.home().sessions) {
            self.output(match session.upgraded {
                true => Output::Close(connection, Some(frame.clone())),
                false => Output::Reject(connection, unavailable()),
            });
        }
    }
}
