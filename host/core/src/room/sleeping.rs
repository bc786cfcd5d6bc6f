//! Sleeping: the guest's memory is written down and the instance given up; what is known of the world stays.
//!
//! The driver asks [`Room::may_sleep`], captures the memory and hands it to [`Room::save`], which makes a commit of it.
//! Until that commit is durable the instance stays: an event that comes meanwhile finds it, and the room has merely got
//! a newer checkpoint. Once it is durable and nothing has come, the room sleeps: the driver drops the instance, and
//! restores it before it asks for the next turn ([`Room::is_asleep`], [`Room::woken`], [`Room::memory_lost`]).
//!
//! A room with sockets stays in the host's memory while it sleeps, without its instance. One without can be forgotten
//! wholly; [`Room::restored`] makes it again from its record and its checkpoint, in this process or another.

use std::sync::Arc;

use bytes::Bytes;

use crate::checkpoint::Checkpoint;
use crate::commit::{CheckpointBytes, ComponentDigest, KvChanges, MemoryChange, NewCheckpoint, RoomRecord};
use crate::event::StartReason;
use crate::ids::{CommitSeq, ConnectionId, IdBlock, RequestId, Timestamp};
use crate::large::NoMemory;
use crate::message::CloseFrame;
use crate::operation::Operations;
use crate::planted::{self, PlantedBug};
use crate::room::pending::PendingEvents;
use crate::room::{Action, Here, Phase, Restless, Room, RoomConfig, Service};
use crate::session::{ReadyState, Session};
use crate::turn::Subject;

/// Where the guest's memory is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) enum Memory {
    /// In the instance, or nowhere before the first start.
    #[default]
    Awake,
    /// In the instance, and in a commit under way.
    Saving {
        /// That commit.
        saved_at: CommitSeq,
        /// As in `Asleep`.
        touched: bool,
    },
    /// In the store, with this commit.
    Asleep {
        /// The commit that carries it.
        saved_at: CommitSeq,
        /// Whether what is known of the world has changed since without a turn, so that the checkpoint is no longer all
        /// that the room is.
        touched: bool,
    },
    /// The room is as it was before its last turn, which was dropped; the instance has gone with that turn, and is to be
    /// made again of what is recorded.
    Behind,
    /// In the store, as everything else of the room.
    Unread,
}

/// What must be made of what the store keeps before the room can have a turn.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Rebuild {
    /// The instance, from the checkpoint that this commit carries: then [`Room::woken`].
    Asleep(CommitSeq),
    /// The instance, from the checkpoint and the journal: then [`Room::went_back`].
    Behind,
    /// All of the room, from the checkpoint and the journal: then [`Room::recovered`].
    Unread,
}

/// What a checkpoint is made for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Purpose {
    /// The room is to sleep when it is durable.
    Sleep,
    /// The room goes on; a crash will not take it back further.
    Keep,
}

/// A checkpoint that no commit carries yet.
#[derive(Debug)]
pub struct Captured {
    checkpoint: Checkpoint,
    next_event: u64,
}

impl Captured {
    /// The checkpoint's bytes, as the commit is to carry or to find them.
    pub fn encode(&self) -> Result<Bytes, NoMemory> {
        self.checkpoint.encode()
    }
}

impl Room {
    /// Whether the room's memory can be captured now and the room put to sleep: it has started, no event waits, no
    /// turn is out, nothing waits for a commit, and no turn was dropped lately. Sockets, open requests, operations and
    /// pending events do not keep it awake; and if it gives way ([`Room::gives_way`]), events that wait do not either.
    pub fn may_sleep(&self) -> bool {
        self.memory == Memory::Awake
            && self.is_ever_kept()
            && !self.is_being_saved()
            && (self.restless().is_none() || self.sleeps_before_its_events())
    }

