//! Sleep, in the model: the whole state is put aside, and taken back.

use party_core::event::{Event, Outcome, StartReason};
use party_core::ids::{CommitSeq, OperationId, Timestamp};
use party_core::message::CloseFrame;
use party_core::room::Phase;
use party_core::session::ReadyState;

use crate::habits::Habits;
use crate::model::operations::Operation;
use crate::model::{Model, Snapshot, State};

/// Where the guest's memory is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) enum Sleeping {
    #[default]
    Awake,
    Saving(CommitSeq),
    Asleep,
}

/// What a checkpoint must give back.
#[derive(Clone, Debug)]
pub(crate) struct Kept {
    pub(crate) seq: CommitSeq,
    /// The turns that the guest remembers.
    pub(crate) memory: u64,
    pub(crate) now: Timestamp,
    state: State,
    phase: Phase,
}

impl Kept {
    /// When each operation that was open ends by itself.
    pub(crate) fn due(&self) -> impl Iterator<Item = (OperationId, Timestamp)> + '_ {
        self.state.operations.iter().map(|(id, operation)| (*id, operation.due))
    }
}

impl State {
    /// When it has something to do by itself, beside its alarm, if it was put aside now: at once if somebody works for it,
    /// because nobody does any more when the process ends.
    fn next_due(&self, now: Timestamp) -> Option<Timestamp> {
        let due = |operation: &Operation| if operation.work.is_some() { now } else { operation.due };
        let ends = self.operations.values().map(due);
        let deadlines = self.pending.values().filter_map(|pending| pending.until);
        let held = (self.holds > 0).then_some(self.held_until);
        ends.chain(deadlines).chain(held).min()
    }
}

impl Model {
    pub(crate) fn may_save(&self) -> bool {
        matches!(self.phase, Phase::Starting | Phase::Running)
            && self.is_open
            && self.sleeping != Sleeping::Asleep
            && (self.waiting.is_empty() && self.arriving.is_empty() || self.stands_still())
            && self.ledger.waiting_turns() == 0
            && self.being_saved.is_none()
    }

    /// It is told to sleep for others, and can: what waits goes on waiting.
    pub(crate) fn stands_still(&self) -> bool {
        self.gives_way
            && matches!(self.phase, Phase::Starting | Phase::Running)
            && self.is_open
            && self.sleeping != Sleeping::Asleep
            && self.drops.is_empty()
            // No checkpoint would say it again.
            && !self.waiting.iter().any(|event| matches!(event, Event::Completed(_, Outcome::Interrupted)))
    }

    /// The state is put aside with the next commit, as it was captured at this time.
    pub(crate) fn save(&mut self, sleeps: bool, now: Timestamp) -> Kept {
        let (state, phase, memory) = (self.state.clone(), self.phase, self.memory);
        self.due_before_saving = self.memory_due;
        self.memory_due = state.next_due(now);
        let seq = self.ledger.issue_unneeded();
        self.snapshot_unmoved(seq);
        self.being_saved = Some(seq);
        self.store_has_memory = true;
        if sleeps {
            self.sleeping = Sleeping::Saving(seq);
        }
        Kept { seq, memory, now, state, phase }
    }

    /// The last commit was only to save, and has failed.
    pub(crate) fn not_saved(&mut self) {
        self.memory_due = self.due_before_saving;
        self.ledger.take_back();
        self.being_saved = None;
        if matches!(self.sleeping, Sleeping::Saving(_)) {
            self.sleeping = Sleeping::Awake;
        }
    }

    /// It is in the store all the same.
    pub(crate) fn saved_after_all(&mut self, memory_due: Option<Timestamp>) {
        self.memory_due = memory_due;
        let seq = self.ledger.issue(0);
        self.ledger.committed(seq);
    }

    /// A commit is durable.
    pub(crate) fn committed(&mut self, seq: CommitSeq) {
        self.ledger.committed(seq);
        self.being_saved = self.being_saved.filter(|saved| *saved > seq);
        if self.sleeping != Sleeping::Saving(seq) {
            return;
        }
        let sleeps = self.waiting.is_empty() || self.stands_still();
        self.sleeping = if sleeps { Sleeping::Asleep } else { Sleeping::Awake };
        self.instances_lost += u32::from(self.sleeping == Sleeping::Asleep);
    }

    /// What was put aside cannot be taken back.
    pub(crate) fn lose_kept_memory(&mut self, now: Timestamp) {
        self.end_life(|model| {
            model.lose_memory(None, now);
            model.phase = Phase::Fresh(StartReason::Lost);
        });
    }

    /// A room in another process, if its storage has not moved since its state was put aside.
    /// Unless it has ids of its own, it writes first that others are reserved.
    pub(crate) fn restored(habits: &Habits, durable: &Snapshot, kept: &Kept, has_ids: bool) -> Model {
        let mut model = Model::new(habits.limits.clone(), habits.handlers, habits.profile, durable);
        (model.phase, model.state, model.memory) = (kept.phase, kept.state.clone(), kept.memory);
        (model.now, model.sleeping) = (kept.now, Sleeping::Asleep);
        model.state.sessions.values_mut().for_each(|session| session.upgraded = true);
        // What waited is gone, and comes again.
        model.state.operations.values_mut().for_each(|operation| operation.is_decided = false);
        for (id, session) in &kept.state.sessions {
            model.ledger.connection_gone(*id);
            if session.state != ReadyState::Closed && session.gone.is_none() {
                model.waiting.push_back(Event::Close(*id, CloseFrame::lost(), false));
            }
        }
        for id in &kept.state.requests {
            model.ledger.request_gone(*id);
            model.waiting.push_back(Event::ResponseClosed(*id));
        }
        model.begin_again();
        model.memory_due = kept.state.next_due(kept.now);
        model.has_ids = has_ids;
        model.store_has_memory = true;
        if !has_ids {
            model.commit_unmoved();
        }
        model
    }

    /// Takes a commit number for something that is neither a key nor the alarm.
    pub(super) fn commit_unmoved(&mut self) -> CommitSeq {
        let seq = self.ledger.issue(0);
        self.snapshot_unmoved(seq);
        seq
    }

    fn snapshot_unmoved(&mut self, seq: CommitSeq) {
        let (entries, alarm, moved) = (self.state.entries.clone(), self.state.alarm_record(), self.moved);
        let memory_due = self.memory_due;
        self.alarm_committed = alarm;
        let (forgets, destroys) = (false, false);
        self.snapshots.push_back(Snapshot { seq, entries, alarm, moved, memory_due, forgets, destroys });
    }
}
