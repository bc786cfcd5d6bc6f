//! What the driver does to the room beside its turns: it saves it, makes it again of the disk, and carries it over to another
//! version.

use std::collections::BTreeSet;
use std::sync::Arc;

use bytes::Bytes;
use party_core::address::RoomAddress;
use party_core::checkpoint::Checkpoint;
use party_core::commit::{CheckpointBytes, ComponentDigest};
use party_core::event::Handlers;
use party_core::ids::{CommitSeq, RequestId};
use party_core::limits::Limits;
use party_core::room::{Phase, Purpose, Readiness, Rebuild, Replay, Room, RoomConfig};

use crate::disk::Disk;
use crate::guest::{self, Guest};
use crate::memory::Memory;
use crate::world::World;
use crate::world::outside::Outside;

/// The handlers that a guest cannot do without here.
pub(crate) const HANDLERS: [Handlers; 3] =
    [Handlers::ON_REQUEST, Handlers::ON_COMPLETED, Handlers::ON_STREAM];

/// A configuration; of a durable room with the number of its version.
pub(crate) fn config_of(disk: &Disk, limits: Limits, handlers: Handlers, durable: Option<u8>) -> RoomConfig {
    RoomConfig {
        address: Arc::new(RoomAddress::new("project", "party", "room").expect("it is well formed")),
        limits: Arc::new(limits),
        handlers,
        duplicate_keys: Default::default(),
        profile: Default::default(),
        vars: Arc::default(),
        durable: durable.map(|version| ComponentDigest([version; 32])),
        storage: Arc::new(disk.clone()),
    }
}

/// A checkpoint without what differs from commit to commit although the room is the same.
fn plain(checkpoint: Checkpoint) -> Checkpoint {
    let mut checkpoint = checkpoint.without_calls();
    (checkpoint.seq, checkpoint.component) = (CommitSeq(0), ComponentDigest([0; 32]));
    checkpoint
}

impl World {
    /// What the room is now, which commit `seq` has led to.
    pub(crate) fn note(&mut self, seq: CommitSeq) {
        if self.is_durable && !self.room.is_in_a_turn() && self.room.phase() == Phase::Running {
            let state = plain(self.room.as_checkpoint(Bytes::new()));
            self.notes.insert(seq, state);
        }
    }

    fn component(&self) -> ComponentDigest {
        self.config.durable.unwrap_or(ComponentDigest([0; 32]))
    }

    /// Saves the room, to sleep or to go on, if that may be.
    pub(crate) fn save(&mut self) {
        let purpose = if self.random.percent(60) { Purpose::Sleep } else { Purpose::Keep };
        let may_save = match purpose {
            Purpose::Sleep => self.room.may_sleep(),
            Purpose::Keep => self.room.may_save(),
        };
        let Some(memory) = self.instance.clone().filter(|_| may_save && self.room.rebuild().is_none()) else {
            return;
        };
        let captured = self.room.captured(self.component(), memory.image());
        let bytes = CheckpointBytes::Inline(captured.encode().expect("there is memory"));
        let is_saved = self.room.save(&captured, purpose, bytes);
        self.log.say(|| format!("saved, {purpose:?}: {is_saved}"));
        if is_saved && purpose == Purpose::Sleep && self.outside.is_streaming() {
            self.tally.meet("slept", "while it streams");
        }
    }

    /// A room that sleeps and has nothing is forgotten.
    pub(crate) fn forget_if_possible(&mut self) {
        if self.out.is_some() || !self.room.may_be_forgotten() || self.random.percent(50) {
            return;
        }
        // What a suspended room has asked for and not got is interrupted when it is made again.
        let is_suspended = matches!(self.room.phase(), Phase::Suspended { .. });
        let peers = self.outside.live_peers().filter(|_| !is_suspended);
        let left: Vec<_> = self.outside.live_answers().chain(peers).collect();
        assert!(left.is_empty(), "the room is forgotten, and {left:?} go on");
        self.tally.meet("forgotten", "room");
        self.log.say(|| "forgotten".into());
        self.begin_again();
    }

    /// The room of the next process, or of this one when it was lost: what is durable, and nothing else.
    pub(crate) fn begin_again(&mut self) {
        (self.out, self.instance, self.life) = (None, None, None);
        self.commits.clear();
        let Outside { answers, peers, .. } = std::mem::take(&mut self.outside);
        self.of_before.extend(answers.keys().chain(peers.keys()));
        self.end_drops.clear();
        let durable = self.disk.durable();
        (self.durable, self.needed) = (durable.seq(), durable.seq());
        self.notes.split_off(&self.needed.next());
        if let Some(component) = durable.component.filter(|_| self.is_durable) {
            let limits = Limits::clone(&self.config.limits);
            self.config = Arc::new(config_of(&self.disk, limits, self.config.handlers, Some(component.0[0])));
        }
        let config = Arc::clone(&self.config);
        self.room = match (durable.record, durable.journal.is_empty(), &durable.checkpoint) {
            (Some(record), false, _) if self.is_durable => Room::unread(config, record),
            (Some(record), _, Some(bytes)) => {
                let checkpoint = Checkpoint::decode(bytes).expect("it was encoded");
                let memory = Memory::of_image(&checkpoint.image);
                match Room::restored(Arc::clone(&config), record, checkpoint, None) {
                    Some(room) => {
                        self.life = Some(memory);
                        room
                    }
                    None => Room::lost(config, record),
                }
            }
            (record, _, None) => Room::new(config, record),
            (None, ..) => Room::new(config, None),
        };
        drop(durable);
        self.carry_out();
    }

