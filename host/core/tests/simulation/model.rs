//! The model: a room as its contract tells it, as plain as it can be.
//!
//! It runs beside the real room and must always agree with it. Where the real room is clever, the model is simple:
//! a turn works on a copy of the whole state, which is kept or thrown away; storage is one map; what waits is one
//! list; what is due is looked for. It knows no gate and no overlay; the [`Ledger`] says what the outside may see.

mod draft;
mod endings;
mod entries;
mod operations;
mod sleeping;
mod time;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use bytes::Bytes;
use party_core::auto_response::AutoResponse;
use party_core::commit::Alarm;
use party_core::event::{Event, Failure, Handlers, Output, StartReason};
use party_core::ids::{CommitSeq, ConnectionId, EventId, OperationId, RequestId, Timestamp};
use party_core::limits::Limits;
use party_core::message::CloseFrame;
use party_core::profile::Profile;
use party_core::room::Phase;
use party_core::session::ReadyState;

use crate::ledger::Ledger;
pub(crate) use draft::Draft;
use operations::Operation;
pub(crate) use sleeping::{Kept, Sleeping};

/// A connection.
#[derive(Clone, Debug)]
pub(crate) struct Session {
    pub(crate) state: ReadyState,
    pub(crate) accepted: bool,
    pub(crate) rejected: bool,
    /// Its handshake has been answered with 101.
    pub(crate) upgraded: bool,
    pub(crate) connect_ended: bool,
    pub(crate) gone: Option<(CloseFrame, bool)>,
    pub(crate) tags: Vec<String>,
    pub(crate) attachment: Bytes,
    pub(crate) opened_at: Timestamp,
}

/// An event that has not settled.
#[derive(Clone, Debug)]
pub(crate) struct Pending {
    pub(crate) event: Event,
    pub(crate) until: Option<Timestamp>,
}

/// Everything that a turn can change.
#[derive(Clone, Default, Debug)]
pub(crate) struct State {
    pub(crate) entries: BTreeMap<Bytes, Bytes>,
    pub(crate) alarm: Option<Alarm>,
    pub(crate) ringing: Option<Alarm>,
    pub(crate) sessions: BTreeMap<ConnectionId, Session>,
    pub(crate) requests: BTreeSet<RequestId>,
    pub(crate) operations: BTreeMap<OperationId, Operation>,
    pub(crate) pending: BTreeMap<EventId, Pending>,
    pub(crate) holds: u32,
    pub(crate) held_until: Timestamp,
    pub(crate) auto_response: Option<AutoResponse>,
}

impl State {
    /// What the store is to remember of the alarm.
    pub(crate) fn alarm_record(&self) -> Option<Alarm> {
        self.alarm.or(self.ringing)
    }
}

impl Snapshot {
    /// What a disk holds of a room that has never been.
    pub(crate) fn of_no_room() -> Snapshot {
        let (seq, moved) = (CommitSeq(0), CommitSeq(0));
        let (entries, alarm, memory_due) = (BTreeMap::new(), None, None);
        Snapshot { seq, entries, alarm, moved, memory_due, forgets: false, destroys: false }
    }
}

/// What a commit must hold.
#[derive(Clone, Debug)]
pub(crate) struct Snapshot {
    pub(crate) seq: CommitSeq,
    pub(crate) entries: BTreeMap<Bytes, Bytes>,
    pub(crate) alarm: Option<Alarm>,
    /// The last commit that changed keys, values or the alarm.
    pub(crate) moved: CommitSeq,
    /// When what is kept of the memory has something to do.
    pub(crate) memory_due: Option<Timestamp>,
    /// What is kept of the memory goes.
    pub(crate) forgets: bool,
    /// All of the room goes.
    pub(crate) destroys: bool,
}

#[derive(Clone, Copy, Debug)]
struct Arriving {
    opened_at: Timestamp,
    upgraded: bool,
}

