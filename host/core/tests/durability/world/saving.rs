//! Checkpoints: the driver captures the guest's memory, some time passes, and a commit carries it.

use party_core::checkpoint::Checkpoint;
use party_core::commit::CheckpointBytes;
use party_core::ids::CommitSeq;
use party_core::room::{Phase, Purpose};

use crate::memory::Memory;
use crate::world::notes::plain;
use crate::world::{Life, World};

impl World {
    /// The driver saves the room, if it may.
    pub(crate) fn save(&mut self) {
        self.collect();
        if !self.room.may_save() {
            return;
        }
        let purpose = match self.room.may_sleep() && self.random.percent(70) {
            true => Purpose::Sleep,
            false => Purpose::Keep,
        };
        if self.instance.is_none() {
            // Nothing of this life has needed its guest so far.
            let incarnation = self.room.as_checkpoint(Default::default()).incarnation;
            assert!(
                self.life.as_ref().is_none_or(|life| life.incarnation != incarnation),
                "it has been dropped"
            );
            self.life = Some(Life { incarnation, memory: Memory::default(), is_kept: false });
        }
        let memory = self.instance.get_or_insert_default().clone();
        let captured = self.room.captured(self.version(), memory.image());
        let bytes = captured.encode().unwrap();
        let (waits, is_under_way) = (self.room.restless(), self.room.uncommitted() > 0);
        let last = self.last_seq();
        let mut is_late = false;
        if self.random.percent(30) {
            // The bytes are on their way to the store; much may happen until a commit points to them.
            for _ in 0..self.random.below(4) {
                self.step_outside();
            }
            is_late = self.random.percent(50);
            if is_late {
                self.now = self.now.after_ms(self.random.below(40));
                self.tell_time();
            }
            if self.random.percent(30) {
                self.begin_turn();
            }
        }
        let is_home = !self.room.is_in_a_turn();
        if !is_home || !self.room.save(&captured, purpose, CheckpointBytes::Inline(bytes.clone())) {
            self.collect();
            return self.tally.meet("checkpoint", "given up");
        }
        assert_eq!(last, self.last_seq(), "the room has gone on since it was captured");
        self.collect();
        self.log.say(|| format!("saved, to {purpose:?}"));
        self.tally.meet("checkpoint", if purpose == Purpose::Keep { "to keep" } else { "to sleep" });
        if is_late {
            self.tally.meet("checkpoint", "time has passed since it was captured");
        }
        if is_under_way {
            self.tally.meet("checkpoint", "with commits under way");
        }
        match waits {
            Some(party_core::room::Restless::EventsWait) => {
                self.tally.meet("checkpoint", "with events waiting");
                if purpose == Purpose::Sleep {
                    self.tally.meet("checkpoint", "to sleep, with events waiting");
                }
            }
            Some(party_core::room::Restless::DroppedLately) => {
                self.tally.meet("checkpoint", "soon after a drop");
            }
            Some(_) | None => {}
        }
        assert_eq!(self.instance.as_ref(), Some(&memory), "the memory that was captured is the room's");
        let checkpoint = Checkpoint::decode(&bytes).expect("it was encoded");
        let seq = self.last_seq();
        assert_eq!(checkpoint.seq, seq, "the commit that carries it");
        let life = self.life.as_mut().filter(|life| life.incarnation == checkpoint.incarnation);
        if let Some(life) = life {
            life.is_kept = true;
        }
        let note = self.notes.get_mut(&seq).expect("it was taken");
        note.state = Some(plain(checkpoint, &note.memory));
    }

    /// Others need the room's place, or need it no more.
    pub(crate) fn tell_to_give_way(&mut self, is_told: bool) {
        self.log.say(|| format!("gives way: {is_told}"));
        self.gives_way = is_told;
        self.room.gives_way(is_told);
    }

    /// The last commit that the room has taken.
    pub(crate) fn last_seq(&self) -> CommitSeq {
        self.notes.keys().last().copied().unwrap_or_default()
    }

    /// The driver forgets a room of which all stands in the store.
    pub(crate) fn forget_if_possible(&mut self) {
        if self.room.is_in_a_turn() {
            return;
        }
        let is_over = match self.room.phase() {
            Phase::Suspended { .. } => true,
            Phase::Fresh(_) | Phase::Starting | Phase::Running => self.random.percent(20),
        };
        if !is_over || !self.room.may_be_forgotten() {
            return;
        }
        self.write_and_report_all();
        if !self.room.may_be_forgotten() {
            return;
        }
        let is_suspended = matches!(self.room.phase(), Phase::Suspended { .. });
        if !is_suspended {
            self.check_nobody_works();
        }
        self.log.say(|| "forgotten".into());
        self.tally.meet("forgotten", if is_suspended { "suspended" } else { "asleep" });
        self.begin_again();
    }
}
