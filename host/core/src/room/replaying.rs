//! Replay: a durable room is made again by taking its recorded steps once more.
//!
//! The driver reads the last checkpoint and the journal, restores the instance or makes a fresh one, and gives each record
//! to a [`Replay`]. Where a record holds a turn, the driver calls the guest with it, without bounds on fuel or time, and
//! gives it back; it must have done what it did then. Nothing that a turn wants to send leaves: it was sent, or nobody is
//! there any more. In the end the past becomes the room ([`Room::recovered`]), or only the instance is of use
//! ([`Room::went_back`]).

mod error;

use std::sync::Arc;

use bytes::Bytes;

use crate::checkpoint::Checkpoint;
use crate::commit::RoomRecord;
use crate::event::{DropCause, Event, Outcome, Output, ResumeReason, StartReason, TurnEnd};
use crate::ids::{CommitSeq, OperationId};
use crate::journal::{Record, RecordedTurn, Step, Taken};
use crate::mailbox::{Lane, Mailbox};
use crate::message::CloseFrame;
use crate::planted::{self, PlantedBug};
use crate::profile;
use crate::room::recording::{JournalLength, Replaying};
use crate::room::{Action, Arriving, Memory, Phase, Report, Room, RoomConfig, Service};
use crate::session::ReadyState;
use crate::turn::Turn;
pub use error::ReplayError;

/// The past of a room, being made again.
pub struct Replay {
    room: Room,
    /// The last record that was taken.
    seq: CommitSeq,
    has_base: bool,
    length: JournalLength,
    /// Why the room finds itself here, if it has not been told.
    resumes: Option<ResumeReason>,
    /// Operations that ended with the place where the room was before. It hears so of those that are still open.
    interrupted: Vec<OperationId>,
    /// What the room wanted to let leave, if somebody asks for it.
    outputs: Option<Vec<Output>>,
}

impl Replay {
    /// The past of a room from its last checkpoint on, or from the beginning of its life.
    ///
    /// # Panics
    ///
    /// If the room is not durable.
    pub fn new(config: Arc<RoomConfig>, checkpoint: Option<Checkpoint>) -> Replay {
        let mut room = Room::new(config, None);
        let recording = room.recording.as_mut().expect("only durable rooms are made again");
        recording.replaying = Some(Replaying::default());
        let seq = checkpoint.as_ref().map(|checkpoint| checkpoint.seq);
        let resumes = checkpoint.as_ref().and_then(|checkpoint| checkpoint.resumes);
        let has_base = checkpoint.is_some();
        let left = checkpoint.iter().filter(|_| resumes.is_some()).flat_map(|it| &it.operations);
        let interrupted = left.map(|(id, _)| *id).collect();
        if let Some(checkpoint) = checkpoint {
            room.take_checkpoint(checkpoint);
        }
        let (seq, length) = (seq.unwrap_or_default(), JournalLength::default());
        Replay { room, seq, has_base, length, resumes, interrupted, outputs: None }
    }

    /// As it is, and keeps what the room wants to let leave, for [`Replay::take_outputs`].
    pub fn keeping_outputs(self) -> Replay {
        Replay { outputs: Some(Vec::new()), ..self }
    }

    /// What the room has wanted to let leave since this was last asked, by itself and by its turns, in order.
    pub fn take_outputs(&mut self) -> Vec<Output> {
        self.outputs.as_mut().map(std::mem::take).unwrap_or_default()
    }

    /// Takes the next record. If there is a turn in it, the guest is to be called with it.
    pub fn take(&mut self, seq: CommitSeq, bytes: &Bytes) -> Result<Option<Box<Turn>>, ReplayError> {
        let is_first = self.length.records == 0;
        if seq != self.seq.next() && (self.has_base || !is_first) {
            return Err(ReplayError::Gap { last: self.seq, found: seq });
        }
        self.seq = seq;
        self.length.records += 1;
        self.length.bytes += bytes.len() as u64;
        let mut turn = None;
        for step in Record::decode(bytes)?.steps {
            let begins = matches!(step, Step::Life(_));
            if begins == self.has_base || (begins && !is_first) {
                return Err(ReplayError::Beginning { seq });
            }
            self.has_base = true;
            turn = self.step(step)?;
            self.forget_outside();
        }
        Ok(turn)
    }

