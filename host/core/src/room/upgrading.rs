//! Upgrading: a room goes on with another version of its party.
//!
//! The driver asks [`Room::readiness`]. A quiet room is carried over in one turn: the old instance says in it what the new
//! one is to know, the new one takes that in with the same turn, and what both have done, the memory of the new one and
//! its digest are one commit ([`Room::begin_upgrade`], [`Room::upgraded`], [`Room::goes_on`]). Until that commit is taken
//! nothing has happened, and the room can stay as it is ([`Room::stays`]). Where the versions have nothing to say to each
//! other the room starts afresh ([`Room::start_over`]). Sockets, sessions and what waits in the mailbox are the room's,
//! not the guest's: they stay in either case.

use std::sync::Arc;

use bytes::Bytes;

use crate::checkpoint::Checkpoint;
use crate::commit::{CheckpointBytes, ComponentDigest, KvChanges, MemoryChange, NewCheckpoint};
use crate::event::{Event, Outcome, Output, StartReason};
use crate::ids::Timestamp;
use crate::large::NoMemory;
use crate::mailbox::Lane;
use crate::planted::{self, PlantedBug};
use crate::room::durable_no_more::not_durable;
use crate::room::restarts::Successor;
use crate::room::{Action, Away, Memory, Moment, Phase, Room, RoomConfig, RoomState, Service};
use crate::turn::Turn;

/// Whether a room can go on with another version now.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Readiness {
    /// Not now: a turn is out, or it is asleep, suspended or ending.
    NotNow,
    /// It could, but what the guest has begun would be cut off: an operation, a request, an event that has to settle, a
    /// hold, a start.
    Busy,
    /// The guest waits for nothing but what comes.
    Quiet,
    /// There is no memory to carry over.
    Fresh,
}

/// A room that has been carried over, before the commit that makes it so.
pub struct Upgraded {
    state: Box<RoomState>,
    writes: KvChanges,
    moves: bool,
    outputs: Vec<Output>,
    destroys: bool,
    checkpoint: Option<Checkpoint>,
}

impl Upgraded {
    /// The bytes of the checkpoint that the commit is to carry or to find, if the memory is kept.
    pub fn encode(&self) -> Result<Option<Bytes>, NoMemory> {
        self.checkpoint.as_ref().map(Checkpoint::encode).transpose()
    }
}

impl Room {
    /// Whether the room can go on with another version now.
    pub fn readiness(&self) -> Readiness {
        // Commits under way are no reason: the one that carries the switch comes after them, and fails with them.
        let comes_to_rest = self.state.is_some() && self.service == Service::Open && !self.is_asleep();
        match self.phase {
            Phase::Fresh(_) if comes_to_rest => Readiness::Fresh,
            Phase::Starting if comes_to_rest => Readiness::Busy,
            Phase::Running if comes_to_rest && self.has_nothing_open() => Readiness::Quiet,
            Phase::Running if comes_to_rest => Readiness::Busy,
            Phase::Fresh(_) | Phase::Starting | Phase::Running | Phase::Suspended { .. } => Readiness::NotNow,
        }
    }

    /// Whether the guest, awake or asleep, has begun nothing that could still end: no operation, no request, no hold, no
    /// event with a deadline. Events that nobody has heard yet count for nothing. `false` while that is not known.
    pub fn has_nothing_open(&self) -> bool {
        let is_known = !self.is_unread() && !self.mailbox.has(Lane::Completions);
        self.phase == Phase::Running
            && self.state.as_ref().is_some_and(|state| {
                is_known
                    && state.requests.is_empty()
                    && state.streams.is_empty()
                    && state.operations.is_empty()
                    && state.pending.next_deadline().is_none()
                    && state.holds == 0
            })
    }

    /// The room has been given its time: every operation that is open ends as interrupted, unless its outcome waits
    /// already. Not while a turn is out.
    pub fn interrupt(&mut self) {
        if !planted::is(PlantedBug::InterruptForgetsNothing) {
            self.forget_works();
        }
        for id in self.home().operations.take_all_off_the_clock() {
            self.mailbox.push(Event::Completed(id, Outcome::Interrupted));
        }
        self.interrupt_streams();
    }

    /// Whether an outcome waits for its turn.
    pub fn has_outcomes(&self) -> bool {
        self.mailbox.has(Lane::Completions)
    }

    /// The turn in which the room is carried over. It must be given back to [`Room::upgraded`] or to [`Room::stays`].
    ///
    /// # Panics
    ///
    /// If the room is not ready.
    pub fn begin_upgrade(&mut self, moment: Moment) -> Box<Turn> {
        let readiness = self.readiness();
        assert!(matches!(readiness, Readiness::Busy | Readiness::Quiet), "not in the midst of a turn");
        let now = self.tell_time(moment.now);
        self.stay_awake();
        let event_id = self.next_event_id();
        let state = self.take_state();
        Turn::of_upgrade(Arc::clone(&self.config), state, event_id, now, moment.seed)
    }

    /// The room stays with the version that it has. What was done in the turn is not to be.
    pub fn stays(&mut self, turn: Box<Turn>) {
        self.take_home(turn.state);
    }

