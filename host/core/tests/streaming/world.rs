//! A world of one seed: one room with its driver and its disk, and all that it streams from and to.

mod outside;
mod rebuilding;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use party_core::checkpoint::Checkpoint;
use party_core::commit::{MemoryChange, RoomCommit};
use party_core::event::{Event, Handlers, TurnEnd};
use party_core::ids::{CommitSeq, Incarnation, Seed, StreamId, Timestamp};
use party_core::limits::Limits;
use party_core::message::CloseFrame;
use party_core::room::{Action, Moment, Phase, Rebuild, Room, RoomConfig};
use party_core::turn::Turn;

use crate::disk::Disk;
use crate::guest::{self, Did, Mood};
use crate::log::Log;
use crate::memory::Memory;
use crate::random::Random;
use crate::tally::Tally;
use outside::Outside;
use rebuilding::HANDLERS;

/// Rounds until a world must have come to rest.
const ROUNDS_MAX: u32 = 3_000;

/// A turn that is out, and what the guest has made of it.
struct Out {
    turn: Box<Turn>,
    event: Event,
    end: TurnEnd,
    memory: Memory,
    did: Vec<(StreamId, Did)>,
}

/// The world.
pub(crate) struct World {
    random: Random,
    log: Log,
    config: Arc<RoomConfig>,
    disk: Disk,
    room: Room,
    is_durable: bool,
    /// The memory of the instance that there is.
    instance: Option<Memory>,
    /// What the guest remembers after its last turn that was kept; unknown until it has been made again.
    life: Option<Memory>,
    out: Option<Out>,
    commits: VecDeque<RoomCommit>,
    /// The last commit that is on the disk, also if it has left nothing there.
    durable: CommitSeq,
    /// The last commit on which something depends.
    needed: CommitSeq,
    /// What the room was when a turn was kept, by its commit.
    notes: BTreeMap<CommitSeq, Checkpoint>,
    outside: Outside,
    /// What the rooms before this one have opened or begun.
    of_before: BTreeSet<StreamId>,
    /// How often the turn of an end was dropped.
    end_drops: BTreeMap<u64, u32>,
    /// What the guest was not told of, because its turns were dropped.
    untold: BTreeSet<u64>,
    now: Timestamp,
    lives: u128,
    trap: u64,
    is_winding_up: bool,
    tally: Tally,
}

/// Lives one seed's world to its end; gives back what it met. Panics if anything is not as it must be.
pub(crate) fn live(seed: u64, log: Log) -> Tally {
    let mut world = World::new(seed, log);
    let steps = [40, 120, 300][world.random.below(3) as usize];
    let [crash, commit] = [[0, 1, 3], [10, 25, 60]].map(|of| of[world.random.below(3) as usize]);
    for _ in 0..steps {
        world.step(crash, commit);
    }
    world.come_to_rest();
    world.tally
}

impl World {
    fn new(seed: u64, log: Log) -> World {
        let mut random = Random::new(seed);
        let (disk, is_durable) = (Disk::default(), random.percent(60));
        let limits = Limits {
            stream_credit_bytes: [1, 4, 16][random.below(3) as usize],
            streams_open_max: [2, 6][random.below(2) as usize],
            credit_events: 2,
            drops_per_minute_max: [2, 1_000_000][random.below(2) as usize],
            ..Limits::default()
        };
        let mut handlers = HANDLERS.into_iter().fold(Handlers::default(), Handlers::with);
        for handler in [Handlers::ON_DRAIN, Handlers::ON_RESPONSE_CLOSED] {
            if random.percent(80) {
                handlers = handlers.with(handler);
            }
        }
        let config = Arc::new(rebuilding::config_of(&disk, limits, handlers, is_durable.then_some(0)));
        let mut world = World {
            room: Room::new(Arc::clone(&config), None),
            trap: [0, 5, 15][random.below(3) as usize],
            random,
            log,
            config,
            disk,
            is_durable,
            instance: None,
            life: Some(Memory::default()),
            out: None,
            commits: VecDeque::new(),
            durable: CommitSeq(0),
            needed: CommitSeq(0),
            notes: BTreeMap::new(),
            outside: Outside::default(),
            of_before: BTreeSet::new(),
            end_drops: BTreeMap::new(),
            untold: BTreeSet::new(),
            now: Timestamp(1_000),
            lives: 0,
            is_winding_up: false,
            tally: Tally::default(),
        };
        world.tally.meet("room", if is_durable { "durable" } else { "hibernating" });
        world
    }