    /// Makes what the room needs before its next turn.
    pub(crate) fn rebuild(&mut self) {
        let Some(what) = self.room.rebuild() else { return };
        if let Rebuild::Asleep(_) = what {
            let bytes = self.disk.durable().checkpoint.clone().expect("a room that sleeps has a checkpoint");
            let checkpoint = Checkpoint::decode(&bytes).expect("it was encoded");
            let memory = Memory::of_image(&checkpoint.image);
            assert!(self.life.as_ref().is_none_or(|life| *life == memory), "the memory that it slept with");
            (self.instance, self.life) = (Some(memory.clone()), Some(memory));
            self.room.woken();
            return self.carry_out();
        }
        self.write_all();
        let (past, memory) = self.replay();
        match what {
            Rebuild::Unread => self.room.recovered(past),
            Rebuild::Behind | Rebuild::Asleep(_) => {
                assert_eq!(self.life.as_ref(), Some(&memory), "the memory before the dropped turn");
                self.room.went_back();
            }
        }
        (self.instance, self.life) = (Some(memory.clone()), Some(memory));
        self.carry_out();
    }

    fn replay(&mut self) -> (Replay, Memory) {
        let (checkpoint, journal) = {
            let durable = self.disk.durable();
            (durable.checkpoint.clone(), durable.journal.clone())
        };
        let checkpoint = checkpoint.map(|bytes| Checkpoint::decode(&bytes).expect("it was encoded"));
        let mut memory = checkpoint.as_ref().map(|it| Memory::of_image(&it.image)).unwrap_or_default();
        let mut past = Replay::new(Arc::clone(self.room.config()), checkpoint);
        for (seq, bytes) in journal {
            let turn = past.take(seq, &bytes).unwrap_or_else(|error| panic!("commit {seq}: {error}"));
            if let Some(mut turn) = turn {
                let event = turn.take_event();
                let (end, _) = guest::call(&mut memory, &mut turn, event);
                past.end(turn, end).unwrap_or_else(|error| panic!("commit {seq}: {error}"));
            }
            if let Some(noted) = self.notes.get(&seq) {
                self.tally.meet("replayed", if noted.streams() > 0 { "with streams" } else { "without" });
                assert_eq!(&plain(past.as_checkpoint(Bytes::new())), noted, "the room after commit {seq}");
            }
        }
        (past, memory)
    }

    /// The room goes on with another version, which knows of no streams; the old one has its last words.
    pub(crate) fn switch(&mut self) {
        let is_ready = self.out.is_none()
            && matches!(self.room.readiness(), Readiness::Quiet | Readiness::Busy)
            && !self.room.has_outcomes();
        let Some(mut old) = self.instance.clone().filter(|_| is_ready && self.random.percent(40)) else {
            return;
        };
        self.carry_out();
        if self.outside.is_streaming() {
            self.tally.meet("switched", "while it streams");
        }
        self.log.say(|| "switched".into());
        let moment = self.moment();
        let mut turn = self.room.begin_upgrade(moment);
        let mut guest = Guest::new(&mut old, &mut turn);
        guest.write_to_all();
        guest.act();
        let mut did = guest.did;
        turn.hand_over();
        let mut memory = Memory::default();
        let waiting: BTreeSet<RequestId> = self.outside.requests.clone();
        let mut guest = Guest::new(&mut memory, &mut turn);
        for request in waiting {
            guest.open(request);
        }
        guest.act();
        did.append(&mut guest.did);
        let version = self.component().0[0].wrapping_add(1);
        let limits = Limits::clone(&self.config.limits);
        let config =
            Arc::new(config_of(&self.disk, limits, self.config.handlers, self.is_durable.then_some(version)));
        let component = config.durable.unwrap_or(ComponentDigest([0; 32]));
        let upgraded = self.room.upgraded(turn, Arc::clone(&config), Some((component, memory.image())));
        self.carry_out();
        let bytes = upgraded.encode().expect("there is memory").expect("its memory is kept");
        self.room.goes_on(upgraded, Some(CheckpointBytes::Inline(bytes)));
        self.config = config;
        (self.instance, self.life) = (Some(memory.clone()), Some(memory));
        self.keep(did, true);
    }
}