    fn step(&mut self, step: Step) -> Result<Option<Box<Turn>>, ReplayError> {
        let seq = self.seq;
        let room = &mut self.room;
        match step {
            Step::Life(checkpoint) => room.take_checkpoint(*checkpoint),
            Step::Settings(settings) => {
                let RoomConfig { address, handlers, storage, duplicate_keys, durable, .. } = &*room.config;
                room.config = Arc::new(RoomConfig {
                    address: Arc::clone(address),
                    limits: Arc::new(settings.limits),
                    handlers: *handlers,
                    vars: Arc::new(settings.vars),
                    storage: Arc::clone(storage),
                    duplicate_keys: *duplicate_keys,
                    profile: settings.profile,
                    durable: *durable,
                });
                if !planted::is(PlantedBug::AcceptDeadlineOfToday) {
                    // Those of the checkpoint's clients are as they were then, whatever the settings of today are.
                    room.remember_accept_deadlines();
                }
            }
            Step::Resumed => {
                room.accept_due.clear();
                room.end_handshakes();
            }
            Step::Time(now) => room.on_time(now),
            Step::Unheard(taken) => {
                self.resumes = self.resumes.filter(|_| !matches!(taken.event, Event::Resume(_)));
                let event = taken.event.name();
                if room.admit_again(&taken).is_some() {
                    return Err(ReplayError::Unfit { seq, event });
                }
            }
            Step::Dropped(taken, is_tried_again) => {
                let is_tried_again = is_tried_again || planted::is(PlantedBug::RetryNotRecorded);
                if let Some(note) = room.note(&taken.event, taken.now) {
                    room.admit_again(&taken);
                    room.give_up(note, is_tried_again);
                }
            }
            Step::Turn(turn) => return self.begin(turn).map(Some),
        }
        Ok(None)
    }

    fn begin(&mut self, recorded: Box<RecordedTurn>) -> Result<Box<Turn>, ReplayError> {
        let (seq, event) = (self.seq, recorded.taken.event.name());
        let unfit = ReplayError::Unfit { seq, event };
        self.resumes = self.resumes.filter(|_| !matches!(recorded.taken.event, Event::Resume(_)));
        let room = &mut self.room;
        let Some(event) = room.admit_again(&recorded.taken) else { return Err(unfit) };
        let state = room.home();
        let ids_are_free = !state.pending.contains(recorded.event_id)
            && state.operations.all().all(|(id, _)| id.0 < recorded.next_operation)
            && state.streams.all().all(|(id, _)| id.0 < recorded.next_operation);
        if !ids_are_free {
            return Err(unfit);
        }
        state.next_event = recorded.event_id.0 + 1;
        state.next_operation = recorded.next_operation;
        state.storage_bytes = recorded.storage_bytes;
        let (event_id, now, seed) = (recorded.event_id, recorded.taken.now, recorded.seed);
        if let Some(replaying) = room.recording.as_mut().and_then(|recording| recording.replaying.as_mut()) {
            replaying.expected = Some(recorded);
        }
        let state = room.state.take().expect("it is home between turns");
        Ok(Turn::new(Arc::clone(&room.config), state, event, event_id, now, seed))
    }