    /// Whether a checkpoint can be made now, if not to sleep then to go on; [`Room::restless`] says why not. That a turn was
    /// dropped lately is in the way of sleep alone: a room that goes on remembers it. A durable room can also be saved while
    /// events wait and commits are under way, because its journal must not grow for ever; and so can one that is about to end,
    /// which nobody waits for, or of which somebody wants a copy. A checkpoint says all that the guest knows, and of what waits
    /// the guest knows nothing; it comes after the commits before it, and is lost with them. Not while an earlier one is under
    /// way, of a room that is not durable: if both fail, it could not be told what depends on what.
    pub fn may_save(&self) -> bool {
        match self.restless() {
            _ if self.is_being_saved() || !self.is_ever_kept() => false,
            None | Some(Restless::DroppedLately) => true,
            Some(Restless::EventsWait) if self.sleeps_before_its_events() => true,
            Some(Restless::EventsWait | Restless::OutputsWait) => {
                let is_worth_it = self.recording.is_some() || self.ends_soon || self.is_to_be_kept;
                is_worth_it && !self.mailbox.has_unrepeatable()
            }
            Some(
                Restless::InATurn
                | Restless::NotStarted
                | Restless::Suspended { .. }
                | Restless::Ending
                | Restless::Asleep,
            ) => false,
        }
    }

    /// The room is about to be shut down: whatever comes does not keep it from being saved any more.
    pub fn will_end(&mut self) {
        self.ends_soon = true;
    }

    /// Somebody wants a copy of the room, or it is about to be carried over, or that is so no more: whatever comes does not keep
    /// it from being saved until then.
    pub fn is_to_be_kept(&mut self, is_wanted: bool) {
        self.is_to_be_kept = is_wanted;
    }

    /// The checkpoint of the room, with the image of its memory that was captured just now.
    ///
    /// # Panics
    ///
    /// If [`Room::may_save`] is false: the memory would not fit to the rest.
    pub fn captured(&mut self, component: ComponentDigest, image: Bytes) -> Captured {
        assert!(self.may_save(), "a room is saved between turns, when nothing is under way");
        let checkpoint = Checkpoint { component, ..self.as_checkpoint(image) };
        let next_event = self.home().next_event;
        Captured { checkpoint, next_event }
    }

    /// Makes the commit that carries a checkpoint, or points to where its bytes are. `false` if the room has gone on
    /// since it was captured: then it is of no use, and another may be made when the room is quiet again.
    pub fn save(&mut self, captured: &Captured, purpose: Purpose, bytes: CheckpointBytes) -> bool {
        let Captured { checkpoint, next_event } = captured;
        if !self.may_save() || self.home().next_event != *next_event {
            return false;
        }
        // Time alone may have changed what is known of the world, as when a client got its 101 at the deadline. That it has
        // passed is no change.
        let now = self.captured(checkpoint.component, checkpoint.image.clone()).checkpoint;
        if (Checkpoint { last_now: checkpoint.last_now, ..now }) != *checkpoint {
            return false;
        }
        let sleeps = purpose == Purpose::Sleep && self.may_sleep();
        self.unsaved = self.before_saving().map(Box::new);
        self.home().memory_due = checkpoint.next_due();
        let component = checkpoint.component;
        let change = MemoryChange::Checkpoint(NewCheckpoint { component, bytes });
        self.commit(KvChanges::default(), Some(Box::new(change)));
        self.kept = Some((checkpoint.seq, *next_event));
        // If an earlier one was under way to sleep with, it is no longer the last.
        self.memory =
            if sleeps { Memory::Saving { saved_at: checkpoint.seq, touched: false } } else { Memory::Awake };
        true
    }

    /// Whether the instance must be restored before the next turn.
    pub fn is_asleep(&self) -> bool {
        self.rebuild().is_some()
    }

    /// What must be made before the next turn, if anything.
    pub fn rebuild(&self) -> Option<Rebuild> {
        match self.memory {
            Memory::Awake | Memory::Saving { .. } => None,
            Memory::Asleep { saved_at, .. } => Some(Rebuild::Asleep(saved_at)),
            Memory::Behind => Some(Rebuild::Behind),
            Memory::Unread => Some(Rebuild::Unread),
        }
    }

