//! A turn: one event, and what the guest does about it.
//!
//! A turn carries the room's state while the guest runs, and never changes it. Commands are collected in
//! [`Changes`]; reads look there first. When the guest has returned, the room applies the changes; when the guest
//! did not return, they are thrown away and nothing has happened.

pub mod alarms;
pub mod connections;
pub mod events;
pub mod lobby;
pub mod operations;
pub mod responses;
pub mod storage;
pub mod streams;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::Bytes;

use crate::address::RoomAddress;
use crate::auto_response::AutoResponse;
use crate::commit::KvChanges;
use crate::event::{Event, Failure, LogLevel, LogLine, Output};
use crate::ids::{ConnectionId, EventId, Incarnation, OperationId, RequestId, Seed, StreamId, Timestamp};
use crate::limits::{Limits, TURN_OUTPUTS_MAX};
use crate::operation::Operation;
use crate::room::{RoomConfig, RoomState};
use crate::storage::StorageReadError;
use crate::turn::lobby::LobbyTurn;
use crate::turn::streams::StreamChange;

/// What is decided about a connection in a turn.
#[derive(Clone, Debug, Default)]
pub(crate) struct SessionChange {
    pub(crate) accepted_with: Option<Vec<String>>,
    pub(crate) rejected: bool,
    pub(crate) closed: bool,
    pub(crate) attachment: Option<Bytes>,
}

/// How many holds there are after the turn.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct HoldsChange {
    pub(crate) count: u32,
    /// Whether the first of them was taken in this turn, when nothing was held.
    pub(crate) begins: bool,
}

/// The commands of a turn.
#[derive(Debug, Default)]
pub(crate) struct Changes {
    pub(crate) kv: KvChanges,
    pub(crate) storage_bytes_delta: i64,
    pub(crate) sessions: BTreeMap<ConnectionId, SessionChange>,
    pub(crate) answered: BTreeSet<RequestId>,
    pub(crate) alarm: Option<Option<Timestamp>>,
    pub(crate) started: BTreeMap<OperationId, Operation>,
    pub(crate) started_ids: u64,
    /// How many [`Output::Begin`] stand in `outputs` whose operation is no longer in `started`.
    pub(crate) withdrawn: usize,
    pub(crate) cancelled: BTreeSet<OperationId>,
    pub(crate) streams: BTreeMap<StreamId, StreamChange>,
    /// In the order in which they were settled.
    pub(crate) settled: Vec<(EventId, Result<(), Failure>)>,
    pub(crate) settled_ids: BTreeSet<EventId>,
    pub(crate) holds: Option<HoldsChange>,
    /// What the auto-response is to be, if that was said.
    pub(crate) auto_response: Option<Option<AutoResponse>>,
    pub(crate) outputs: Vec<Output>,
    /// The room is to end with this turn.
    pub(crate) destroys: bool,
}

impl Changes {
    /// Whether this output is not work that was withdrawn.
    fn is_wanted(&self, output: &Output) -> bool {
        !matches!(output, Output::Begin(id, ..) if !self.started.contains_key(id))
    }

    /// Takes work out again that was begun and cancelled in this turn.
    pub(crate) fn take_out_what_was_withdrawn(&mut self) {
        if std::mem::take(&mut self.withdrawn) > 0 {
            let mut outputs = std::mem::take(&mut self.outputs);
            outputs.retain(|output| self.is_wanted(output));
            self.outputs = outputs;
        }
    }

    /// Work that was begun in this turn is not to be done. It is taken out with others, so that it costs little however much
    /// stands beside it.
    pub(crate) fn withdraw(&mut self) {
        self.withdrawn += 1;
        if self.withdrawn * 2 > self.outputs.len() {
            self.take_out_what_was_withdrawn();
        }
    }
}

/// What a turn has used up of its bounds.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Spent {
    pub(crate) sends: u64,
    pub(crate) output_bytes: u64,
    pub(crate) write_bytes: u64,
    pub(crate) log_bytes: u64,
    pub(crate) log_lines_left_out: u32,
}

/// One event on its way through the guest. It is boxed wherever it goes: it is large, and goes far.
pub struct Turn {
    pub(crate) config: Arc<RoomConfig>,
    pub(crate) state: Box<RoomState>,
    pub(crate) event_id: EventId,
    pub(crate) subject: Subject,
    pub(crate) now: Timestamp,
    pub(crate) seed: Seed,
    pub(crate) changes: Changes,
    pub(crate) spent: Spent,
    pub(crate) logs: Vec<LogLine>,
    pub(crate) fault: Option<StorageReadError>,
    /// If it is outside any room: the lobby event that it belongs to.
    pub(crate) lobby: Option<Box<LobbyTurn>>,
    event: Option<Event>,
}

/// What an event is about: as much of it as its end needs.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Subject {
    Start,
    Resume,
    Connect(ConnectionId),
    Message(ConnectionId),
    Close(ConnectionId),
    Error(ConnectionId),
    Request(RequestId),
    ResponseClosed,
    Alarm,
    Completed,
    Stream(StreamId),
    Drain,
}

