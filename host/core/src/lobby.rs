//! The lobby: the stateless side of a party.
//!
//! A lobby event has an instance of its own, outside any room, and ends with it. It is decided at most once; whoever waits
//! hears of that when the turn that decided has ended, and what the event still does delays nobody. It may be pending while
//! operations of it are open, and is over at its deadline in any case. A [`Lobby`] is one such event as data: its driver asks
//! for turns, runs the guest with them, and carries out what comes of it, as it does for a room. There is nothing to commit.

mod asked;

use std::collections::{BTreeSet, VecDeque};
use std::mem;
use std::sync::Arc;

use bytes::Bytes;

use crate::alarm::AlarmClock;
use crate::event::{Event, Failure, Handlers, Outcome, Output, TurnEnd};
use crate::http::Response;
use crate::ids::{CommitSeq, EventId, Incarnation, OperationId, Timestamp};
use crate::limits::OUTCOMES_BYTES_MAX;
pub(crate) use crate::lobby::asked::Came;
pub use crate::lobby::asked::{CronRun, Decision, LobbyEvent, LobbyKind, Verdict, with_headers};
use crate::operation::{Operation, OperationError, Operations, Work};
use crate::room::{Moment, PendingEvents, Report, RoomConfig, RoomState};
use crate::session::Sessions;
use crate::storage::{KeyRange, Overlay, RoomStorage, StorageReadError, Visit};
use crate::stream::Streams;
use crate::turn::Turn;
use crate::turn::lobby::LobbyTurn;

/// The id of the room that stands in the log of lobby events that are about none.
pub const LOBBY_ROOM: &str = "lobby";
/// The event of a lobby: there is no other.
const EVENT: EventId = EventId(1);

/// What the driver is to do, in order.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum LobbyAction {
    /// Do this, and tell what came of it ([`Lobby::answered`]).
    Begin(OperationId, Arc<Work>),
    /// Nobody waits for that any more.
    Forget(OperationId),
    /// Tell the operator.
    Report(Report),
}

/// The storage of what has none.
#[derive(Clone, Copy, Debug)]
pub struct NoStorage;

impl RoomStorage for NoStorage {
    fn get(&self, _: &[u8]) -> Result<Option<Bytes>, StorageReadError> {
        Ok(None)
    }

    fn scan(
        &self,
        _: &KeyRange,
        _: bool,
        _: &mut dyn FnMut(&[u8], &[u8]) -> Visit,
    ) -> Result<(), StorageReadError> {
        Ok(())
    }
}

/// One lobby event.
pub struct Lobby {
    config: Arc<RoomConfig>,
    kind: LobbyKind,
    /// Of the request that it is about.
    came: Option<Arc<Came>>,
    /// With the turn, while one is out.
    state: Option<Box<RoomState>>,
    /// Until the guest is called with it.
    event: Option<LobbyEvent>,
    until: Timestamp,
    deadline_ms: u64,
    completions: VecDeque<(OperationId, Outcome)>,
    verdict: Option<Verdict>,
    has_ended: bool,
    actions: Vec<LobbyAction>,
}

impl Lobby {
    /// An event of a party. Of the configuration the address is for the log, and the storage is not asked.
    pub fn new(config: Arc<RoomConfig>, event: LobbyEvent, now: Timestamp) -> Lobby {
        let kind = event.kind();
        let deadline_ms = kind.deadline_ms(&config.limits);
        Lobby {
            config,
            kind,
            came: event.came().map(Arc::new),
            state: Some(Box::new(stateless(now))),
            event: Some(event),
            until: now.after_ms(deadline_ms),
            deadline_ms,
            completions: VecDeque::new(),
            verdict: None,
            has_ended: false,
            actions: Vec::new(),
        }
    }

    /// What becomes of whoever waits, when that is known. It is told once.
    pub fn take_verdict(&mut self) -> Option<Verdict> {
        // Kept as something, so that nothing is decided twice.
        match &mut self.verdict {
            Some(verdict) => Some(mem::replace(verdict, Verdict::Pass)),
            None => None,
        }
    }