    /// Whether the guest has had no turn since the last checkpoint: its memory is what that says, and the rest comes of it by
    /// time alone.
    pub(crate) fn has_checkpoint_of_now(&self) -> bool {
        matches!(self.memory, Memory::Saving { .. } | Memory::Asleep { .. })
    }

    /// Whether nothing of it but its record has been read.
    pub(crate) fn is_unread(&self) -> bool {
        self.memory == Memory::Unread
    }

    /// Whether commits are under way without which the instance cannot be made again.
    pub(crate) fn waits_to_be_rebuilt(&self) -> bool {
        self.memory == Memory::Behind && self.gate.uncommitted() > 0
    }

    /// The commit that carries the checkpoint to restore the instance from, if the room sleeps. Its checkpoint is the
    /// right one whatever has been committed since without the guest.
    pub fn asleep_since(&self) -> Option<CommitSeq> {
        match self.memory {
            Memory::Asleep { saved_at, .. } => Some(saved_at),
            Memory::Awake | Memory::Saving { .. } | Memory::Behind | Memory::Unread => None,
        }
    }

    /// Whether all that the room is stands in the store: it sleeps and has no client, or it is durable and its suspension
    /// is over.
    pub fn may_be_forgotten(&self) -> bool {
        if self.service == Service::Damaged {
            // That it is damaged is found only by trying to make it again.
            return false;
        }
        if let (Phase::Suspended { until }, Some(state), Some(_)) = (self.phase, &self.state, &self.recording)
        {
            return state.last_now >= until && self.gate.uncommitted() == 0;
        }
        matches!(self.memory, Memory::Asleep { touched: false, .. })
            && self.mailbox.is_empty()
            && self.arriving.is_empty()
            && self.gate.uncommitted() == 0
            && self.state.as_ref().is_some_and(|state| {
                state.sessions.is_empty()
                    && state.requests.is_empty()
                    // They would end with the room that knows of them.
                    && (state.streams.is_empty() || planted::is(PlantedBug::ForgottenWhileItStreams))
                    // Who works for it would answer nobody.
                    && (state.operations.worked_on().next().is_none()
                        || planted::is(PlantedBug::ForgottenWhileWorkedFor))
            })
    }

    /// The instance has been restored from the checkpoint.
    ///
    /// # Panics
    ///
    /// If the room does not sleep.
    pub fn woken(&mut self) {
        let saved_at = self.asleep_since().expect("only who sleeps is woken");
        self.kept = Some((saved_at, self.home().next_event));
        self.memory = Memory::Awake;
    }

    /// Something about the room changes without its guest.
    pub(crate) fn touch(&mut self) {
        if let Memory::Saving { touched, .. } | Memory::Asleep { touched, .. } = &mut self.memory {
            *touched = true;
        }
    }

    /// The last checkpoint is of no use: the next event starts the room afresh, from its storage.
    pub fn memory_lost(&mut self, now: Timestamp) {
        self.end_life(|room| {
            room.lose_memory(None, now);
            room.phase = Phase::Fresh(StartReason::Lost);
        });
    }

    /// A commit is durable: if it is what the room waited for, it sleeps now.
    pub(crate) fn fall_asleep(&mut self, seq: CommitSeq) {
        let Memory::Saving { touched, .. } = self.memory else { return };
        if self.memory != (Memory::Saving { saved_at: seq, touched }) {
            return;
        }
        self.memory = if self.mailbox.is_empty() || self.stands_still() {
            self.actions.push(Action::DropInstance);
            self.give_back();
            Memory::Asleep { saved_at: seq, touched }
        } else {
            Memory::Awake
        };
    }

    /// A turn begins: whatever is being saved is no longer the last of the memory.
    pub(crate) fn stay_awake(&mut self) {
        assert!(!self.is_asleep(), "a sleeping room is woken before its next turn");
        if !planted::is(PlantedBug::SleepOverTurn) {
            self.memory = Memory::Awake;
        }
    }

