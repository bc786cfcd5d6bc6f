//! A room: events in, turns out; finished turns in, actions out.
//!
//! The driver's part is small. It puts events in ([`Room::connect`], [`Room::message`], …), tells the time
//! ([`Room::on_time`]), and asks for the next turn ([`Room::begin_turn`]). It runs the guest with the turn and
//! gives it back ([`Room::end_turn`]). It carries out what [`Room::take_actions`] holds, in order, and reports
//! commits ([`Room::committed`], [`Room::commit_failed`]). While a turn is out, the room's state is with it;
//! everything else goes on: events are put in, commits become durable, outputs leave.

mod aborting;
mod action;
mod at_rest;
mod burying;
mod called;
mod connecting;
mod destroying;
mod dropping;
mod durable_no_more;
mod endings;
mod giving_way;
mod going_on;
mod ids;
mod intake;
mod kept;
mod pending;
mod recording;
mod replaying;
mod restarts;
mod restless;
mod sleeping;
mod state;
mod streaming;
mod time;
mod turning_away;
mod turns;
mod twins;
mod unnamed;
mod unsaved;
mod upgrading;
mod working;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use crate::address::RoomAddress;
use crate::auto_response::AutoResponse;
use crate::call::{Call, Calls};
use crate::commit::{ComponentDigest, KvChanges, RoomRecord};
use crate::event::{Failure, Handlers, NewConnection, Output, StartReason};
use crate::ids::{CommitSeq, ConnectionId, Incarnation, OperationId, RequestId, Seed, StreamId, Timestamp};
use crate::limits::Limits;
use crate::mailbox::Mailbox;
use crate::output_gate::OutputGate;
use crate::planted::{self, PlantedBug};
use crate::profile::Profile;
use crate::storage::{Overlay, RoomStorage};
pub use action::{Action, Refusal, Report};
pub use going_on::{Here, NotHere};
pub(crate) use pending::PendingEvents;
use recording::Recording;
pub use replaying::{Replay, ReplayError};
pub use restless::Restless;
use sleeping::Memory;
pub use sleeping::{Captured, Purpose, Rebuild};
pub(crate) use state::RoomState;
pub use twins::DuplicateKeys;
use unsaved::Unsaved;
pub use upgrading::{Readiness, Upgraded};

/// What does not change in the life of a room.
pub struct RoomConfig {
    /// Where it is.
    pub address: Arc<RoomAddress>,
    /// Its bounds.
    pub limits: Arc<Limits>,
    /// Which handlers its party has.
    pub handlers: Handlers,
    /// What the guest can read of its configuration, in order of name.
    pub vars: Arc<BTreeMap<String, String>>,
    /// Its committed keys and values.
    pub storage: Arc<dyn RoomStorage>,
    /// What becomes of a client that has the name of another.
    pub duplicate_keys: DuplicateKeys,
    /// In whose words clients are answered.
    pub profile: Profile,
    /// If every turn is to be recorded before anything of it is seen: the component that it runs on.
    pub durable: Option<ComponentDigest>,
}

/// Where a room is in its life.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Phase {
    /// No instance has started; the next event starts one, for this reason.
    Fresh(StartReason),
    /// `on-start` has not settled.
    Starting,
    /// Events are delivered.
    Running,
    /// Too many turns were dropped; nothing is taken until then.
    Suspended {
        /// When the next start may be tried.
        until: Timestamp,
    },
}

/// What a turn is given from outside: its time and its chance.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Moment {
    /// The host's clock.
    pub now: Timestamp,
    /// For the turn.
    pub seed: Seed,
    /// For a new life, if one begins.
    pub incarnation: Incarnation,
}

struct Arriving {
    connection: NewConnection,
    upgraded: bool,
}

/// Whether a room takes anything in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Service {
    Open,
    /// Everyone has been turned away; what waits at the gate still leaves.
    ShutDown,
    /// It can go neither on nor back. What was decided before is still written, and what waits at the gate leaves; then
    /// the room is made anew.
    Stuck,
    /// What is kept of it could not be read just now; otherwise as before.
    Unreadable,
    /// A commit failed: what was decided since is not to be.
    Failed,
    /// There is no such room any more, once its last commit is durable.
    Destroyed,
    /// What is kept of it cannot be believed.
    Damaged,
}