    /// Takes a turn back. It must have done what was recorded.
    pub fn end(&mut self, turn: Box<Turn>, end: TurnEnd) -> Result<(), ReplayError> {
        let (seq, event) = (self.seq, turn.event_name());
        let diverged = |difference: String| Err(ReplayError::Diverged { seq, event, difference });
        if let Some(fault) = turn.fault() {
            return diverged(fault.to_string());
        }
        if let TurnEnd::Dropped(cause) = &end {
            return diverged(match cause {
                DropCause::Instantiation(text)
                | DropCause::NoMemory(text)
                | DropCause::Trap(text)
                | DropCause::Storage(text) => text.clone(),
                DropCause::Fuel { .. }
                | DropCause::Deadline { .. }
                | DropCause::Aborted(_)
                | DropCause::PendingEvents { .. } => cause.to_string(),
            });
        }
        self.room.end_turn(turn, end);
        self.forget_outside();
        let replaying = self.room.recording.as_mut().and_then(|recording| recording.replaying.as_mut());
        match replaying.map(|replaying| (replaying.difference.take(), &replaying.expected)) {
            Some((Some(difference), _)) => diverged(difference),
            // Nobody has compared it.
            Some((None, Some(_))) => diverged("it was dropped".to_owned()),
            Some((None, None)) | None => Ok(()),
        }
    }

    /// The last commit that it has come to.
    pub fn seq(&self) -> CommitSeq {
        self.seq
    }

    /// Whether the life that was taken again goes on: else there is no memory, and the room starts afresh.
    pub fn goes_on(&self) -> bool {
        matches!(self.room.phase, Phase::Starting | Phase::Running)
    }

    /// The room as a checkpoint would keep it now, with this image: for whoever compares two pasts, or takes it elsewhere.
    pub fn as_checkpoint(&mut self, image: Bytes) -> Checkpoint {
        self.room.as_checkpoint(image)
    }

    /// Whatever the room wants of the world, it wanted then; what it put in for itself was recorded when it was taken.
    fn forget_outside(&mut self) {
        let actions = self.room.actions.drain(..);
        if let Some(outputs) = &mut self.outputs {
            outputs.extend(actions.filter_map(|action| match action {
                Action::Output(output) => Some(output),
                Action::Commit(_) | Action::DropInstance | Action::Report(_) => None,
            }));
        }
        self.room.mailbox = Mailbox::default();
        self.room.alarm_waits = false;
    }
}

impl Room {
    /// A durable room of which only the record has been read. It takes in what comes, and is made again before its first
    /// turn ([`Room::rebuild`]).
    pub fn unread(config: Arc<RoomConfig>, record: RoomRecord) -> Room {
        let mut room = Room::new(config, Some(record));
        (room.phase, room.memory) = (Phase::Running, Memory::Unread);
        room
    }

    /// What has been made again is the room. Sockets and requests have not survived: first of all the room is told so.
    ///
    /// # Panics
    ///
    /// If the room was not [`Room::unread`].
    pub fn recovered(&mut self, replay: Replay) {
        assert!(self.is_unread(), "a room is made again once, before its first turn");
        let Replay { room: past, length, resumes, interrupted, .. } = replay;
        self.memory = Memory::Awake;
        let mut state = past.state.expect("no turn is out");
        let now = self.home();
        if !planted::is(PlantedBug::IdsNotRestored) {
            (state.next_event, state.next_operation) = (now.next_event, now.next_operation);
        }
        (state.ids_reserved, state.moved_at) = (now.ids_reserved, now.moved_at);
        state.alarm_committed = now.alarm_committed;
        if !planted::is(PlantedBug::StorageSizeForgotten) {
            // The journal may say nothing of it, the record always does.
            state.storage_bytes = now.storage_bytes;
        }
        // Those whose outcome was on its way are due again.
        state.operations = std::mem::take(&mut state.operations).without_outcomes();
        let interrupted =
            interrupted.into_iter().filter(|id| state.operations.take_off_the_clock(*id)).collect();
        let auto_response = state.auto_response.clone();
        self.state = Some(state);
        self.calls = past.calls;
        if auto_response.is_some() {
            // Whoever took the room up did not know of it.
            self.output(Output::AutoResponse(auto_response));
        }
        match past.phase {
            Phase::Fresh(_) | Phase::Suspended { .. } => {
                // Its life had ended, and nobody of then is here.
                self.phase = Phase::Fresh(StartReason::Lost);
                self.home().sessions.clear();
                self.home().requests.clear();
                self.actions.push(Action::DropInstance);
                // The store is told so (see `bury`).
                self.commit(Default::default(), None);
            }
            Phase::Starting | Phase::Running => {
                self.phase = past.phase;
                if !planted::is(PlantedBug::RestartNotDone) {
                    self.end_handshakes();
                }
                self.resume(resumes, interrupted, length);
                self.commit_ids();
            }
        }
    }

