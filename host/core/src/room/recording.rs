//! Recording: what a durable room writes down, so that its memory can be made again without having been written.
//!
//! Whatever changes a room's state is a [`Step`]: a turn of the guest, an event that needs no guest, a deadline that has
//! passed. Steps gather here and leave with the room's next commit, in order; a turn always takes one. A dropped turn is a
//! step too (`dropping.rs`).

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::commit::{ComponentDigest, JournalRecord, KvChanges, MemoryChange};
use crate::event::{Event, TurnEnd};
use crate::ids::{CommitSeq, EventId, Seed, Timestamp};
use crate::journal::{
    Record, RecordedTurn, STEPS_MAX, Settings, Step, TRACE_BYTES, Taken, difference, trace,
};
use crate::operation::Operation;
use crate::planted::{self, PlantedBug};
use crate::room::Room;
use crate::room::dropping::Again;
use crate::stream::Stream;
use crate::turn::{Changes, Turn};

/// Steps that may wait for a commit, and about how many bytes; beyond, one is made for them.
const STEPS_WAITING_MAX: usize = STEPS_MAX / 2;
const STEPS_WAITING_BYTES_MAX: u64 = 1 << 20;

/// What the next commit is to record.
pub(crate) struct Recording {
    component: ComponentDigest,
    steps: Vec<Step>,
    steps_bytes: u64,
    /// The turn that is out.
    open: Option<OpenTurn>,
    /// The next record begins the journal of a new life.
    begins_life: bool,
    /// The next record says what the guest can learn of its configuration.
    says_settings: bool,
    /// A commit has been taken from which this life can be made again.
    pub(super) is_kept: bool,
    /// The store keeps a life that is over.
    pub(super) store_keeps_the_dead: bool,
    /// Nothing is recorded any more after the next checkpoint, or when this life ends (`durable_no_more.rs`).
    pub(super) is_the_last: bool,
    length: JournalLength,
    /// What was dropped once and is tried again.
    pub(super) again: BTreeSet<Again>,
    /// While recorded turns are taken again: the one that is out, and what was different.
    pub(super) replaying: Option<Replaying>,
}

/// How much the journal holds.
#[derive(Clone, Copy, Default, Debug)]
pub(super) struct JournalLength {
    pub(super) records: u64,
    pub(super) bytes: u64,
}

/// A turn that is taken again.
#[derive(Default)]
pub(super) struct Replaying {
    pub(super) expected: Option<Box<RecordedTurn>>,
    pub(super) trace: Option<[u8; TRACE_BYTES]>,
    pub(super) difference: Option<String>,
}

/// What is needed of an event once it has been admitted.
pub(crate) struct Note {
    pub(super) taken: Taken,
    pub(super) operation: Option<Operation>,
    pub(super) stream: Option<Stream>,
}

struct OpenTurn {
    note: Note,
    event_id: EventId,
    next_operation: u64,
    storage_bytes: u64,
    seed: Seed,
    trace: [u8; TRACE_BYTES],
}

impl Recording {
    pub(super) fn new(component: ComponentDigest) -> Recording {
        Recording {
            component,
            steps: Vec::new(),
            steps_bytes: 0,
            open: None,
            begins_life: false,
            says_settings: true,
            is_kept: false,
            store_keeps_the_dead: false,
            is_the_last: false,
            length: JournalLength::default(),
            again: BTreeSet::new(),
            replaying: None,
        }
    }

    /// The room goes on in this host with what another has recorded.
    pub(super) fn resume(&mut self, length: JournalLength) {
        let says_settings = !planted::is(PlantedBug::SettingsNotRecorded);
        (self.is_kept, self.says_settings, self.length) = (true, says_settings, length);
        self.steps = vec![Step::Resumed];
    }

    /// The room goes on from a checkpoint that stands in the store, as if nothing had happened since.
    pub(super) fn go_on(&mut self) {
        (self.is_kept, self.says_settings) = (true, true);
    }

    /// From now on the room runs on this component. Nothing waits to be recorded that ran on another.
    pub(super) fn go_on_with(&mut self, component: ComponentDigest) {
        if self.component != component {
            self.steps.clear();
            self.steps_bytes = 0;
            self.again.clear();
            self.component = component;
        }
    }

    /// What the turn that is out is about; it is not recorded any more.
    pub(super) fn take_open(&mut self) -> Option<Note> {
        self.open.take().map(|open| open.note)
    }

    /// This life is over; nothing of it is to be made again.
    pub(super) fn forget_life(&mut self) {
        self.steps.clear();
        self.steps_bytes = 0;
        self.again.clear();
        self.store_keeps_the_dead |= self.is_kept;
        (self.is_kept, self.begins_life) = (false, false);
    }
}

impl Room {
    /// Whether the journal is so long that the room should be saved as soon as it can.
    pub fn wants_to_be_saved(&self) -> bool {
        let limits = &self.config.limits;
        self.recording.as_ref().is_some_and(|recording| {
            recording.is_kept
                && (recording.length.records >= u64::from(limits.journal_records_max)
                    || recording.length.bytes >= limits.journal_bytes_max)
        })
    }

