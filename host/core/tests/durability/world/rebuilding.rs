//! What is made again of the disk is what was noted: the room in the next process, the instance after a dropped turn.

use std::sync::Arc;

use party_core::checkpoint::Checkpoint;
use party_core::event::ResumeReason;
use party_core::ids::{CommitSeq, Incarnation};
use party_core::room::{Phase, Rebuild, Refusal, Replay, ReplayError, Room};

use crate::guest;
use crate::memory::Memory;
use crate::world::notes::{Note, plain};
use crate::world::versions::version;
use crate::world::{Life, World, make_config};

impl World {
    /// The room of the next process, or of this one after a commit has failed.
    pub(crate) fn begin_again(&mut self) {
        let seq = self.disk.durable().seq();
        self.notes.split_off(&seq.next());
        self.tags.retain(|_, at| *at <= seq);
        self.ids.restart(seq);
        (self.out, self.instance) = (None, None);
        (self.undone, self.flight) = Default::default();
        self.clients.clear();
        self.requests.clear();
        self.answered.clear();
        self.owed_500.clear();
        self.end_works(seq);
        self.completion_drops.clear();
        self.heard.clear();
        self.close_drops.clear();
        self.last_turn_at = party_core::ids::Timestamp(0);
        let note = self.notes.get(&seq);
        self.entries = note.map(|note| note.entries.clone()).unwrap_or_default();
        self.life = note.filter(|note| note.has_begun).and_then(|note| {
            let (incarnation, memory) = (note.incarnation?, note.memory.clone());
            Some(Life { incarnation, memory, is_kept: true })
        });
        if self.random.percent(40) {
            self.tally.meet("restarted", "with other settings");
            self.config = make_config(&mut self.random, &self.habits, &self.disk, version(0));
            self.log.say(|| format!("{:?} {:?}", self.config.limits, self.config.vars));
        }
        self.look_at_versions_again();
        if let Some(at) = self.switched_at.take() {
            self.tally
                .meet("crash", if at <= seq { "after a switch was durable" } else { "before a switch was" });
        }
        self.has_crashed_since_fork = true;
        if self.random.percent(15) {
            self.fork();
        }
        self.room = self.next_room();
        self.gives_way = false;
        self.change_the_setting();
        self.collect();
    }

    /// What is durable becomes that of a copy, if it can be copied.
    fn fork(&mut self) {
        let mut durable = self.disk.durable();
        let Some(bytes) = durable.checkpoint.clone().filter(|_| durable.journal.is_empty()) else { return };
        let checkpoint = Checkpoint::decode(&bytes).expect("it was encoded");
        let seq = checkpoint.seq;
        self.lives += 1;
        let incarnation = Incarnation(self.lives);
        let copy = checkpoint.elsewhere(ResumeReason::Forked, incarnation, seq).expect("it is fit");
        let note = self.notes.get_mut(&seq).expect("it was taken");
        self.log.say(|| "forked".into());
        if copy.operations() > 0 {
            self.tally.meet("forked", "with operations");
        }
        if note.memory.operations.values().any(|begun| begun.is_work) {
            self.tally.meet("forked", "with work");
        }
        durable.checkpoint = Some(copy.encode().unwrap());
        drop(durable);
        note.incarnation = Some(incarnation);
        note.state.iter_mut().for_each(|state| state.incarnation = incarnation);
        self.has_crashed_since_fork = false;
        self.interrupted = note.memory.operations.keys().copied().collect();
        let memory = note.memory.clone();
        self.life = Some(Life { incarnation, memory, is_kept: true });
    }

    fn next_room(&mut self) -> Room {
        let durable = self.disk.durable();
        let config = Arc::clone(&self.config);
        let Some(record) = durable.record else { return Room::new(config, None) };
        let checkpoint = durable.checkpoint.clone();
        if !durable.journal.is_empty() {
            return Room::unread(config, record);
        }
        let note = &self.notes[&record.seq];
        let Some(bytes) = checkpoint else {
            assert!(!note.has_begun, "a life that went on is in the store");
            return Room::new(config, Some(record));
        };
        self.tally.meet("rebuilt", "from nothing but a checkpoint");
        match self.random.percent(50) {
            true => Room::unread(config, record),
            false => {
                let checkpoint = Checkpoint::decode(&bytes).expect("it was encoded");
                Room::restored(config, record, checkpoint, None)
                    .expect("no storage moves without its journal")
            }
        }
    }

    /// Makes what the room needs before its next turn.
    pub(crate) fn rebuild(&mut self, what: Rebuild) {
        let is_read = match what {
            Rebuild::Asleep(_) => !self.cannot_be_woken(),
            Rebuild::Behind | Rebuild::Unread => !self.cannot_be_read(),
        };
        if !is_read {
            return;
        }
        match what {
            Rebuild::Asleep(saved_at) => {
                let bytes = self.disk.durable().checkpoint.clone();
                let bytes = bytes.expect("a room that sleeps has a checkpoint");
                let checkpoint = Checkpoint::decode(&bytes).expect("it was encoded");
                assert_eq!(checkpoint.seq, saved_at, "the checkpoint that the room fell asleep with");
                self.tally.meet("woken", "room");
                self.instance = Some(Memory::of_image(&checkpoint.image));
                self.room.woken();
            }
            Rebuild::Behind => {
                assert_eq!(self.room.uncommitted(), 0, "what is under way is not in the journal yet");
                let (_, memory) = self.replay();
                let life = self.life.as_ref().expect("only a life that was kept goes back");
                assert_eq!(memory, life.memory, "the memory before the dropped turn");
                let has_checkpoint = self.disk.durable().checkpoint.is_some();
                let with = if has_checkpoint { "behind, with a checkpoint" } else { "behind" };
                self.tally.meet("rebuilt", with);
                self.come_meanwhile();
                if self.room.rebuild() == Some(Rebuild::Behind) {
                    self.instance = Some(memory);
                    self.room.went_back();
                }
            }
            Rebuild::Unread => self.recover(),
        }
        self.collect();
    }