    /// The room cannot be made again: everyone is told, and nobody is let in. What is kept stays as it is. Not while a turn
    /// is out. Again, it changes nothing.
    pub fn damaged(&mut self, reason: &str) {
        if self.service != Service::Open {
            return;
        }
        self.report(Report::Damaged { reason: reason.to_owned() });
        self.service = Service::Damaged;
        self.turn_everyone_away(&CloseFrame::new(profile::CLOSE_ERROR, profile::ROOM_DAMAGED));
        self.actions.push(Action::DropInstance);
    }

    /// The instance has been made again as it was before the dropped turn.
    ///
    /// # Panics
    ///
    /// If no turn was dropped.
    pub fn went_back(&mut self) {
        assert!(self.memory == Memory::Behind, "only who has lost a turn goes back");
        self.memory = Memory::Awake;
    }

    /// First of all the room hears which clients are gone; then comes what has come meanwhile.
    pub(super) fn resume(
        &mut self,
        reason: Option<ResumeReason>,
        interrupted: Vec<OperationId>,
        length: JournalLength,
    ) {
        if let Some(recording) = &mut self.recording {
            recording.resume(length);
        }
        // What has come meanwhile comes after.
        let mut come_meanwhile = std::mem::take(&mut self.mailbox);
        if let Some(reason) = reason {
            self.mailbox.push(Event::Resume(reason));
        }
        self.say_who_is_gone(None);
        for id in interrupted {
            self.mailbox.push(Event::Completed(id, Outcome::Interrupted));
        }
        self.begin_again();
        while let Some(event) = come_meanwhile.pop(Lane::All) {
            self.mailbox.push(event);
        }
    }

    /// Ids that were given out since the checkpoint are known to nobody but the world outside; they are not used again, also
    /// if this life ends before it has anything else to commit.
    pub(super) fn commit_ids(&mut self) {
        self.commit(Default::default(), None);
    }

    /// Every open operation ends as interrupted.
    pub(super) fn interrupt_operations(&mut self) {
        let open: Vec<OperationId> = self.home().operations.all().map(|(id, _)| id).collect();
        for id in open {
            self.mailbox.push(Event::Completed(id, Outcome::Interrupted));
        }
    }

    /// Nobody waits for the handshakes of another process any more.
    pub(super) fn end_handshakes(&mut self) {
        self.home().sessions.values_mut().for_each(|session| session.upgraded = true);
    }

    /// Admits an event as it was admitted then.
    fn admit_again(&mut self, taken: &Taken) -> Option<Event> {
        let Taken { event, arriving, call, now } = taken;
        self.home().last_now = *now;
        if let (Event::Connect(id), Some(arriving)) = (event, arriving) {
            let (connection, upgraded) = (arriving.0.clone(), arriving.1);
            if !upgraded {
                let due = connection.opened_at.after_ms(self.config.limits.accept_deadline_ms);
                self.accept_due.insert((due, *id));
            }
            self.arriving.insert(*id, Box::new(Arriving { connection, upgraded }));
        }
        if let (Event::Request(id, _), Some(call)) = (event, call) {
            self.calling.insert(*id, call.clone());
        }
        self.admit(event.clone(), *now)
    }

    /// Deadlines of handshakes that a checkpoint left unanswered.
    pub(super) fn remember_accept_deadlines(&mut self) {
        let accept_deadline_ms = self.config.limits.accept_deadline_ms;
        let state = self.state.as_ref().expect("no turn is out");
        let unanswered = state.sessions.iter().filter(|(_, session)| {
            let waits = matches!(session.ready_state, ReadyState::Connecting | ReadyState::Closing);
            waits && !session.upgraded && !session.connect_ended && session.gone.is_none()
        });
        self.accept_due =
            unanswered.map(|(id, session)| (session.opened_at.after_ms(accept_deadline_ms), *id)).collect();
    }
}
