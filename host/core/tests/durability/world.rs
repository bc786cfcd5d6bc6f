//! A world: one durable room with its driver, its disk and its clients, and what it must be able to come back to.
//!
//! A world takes random steps. Between any two of them a message can come, a commit become durable or fail, the clock jump,
//! the room be saved, the process crash. With every commit that the room takes, a [`Note`] is put aside of what the room,
//! its guest's memory and its storage then were; whatever is made again from the disk is compared with the note of the
//! last commit that reached it.

mod commits;
mod drops;
mod ending;
mod notes;
mod outside;
mod rebuilding;
mod saving;
mod settings;
mod versions;
mod works;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use party_core::address::RoomAddress;
use party_core::commit::ComponentDigest;
use party_core::event::{Event, Outcome, TurnEnd};
use party_core::ids::{CommitSeq, ConnectionId, Incarnation, RequestId, Seed, Timestamp};
use party_core::room::{Action, Moment, Phase, Room, RoomConfig};
use party_core::turn::Turn;

use crate::disk::Disk;
use crate::guest::{self, Entries, Mood};
use crate::habits::{Habits, draw_limits, draw_vars};
use crate::ids::{Ids, Kind};
use crate::log::Log;
use crate::memory::Memory;
use crate::random::Random;
use crate::tally::Tally;
use commits::Flight;
use notes::Note;
use outside::Client;
use versions::{Deployed, version};
use works::Works;

/// A turn that is out, and what the guest has made of it.
struct Out {
    turn: Box<Turn>,
    event: Event,
    end: TurnEnd,
    memory: Memory,
    entries: Entries,
    tag: u64,
}

/// A life of the room: what the guest remembers after its last turn that was kept.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Life {
    incarnation: Incarnation,
    memory: Memory,
    /// A commit has been taken from which it can be made again.
    is_kept: bool,
}

/// The world.
pub(crate) struct World {
    random: Random,
    habits: Habits,
    log: Log,
    config: Arc<RoomConfig>,
    disk: Disk,
    room: Room,
    /// The memory of the instance that there is.
    instance: Option<Memory>,
    life: Option<Life>,
    /// What the room's storage must hold.
    entries: Entries,
    notes: BTreeMap<CommitSeq, Note>,
    out: Option<Out>,
    /// What the room has decided and nobody has carried out.
    undone: VecDeque<Action>,
    flight: Flight,
    clients: BTreeMap<ConnectionId, Client>,
    /// Requests, and whether they were answered or their client has gone.
    requests: BTreeMap<RequestId, bool>,
    /// Those whose answer has left.
    answered: BTreeSet<RequestId>,
    /// Requests of dropped turns.
    owed_500: BTreeSet<RequestId>,
    /// The commit of each kept turn, by the tag of what it sent.
    tags: BTreeMap<u64, CommitSeq>,
    /// How often the turn of a completion or a close was dropped since the room was made again.
    completion_drops: BTreeMap<u64, u32>,
    close_drops: BTreeMap<u64, u32>,
    /// What the guest has first heard of each operation, since the room was made again.
    heard: BTreeMap<u64, Outcome>,
    /// Those that the guest will never hear of.
    lost_completions: BTreeSet<u64>,
    lost_closes: BTreeSet<u64>,
    /// Operations that ended with the place where the room was before.
    interrupted: BTreeSet<u64>,
    /// Those that were given up for another version, unless they had ended already.
    cut_short: BTreeSet<u64>,
    works: Works,
    deployed: Deployed,
    /// The commit that carried the last switch to another version.
    switched_at: Option<CommitSeq>,
    has_crashed_since_fork: bool,
    ids: Ids,
    now: Timestamp,
    lives: u128,
    last_turn_at: Timestamp,
    is_winding_up: bool,
    /// The room was told to.
    gives_way: bool,
    tally: Tally,
}

/// Lives one seed's world to its end; gives back what it met. Panics if anything is not as it must be.
pub(crate) fn live(seed: u64, log: Log) -> Tally {
    let mut world = World::new(seed, log);
    for _ in 0..world.habits.steps {
        world.step();
    }
    world.wind_up();
    world.tally
}

fn make_config(
    random: &mut Random,
    habits: &Habits,
    disk: &Disk,
    component: ComponentDigest,
) -> Arc<RoomConfig> {
    Arc::new(RoomConfig {
        address: Arc::new(RoomAddress::new("project", "party", "room").expect("it is well formed")),
        limits: Arc::new(draw_limits(random)),
        handlers: habits.handlers,
        vars: Arc::new(draw_vars(random)),
        duplicate_keys: Default::default(),
        profile: Default::default(),
        durable: Some(component),
        storage: Arc::new(disk.clone()),
    })
}

