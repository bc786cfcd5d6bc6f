//! Notes: what the room, its guest's memory and its storage were when a commit was taken, to compare with later.

use party_core::checkpoint::Checkpoint;
use party_core::commit::{MemoryChange, RoomCommit};
use party_core::ids::{CommitSeq, Incarnation, Timestamp};
use party_core::room::{Action, Phase};

use crate::guest::Entries;
use crate::memory::Memory;
use crate::world::World;

/// What there was at one commit.
#[derive(Clone, Debug)]
pub(crate) struct Note {
    /// All that the room then was, if it could be asked and its life goes on.
    pub(crate) state: Option<Checkpoint>,
    /// The life's, if a turn of it has been kept before.
    pub(crate) incarnation: Option<Incarnation>,
    pub(crate) memory: Memory,
    pub(crate) entries: Entries,
    /// Operations that ended with the place where the room was before, and that it has not heard of.
    pub(crate) has_begun: bool,
}

/// A checkpoint without what differs from commit to commit although the room is the same.
pub(crate) fn plain(checkpoint: Checkpoint, memory: &Memory) -> Checkpoint {
    // Since when it would know of calls is no matter of the room's past; tests/calling has rooms that are called.
    let mut checkpoint = checkpoint.without_calls();
    (checkpoint.seq, checkpoint.image) = (CommitSeq(0), memory.image());
    checkpoint
}

impl World {
    /// Takes what the room has decided.
    pub(crate) fn collect(&mut self) {
        let actions = self.room.take_actions();
        self.put_off(actions, true);
    }

    /// Keeps actions until they are carried out, and notes what there was at each commit. A dropped instance goes at once.
    /// With the last commit the whole room is noted, unless it may have gone on since.
    pub(crate) fn put_off(&mut self, actions: Vec<Action>, is_as_committed: bool) {
        let is_commit = |action: &Action| matches!(action, Action::Commit(_));
        let last = actions.iter().rposition(is_commit).filter(|_| is_as_committed);
        for (index, action) in actions.into_iter().enumerate() {
            self.log.say(|| format!("    -> {action:?}"));
            match &action {
                Action::Commit(commit) => self.note(commit, Some(index) == last),
                Action::DropInstance => self.instance = None,
                Action::Output(_) | Action::Report(_) => {}
            }
            self.undone.push_back(action);
        }
        if matches!(self.room.phase(), Phase::Fresh(_)) {
            let is_over = self.notes.last_key_value().is_none_or(|(_, note)| !note.has_begun);
            assert!(is_over, "the store keeps a life that is over");
        }
    }

    fn note(&mut self, commit: &RoomCommit, is_last: bool) {
        let record = commit.record;
        let next = self.notes.keys().last().map_or(record.seq, |seq| seq.next());
        assert_eq!(record.seq, next, "commits are numbered without gaps");
        self.ids.remember(record.seq, record.ids_reserved);
        let change =
            commit.memory.as_deref().expect("every commit of a durable room says what becomes of it");
        let mut note = Note {
            state: None,
            incarnation: self.life.as_ref().map(|life| life.incarnation),
            memory: self.life.as_ref().map_or_else(Memory::default, |life| life.memory.clone()),
            entries: self.entries.clone(),
            has_begun: true,
        };
        match change {
            MemoryChange::Append(_) => {
                self.tally.meet("commit", "record");
                assert!(commit.changes.is_empty(), "the tables stay where the checkpoint left them");
            }
            MemoryChange::Checkpoint(_) => self.tally.meet("commit", "checkpoint"),
            MemoryChange::Forget { then: Some(_) } => {
                self.tally.meet("commit", "begins a life");
                if !self.life.as_ref().is_some_and(|life| life.is_kept && !self.is_over(record.seq)) {
                    // Begun by something that needed no guest.
                    (note.incarnation, note.memory) = (None, Memory::default());
                }
            }
            MemoryChange::Destroy => unreachable!("no guest of this world destroys its room"),
            MemoryChange::Forget { then: None } => {
                self.tally.meet("commit", "between two lives");
                note.has_begun = false;
            }
        }
        let goes_on = matches!(self.room.phase(), Phase::Starting | Phase::Running);
        if is_last && goes_on && !self.room.is_in_a_turn() && note.has_begun {
            let mut state = self.room.as_checkpoint(note.memory.image());
            // One that is durable no more does not say so itself.
            state.component = self.version();
            self.check_due(record.memory_due, &state);
            note.state = Some(plain(state, &note.memory));
        }
        self.notes.insert(record.seq, note);
    }

    /// Whether the life that is known had its last note before this commit, so that another begins.
    fn is_over(&self, seq: CommitSeq) -> bool {
        let life = self.life.as_ref().map(|life| life.incarnation);
        self.notes.range(..seq).any(|(_, note)| note.incarnation == life && note.has_begun)
    }

    /// Whoever starts a host again learns from the record alone when a room must be woken.
    fn check_due(&self, recorded: Option<Timestamp>, state: &Checkpoint) {
        let now = state.last_now();
        let is_past = recorded.is_some_and(|at| at <= now);
        match state.next_due() {
            None => assert!(recorded.is_none() || is_past, "nothing is due at {recorded:?}"),
            Some(due) if due > now => {
                assert!(is_past || recorded == Some(due), "due at {due}; recorded is {recorded:?}");
            }
            Some(due) => assert!(is_past, "overdue since {due}; recorded is {recorded:?}"),
        }
    }
}