/// One life of a room in one host process.
pub(crate) struct Model {
    limits: Limits,
    handlers: Handlers,
    pub(crate) profile: Profile,
    pub(crate) phase: Phase,
    pub(crate) state: State,
    pub(crate) ledger: Ledger,
    /// Commits in the order in which they must come.
    pub(crate) snapshots: VecDeque<Snapshot>,
    /// How often the instance had to be thrown away and has not been yet.
    pub(crate) instances_lost: u32,
    /// How many turns the guest remembers.
    pub(crate) memory: u64,
    pub(crate) sleeping: Sleeping,
    /// The commit under way that carries the last checkpoint.
    pub(crate) being_saved: Option<CommitSeq>,
    pub(crate) gives_way: bool,
    moved: CommitSeq,
    /// The alarm as the last commit left it.
    alarm_committed: Option<Alarm>,
    memory_due: Option<Timestamp>,
    /// As it was before the last checkpoint.
    due_before_saving: Option<Timestamp>,
    /// The life has ids of its own.
    pub(crate) has_ids: bool,
    waiting: VecDeque<Event>,
    alarm_waits: bool,
    arriving: BTreeMap<ConnectionId, Arriving>,
    drops: Vec<Timestamp>,
    /// What the host's clock said last.
    clock: Timestamp,
    /// The store has a checkpoint.
    store_has_memory: bool,
    pub(crate) now: Timestamp,
    start_failure: Option<Failure>,
    /// The guest has destroyed the room.
    pub(crate) is_destroyed: bool,
    /// While a life ends: what is said of that.
    told_later: Option<Vec<Output>>,
    is_open: bool,
}

impl Model {
    /// A room that starts from what is durable.
    pub(crate) fn new(limits: Limits, handlers: Handlers, profile: Profile, durable: &Snapshot) -> Model {
        let state = State { entries: durable.entries.clone(), alarm: durable.alarm, ..State::default() };
        Model {
            limits,
            handlers,
            profile,
            phase: Phase::Fresh(StartReason::New),
            state,
            ledger: Ledger::new(durable.seq),
            snapshots: VecDeque::new(),
            instances_lost: 0,
            memory: 0,
            sleeping: Sleeping::Awake,
            being_saved: None,
            gives_way: false,
            moved: durable.moved,
            alarm_committed: durable.alarm,
            memory_due: None,
            due_before_saving: None,
            has_ids: false,
            waiting: VecDeque::new(),
            alarm_waits: false,
            arriving: BTreeMap::new(),
            drops: Vec::new(),
            clock: Timestamp(0),
            store_has_memory: false,
            now: Timestamp(0),
            start_failure: None,
            is_destroyed: false,
            told_later: None,
            is_open: true,
        }
    }

    /// Whether a client or a request is let in at all.
    pub(crate) fn lets_in(&mut self, now: Timestamp) -> bool {
        if let Phase::Suspended { until } = self.phase {
            if until > now {
                return false;
            }
            self.phase = Phase::Fresh(StartReason::Lost);
        }
        self.is_open
    }

    pub(crate) fn connect(&mut self, id: ConnectionId, opened_at: Timestamp) {
        self.arriving.insert(id, Arriving { opened_at, upgraded: false });
        self.waiting.push_back(Event::Connect(id));
    }

    /// Something came from a connection or a request that was let in.
    pub(crate) fn put_in(&mut self, event: Event) {
        let is_suspended = matches!(self.phase, Phase::Suspended { .. });
        if self.is_open && !is_suspended {
            self.waiting.push_back(event);
        }
    }

    /// How many connections there are, in whatever state.
    pub(crate) fn connections(&self) -> usize {
        self.arriving.len() + self.state.sessions.len()
    }

    /// How many requests wait for an answer.
    pub(crate) fn requests(&self) -> usize {
        self.waiting_requests() + self.state.requests.len()
    }

    /// How many requests wait for their turn.
    pub(crate) fn waiting_requests(&self) -> usize {
        self.waiting.iter().filter(|event| matches!(event, Event::Request(..))).count()
    }

    /// Whether nothing is under way, nor likely to be soon.
    pub(crate) fn is_quiet(&self) -> bool {
        let state = &self.state;
        let is_empty = state.sessions.is_empty() && state.requests.is_empty() && state.operations.is_empty();
        let must_settle = state.pending.values().any(|pending| pending.until.is_some());
        let is_idle = !must_settle && state.holds == 0 && self.drops.is_empty();
        let is_suspended = matches!(self.phase, Phase::Suspended { .. });
        let is_alone = self.waiting.is_empty() && self.arriving.is_empty();
        is_empty && is_idle && is_alone && !is_suspended && self.ledger.commits_under_way() == 0
    }