/// What a turn cannot change in number before it ends.
#[derive(Clone, Copy, Default)]
struct Away {
    sessions: usize,
    requests: usize,
}

/// One room.
pub struct Room {
    config: Arc<RoomConfig>,
    /// With the turn, while one is out.
    state: Option<Box<RoomState>>,
    /// Sessions and open requests in the state that is out.
    away: Away,
    phase: Phase,
    memory: Memory,
    service: Service,
    /// It is about to be shut down.
    ends_soon: bool,
    /// It is to be saved as it is, whatever waits: somebody wants a copy of it, or it is about to be carried over.
    is_to_be_kept: bool,
    /// It is to sleep for others.
    gives_way: bool,
    mailbox: Mailbox,
    gate: OutputGate,
    arriving: BTreeMap<ConnectionId, Box<Arriving>>,
    /// The requests that wait for their turn and are calls of durable rooms.
    calling: BTreeMap<RequestId, Box<Call>>,
    /// The calls of durable rooms that it knows of.
    calls: Calls,
    /// Calls that are answered, until that is durable: if it never is, whoever called asks once more.
    calls_answered: BTreeSet<RequestId>,
    /// The guest hears what became of this call of the room's own.
    hears: Option<OperationId>,
    /// Bytes of each stream that the other side has taken and that the guest has not been told of.
    stream_bytes_taken: BTreeMap<StreamId, u64>,
    /// What was answered while the state was out.
    answered: BTreeSet<OperationId>,
    accept_due: BTreeSet<(Timestamp, ConnectionId)>,
    alarm_waits: bool,
    next_connection: u64,
    next_request: u64,
    drops: VecDeque<Timestamp>,
    start_failure: Option<Failure>,
    actions: Vec<Action>,
    /// While a life ends: who is told what, once it is over in the store.
    told_later: Option<Vec<Output>>,
    /// If it is durable: what its next commit is to record.
    recording: Option<Box<Recording>>,
    /// What was before the last checkpoint, until that is durable.
    unsaved: Option<Box<Unsaved>>,
    /// The commit that carries its last checkpoint, and what would have been its next turn then.
    kept: Option<(CommitSeq, u64)>,
    /// The store may have a checkpoint of it, of this life or an earlier one, by itself or with a journal.
    store_has_memory: bool,
    /// It could not be saved, and goes on until that is tried again, however long its journal becomes.
    saving_is_put_off: bool,
    /// What the disk says to its failure, for those who ask something of it.
    cause: Option<Box<str>>,
    /// What the host's clock last said, which may have been set back since.
    clock: Timestamp,
}

impl Room {
    /// A room that nothing is known of but what the store says. Its first event starts it.
    pub fn new(config: Arc<RoomConfig>, record: Option<RoomRecord>) -> Room {
        let calls = match (&record, config.durable) {
            (None, Some(_)) => Calls::of_a_new_room(),
            (Some(_), _) | (None, None) => Calls::default(),
        };
        let record = record.unwrap_or_default();
        let first_id = record.ids_reserved.max(1);
        let overlay = match config.durable {
            Some(_) => Overlay::holding_back(KvChanges::default()),
            None => Overlay::default(),
        };
        let recording = config.durable.map(Recording::new).map(Box::new);
        Room {
            config,
            state: Some(Box::new(RoomState::new(&record, overlay))),
            away: Away::default(),
            phase: Phase::Fresh(StartReason::New),
            memory: Memory::Awake,
            service: Service::Open,
            ends_soon: false,
            is_to_be_kept: false,
            gives_way: false,
            mailbox: Mailbox::default(),
            gate: OutputGate::new(record.seq),
            arriving: BTreeMap::new(),
            calling: BTreeMap::new(),
            calls,
            calls_answered: BTreeSet::new(),
            hears: None,
            stream_bytes_taken: BTreeMap::new(),
            answered: BTreeSet::new(),
            accept_due: BTreeSet::new(),
            alarm_waits: false,
            next_connection: first_id,
            next_request: first_id,
            drops: VecDeque::new(),
            start_failure: None,
            actions: Vec::new(),
            told_later: None,
            recording,
            unsaved: None,
            kept: None,
            store_has_memory: false,
            saving_is_put_off: false,
            cause: None,
            clock: Timestamp(0),
        }
    }