    /// The room could not be saved when that was last tried, and it is not tried again for a while; or that is over.
    pub fn put_saving_off(&mut self, is_put_off: bool) {
        self.saving_is_put_off = is_put_off;
    }

    /// Whether the journal has grown to twice its bound: then the room takes no turn before it is saved. One that cannot be
    /// saved now goes on until it can.
    pub(super) fn waits_to_be_saved(&self) -> bool {
        let limits = &self.config.limits;
        let is_full = self.recording.as_ref().is_some_and(|recording| {
            recording.is_kept
                && (recording.length.records >= 2 * u64::from(limits.journal_records_max)
                    || recording.length.bytes >= limits.journal_bytes_max.saturating_mul(2))
        });
        is_full && !self.saving_is_put_off && (self.may_save() || planted::is(PlantedBug::JournalFullForGood))
    }

    /// An event is about to be admitted.
    pub(super) fn note(&self, event: &Event, now: Timestamp) -> Option<Note> {
        self.recording.as_ref()?;
        let arriving = match event {
            Event::Connect(id) => {
                self.arriving.get(id).map(|it| Box::new((it.connection.clone(), it.upgraded)))
            }
            _ => None,
        };
        let operation = match event {
            Event::Completed(id, _) => self.state.as_ref()?.operations.get(*id),
            _ => None,
        };
        let stream = match event {
            Event::Stream(id, _) => self.state.as_ref()?.streams.get(*id).copied(),
            _ => None,
        };
        let call = match event {
            Event::Request(id, _) => self.calling.get(id).cloned(),
            _ => None,
        };
        Some(Note { taken: Taken { event: event.clone(), arriving, call, now }, operation, stream })
    }

    /// A turn begins.
    pub(super) fn open_turn(&mut self, note: Option<Note>, event_id: EventId, seed: Seed) {
        let (Some(recording), Some(note), Some(state)) = (&mut self.recording, note, &self.state) else {
            return;
        };
        let (next_operation, storage_bytes) = (state.next_operation, state.storage_bytes);
        let trace = [0; TRACE_BYTES];
        recording.open = Some(OpenTurn { note, event_id, next_operation, storage_bytes, seed, trace });
    }

    /// An event was admitted and needs no guest.
    pub(super) fn record_unheard(&mut self, note: Option<Note>) {
        let Some(note) = note else { return };
        if planted::is(PlantedBug::UnheardNotRecorded) {
            return;
        }
        match &note.taken.event {
            // They change nothing by themselves.
            Event::Start(_) | Event::Message(..) | Event::Error(..) | Event::Request(..) => {}
            Event::Stream(_, what) if !what.is_last() => {}
            // A client that has gone before it was let in.
            Event::Connect(_) if note.taken.arriving.is_none() => {}
            Event::Connect(_)
            | Event::Close(..)
            | Event::ResponseClosed(_)
            | Event::Resume(_)
            | Event::Alarm
            | Event::Stream(..)
            | Event::Drain(..)
            | Event::Completed(..) => self.record(Step::Unheard(note.taken)),
        }
    }

    /// Time has ended something.
    pub(super) fn record_time(&mut self, now: Timestamp) {
        let is_said = |recording: &Recording| recording.steps.last() == Some(&Step::Time(now));
        if !planted::is(PlantedBug::TimeNotRecorded)
            && self.recording.as_deref().is_some_and(|recording| !is_said(recording))
        {
            self.record(Step::Time(now));
        }
    }

    pub(super) fn record(&mut self, step: Step) {
        let recording = self.recording.as_mut().filter(|recording| recording.replaying.is_none());
        if let Some(recording) = recording {
            recording.steps_bytes += step.bytes();
            recording.steps.push(step);
        }
    }

    /// Makes a commit of steps that no turn takes with it. Called when nothing is half done: a record says all that its
    /// steps have led to.
    pub(super) fn commit_if_much_waits(&mut self) {
        let has_much = |recording: &Recording| {
            (recording.is_kept || recording.begins_life)
                && (recording.steps.len() >= STEPS_WAITING_MAX
                    || recording.steps_bytes >= STEPS_WAITING_BYTES_MAX)
        };
        if self.recording.as_deref().is_some_and(has_much) {
            self.commit(KvChanges::default(), None);
        }
    }

    /// A life begins, with a fresh instance.
    pub(super) fn record_life(&mut self) {
        if self.recording.is_none() {
            return;
        }
        let life = Step::Life(Box::new(self.as_checkpoint(Default::default())));
        if let Some(recording) = &mut self.recording {
            recording.forget_life();
            recording.steps.push(life);
            (recording.begins_life, recording.says_settings) = (true, true);
        }
    }

    /// A turn that will be kept has come back.
    pub(super) fn trace_turn(&mut self, changes: &Changes, end: &TurnEnd) {
        let Some(recording) = self.recording.as_mut().filter(|_| !matches!(end, TurnEnd::Dropped(_))) else {
            return;
        };
        let trace = trace(changes, end);
        match (&mut recording.replaying, &mut recording.open) {
            (Some(replaying), _) => replaying.trace = Some(trace),
            (None, Some(open)) => open.trace = trace,
            (None, None) => {}
        }
    }