    /// Whether the socket of a connection may be read.
    pub(crate) fn has_credit(&self, id: ConnectionId) -> bool {
        let (mut events, mut bytes) = (0, 0);
        for event in &self.waiting {
            if let Event::Message(from, message) = event
                && *from == id
            {
                events += 1;
                bytes += message.len();
            }
        }
        events < self.limits.credit_events as usize && bytes < self.limits.credit_bytes as usize
    }

    /// Whether too much waits for commits for another turn to begin.
    pub(crate) fn waits_for_commits(&self) -> bool {
        self.ledger.waiting_turns() >= u64::from(self.limits.uncommitted_turns_max)
            || self.ledger.waiting_bytes() >= self.limits.uncommitted_bytes_max
    }

    /// The event that the next turn must be called with. Events that need no guest take effect here.
    pub(crate) fn begin(&mut self, now: Timestamp) -> Option<Event> {
        loop {
            if !self.is_open || self.waits_for_commits() || self.stands_still() {
                return None;
            }
            let is_suspended = matches!(self.phase, Phase::Suspended { until } if until > now);
            if is_suspended {
                return None;
            }
            self.clock = now;
            let now = self.tell_time(now);
            let start_reason = match self.phase {
                Phase::Fresh(reason) => Some(reason),
                Phase::Suspended { .. } => Some(StartReason::Lost),
                Phase::Starting | Phase::Running => None,
            };
            if start_reason.is_some() {
                self.forget_ghosts(now);
            }
            let only_completions = self.phase == Phase::Starting || self.state.holds > 0;
            let may_come = |event: &Event| !only_completions || matches!(event, Event::Completed(..));
            let next = self.waiting.iter().position(may_come)?;
            if let Some(reason) = start_reason {
                if self.handlers.has(Handlers::ON_START) {
                    self.phase = Phase::Starting;
                    self.sleeping = Sleeping::Awake;
                    return Some(Event::Start(reason));
                }
                self.phase = Phase::Running;
            }
            let event = self.waiting.remove(next).expect("it was found there");
            if let Some(event) = self.admit(event, now) {
                self.sleeping = Sleeping::Awake;
                return Some(event);
            }
        }
    }

    /// What is about nothing that there still is starts no new life.
    fn forget_ghosts(&mut self, now: Timestamp) {
        while let Some(event) = self.waiting.front() {
            let sessions = &self.state.sessions;
            let is_real = match event {
                Event::Connect(id) => self.arriving.contains_key(id),
                Event::Message(id, _) | Event::Error(id, _) => {
                    sessions.get(id).is_some_and(|session| session.state == ReadyState::Open)
                }
                Event::Close(id, ..) => sessions.get(id).is_some_and(|session| session.accepted),
                Event::ResponseClosed(id) => self.state.requests.contains(id),
                Event::Alarm => self.is_alarm_due(now),
                Event::Completed(id, _) => self.state.operations.contains_key(id),
                Event::Request(..) | Event::Start(_) | Event::Resume(_) => true,
                Event::Stream(..) | Event::Drain(..) => panic!("the room has no streams: {event:?}"),
            };
            if is_real {
                return;
            }
            self.alarm_waits &= *event != Event::Alarm;
            if let Some(Event::Close(id, ..)) = self.waiting.pop_front() {
                self.state.sessions.remove(&id);
            }
        }
    }

    /// A socket has gone. Its close waits for the end of its `on-connect`.
    fn admit_close(&mut self, id: ConnectionId, frame: &CloseFrame, was_clean: bool) -> bool {
        let sessions = &mut self.state.sessions;
        let Some(session) = sessions.get_mut(&id).filter(|session| !session.rejected) else { return false };
        if !session.connect_ended {
            session.state = ReadyState::Closing;
            session.gone = Some((frame.clone(), was_clean));
            return false;
        }
        session.state = ReadyState::Closed;
        let is_told = session.accepted && self.handlers.has(Handlers::ON_CLOSE);
        if !is_told {
            sessions.remove(&id);
        }
        is_told
    }