    /// Where it is.
    pub fn address(&self) -> &Arc<RoomAddress> {
        &self.config.address
    }

    /// What does not change in its life.
    pub fn config(&self) -> &Arc<RoomConfig> {
        &self.config
    }

    /// Its bounds.
    pub fn limits(&self) -> &Arc<Limits> {
        &self.config.limits
    }

    /// Where it is in its life.
    pub fn phase(&self) -> Phase {
        self.phase
    }

    /// Takes what is to be done, in order.
    pub fn take_actions(&mut self) -> Vec<Action> {
        if planted::is(PlantedBug::CommitsSwapped) {
            swap_commits(&mut self.actions);
        }
        std::mem::take(&mut self.actions)
    }

    /// The last commit that is durable.
    pub fn durable(&self) -> CommitSeq {
        self.gate.durable()
    }

    /// Whether a turn is out.
    pub fn is_in_a_turn(&self) -> bool {
        self.state.is_none()
    }

    /// How many commits are under way.
    pub fn uncommitted(&self) -> u64 {
        self.gate.uncommitted()
    }

    /// When the alarm rings, as the store is to remember it: the time of one that rings and has not settled too.
    /// Unknown (`None`) while a turn is out.
    pub fn alarm(&self) -> Option<Timestamp> {
        self.state.as_ref().and_then(|state| state.alarm.record()).map(|alarm| alarm.at)
    }

    /// The auto-response as the last turn left it: for whoever takes up a room that was restored. From then on outputs say
    /// what is in force. Unknown (`None`) while a turn is out.
    pub fn auto_response(&self) -> Option<&AutoResponse> {
        self.state.as_ref().and_then(|state| state.auto_response.as_ref())
    }

    /// Whether nothing is under way: no event, no turn, no commit, no open request or operation, no connection,
    /// no hold, and no turn was dropped lately. Such a room can be forgotten once its memory is not to be kept;
    /// forgotten earlier, a room that keeps failing would never be suspended. An event that may take for ever to
    /// settle counts for nothing: with no operation open, only something new could settle it.
    pub fn is_quiet(&self) -> bool {
        self.state.as_ref().is_some_and(|state| {
            state.sessions.is_empty()
                && state.requests.is_empty()
                && state.streams.is_empty()
                && state.operations.is_empty()
                && state.pending.next_deadline().is_none()
                && state.holds == 0
        }) && self.mailbox.is_empty()
            && self.arriving.is_empty()
            && self.drops.is_empty()
            && !matches!(self.phase, Phase::Suspended { .. })
            && self.gate.uncommitted() == 0
    }

    /// Accepted and connecting clients, and those whose close is not settled.
    pub fn connections(&self) -> usize {
        let sessions = self.state.as_ref().map_or(self.away.sessions, |state| state.sessions.len());
        self.arriving.len() + sessions
    }

    /// Requests that are not answered, or whose answer is being written, those that wait for their turn among them.
    pub fn requests(&self) -> usize {
        let open = self.state.as_ref().map_or(self.away.requests, |state| state.requests_open());
        self.mailbox.requests() as usize + open
    }

    /// Operations that are open. Unknown (`None`) while a turn is out.
    pub fn operations(&self) -> Option<usize> {
        self.state.as_ref().map(|state| state.operations.len())
    }

    fn home(&mut self) -> &mut RoomState {
        self.state.as_mut().expect("the state is home between turns")
    }

    fn report(&mut self, report: Report) {
        self.actions.push(Action::Report(report));
    }
}

/// The planted bug of this name: the first two commits change places, all but their numbers.
fn swap_commits(actions: &mut [Action]) {
    let commits = actions.iter_mut().filter_map(|action| match action {
        Action::Commit(commit) => Some(&mut commit.changes),
        Action::Output(_) | Action::DropInstance | Action::Report(_) => None,
    });
    if let [first, second, ..] = commits.collect::<Vec<_>>().as_mut_slice() {
        std::mem::swap(*first, *second);
    }
}