impl World {
    fn new(seed: u64, log: Log) -> World {
        let mut random = Random::new(seed);
        let habits = Habits::draw(&mut random);
        log.say(|| format!("{habits:?}"));
        let disk = Disk::default();
        let config = make_config(&mut random, &habits, &disk, version(0));
        log.say(|| format!("{:?}", config.limits));
        World {
            room: Room::new(Arc::clone(&config), None),
            random,
            habits,
            log,
            config,
            disk,
            instance: None,
            life: None,
            entries: Entries::new(),
            notes: BTreeMap::new(),
            out: None,
            undone: VecDeque::new(),
            flight: Flight::default(),
            clients: BTreeMap::new(),
            requests: BTreeMap::new(),
            answered: BTreeSet::new(),
            owed_500: BTreeSet::new(),
            tags: BTreeMap::new(),
            completion_drops: BTreeMap::new(),
            close_drops: BTreeMap::new(),
            heard: BTreeMap::new(),
            lost_completions: BTreeSet::new(),
            lost_closes: BTreeSet::new(),
            interrupted: BTreeSet::new(),
            cut_short: BTreeSet::new(),
            works: Works::default(),
            deployed: Deployed::default(),
            switched_at: None,
            has_crashed_since_fork: false,
            ids: Ids::default(),
            now: Timestamp(1_000_000),
            lives: 0,
            last_turn_at: Timestamp(0),
            is_winding_up: false,
            gives_way: false,
            tally: Tally::default(),
        }
    }

    fn step(&mut self) {
        self.change_the_setting_back();
        if self.random.below(10_000) < self.habits.crash {
            self.crash();
        } else if self.random.below(10_000) < self.habits.commit_failure {
            self.fail_commit();
        } else if self.random.below(10_000) < 20 {
            self.shut_down();
        } else if self.random.below(10_000) < 200 {
            self.tell_to_give_way(!self.gives_way);
        } else if self.gives_way && self.random.percent(10) {
            self.save();
        } else if self.random.below(10_000) < self.habits.deploy {
            self.deploy();
        } else if self.random.percent(self.habits.commit) {
            self.write_or_report();
        } else {
            match self.random.below(100) {
                0..40 => self.step_outside(),
                40..55 => self.time_passes(),
                percent if percent >= 100 - self.habits.save => self.save(),
                _ => self.turn_step(),
            }
        }
        if self.random.percent(self.habits.carry_out) {
            self.carry_out();
            self.check_somebody_works();
        }
        self.forget_if_possible();
    }

    /// The turn that is out ends, or the next begins.
    fn turn_step(&mut self) {
        if self.out.is_some() {
            return self.end_turn();
        }
        if self.random.percent(90) {
            self.tell_time();
        }
        if self.room.wants_to_be_saved() && self.random.percent(30) {
            self.save();
        }
        self.look_at_versions();
        self.begin_turn();
        if self.random.percent(60) {
            self.end_turn();
        }
    }

    fn begin_turn(&mut self) {
        self.change_the_setting_back();
        if self.out.is_some() || !self.room.wants_a_turn(self.now) {
            if self.room.wants_to_be_saved() && self.room.may_save() {
                self.tally.meet("journal", "full");
            }
            return;
        }
        // The driver carries out what there is before it asks for a turn, or makes the room again.
        self.carry_out();
        if let Some(what) = self.room.rebuild() {
            self.rebuild(what);
            self.change_the_setting_back();
            if self.room.is_asleep() || !self.room.wants_a_turn(self.now) {
                return;
            }
        }
        let moment = self.moment();
        let turn = self.room.begin_turn(moment);
        // After an event that needed a commit it may have taken others that need none.
        let actions = self.room.take_actions();
        self.put_off(actions, false);
        let Some(mut turn) = turn else {
            assert!(!self.room.wants_a_turn(self.now), "a driver would ask for a turn again and again");
            return;
        };
        self.ids.give(Kind::Event, turn.event_id().0);
        assert!(turn.now() >= self.last_turn_at, "time went back to {}", turn.now());
        self.last_turn_at = turn.now();
        let (mut memory, mut entries) = (self.memory_of(&turn), self.entries.clone());
        let event = turn.take_event();
        self.log.say(|| format!("  turn at {}: {event:?}", turn.now()));
        self.check_delivery(&event);
        self.break_disk(self.habits.read_failure);
        let end = guest::call(&mut memory, &mut turn, &event, &mut entries, self.version(), &self.log);
        self.mend_disk();
        if turn.fault().is_some() {
            self.tally.meet("read failed", "in a turn");
        }
        let tag = u64::from_le_bytes(turn.seed().0[..8].try_into().expect("8 bytes"));
        self.out = Some(Out { turn, event, end, memory, entries, tag });
    }