    /// Readies the state for an event. Gives it back if the guest must be called.
    fn admit(&mut self, event: Event, now: Timestamp) -> Option<Event> {
        let handlers = self.handlers;
        let state = &mut self.state;
        match &event {
            Event::Connect(id) => {
                let arriving = self.arriving.remove(id)?;
                state.sessions.insert(*id, Session::connecting(arriving));
                if handlers.has(Handlers::ON_CONNECT) {
                    return Some(event);
                }
                let outputs = self.end_event(&event, Ok(()), now);
                self.say(outputs);
                None
            }
            Event::Message(id, _) => {
                let is_open = state
                    .sessions
                    .get(id)
                    .is_some_and(|session| session.accepted && session.state == ReadyState::Open);
                (is_open && handlers.has(Handlers::ON_MESSAGE)).then_some(event)
            }
            Event::Error(id, _) => {
                (state.sessions.contains_key(id) && handlers.has(Handlers::ON_ERROR)).then_some(event)
            }
            Event::Close(id, frame, was_clean) => self.admit_close(*id, frame, *was_clean).then_some(event),
            Event::Request(id, _) => {
                if handlers.has(Handlers::ON_REQUEST) {
                    state.requests.insert(*id);
                    return Some(event);
                }
                let response = self.profile.no_on_request_for_a_room();
                self.say(vec![Output::Respond(*id, response)]);
                None
            }
            Event::ResponseClosed(id) => {
                let was_open = state.requests.remove(id);
                (was_open && handlers.has(Handlers::ON_RESPONSE_CLOSED)).then_some(event)
            }
            Event::Stream(..) | Event::Drain(..) => panic!("the room has no streams: {event:?}"),
            Event::Alarm => {
                self.alarm_waits = false;
                if !self.is_alarm_due(now) {
                    return None;
                }
                self.state.ringing = self.state.alarm.take();
                if handlers.has(Handlers::ON_ALARM) {
                    return Some(event);
                }
                self.state.ringing = None;
                if self.state.alarm.is_none() {
                    self.commit(0, false);
                }
                None
            }
            Event::Completed(id, _) => {
                let was_open = state.operations.remove(id).is_some();
                (was_open && handlers.has(Handlers::ON_COMPLETED)).then_some(event)
            }
            Event::Start(_) | Event::Resume(_) => unreachable!("neither waits here"),
        }
    }

    fn is_alarm_due(&self, now: Timestamp) -> bool {
        self.state.ringing.is_none() && self.state.alarm.is_some_and(|alarm| alarm.at <= now)
    }

    /// Words of the host: each is one of its own.
    fn say(&mut self, outputs: Vec<Output>) {
        if let Some(later) = &mut self.told_later {
            later.extend(outputs);
            return;
        }
        for output in outputs {
            self.ledger.expect(vec![output]);
        }
    }

    /// Takes a commit number for the state as it is, which differs by so many bytes of keys and values.
    fn commit(&mut self, bytes: u64, wrote: bool) {
        let is_as_committed = !wrote && self.state.alarm_record() == self.alarm_committed;
        if self.sleeping != Sleeping::Awake || is_as_committed {
            // Time has ended an alarm, with nothing said to the guest: what is put aside comes to the same again. Or it has
            // come to the same just now.
            self.commit_unmoved();
            return;
        }
        let seq = self.ledger.issue(bytes);
        (self.moved, self.memory_due) = (seq, None);
        let (entries, alarm) = (self.state.entries.clone(), self.state.alarm_record());
        self.alarm_committed = alarm;
        self.snapshots.push_back(Snapshot {
            seq,
            entries,
            alarm,
            moved: seq,
            memory_due: None,
            forgets: false,
            destroys: false,
        });
    }
}

impl Session {
    fn connecting(arriving: Arriving) -> Session {
        Session {
            state: ReadyState::Connecting,
            accepted: false,
            rejected: false,
            upgraded: arriving.upgraded,
            connect_ended: false,
            gone: None,
            tags: Vec::new(),
            attachment: Bytes::new(),
            opened_at: arriving.opened_at,
        }
    }

    pub(crate) fn is_listed(&self) -> bool {
        self.accepted && matches!(self.state, ReadyState::Connecting | ReadyState::Open)
    }
}