    fn step(&mut self, crash: u64, commit: u64) {
        match self.random.below(100) {
            _ if self.random.below(200) < crash => self.end_somehow(),
            _ if self.random.percent(commit) => self.write(),
            0..45 => self.step_outside(),
            45..48 => {
                self.now = self.now.after_ms([1, 100, 6_000, 61_000][self.random.below(4) as usize]);
                self.tell_time();
            }
            48..54 => self.save(),
            54..56 => self.switch(),
            _ if self.out.is_some() => self.end_turn(),
            _ => {
                self.begin_turn();
                if self.random.percent(70) {
                    self.end_turn();
                }
            }
        }
        self.carry_out();
        self.check_known();
        self.forget_if_possible();
    }

    fn tell_time(&mut self) {
        self.room.on_time(self.now);
        self.carry_out();
    }

    fn moment(&mut self) -> Moment {
        let mut seed = [0; 32];
        seed[..8].copy_from_slice(&self.random.next().to_le_bytes());
        seed[31] = match self.random.below(1_000) {
            _ if self.is_winding_up => Mood::WindsUp,
            chance if chance < self.trap * 10 => Mood::Traps,
            chance if chance >= 993 => Mood::Aborts,
            chance if chance >= 990 => Mood::Destroys,
            _ => Mood::Busy,
        } as u8;
        self.lives += 1;
        Moment { now: self.now, seed: Seed(seed), incarnation: Incarnation(self.lives) }
    }

    /// Whether there was a turn.
    fn begin_turn(&mut self) -> bool {
        if self.out.is_some() || !self.room.wants_a_turn(self.now) {
            return false;
        }
        self.rebuild();
        if !self.room.wants_a_turn(self.now) {
            return false;
        }
        let moment = self.moment();
        let Some(mut turn) = self.room.begin_turn(moment) else { return false };
        self.carry_out();
        let mut memory = self.instance.get_or_insert_default().clone();
        let event = turn.take_event();
        self.log.say(|| format!("  turn {event:?}"));
        let (end, did) = guest::call(&mut memory, &mut turn, event.clone());
        self.log.say(|| format!("    {end:?}: {did:?}; {memory:?}"));
        self.out = Some(Out { turn, event, end, memory, did });
        true
    }

    fn end_turn(&mut self) {
        let Some(Out { turn, event, end, memory, did }) = self.out.take() else { return };
        let is_dropped = matches!(end, TurnEnd::Dropped(_));
        self.room.end_turn(turn, end);
        if is_dropped {
            self.note_drop(&event);
            return self.carry_out();
        }
        if let Event::Stream(..) | Event::Drain(..) | Event::Completed(..) | Event::ResponseClosed(_) = event
        {
            self.tally.meet("delivered", event.name());
        }
        (self.instance, self.life) = (Some(memory.clone()), Some(memory));
        self.keep(did, false);
        if self.room.is_destroyed() {
            return self.end_destroyed();
        }
        self.note(self.needed);
        self.carry_out();
    }

    /// There is no such room any more. The next one of its address begins with the first ids.
    fn end_destroyed(&mut self) {
        self.log.say(|| "destroyed".into());
        if self.outside.is_streaming() {
            self.tally.meet("destroyed", "while it streams");
        }
        self.write_all();
        self.check_all_over("the room is destroyed");
        let left: Vec<_> = self.outside.live_peers().collect();
        assert!(left.is_empty(), "the room is destroyed, and {left:?} go on");
        self.begin_again();
        self.of_before.clear();
        self.untold.clear();
    }