    /// A room that sleeps, as its last commit left it, asleep still. Sockets and requests have not survived: first of
    /// all the room is told so. It goes on with ids of a block of its own, if there is one. `None` if storage has moved since
    /// the checkpoint: then it is of no use.
    pub fn restored(
        config: Arc<RoomConfig>,
        record: RoomRecord,
        checkpoint: Checkpoint,
        ids: Option<IdBlock>,
    ) -> Option<Room> {
        let is_current = checkpoint.seq >= record.moved_at || planted::is(PlantedBug::StaleMemoryUsed);
        if !is_current {
            return None;
        }
        let mut room = Room::new(config, Some(record));
        let has_ids = room.take_ids(ids);
        room.home().ids_are_bounded = true;
        room.memory = Memory::Asleep { saved_at: checkpoint.seq, touched: false };
        room.store_has_memory = true;
        let resumes = checkpoint.resumes;
        room.take_checkpoint(checkpoint);
        room.accept_due.clear();
        room.end_handshakes();
        room.resume(resumes, Vec::new(), Default::default());
        if !has_ids {
            room.commit_ids();
        }
        if resumes.is_some() {
            // What was under way where the room was before has ended with that.
            room.interrupt_operations();
        }
        Some(room)
    }

    /// Everything that a checkpoint says but the memory itself.
    pub(super) fn take_checkpoint(&mut self, checkpoint: Checkpoint) {
        self.phase = if checkpoint.is_starting { Phase::Starting } else { Phase::Running };
        let memory_due = checkpoint.next_due();
        let state = self.home();
        state.memory_due = memory_due;
        state.incarnation = checkpoint.incarnation;
        state.last_now = checkpoint.last_now;
        state.sessions = checkpoint.sessions;
        state.requests = checkpoint.requests;
        state.streams = checkpoint.streams;
        let calls = checkpoint.calls;
        state.answered_whole = calls.open().collect();
        state.operations = match checkpoint.resumes {
            Some(_) => Operations::interrupted(checkpoint.operations),
            None => Operations::of(checkpoint.operations),
        };
        state.pending = PendingEvents::awake(&checkpoint.pending);
        state.alarm = checkpoint.alarm;
        state.holds = checkpoint.holds;
        state.hold_until = checkpoint.hold_until;
        if !planted::is(PlantedBug::AutoResponseForgotten) {
            state.auto_response = checkpoint.auto_response;
        }
        if self.config.durable.is_some() {
            self.calls = calls;
        }
        self.remember_accept_deadlines();
    }

    /// Sockets and requests have not survived, but for those who are here.
    pub(super) fn say_who_is_gone(&mut self, here: Option<&Here>) {
        let state = self.home();
        let is_here = |id: ConnectionId| here.is_some_and(|here| here.clients.contains(&id));
        let waits = |id: RequestId| here.is_some_and(|here| here.requests.contains(&id));
        let is_told = |id: ConnectionId, session: &Session| {
            session.gone.is_some()
                || session.is_rejected()
                || (session.ready_state == ReadyState::Closed
                    && !planted::is(PlantedBug::CloseToldTwice)
                    && state.pending.is_about(Subject::Close(id)))
        };
        let gone = state.sessions.iter().filter(|(id, session)| !is_told(**id, session) && !is_here(**id));
        let gone: Vec<ConnectionId> = gone.map(|(id, _)| *id).collect();
        let requests: Vec<RequestId> = state.requests.iter().copied().filter(|id| !waits(*id)).collect();
        // Whoever called asks once more.
        let requests: Vec<RequestId> = requests.into_iter().filter(|id| !self.calls.is_open(*id)).collect();
        if !planted::is(PlantedBug::GhostsKept) {
            for connection in gone {
                self.closed(connection, CloseFrame::lost(), false);
            }
        }
        for request in requests {
            self.request_gone(request);
        }
        self.say_which_streams_are_gone(here);
    }

    /// A room whose memory was kept and is of no use any more, or never was: its next event starts it afresh. It has no
    /// journal.
    pub fn lost(config: Arc<RoomConfig>, record: RoomRecord) -> Room {
        let mut room = Room::new(config, Some(record));
        room.phase = Phase::Fresh(StartReason::Lost);
        room
    }
}