    /// Whether nothing more comes of it.
    pub fn has_ended(&self) -> bool {
        self.has_ended
    }

    /// Takes what is to be done, in order.
    pub fn take_actions(&mut self) -> Vec<LobbyAction> {
        mem::take(&mut self.actions)
    }

    /// When [`Lobby::on_time`] next has something to do. Between turns only.
    pub fn next_deadline(&self) -> Timestamp {
        let state = self.state.as_ref().expect("the state is home between turns");
        state.operations.next_due().map_or(self.until, |due| due.min(self.until))
    }

    /// What time brings. Between turns only.
    pub fn on_time(&mut self, now: Timestamp) {
        if self.has_ended {
            return;
        }
        if self.until <= now {
            let (event, deadline_ms) = (self.kind.name(), self.deadline_ms);
            self.report(Report::Overdue { event, deadline_ms });
            let late = Response::text(504, format!("The lobby did not answer within {deadline_ms} ms"));
            return self.end(|| Verdict::Respond(late));
        }
        while let Some((id, what)) = self.home().operations.take_due(now) {
            let outcome = match what {
                Operation::Sleep { .. } => Outcome::Slept,
                Operation::Work { .. } => {
                    self.actions.push(LobbyAction::Forget(id));
                    Outcome::Failed(OperationError::Timeout)
                }
            };
            self.completions.push_back((id, outcome));
        }
    }

    /// What was begun for it ([`LobbyAction::Begin`]) has come to its end. Between turns only.
    pub fn answered(&mut self, id: OperationId, outcome: Outcome) {
        if self.has_ended || !self.home().operations.take_off_the_clock(id) {
            return;
        }
        let waiting: u64 = self.completions.iter().map(|(_, outcome)| outcome.bytes()).sum();
        let fits = waiting == 0 || waiting + outcome.bytes() <= OUTCOMES_BYTES_MAX;
        let too_large = || Outcome::Failed(OperationError::TooLarge(OUTCOMES_BYTES_MAX));
        self.completions.push_back((id, if fits { outcome } else { too_large() }));
    }

    /// The next turn that the guest is to run, if there is one.
    pub fn begin_turn(&mut self, moment: Moment) -> Option<Box<Turn>> {
        if self.has_ended {
            return None;
        }
        if let Some(event) = self.event.take() {
            return Some(self.open(Some(event), None, moment));
        }
        while let Some((id, outcome)) = self.completions.pop_front() {
            let was_open = self.home().operations.end(id).is_some();
            if was_open && self.config.handlers.has(Handlers::ON_COMPLETED) {
                return Some(self.open(None, Some(Event::Completed(id, outcome)), moment));
            }
        }
        self.end_if_stuck();
        None
    }

    fn open(&mut self, about: Option<LobbyEvent>, event: Option<Event>, moment: Moment) -> Box<Turn> {
        let mut state = self.state.take().expect("the state is home between turns");
        state.last_now = state.last_now.max(moment.now);
        let event_id = EventId(state.next_event);
        state.next_event += 1;
        let waits = self.verdict.is_none() && self.kind.is_decided();
        let (kind, came, is_own) = (self.kind, self.came.clone(), about.is_some());
        let lobby = LobbyTurn { kind, id: EVENT, is_own, about, waits, came, decision: None };
        let now = state.last_now;
        Turn::of_lobby(Arc::clone(&self.config), state, lobby, event, (event_id, now, moment.seed))
    }