    /// A turn is kept that did this, and what the room has decided of it is not carried out.
    fn keep(&mut self, did: Vec<(StreamId, Did)>, is_switch: bool) {
        let actions = self.room.take_actions();
        self.note_commits(&actions, is_switch);
        for (id, did) in did {
            if did == Did::Missed {
                let is_deaf = !self.config.handlers.has(Handlers::ON_RESPONSE_CLOSED);
                assert!(is_deaf || self.untold.contains(&id.0), "the guest was not told of the end of {id}");
                self.tally.meet("missed", "the end of a stream, whose turns were dropped");
                continue;
            }
            self.outside.owed.entry(id).or_default().push_back((self.needed, did));
        }
        self.perform(actions);
    }

    /// A turn was dropped: what it was about is told once more, or not.
    fn note_drop(&mut self, event: &Event) {
        let is_suspended = matches!(self.room.phase(), Phase::Suspended { .. });
        if is_suspended && self.outside.is_streaming() {
            self.tally.meet("suspended", "while it streams");
        }
        let goes_back = self.room.rebuild() == Some(Rebuild::Behind);
        self.instance = None;
        match (event, goes_back) {
            (Event::Stream(..), false) => self.tally.meet("dropped", "on-stream, with its life"),
            (Event::Drain(..), false) => self.tally.meet("dropped", "on-drain, with its life"),
            (Event::Stream(id, what), true) => {
                self.tally.meet("dropped", "on-stream, and gone back");
                let drops = self.end_drops.entry(id.0).or_default();
                *drops += u32::from(what.is_last());
                if *drops == 2 {
                    self.tally.meet("dropped", "the end of a stream, twice");
                    self.untold.insert(id.0);
                }
            }
            (Event::Completed(id, _), true) => {
                self.tally.meet("dropped", "on-completed, and gone back");
                let drops = self.end_drops.entry(id.0).or_default();
                *drops += 1;
                if *drops == 3 {
                    self.untold.insert(id.0);
                }
            }
            (Event::Drain(..), true) => self.tally.meet("dropped", "on-drain, and gone back"),
            (Event::ResponseClosed(request), true) => {
                self.tally.meet("dropped", "on-response-closed, and gone back");
                let answers = self.life.iter().flat_map(|memory| &memory.answers);
                let answers = answers.filter(|(_, it)| **it == request.0).map(|(id, _)| *id);
                self.untold.extend(answers);
            }
            _ => {}
        }
        if !goes_back {
            self.life = Some(Memory::default());
        }
    }

    /// On a commit that carries nothing but a checkpoint nothing depends, if that is not what makes a switch.
    fn note_commits(&mut self, actions: &[Action], is_switch: bool) {
        for action in actions {
            let Action::Commit(commit) = action else { continue };
            let only_saves = commit.changes.is_empty()
                && matches!(commit.memory.as_deref(), Some(MemoryChange::Checkpoint(_)) | None);
            if !only_saves || is_switch {
                self.needed = commit.record.seq;
            }
        }
    }

    /// Carries out what the room has decided, in order.
    fn carry_out(&mut self) {
        let actions = self.room.take_actions();
        self.note_commits(&actions, false);
        self.perform(actions);
    }

    fn perform(&mut self, actions: Vec<Action>) {
        for action in actions {
            match action {
                Action::Commit(commit) => self.commits.push_back(commit),
                Action::DropInstance => self.instance = None,
                Action::Output(output) => self.see(output),
                Action::Report(report) => self.log.say(|| format!("    {report:?}")),
            }
        }
    }

    /// The oldest commit under way becomes durable.
    fn write(&mut self) {
        let Some(commit) = self.commits.pop_front() else { return };
        self.disk.write(&commit).expect("commits come in order");
        self.durable = commit.record.seq;
        self.log.say(|| format!("commit {} is durable", commit.record.seq));
        self.room.committed(commit.record.seq);
        self.carry_out();
    }

    fn write_all(&mut self) {
        self.carry_out();
        while !self.commits.is_empty() {
            self.write();
        }
    }