    /// Both versions have had the turn, and the instance of the new one is as the image says, if its memory is kept: with
    /// the component that it is of. What the old one had begun has ended. The state stays out until the commit can be
    /// taken: [`Room::goes_on`], or [`Room::cannot_go_on`].
    pub fn upgraded(
        &mut self,
        turn: Box<Turn>,
        config: Arc<RoomConfig>,
        image: Option<(ComponentDigest, Bytes)>,
    ) -> Upgraded {
        let Turn { state, mut changes, now, .. } = *turn;
        changes.take_out_what_was_withdrawn();
        self.take_home(state);
        self.reconfigure(config);
        let alarm_before = self.home().alarm.record();
        let successor = match planted::is(PlantedBug::CutClientForgotten) {
            true => Successor::KnowsNothing,
            false => Successor::WasTold,
        };
        // Whom the two have answered is told nothing else.
        if !planted::is(PlantedBug::SwitchAnswersTwice) {
            self.apply_answers(&changes);
        }
        if !planted::is(PlantedBug::BrokenOffBeforeTheLastWords) {
            self.end_streams(&changes);
        }
        self.end_what_is_open(None, successor, now);
        let writes = std::mem::take(&mut changes.kv);
        let storage_bytes_delta = changes.storage_bytes_delta;
        let outputs = self.apply(&mut changes, now);
        let state = self.home();
        state.storage_bytes = state.storage_bytes.saturating_add_signed(storage_bytes_delta);
        let moves = !writes.is_empty() || state.alarm.record() != alarm_before;
        self.phase = Phase::Running;
        let destroys = changes.destroys;
        let image = image.filter(|_| !destroys);
        let checkpoint =
            image.map(|(component, image)| Checkpoint { component, ..self.as_checkpoint(image) });
        Upgraded { state: self.take_state(), writes, moves, outputs, destroys, checkpoint }
    }

    /// The switch: one commit of what was written, the new memory, and whose it is. `bytes` are those that
    /// [`Upgraded::encode`] gave, or where they are.
    pub fn goes_on(&mut self, upgraded: Upgraded, bytes: Option<CheckpointBytes>) {
        let Upgraded { state, writes, moves, outputs, destroys, checkpoint } = upgraded;
        self.take_home(state);
        self.memory = Memory::Awake;
        if destroys {
            return self.destroy(outputs);
        }
        match checkpoint.zip(bytes) {
            Some((checkpoint, bytes)) => {
                self.home().memory_due = checkpoint.next_due();
                let writes = match planted::is(PlantedBug::SwitchInTwoHalves) {
                    true => {
                        self.commit(writes, Some(Box::new(MemoryChange::Forget { then: None })));
                        KvChanges::default()
                    }
                    false => writes,
                };
                let change = NewCheckpoint { component: checkpoint.component, bytes };
                self.commit(writes, Some(Box::new(MemoryChange::Checkpoint(change))));
            }
            None if self.recording.is_some() => {
                // Its memory is not kept any more, and what is recorded is of the version before.
                self.commit(writes, Some(Box::new(MemoryChange::Forget { then: None })));
            }
            None if moves => self.commit(writes, None),
            None => {}
        }
        let passed = match planted::is(PlantedBug::SwitchSeenEarly) {
            true => outputs,
            false => self.gate.pass(outputs),
        };
        self.actions.extend(passed.into_iter().map(Action::Output));
    }

    /// The checkpoint could not be written. The room cannot go back either: it takes no turn any more, and once its earlier
    /// commits have been answered it is made anew of what is durable ([`Room::must_be_made_anew`]).
    pub fn cannot_go_on(&mut self, upgraded: Upgraded) {
        self.take_home(upgraded.state);
        self.service = Service::Stuck;
    }

    /// Whether the driver is to end the room as after a commit that failed ([`Room::commit_failed`]), although none has: not
    /// before the last of its commits has been answered. Whoever makes it anew would read the store before they are in it.
    pub fn must_be_made_anew(&self) -> bool {
        let takes_nothing = matches!(self.service, Service::Stuck | Service::Unreadable | Service::Destroyed);
        takes_nothing && self.gate.uncommitted() == 0
    }

    /// The instance has gone between two turns, and cannot be had again as it was. What is recorded of a durable room makes
    /// it again once all of it is durable ([`Room::rebuild`]); any other has lost its memory, and starts afresh. Which of
    /// the two: whether nothing is lost.
    pub fn instance_lost(&mut self, now: Timestamp) -> bool {
        let is_kept = self.recording.as_ref().is_some_and(|recording| recording.is_kept);
        if is_kept {
            self.memory = Memory::Behind;
            self.actions.push(Action::DropInstance);
        } else {
            self.memory_lost(now);
        }
        is_kept
    }

    /// The room goes on with another version that knows nothing of this one: the next event starts it afresh, from its
    /// storage. Not while a turn is out.
    pub fn start_over(&mut self, config: Arc<RoomConfig>) {
        let start_over = |room: &mut Room| {
            if matches!(room.phase, Phase::Starting | Phase::Running) {
                let now = room.home().last_now;
                room.lose_memory(None, now);
                room.phase = Phase::Fresh(StartReason::Lost);
            }
            room.reconfigure(config);
        };
        match planted::is(PlantedBug::StartOverNotBuried) {
            true => start_over(self),
            false => self.end_life(start_over),
        }
    }

    /// The room's memory is of another version than it was thought to be: before it is woken.
    pub fn reconfigure(&mut self, config: Arc<RoomConfig>) {
        if let (Some(recording), Some(component)) = (&mut self.recording, config.durable)
            && !planted::is(PlantedBug::OldVersionsJournal)
        {
            recording.go_on_with(component);
        }
        // It may have stopped recording since somebody asked for its configuration.
        self.config = match self.recording {
            Some(_) => config,
            None => not_durable(&config),
        };
    }

    fn take_state(&mut self) -> Box<RoomState> {
        let state = self.state.take().expect("no turn is out");
        self.away = Away { sessions: state.sessions.len(), requests: state.requests_open() };
        state
    }

    fn take_home(&mut self, state: Box<RoomState>) {
        assert!(self.state.is_none(), "one turn at a time");
        self.state = Some(state);
        self.hear_answers();
        let durable = self.gate.durable();
        self.home().overlay.settle(durable);
    }
}
