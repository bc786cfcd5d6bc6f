//! A checkpoint that could not be written, as on a full disk: the room goes on with its memory, and is saved later.
//!
//! A commit that carries nothing else has told nobody anything, so nothing depends on it: not what the room has decided
//! since, which only waited for it. Its number is used again.

use crate::commit::{Alarm, RoomRecord};
use crate::ids::{CommitSeq, Timestamp};
use crate::room::sleeping::Memory;
use crate::room::{Action, Room, Service};

/// What a commit that carries only a checkpoint has changed of what the room knows of the store: so it was before.
pub(super) struct Unsaved {
    /// That commit.
    pub(super) seq: CommitSeq,
    ids_reserved: u64,
    moved_at: CommitSeq,
    alarm_committed: Option<Alarm>,
    memory_due: Option<Timestamp>,
}

impl Room {
    /// What there is to go back to if the next commit, which carries a checkpoint, fails: nothing if it carries anything
    /// else.
    pub(super) fn before_saving(&mut self) -> Option<Unsaved> {
        let (seq, is_durable) = (self.gate.next_seq(), self.recording.is_some());
        let state = self.home();
        (!is_durable && !state.overlay.holds_back()).then_some(Unsaved {
            seq,
            ids_reserved: state.ids_reserved,
            moved_at: state.moved_at,
            alarm_committed: state.alarm_committed,
            memory_due: state.memory_due,
        })
    }

    /// Whether the commit that is about to be made carries nothing but a checkpoint: nobody waits for it.
    pub(super) fn only_saves(&mut self) -> bool {
        let next = self.gate.next_seq();
        let before = self.unsaved.as_ref().filter(|before| before.seq == next);
        let Some(alarm_before) = before.map(|before| before.alarm_committed) else { return false };
        self.home().alarm.record() == alarm_before
    }

    /// Whether a commit is under way without which nothing is lost, because it carries only a checkpoint.
    pub fn is_being_saved(&self) -> bool {
        self.unsaved.is_some() && self.recording.is_none()
    }

    /// A commit failed. If it is the only one under way and carries nothing but a checkpoint, nobody depends on it: the room
    /// goes on as if it had not been tried to save it, with its memory. Whether that is so; if not, the driver calls
    /// [`Room::commit_failed`]. Not while a turn is out.
    ///
    /// A failed commit may be in the store all the same. Its number is used again, so the driver has to find out before the
    /// next one ([`Room::was_saved`]).
    pub fn goes_on_unsaved(&mut self) -> bool {
        let is_last = self.gate.uncommitted() == 1 && self.service == Service::Open;
        let last = self.gate.durable().next();
        let Some(before) = self.unsaved.take().filter(|before| is_last && before.seq == last) else {
            return false;
        };
        self.kept = None;
        let state = self.home();
        state.overlay.take_back(before.seq);
        state.ids_reserved = before.ids_reserved;
        state.moved_at = before.moved_at;
        state.alarm_committed = before.alarm_committed;
        state.memory_due = before.memory_due;
        if matches!(self.memory, Memory::Saving { .. }) {
            self.memory = Memory::Awake;
        }
        let waited = self.gate.take_back();
        self.actions.extend(waited.into_iter().map(Action::Output));
        true
    }

    /// The commit that had failed, and without which the room went on, is in the store all the same, with this record: a
    /// crash takes the room back to that. `false` if that comes too late, because a commit has its number already. Not while
    /// a turn is out.
    pub fn was_saved(&mut self, record: &RoomRecord) -> bool {
        if self.gate.uncommitted() > 0 || self.gate.next_seq() != record.seq {
            return false;
        }
        let seq = self.gate.issue();
        self.gate.committed(seq);
        let state = self.home();
        state.ids_reserved = record.ids_reserved;
        state.moved_at = record.moved_at;
        state.alarm_committed = record.alarm;
        state.memory_due = record.memory_due;
        true
    }
}
