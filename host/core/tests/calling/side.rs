//! One of the two rooms, with its disk and its guest's memory: turns, commits, saving, and what is made again of the disk.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use bytes::Bytes;
use party_core::address::RoomAddress;
use party_core::checkpoint::Checkpoint;
use party_core::commit::{CheckpointBytes, ComponentDigest, RoomCommit};
use party_core::event::{Handlers, Output};
use party_core::ids::{Incarnation, Seed, Timestamp};
use party_core::limits::Limits;
use party_core::room::{Action, Moment, Purpose, Rebuild, Replay, Room, RoomConfig};

use crate::disk::Disk;
use crate::guest;
use crate::guest::Memory;
use crate::log::Log;

const COMPONENT: ComponentDigest = ComponentDigest([1; 32]);

/// A room and all that belongs to it.
pub(crate) struct Side {
    pub(crate) name: &'static str,
    pub(crate) room: Room,
    disk: Disk,
    config: Arc<RoomConfig>,
    is_durable: bool,
    /// The guest's memory, while there is an instance.
    instance: Option<Memory>,
    /// Commits on their way to the disk.
    pub(crate) commits: VecDeque<RoomCommit>,
    outputs: VecDeque<Output>,
    lives: u128,
    log: Log,
}

impl Side {
    pub(crate) fn new(name: &'static str, is_durable: bool, log: Log) -> Side {
        let disk = Disk::default();
        let limits = Limits { drops_per_minute_max: 1_000, ..Limits::default() };
        let config = Arc::new(RoomConfig {
            address: Arc::new(RoomAddress::new("project", "party", name).expect("it is well formed")),
            limits: Arc::new(limits),
            handlers: Handlers::ON_REQUEST.with(Handlers::ON_COMPLETED),
            vars: Arc::default(),
            duplicate_keys: Default::default(),
            profile: Default::default(),
            durable: is_durable.then_some(COMPONENT),
            storage: Arc::new(disk.clone()),
        });
        let room = Room::new(Arc::clone(&config), None);
        let (commits, outputs) = Default::default();
        Side { name, room, disk, config, is_durable, instance: None, commits, outputs, lives: 0, log }
    }

    /// Takes the next turn, if there is one. Whether there was.
    pub(crate) fn turn(&mut self, now: Timestamp, seed: Seed) -> bool {
        if !self.room.wants_a_turn(now) || !self.is_ready() {
            return false;
        }
        self.lives += 1;
        let incarnation = Incarnation(self.lives);
        let Some(mut turn) = self.room.begin_turn(Moment { now, seed, incarnation }) else {
            self.carry_out();
            return false;
        };
        self.carry_out();
        let name = self.name;
        self.log.say(|| format!("{name}: turn {:?}", turn.event()));
        let memory = self.instance.get_or_insert_default();
        let end = guest::run(memory, &mut turn);
        self.log.say(|| format!("{name}:   {end:?}"));
        self.room.end_turn(turn, end);
        self.carry_out();
        true
    }

    /// There is an instance, or a fresh one may be made.
    fn is_ready(&mut self) -> bool {
        match self.room.rebuild() {
            Some(Rebuild::Asleep(_)) => self.wake(),
            Some(what @ (Rebuild::Unread | Rebuild::Behind)) => self.rebuild(what),
            None if self.room.is_asleep() => self.wake(),
            None => {}
        }
        self.carry_out();
        self.room.rebuild().is_none()
    }

    fn wake(&mut self) {
        let bytes = self.disk.durable().checkpoint.clone().expect("a room that sleeps has a checkpoint");
        let checkpoint = Checkpoint::decode(&bytes).expect("it was encoded");
        self.instance = Some(Memory::of_image(&checkpoint.image));
        self.room.woken();
    }

    fn rebuild(&mut self, what: Rebuild) {
        // A room that goes back finds all of its commits on the disk.
        self.write_all();
        let (checkpoint, journal) = {
            let durable = self.disk.durable();
            (durable.checkpoint.clone(), durable.journal.clone())
        };
        let checkpoint = checkpoint.map(|bytes| Checkpoint::decode(&bytes).expect("it was encoded"));
        let mut memory = checkpoint.as_ref().map(|it| Memory::of_image(&it.image)).unwrap_or_default();
        let mut past = Replay::new(Arc::clone(&self.config), checkpoint);
        for (seq, bytes) in journal {
            let turn = past.take(seq, &bytes).unwrap_or_else(|error| panic!("{}: {error}", self.name));
            if let Some(mut turn) = turn {
                // Only turns that were kept are recorded: the guest does what it did.
                let end = guest::run(&mut memory, &mut turn);
                past.end(turn, end).unwrap_or_else(|error| panic!("{}: {error}", self.name));
            }
        }
        self.instance = Some(memory);
        match what {
            Rebuild::Unread => self.room.recovered(past),
            Rebuild::Behind | Rebuild::Asleep(_) => self.room.went_back(),
        }
    }