    /// Takes a turn back, with how it ended.
    ///
    /// # Panics
    ///
    /// If it is not of a lobby.
    pub fn end_turn(&mut self, mut turn: Box<Turn>, end: TurnEnd) {
        let name = turn.event_name();
        let lobby = turn.lobby.take().expect("it was begun by a lobby");
        let mut changes = mem::take(&mut turn.changes);
        changes.take_out_what_was_withdrawn();
        self.state = Some(turn.state);
        if let TurnEnd::Dropped(cause) = end {
            self.report(Report::Dropped { event: name, cause: cause.clone() });
            let kind = self.kind;
            let profile = self.config.profile;
            return self.end(|| kind.dropped(profile, &cause));
        }
        let state = self.home();
        state.next_operation += changes.started_ids;
        for (id, operation) in mem::take(&mut changes.started) {
            state.operations.start(id, operation);
        }
        for id in mem::take(&mut changes.cancelled) {
            if self.home().operations.is_worked_on(id) {
                self.actions.push(LobbyAction::Forget(id));
            }
            self.home().operations.end(id);
        }
        for output in changes.outputs {
            if let Output::Begin(id, work, _) = output {
                self.actions.push(LobbyAction::Begin(id, work));
            }
        }
        if let Some(decision) = lobby.decision {
            self.verdict = Some(match decision {
                Decision::Proceed(_) if self.kind == LobbyKind::Fetch => Verdict::Pass,
                Decision::Proceed(headers) => Verdict::Proceed(headers),
                Decision::ProceedAs(request) => Verdict::ProceedAs(request),
                Decision::Respond(response) => Verdict::Respond(response),
            });
        }
        let settled = changes.settled.into_iter().find(|(id, _)| *id == EVENT).map(|(_, outcome)| outcome);
        let ended = match (lobby.is_own, end) {
            // An error that the export returns stands for what was settled.
            (true, TurnEnd::Failed(failure)) => Some(Err(failure)),
            (true, TurnEnd::Done) => Some(settled.unwrap_or(Ok(()))),
            (false, TurnEnd::Failed(failure)) => {
                self.report(Report::Failed { event: name, failure });
                settled
            }
            (_, TurnEnd::Pending | TurnEnd::Done | TurnEnd::Dropped(_)) => settled,
        };
        match ended {
            Some(outcome) => self.settle(outcome),
            None => self.end_if_stuck(),
        }
    }

    fn settle(&mut self, outcome: Result<(), Failure>) {
        let (kind, profile) = (self.kind, self.config.profile);
        match outcome {
            Ok(()) => self.end(|| kind.undecided(profile)),
            Err(failure) => {
                self.report(Report::Failed { event: kind.name(), failure: failure.clone() });
                self.end(|| kind.failed(profile, &failure));
            }
        }
    }

    /// Nothing is under way that could settle it: nobody waits for what cannot come.
    fn end_if_stuck(&mut self) {
        let is_stuck =
            self.event.is_none() && self.completions.is_empty() && self.home().operations.is_empty();
        if !is_stuck || self.has_ended {
            return;
        }
        if self.verdict.is_some() {
            return self.end(|| Verdict::Pass);
        }
        let message =
            format!("{} is pending, and no operation is open that could settle it", self.kind.name());
        self.settle(Err(Failure { message, stack: None, status: None }));
    }

    /// It is over; whoever still waits hears this.
    fn end(&mut self, verdict: impl FnOnce() -> Verdict) {
        self.has_ended = true;
        self.verdict.get_or_insert_with(verdict);
        self.completions.clear();
        let works: Vec<OperationId> = self.home().operations.worked_on().collect();
        self.actions.extend(works.into_iter().map(LobbyAction::Forget));
        self.home().operations.clear();
    }

    fn report(&mut self, report: Report) {
        self.actions.push(LobbyAction::Report(report));
    }

    fn home(&mut self) -> &mut RoomState {
        self.state.as_mut().expect("the state is home between turns")
    }
}

/// The state of nothing: only operations are ever in it.
fn stateless(now: Timestamp) -> RoomState {
    RoomState {
        incarnation: Incarnation(0),
        sessions: Sessions::new(),
        requests: BTreeSet::new(),
        answered_whole: BTreeSet::new(),
        streams: Streams::default(),
        operations: Operations::default(),
        next_operation: 1,
        next_event: EVENT.0,
        pending: PendingEvents::default(),
        alarm: AlarmClock::new(None),
        holds: 0,
        hold_until: Timestamp::NEVER,
        auto_response: None,
        overlay: Overlay::default(),
        storage_bytes: 0,
        ids_reserved: 0,
        ids_are_bounded: false,
        moved_at: CommitSeq::default(),
        alarm_committed: None,
        memory_due: None,
        last_now: now,
    }
}

#[cfg(test)]
mod tests;