    /// The process crashes, a commit fails, or the host is shut down.
    fn end_somehow(&mut self) {
        let is_streaming = self.outside.is_streaming();
        match self.random.below(6) {
            0 if !self.commits.is_empty() => {
                self.end_turn();
                self.log.say(|| "a commit fails".into());
                self.commits.clear();
                self.outside.owed.clear();
                self.room.commit_failed();
                self.carry_out();
                self.check_all_over("a commit has failed");
                is_streaming.then(|| self.tally.meet("failed", "a commit, while it streams"));
            }
            1 => {
                self.end_turn();
                self.log.say(|| "shut down".into());
                self.room.shut_down(&CloseFrame::new(1_001, "going away"));
                self.write_all();
                self.check_all_over("the host is shut down");
                is_streaming.then(|| self.tally.meet("shut down", "while it streams"));
            }
            _ => {
                for _ in 0..self.random.below(self.commits.len() as u64 + 1) {
                    self.write();
                }
                self.log.say(|| "crash".into());
                let what = match self.is_durable {
                    true => "of a durable room that streams",
                    false => "of a hibernating room that streams",
                };
                is_streaming.then(|| self.tally.meet("crash", what));
            }
        }
        self.begin_again();
    }

    /// Nothing goes on that the guest does not know of. Nothing is under way to the store.
    fn check_known(&mut self) {
        let is_still = self.commits.is_empty() && self.out.is_none() && self.room.uncommitted() == 0;
        if !is_still || self.room.rebuild() == Some(Rebuild::Unread) {
            return;
        }
        let none = Memory::default();
        let is_suspended = matches!(self.room.phase(), Phase::Suspended { .. });
        let memory = match self.room.phase() {
            Phase::Fresh(_) => &none,
            // What a durable room has asked for is interrupted when it is made again.
            Phase::Suspended { .. } => self.life.as_ref().filter(|_| self.is_durable).unwrap_or(&none),
            Phase::Starting | Phase::Running => match &self.life {
                Some(memory) => memory,
                None => return,
            },
        };
        for id in self.outside.live_answers() {
            let is_written = memory.answers.contains_key(&id.0) && !is_suspended;
            assert!(is_written, "nobody writes {id}, and its client waits");
        }
        // Whoever has just answered hears with its turn that the guest does not want it.
        for id in self.outside.live_peers().filter(|_| !self.room.has_outcomes()) {
            assert!(memory.knows_arriving(id.0), "nobody wants {id}, and it goes on");
        }
        let left: Vec<_> = self.outside.owed.iter().filter(|(_, owed)| !owed.is_empty()).collect();
        assert!(left.is_empty(), "written, durable, and never left: {left:?}");
    }

    fn come_to_rest(&mut self) {
        self.log.say(|| "comes to rest".into());
        self.is_winding_up = true;
        for _ in 0..ROUNDS_MAX {
            self.end_turn();
            self.write_all();
            self.check_known();
            while self.outside.peers.values().any(|peer| !peer.is_over) && self.random.percent(50) {
                self.peer_ends();
            }
            self.take();
            if let Phase::Suspended { until } = self.room.phase() {
                self.now = self.now.max(until);
                self.tell_time();
                self.forget_if_possible();
                continue;
            }
            if self.begin_turn() || self.room.wants_a_turn(self.now) || !self.commits.is_empty() {
                continue;
            }
            if self.outside.is_streaming() || !self.outside.requests.is_empty() {
                self.ask();
                continue;
            }
            return self.check_rest();
        }
        panic!("the room did not come to rest");
    }

    /// What the guest knows of in the end: nothing that it was not told the end of.
    fn check_rest(&mut self) {
        self.check_known();
        if matches!(self.room.phase(), Phase::Fresh(_)) {
            return;
        }
        self.rebuild();
        let memory = self.life.clone().unwrap_or_default();
        let is_told = |id: &&u64| !self.untold.contains(*id);
        let Memory { answers, operations, bodies, sockets, .. } = &memory;
        let answers: Vec<_> = answers.keys().filter(is_told).collect();
        let others: Vec<_> =
            operations.keys().chain(bodies.keys()).chain(sockets.keys()).filter(is_told).collect();
        let is_deaf = !self.config.handlers.has(Handlers::ON_RESPONSE_CLOSED);
        assert!(is_deaf || answers.is_empty(), "answers of whose end the guest was never told: {answers:?}");
        assert!(others.is_empty(), "of their end the guest was never told: {others:?}");
        let left = self.room.operations();
        assert_eq!(left, Some(0), "operations that are left");
        assert_eq!(self.room.requests(), 0, "requests, and answers that are being written");
    }
}