    /// While the past is made again the world goes on.
    fn come_meanwhile(&mut self) {
        if self.random.percent(70) {
            return;
        }
        self.tally.meet("rebuilt", "meanwhile something came");
        for _ in 0..self.random.below(3) {
            self.step_outside();
        }
        self.tell_time();
    }

    fn recover(&mut self) {
        let (mut replay, memory) = self.replay();
        let record = self.disk.durable().record.expect("it has one");
        assert_eq!(replay.seq(), record.seq, "the journal ends with the last commit");
        let note = self.notes[&record.seq].clone();
        assert_eq!(memory, note.memory, "the memory at the last durable commit");
        let incarnation = replay.as_checkpoint(Default::default()).incarnation;
        assert!(note.incarnation.is_none_or(|noted| noted == incarnation), "another life");
        self.life = Some(Life { incarnation, memory: memory.clone(), is_kept: true });
        let with_checkpoint = self.disk.durable().checkpoint.is_some();
        let with_journal = !self.disk.durable().journal.is_empty();
        match (with_checkpoint, with_journal) {
            (true, true) => self.tally.meet("rebuilt", "from a checkpoint and a journal"),
            (false, _) => self.tally.meet("rebuilt", "from a journal"),
            (true, false) => {}
        }
        self.come_meanwhile();
        self.instance = Some(memory);
        self.room.recovered(replay);
        self.collect();
        match self.room.phase() {
            Phase::Starting | Phase::Running => {}
            Phase::Fresh(_) | Phase::Suspended { .. } => {
                assert!(note.state.is_none(), "the room's life went on at its last commit");
                self.tally.meet("rebuilt", "its life had ended");
            }
        }
    }

    /// Perhaps the disk fails while recorded turns are taken again. Then the room refuses everyone, because what it would
    /// be is not known, and nothing is lost: the next process finds all of it.
    fn cannot_be_read(&mut self) -> bool {
        self.break_disk(self.habits.read_failure);
        if !self.disk.durable().is_broken {
            return false;
        }
        let read = self.try_to_replay();
        self.mend_disk();
        let Err((seq, error)) = read else { return false };
        self.log.say(|| format!("commit {seq} cannot be taken again: {error}"));
        self.tally.meet("read failed", "while turns were taken again");
        self.refuse_everyone(&error.to_string());
        true
    }

    /// Perhaps the memory of a room that sleeps cannot be read.
    fn cannot_be_woken(&mut self) -> bool {
        let is_broken = self.random.percent(self.habits.read_failure);
        if is_broken {
            self.tally.meet("read failed", "of a memory that was asleep");
            self.refuse_everyone("its memory cannot be read");
        }
        is_broken
    }

    fn refuse_everyone(&mut self, why: &str) {
        self.room.damaged(why);
        self.write_and_report_all();
        assert!(!self.room.may_be_forgotten(), "a host that forgets it does not know that it is damaged");
        assert_eq!(self.try_to_connect(), Err(Refusal::Damaged), "a damaged room lets somebody in");
        assert!(!self.room.wants_a_turn(self.now), "a damaged room does nothing");
        self.begin_again();
    }

    /// Takes everything once more that the journal holds, and compares it with what was noted then.
    fn replay(&mut self) -> (Replay, Memory) {
        self.try_to_replay().unwrap_or_else(|(seq, error)| panic!("commit {seq}: {error}"))
    }

    fn try_to_replay(&mut self) -> Result<(Replay, Memory), (CommitSeq, ReplayError)> {
        let (checkpoint, journal) = {
            let durable = self.disk.durable();
            (durable.checkpoint.clone(), durable.journal.clone())
        };
        let checkpoint = checkpoint.map(|bytes| Checkpoint::decode(&bytes).expect("it was encoded"));
        let image = checkpoint.as_ref().map(|checkpoint| &checkpoint.image);
        let mut memory = image.map_or_else(Memory::default, Memory::of_image);
        let begins_at = checkpoint.as_ref().map(|checkpoint| checkpoint.seq);
        let mut replay = Replay::new(Arc::clone(&self.config), checkpoint);
        if let Some(seq) = begins_at {
            self.compare(seq, &mut replay, &memory);
        }
        for (seq, bytes) in journal {
            self.log.say(|| format!("  take {seq} again"));
            let before = self.notes.get(&CommitSeq(seq.0 - 1)).map(|note| note.entries.clone());
            let turn = replay.take(seq, &bytes).map_err(|error| (seq, error))?;
            if let Some(mut turn) = turn {
                let event = turn.take_event();
                let mut entries = before.unwrap_or_default();
                let end =
                    guest::call(&mut memory, &mut turn, &event, &mut entries, self.version(), &self.log);
                replay.end(turn, end).map_err(|error| (seq, error))?;
                assert_eq!(entries, self.notes[&seq].entries, "the storage after commit {seq}");
            }
            self.compare(seq, &mut replay, &memory);
        }
        Ok((replay, memory))
    }

    fn compare(&self, seq: CommitSeq, replay: &mut Replay, memory: &Memory) {
        let Note { state, memory: noted, .. } = &self.notes[&seq];
        assert_eq!(memory, noted, "the memory after commit {seq}");
        let Some(state) = state else { return };
        let again = plain(replay.as_checkpoint(memory.image()), memory);
        assert_eq!(&again, state, "the room after commit {seq}");
        assert_eq!(again.encode().unwrap(), state.encode().unwrap(), "the room's bytes after commit {seq}");
    }
}
