//! Rooms that sleep: their memory, here the number of turns that the guest remembers, is saved, restored and lost.

use bytes::Bytes;
use party_core::checkpoint::Checkpoint;
use party_core::commit::{CheckpointBytes, ComponentDigest};
use party_core::ids::{Epoch, ID_MAX, IdBlock};
use party_core::room::{Purpose, Room};

use crate::model::Model;
use crate::world::World;

/// The component of every checkpoint here.
const COMPONENT: ComponentDigest = ComponentDigest([7; 32]);

impl World {
    /// The driver captures the memory of a room that has nothing to do.
    pub(crate) fn save(&mut self) {
        let may_save = self.out.is_none() && self.model.may_save();
        assert_eq!(self.room.may_save(), may_save, "whether the room may be saved");
        if !may_save {
            return;
        }
        let sleeps = self.room.may_sleep() && self.random.percent(80);
        let purpose = if sleeps { Purpose::Sleep } else { Purpose::Keep };
        let image = Bytes::copy_from_slice(&self.model.memory.to_le_bytes());
        let captured = self.room.captured(COMPONENT, image);
        let captured_at = self.model.now;
        if self.random.percent(20) {
            // The bytes are on their way to the store; much may happen until a commit points to them.
            self.carry_out();
            for _ in 0..self.random.below(4) {
                self.step_outside();
            }
            self.tell_time();
        }
        let bytes = CheckpointBytes::Inline(captured.encode().unwrap());
        let turns = self.turns;
        if self.out.is_none() && self.room.save(&captured, purpose, bytes) {
            assert_eq!(turns, self.turns, "a turn has run since the memory was captured");
            assert!(self.model.may_save(), "the room is not as it was when the memory was captured");
            self.log.say(|| format!("save, to {purpose:?}, {} turns", self.model.memory));
            if sleeps && self.model.stands_still() && self.room.restless().is_some() {
                self.tally.meet("sleep", "before the events that wait");
            }
            let kept = self.model.save(sleeps, captured_at);
            self.kept.insert(kept.seq, kept);
        } else {
            self.tally.meet("sleep", "given up");
        }
    }

    /// Others need the room's place, or need it no more.
    pub(crate) fn tell_to_give_way(&mut self, is_told: bool) {
        self.log.say(|| format!("gives way: {is_told}"));
        self.room.gives_way(is_told);
        self.model.gives_way = is_told;
    }

    /// The driver restores the instance of a room that sleeps, or finds that it cannot.
    pub(crate) fn wake(&mut self) {
        let Some(saved_at) = self.room.asleep_since() else { return };
        let bytes = self.disk.durable().checkpoint.clone().expect("a room that sleeps has a checkpoint");
        let checkpoint = Checkpoint::decode(&bytes).expect("it was encoded");
        assert_eq!(checkpoint.seq, saved_at, "the checkpoint that the room fell asleep with");
        if self.random.percent(10) {
            self.log.say(|| "the memory cannot be restored".into());
            self.tally.meet("sleep", "memory lost");
            self.room.memory_lost(self.now);
            self.model.lose_kept_memory(self.now);
        } else {
            let memory = u64::from_le_bytes(checkpoint.image[..].try_into().expect("8 bytes"));
            assert_eq!(memory, self.model.memory, "the turns that the guest remembers");
            self.log.say(|| format!("wake with {memory} turns"));
            self.tally.meet("sleep", "woken");
            self.room.woken();
            self.model.sleeping = Default::default();
        }
        self.carry_out();
    }

    /// The room of the next life, and its model: with its memory, if that is kept and fits to its storage.
    pub(crate) fn next_life(&mut self) -> (Room, Model) {
        let (record, bytes) = {
            let durable = self.disk.durable();
            (durable.record, durable.checkpoint.clone())
        };
        let (config, habits) = (self.config.clone(), &self.habits);
        let mut model = Model::new(habits.limits.clone(), habits.handlers, habits.profile, &self.durable);
        let (Some(record), Some(bytes)) = (record, bytes) else {
            return (Room::new(config, record), model);
        };
        let checkpoint = Checkpoint::decode(&bytes).expect("it was encoded");
        let kept = self.durable_kept.as_ref().expect("the model has put the state aside, too");
        assert_eq!(checkpoint.seq, kept.seq, "the last checkpoint");
        // Whether it gets ids of its own, of this epoch or of one that is over.
        self.lives += 1;
        let ids = IdBlock::of(Epoch(self.random.pick([0, self.lives, self.lives, ID_MAX]).expect("one")), 7);
        let has_ids = ids.is_some_and(|ids| ids.first() >= record.ids_reserved);
        let room = Room::restored(config.clone(), record, checkpoint, ids);
        if kept.seq < self.durable.moved {
            assert!(room.is_none(), "storage has moved since the checkpoint");
            self.tally.meet("sleep", "overtaken by storage");
            model.phase = party_core::room::Phase::Fresh(party_core::event::StartReason::Lost);
            return (Room::lost(config, record), model);
        }
        self.tally.meet("sleep", "restored in the next life");
        self.log.say(|| format!("restored with {} turns", kept.memory));
        (
            room.expect("storage has not moved since the checkpoint"),
            Model::restored(habits, &self.durable, kept, has_ids),
        )
    }
}