    /// Carries out what the room has decided.
    pub(crate) fn carry_out(&mut self) {
        for action in self.room.take_actions() {
            match action {
                Action::Commit(commit) => self.commits.push_back(commit),
                Action::DropInstance => self.instance = None,
                Action::Output(output) => self.outputs.push_back(output),
                Action::Report(report) => self.log.say(|| format!("{}: {report:?}", self.name)),
            }
        }
    }

    pub(crate) fn take_outputs(&mut self) -> VecDeque<Output> {
        self.carry_out();
        std::mem::take(&mut self.outputs)
    }

    /// The oldest commit under way becomes durable.
    pub(crate) fn write(&mut self) {
        let Some(commit) = self.commits.pop_front() else { return };
        self.disk.write(&commit).expect("commits come in order");
        let name = self.name;
        self.log.say(|| format!("{name}: commit {} is durable", commit.record.seq));
        self.room.committed(commit.record.seq);
        self.carry_out();
    }

    pub(crate) fn write_all(&mut self) {
        while !self.commits.is_empty() {
            self.write();
        }
    }

    /// Saves the memory, if that may be. Whether it was.
    pub(crate) fn save(&mut self, sleeps: bool) -> bool {
        if self.room.rebuild().is_some() || !if sleeps { self.room.may_sleep() } else { self.room.may_save() }
        {
            return false;
        }
        let Some(memory) = &self.instance else { return false };
        let captured = self.room.captured(COMPONENT, memory.image());
        let bytes = CheckpointBytes::Inline(captured.encode().expect("there is memory"));
        let purpose = if sleeps { Purpose::Sleep } else { Purpose::Keep };
        let name = self.name;
        self.log.say(|| format!("{name}: saved, {purpose:?}"));
        let is_saved = self.room.save(&captured, purpose, bytes);
        self.carry_out();
        is_saved
    }

    /// Its commits under way fail, if it has any.
    pub(crate) fn fail(&mut self) -> bool {
        let fails = !self.commits.is_empty();
        if fails {
            self.commits.clear();
            self.room.commit_failed();
            self.carry_out();
        }
        fails
    }

    /// The room in the next process, or in this one when it was lost: what is durable, and nothing else.
    pub(crate) fn begin_again(&mut self) {
        self.commits.clear();
        self.outputs.clear();
        self.instance = None;
        let (config, durable) = (Arc::clone(&self.config), self.disk.durable());
        self.room = match (durable.record, durable.journal.is_empty(), &durable.checkpoint) {
            (Some(record), false, _) if self.is_durable => Room::unread(config, record),
            (Some(record), _, Some(bytes)) => {
                let checkpoint = Checkpoint::decode(bytes).expect("it was encoded");
                Room::restored(Arc::clone(&config), record, checkpoint, None)
                    .unwrap_or_else(|| Room::lost(config, record))
            }
            (record, _, None) => Room::new(config, record),
            (None, ..) => Room::new(config, None),
        };
        drop(durable);
        let name = self.name;
        self.log.say(|| format!("{name}: begins again"));
        self.carry_out();
    }

    /// Its memory as it is, or would be made again.
    pub(crate) fn memory(&mut self) -> Memory {
        assert!(self.is_ready(), "{}: it can be made again", self.name);
        self.instance.clone().unwrap_or_default()
    }

    /// How often each token was heard, as its storage says.
    pub(crate) fn heard(&mut self) -> BTreeMap<u64, u8> {
        self.write_all();
        let durable = self.disk.durable();
        let count = |(key, value): (&Bytes, &Bytes)| {
            (u64::from_be_bytes(key[..].try_into().expect("a token")), value[0])
        };
        let mut heard: BTreeMap<u64, u8> = durable.entries.iter().map(count).collect();
        for (_, bytes) in &durable.journal {
            let record = party_core::journal::Record::decode(bytes).expect("it was encoded");
            for (key, value) in record.writes().into_iter().flat_map(|writes| &writes.entries) {
                let (token, value) = count((key, value.as_ref().expect("nothing is deleted")));
                heard.insert(token, value);
            }
        }
        heard
    }
}