    fn moment(&mut self) -> Moment {
        let mut seed = [0; 32];
        seed[..8].copy_from_slice(&self.random.next().to_le_bytes());
        seed[31] = match (self.is_winding_up, self.random.percent(self.habits.trap)) {
            (true, _) => Mood::WindsUp as u8,
            (false, true) => Mood::Traps as u8,
            (false, false) => Mood::Busy as u8,
        };
        self.lives += 1;
        Moment { now: self.now, seed: Seed(seed), incarnation: Incarnation(self.lives) }
    }

    /// What the guest remembers when this turn begins: nothing, if a life begins with it.
    fn memory_of(&mut self, turn: &Turn) -> Memory {
        let incarnation = turn.incarnation();
        if self.life.as_ref().is_none_or(|life| life.incarnation != incarnation) {
            assert_eq!(self.instance, None, "a life begins with a fresh instance");
            let memory = Memory::default();
            self.life = Some(Life { incarnation, memory: memory.clone(), is_kept: false });
            self.instance = Some(memory);
            self.completion_drops.clear();
            self.heard.clear();
            self.close_drops.clear();
        }
        let life = self.life.as_ref().expect("it has begun");
        let life = &life.memory;
        assert_eq!(self.instance.as_ref(), Some(life), "the instance is as the last kept turn left it");
        life.clone()
    }

    fn end_turn(&mut self) {
        let Some(Out { turn, event, end, memory, entries, tag }) = self.out.take() else { return };
        self.log.say(|| format!("  {} ends: {end:?}", event.name()));
        let was_running = self.room.phase() == Phase::Running;
        let is_kept = self.life.as_ref().is_some_and(|life| life.is_kept);
        let is_faulty = turn.fault().is_some();
        self.room.end_turn(turn, end.clone());
        let actions = self.room.take_actions();
        let committed = actions.iter().find_map(|action| match action {
            Action::Commit(commit) => Some(commit.record.seq),
            Action::Output(_) | Action::DropInstance | Action::Report(_) => None,
        });
        let was_dropped = self.was_dropped(&actions);
        assert!(was_dropped || !matches!(end, TurnEnd::Dropped(_)), "a trap keeps nothing");
        assert!(was_dropped || !is_faulty, "what the guest could not read was not what there is");
        if is_faulty {
            self.put_off(actions, true);
            // If a commit has failed it is made anew in any case.
            if !self.flight.has_failed {
                self.is_unreadable();
            }
            return;
        }
        if was_dropped {
            self.note_drop(&event, was_running && is_kept);
        } else {
            let seq = committed.expect("a turn that is kept takes a commit");
            let before = &self.life.as_ref().expect("it has had a turn").memory.operations;
            for id in memory.operations.keys().filter(|id| !before.contains_key(id)) {
                self.ids.give(Kind::Operation, *id);
            }
            self.note_asked(&memory, seq);
            self.tags.insert(tag, seq);
            self.entries = entries;
            self.instance = Some(memory.clone());
            let life = self.life.as_mut().expect("it has had a turn");
            (life.memory, life.is_kept) = (memory, true);
        }
        self.put_off(actions, true);
    }

    fn was_dropped(&self, actions: &[Action]) -> bool {
        actions
            .iter()
            .any(|action| matches!(action, Action::Report(party_core::room::Report::Dropped { .. })))
    }

    fn time_passes(&mut self) {
        let next = self.room.next_deadline();
        self.now = match (self.random.below(20), next) {
            (0..8, Some(next)) if next < Timestamp::NEVER => self.now.max(next),
            (8..11, Some(next)) => {
                self.now.max(Timestamp(next.0.saturating_sub(1)).min(self.now.after_ms(80_000)))
            }
            (11, _) => self.now.after_ms(self.random.below(40_000)),
            // The host's clock was set back.
            (12, _) => Timestamp(self.now.0 - self.random.below(50)),
            _ => self.now.after_ms(self.random.below(5)),
        };
        if self.random.percent(80) {
            self.tell_time();
        }
    }

    fn tell_time(&mut self) {
        self.change_the_setting_back();
        self.log.say(|| format!("at {}", self.now));
        self.room.on_time(self.now);
        self.collect();
        if self.out.is_none()
            && let Some(next) = self.room.next_deadline()
        {
            assert!(next > self.now, "a driver would spin: it is {}, the next deadline {next}", self.now);
        }
    }
}