    /// A turn is kept, with these writes. Whether it takes a commit for that alone.
    pub(super) fn record_turn(&mut self, writes: &KvChanges) -> bool {
        let Some(recording) = &mut self.recording else { return false };
        if let Some(replaying) = &mut recording.replaying {
            replaying.compare(writes);
            return true;
        }
        let Some(open) = recording.open.take() else { return true };
        let OpenTurn { note, event_id, next_operation, storage_bytes, seed, trace } = open;
        // It was heard; it is not tried again any more.
        if let Some(again) = Again::of(&note.taken.event) {
            recording.again.remove(&again);
        }
        let (taken, writes) = (note.taken, writes.clone());
        if !planted::is(PlantedBug::TurnNotRecorded) {
            let turn = RecordedTurn { taken, event_id, next_operation, storage_bytes, seed, writes, trace };
            recording.steps.push(Step::Turn(Box::new(turn)));
        }
        true
    }

    /// About how many bytes the record of a turn that is to be kept will have; 0 if none is made of it.
    pub fn bytes_to_record(&self, turn: &Turn) -> u64 {
        let Some(recording) = &self.recording else { return 0 };
        let taken = recording.open.as_ref().map_or(0, |open| open.note.taken.bytes());
        recording.steps_bytes + taken + turn.changes.kv.bytes()
    }

    /// A recorded commit is taken again: its changes are known already, and go to no table. Whether that is so.
    pub(super) fn commits_again(&mut self, changes: &KvChanges) -> bool {
        if self.recording.as_ref().is_none_or(|recording| recording.replaying.is_none()) {
            return false;
        }
        let state = self.home();
        state.overlay.hold_back(changes.clone());
        state.alarm_committed = state.alarm.record();
        true
    }

    /// What commit `seq` does to the tables and to what is kept of the memory.
    pub(super) fn recorded(
        &mut self,
        seq: CommitSeq,
        changes: &KvChanges,
        memory: Option<Box<MemoryChange>>,
    ) -> (KvChanges, Option<Box<MemoryChange>>) {
        let config = Arc::clone(&self.config);
        let Some(state) = self.state.as_mut() else { return (changes.clone(), memory) };
        let Some(recording) = self.recording.as_mut() else {
            if !state.overlay.holds_back() {
                return (changes.clone(), memory);
            }
            // What is kept of its memory goes (`Room::forgetting`); what a journal wrote goes to the tables.
            let mut all = state.overlay.catch_up(seq);
            all.then(changes.clone());
            return (all, Some(memory.unwrap_or_else(|| Box::new(MemoryChange::Forget { then: None }))));
        };
        recording.store_keeps_the_dead = false;
        if memory.is_some() {
            // A checkpoint: the steps until here are in it.
            recording.steps.clear();
            recording.steps_bytes = 0;
            (recording.is_kept, recording.begins_life, recording.says_settings) = (true, false, true);
            recording.length = JournalLength::default();
            let mut all = state.overlay.catch_up(seq);
            all.then(changes.clone());
            self.stop_recording_if_it_is_the_last();
            return (all, memory);
        }
        if !recording.is_kept && (!recording.begins_life || recording.is_the_last) {
            // Between two lives.
            let mut all = state.overlay.catch_up(seq);
            all.then(changes.clone());
            self.stop_recording_if_it_is_the_last();
            return (all, Some(Box::new(MemoryChange::Forget { then: None })));
        }
        let mut steps = std::mem::take(&mut recording.steps);
        recording.steps_bytes = 0;
        if std::mem::take(&mut recording.says_settings) {
            let (vars, limits) = ((*config.vars).clone(), (*config.limits).clone());
            let settings = Settings { vars, limits, profile: config.profile };
            let after_life = usize::from(matches!(steps.first(), Some(Step::Life(_))));
            steps.insert(after_life, Step::Settings(Box::new(settings)));
        }
        let record = JournalRecord { component: recording.component, bytes: Record { steps }.encode() };
        let bytes = record.bytes.len() as u64;
        if std::mem::take(&mut recording.begins_life) {
            recording.is_kept = true;
            recording.length = JournalLength { records: 1, bytes };
            let change = MemoryChange::Forget { then: Some(record) };
            return (state.overlay.catch_up(seq), Some(Box::new(change)));
        }
        recording.length.records += 1;
        recording.length.bytes += bytes;
        let table_changes = match planted::is(PlantedBug::TablesRunAhead) {
            true => changes.clone(),
            false => KvChanges::default(),
        };
        (table_changes, Some(Box::new(MemoryChange::Append(record))))
    }
}

impl Replaying {
    fn compare(&mut self, writes: &KvChanges) {
        let Some(expected) = self.expected.take() else { return };
        if let Some(difference) = difference(&expected.writes, writes) {
            self.difference = Some(format!("it wrote other keys or values; {difference}"));
        } else if self.trace != Some(expected.trace) {
            self.difference = Some("it did something else".into());
        }
    }
}