impl Subject {
    pub(crate) fn of(event: &Event) -> Subject {
        match event {
            Event::Start(_) => Subject::Start,
            Event::Resume(_) => Subject::Resume,
            Event::Connect(connection) => Subject::Connect(*connection),
            Event::Message(connection, _) => Subject::Message(*connection),
            Event::Close(connection, ..) => Subject::Close(*connection),
            Event::Error(connection, _) => Subject::Error(*connection),
            Event::Request(request, _) => Subject::Request(*request),
            Event::ResponseClosed(_) => Subject::ResponseClosed,
            Event::Alarm => Subject::Alarm,
            Event::Completed(..) => Subject::Completed,
            Event::Stream(stream, _) => Subject::Stream(*stream),
            Event::Drain(..) => Subject::Drain,
        }
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Subject::Start => "on-start",
            Subject::Resume => "on-resume",
            Subject::Connect(_) => "on-connect",
            Subject::Message(_) => "on-message",
            Subject::Close(_) => "on-close",
            Subject::Error(_) => "on-error",
            Subject::Request(_) => "on-request",
            Subject::ResponseClosed => "on-response-closed",
            Subject::Alarm => "on-alarm",
            Subject::Completed => "on-completed",
            Subject::Stream(_) => "on-stream",
            Subject::Drain => "on-drain",
        }
    }
}

impl Turn {
    pub(crate) fn new(
        config: Arc<RoomConfig>,
        state: Box<RoomState>,
        event: Event,
        event_id: EventId,
        now: Timestamp,
        seed: Seed,
    ) -> Box<Turn> {
        Turn::about(config, state, (Subject::of(&event), Some(event)), event_id, now, seed)
    }

    /// A turn without an event, in which the room is carried over to another version of its party. For its end it is
    /// about as much as the news that the room goes on elsewhere.
    pub(crate) fn of_upgrade(
        config: Arc<RoomConfig>,
        state: Box<RoomState>,
        event_id: EventId,
        now: Timestamp,
        seed: Seed,
    ) -> Box<Turn> {
        Turn::about(config, state, (Subject::Resume, None), event_id, now, seed)
    }

    fn about(
        config: Arc<RoomConfig>,
        state: Box<RoomState>,
        (subject, event): (Subject, Option<Event>),
        event_id: EventId,
        now: Timestamp,
        seed: Seed,
    ) -> Box<Turn> {
        Box::new(Turn {
            config,
            state,
            event_id,
            subject,
            now,
            seed,
            changes: Changes::default(),
            spent: Spent::default(),
            logs: Vec::new(),
            fault: None,
            lobby: None,
            event,
        })
    }

    /// Takes the event, to call the guest with it. There is one.
    pub fn take_event(&mut self) -> Event {
        self.event.take().expect("a turn's event is taken once")
    }

    /// The event, until it is taken.
    pub fn event(&self) -> Option<&Event> {
        self.event.as_ref()
    }

    /// What the guest wants to let out so far, in order.
    pub fn outputs(&self) -> impl DoubleEndedIterator<Item = &Output> + '_ {
        self.changes.outputs.iter().filter(|output| self.changes.is_wanted(output))
    }

    /// What the guest has written so far.
    pub fn writes(&self) -> &KvChanges {
        &self.changes.kv
    }

    /// This delivery.
    pub fn event_id(&self) -> EventId {
        self.event_id
    }

    /// The name of the export that takes the event.
    pub fn event_name(&self) -> &'static str {
        match &self.lobby {
            Some(lobby) if lobby.is_own => lobby.kind.name(),
            Some(_) | None => self.config.name_of(self.subject),
        }
    }

    /// Where the room is.
    pub fn address(&self) -> &Arc<RoomAddress> {
        &self.config.address
    }

    /// This life of the room.
    pub fn incarnation(&self) -> Incarnation {
        self.state.incarnation
    }

    /// The time of the turn.
    pub fn now(&self) -> Timestamp {
        self.now
    }

    /// What the turn's chance is drawn from.
    pub fn seed(&self) -> Seed {
        self.seed
    }

    /// The party's vars, in order of name.
    pub fn vars(&self) -> &BTreeMap<String, String> {
        &self.config.vars
    }

    /// The bounds that hold.
    pub fn limits(&self) -> &Limits {
        &self.config.limits
    }

    /// The room ends with this turn, with all that is kept of it.
    pub fn destroy(&mut self) {
        self.changes.destroys = true;
    }

    /// Keeps a line for the log, within the turn's bounds; beyond them it is counted.
    pub fn log(&mut self, level: LogLevel, text: Bytes) {
        let limits = &self.config.limits;
        let bytes = self.spent.log_bytes + text.len() as u64;
        if self.logs.len() as u32 >= limits.turn_log_lines_max || bytes > u64::from(limits.turn_log_bytes_max)
        {
            self.spent.log_lines_left_out += 1;
            return;
        }
        self.spent.log_bytes = bytes;
        self.logs.push(LogLine { level, text });
    }

    /// Takes what was logged, and how many lines were left out.
    pub fn take_logs(&mut self) -> (Vec<LogLine>, u32) {
        (std::mem::take(&mut self.logs), std::mem::take(&mut self.spent.log_lines_left_out))
    }

    /// The failure of the store that this turn ran into. A turn that has one must be dropped.
    pub fn fault(&self) -> Option<&StorageReadError> {
        self.fault.as_ref()
    }

    /// Counts bytes that leave with the turn. Whether they fit.
    pub(crate) fn spend_output(&mut self, sends: u64, bytes: u64) -> Result<(), u64> {
        let limits = &self.config.limits;
        if self.changes.outputs.len() - self.changes.withdrawn >= TURN_OUTPUTS_MAX {
            return Err(TURN_OUTPUTS_MAX as u64);
        }
        let sends = self.spent.sends + sends;
        if sends > u64::from(limits.turn_sends_max) {
            return Err(u64::from(limits.turn_sends_max));
        }
        let bytes = self.spent.output_bytes + bytes;
        if bytes > limits.turn_output_bytes_max {
            return Err(limits.turn_output_bytes_max);
        }
        self.spent.sends = sends;
        self.spent.output_bytes = bytes;
        Ok(())
    }
}
