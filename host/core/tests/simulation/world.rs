//! A simulated world: one room with its driver, store and clients, and the model that says what must come of it.
//!
//! A world takes random steps. Between any two of them a message can come, a commit become durable, be slow, fail or
//! end in doubt, the clock jump, the process crash. After every step the room and the model are compared.

mod commits;
mod ending;
mod outside;
mod sleeping;
mod works;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use party_core::address::RoomAddress;
use party_core::event::{Event, TurnEnd};
use party_core::ids::{CommitSeq, ConnectionId, Incarnation, OperationId, RequestId, Seed, Timestamp};
use party_core::operation::Work;
use party_core::profile::Profile;
use party_core::room::{Moment, Phase, Room, RoomConfig};
use party_core::turn::Turn;

use crate::disk::Disk;
use crate::guest::Guest;
use crate::habits::Habits;
use crate::ids::{Ids, Kind};
use crate::log::Log;
use crate::model::{Draft, Kept, Model, Sleeping, Snapshot};
use crate::random::Random;
use crate::tally::Tally;
use commits::Flight;
use outside::Client;
use works::Works;

/// A turn that is out.
struct Out {
    turn: Box<Turn>,
    draft: Draft,
    chance: Random,
    number: u64,
    end: TurnEnd,
}

/// The world.
pub(crate) struct World {
    random: Random,
    habits: Habits,
    log: Log,
    config: Arc<RoomConfig>,
    disk: Disk,
    /// What the disk must hold.
    durable: Snapshot,
    /// What the checkpoints under way, and the last durable one, must give back.
    kept: BTreeMap<CommitSeq, Kept>,
    durable_kept: Option<Kept>,
    room: Room,
    model: Model,
    out: Option<Out>,
    flight: Flight,
    clients: BTreeMap<ConnectionId, Client>,
    /// Requests of this life, and whether their client has gone.
    requests: BTreeMap<RequestId, bool>,
    ids: Ids,
    /// How many lives there have been.
    lives: u64,
    now: Timestamp,
    turns: u64,
    last_turn_at: Timestamp,
    works: Works,
    /// What was begun for the last life and is open in this one, and whether it was answered then.
    works_before: BTreeMap<OperationId, bool>,
    /// All that was ever sent to the world outside.
    sent: BTreeMap<OperationId, Arc<Work>>,
    /// When each operation of this life ends by itself, as it was started.
    due: BTreeMap<OperationId, Timestamp>,
    completed: BTreeSet<OperationId>,
    /// Nothing new begins any more.
    is_winding_up: bool,
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

impl World {
    fn new(seed: u64, log: Log) -> World {
        let mut random = Random::new(seed);
        let mut habits = Habits::draw(&mut random);
        habits.profile = Profile::ALL[(seed % 2) as usize];
        log.say(|| format!("{habits:?}"));
        let disk = Disk::default();
        let config = Arc::new(RoomConfig {
            address: Arc::new(RoomAddress::new("project", "party", "room").expect("it is well formed")),
            limits: Arc::new(habits.limits.clone()),
            handlers: habits.handlers,
            vars: Arc::default(),
            duplicate_keys: Default::default(),
            profile: habits.profile,
            durable: None,
            storage: Arc::new(disk.clone()),
        });
        let durable = Snapshot::of_no_room();
        World {
            room: Room::new(Arc::clone(&config), None),
            model: Model::new(habits.limits.clone(), habits.handlers, habits.profile, &durable),
            random,
            habits,
            log,
            config,
            disk,
            durable,
            kept: BTreeMap::new(),
            durable_kept: None,
            out: None,
            flight: Flight::default(),
            clients: BTreeMap::new(),
            requests: BTreeMap::new(),
            ids: Ids::default(),
            lives: 0,
            now: Timestamp(1_000_000),
            turns: 0,
            last_turn_at: Timestamp(0),
            works: Works::default(),
            works_before: BTreeMap::new(),
            sent: BTreeMap::new(),
            due: BTreeMap::new(),
            completed: BTreeSet::new(),
            is_winding_up: false,
            tally: Tally::default(),
        }
    }

    /// Another life, from what is durable, in this process or the next.
    fn begin_life(&mut self) {
        let record = self.disk.durable().record;
        self.log.say(|| format!("a new life from {record:?}"));
        (self.room, self.model) = self.next_life();
        let auto_response = self.room.auto_response().cloned();
        if auto_response.is_some() {
            self.tally.meet("auto-response", "in the next life");
        }
        self.model.ledger.begin_with(auto_response);
        self.kept.clear();
        if !self.model.has_ids {
            self.ids.restart(self.durable.seq);
        }
        self.out = None;
        self.flight = Flight::default();
        self.clients.clear();
        self.requests.clear();
        self.end_works();
        self.due.clear();
        self.completed.clear();
        self.last_turn_at = Timestamp(0);
        if self.model.sleeping == Sleeping::Asleep {
            let kept = self.durable_kept.as_ref().expect("it sleeps");
            self.due.extend(kept.due());
            self.last_turn_at = kept.now;
        }
        self.works_before.retain(|id, _| self.due.contains_key(id));
        self.carry_out();
    }

    fn step(&mut self) {
        if self.random.below(10_000) < self.habits.crash {
            self.crash();
        } else if self.random.below(10_000) < self.habits.commit_failure {
            self.fail_commit();
        } else if self.random.below(10_000) < 20 {
            self.shut_down();
        } else if self.random.below(10_000) < 200 {
            self.tell_to_give_way(!self.model.gives_way);
        } else if self.model.gives_way && self.random.percent(10) {
            self.save();
        } else if self.random.percent(self.habits.commit) {
            self.write_or_report();
        } else {
            match self.random.below(100) {
                0..45 => self.step_outside(),
                45..60 => self.time_passes(),
                percent if percent >= 100 - self.habits.save => self.save(),
                _ => self.turn_step(),
            }
        }
        if self.random.percent(self.habits.carry_out) {
            self.carry_out();
        }
        self.compare();
        self.end_if_destroyed();
    }

    /// A client does something, or somebody who works for the room.
    fn step_outside(&mut self) {
        match self.random.below(12) {
            0 | 1 => self.connect(),
            2..5 => self.client_speaks(),
            5 => self.client_leaves(),
            6 | 7 => self.request(),
            8 => self.request_goes(),
            _ => self.somebody_answers(),
        }
    }

    /// The turn that is out ends, or the next begins.
    fn turn_step(&mut self) {
        if self.out.is_some() {
            return self.end_turn();
        }
        if self.random.percent(90) {
            self.tell_time();
        }
        self.begin_turn();
        if self.random.percent(60) && self.out.is_some() {
            self.end_turn();
        }
    }

    fn begin_turn(&mut self) {
        let mut seed = [0; 32];
        seed[..8].copy_from_slice(&self.random.next().to_le_bytes());
        let incarnation = Incarnation(u128::from(self.random.next()));
        let was_wanted = self.room.wants_a_turn(self.now);
        if was_wanted {
            self.wake();
        }
        let turn = self.room.begin_turn(Moment { now: self.now, seed: Seed(seed), incarnation });
        assert!(was_wanted || turn.is_none(), "a driver would not have asked for this turn");
        let expected = self.model.begin(self.now);
        let Some(mut turn) = turn else {
            assert_eq!(None, expected, "the event that the guest should be called with");
            assert!(!self.room.wants_a_turn(self.now), "a driver would ask for a turn again and again");
            if self.model.waits_for_commits() {
                self.tally.meet("waits", "for commits");
            }
            return;
        };
        assert_eq!((turn.address(), turn.limits()), (self.room.address(), &**self.room.limits()));
        assert_eq!(turn.limits(), &self.habits.limits, "the limits are the party's");
        let event = turn.take_event();
        assert_eq!(Some(&event), expected.as_ref(), "the event that the guest is called with");
        self.turns += 1;
        self.log.say(|| format!("  turn {} at {}: {event:?}", self.turns, turn.now()));
        self.ids.give(Kind::Event, turn.event_id().0);
        self.check_delivery(&event, &turn);
        let mut draft = self.model.draft(event, turn.event_id(), turn.now());
        let mut chance = Random::new(u64::from_le_bytes(turn.seed().0[..8].try_into().expect("8 bytes")));
        let number = self.turns;
        let mut guest =
            Guest { turn: &mut turn, draft: &mut draft, chance: &mut chance, log: &self.log, number };
        let end = match self.is_winding_up {
            true => guest.wind_up(),
            false => {
                guest.act();
                guest.end(&self.habits)
            }
        };
        self.out = Some(Out { turn, draft, chance, number, end });
    }

    /// What must hold of a delivery whatever the model thinks.
    fn check_delivery(&mut self, event: &Event, turn: &Turn) {
        assert!(
            turn.now() >= self.last_turn_at,
            "time went back from {} to {}",
            self.last_turn_at,
            turn.now()
        );
        self.last_turn_at = turn.now();
        let passes_holds = matches!(event, Event::Start(_) | Event::Completed(..));
        let is_held = self.model.state.holds > 0 || self.room.phase() == Phase::Starting;
        assert!(passes_holds || !is_held, "{event:?} was delivered while the room was held or starting");
        if is_held && matches!(event, Event::Completed(..)) {
            let is_starting = self.room.phase() == Phase::Starting;
            let when = if is_starting { "while the room starts" } else { "while the room is held" };
            self.tally.meet("event", when);
        }
        match event {
            Event::Message(id, message) => {
                let text = String::from_utf8_lossy(message.payload());
                let number: u64 =
                    text.split('-').next().and_then(|digits| digits.parse().ok()).expect("a number");
                let client = self.clients.get_mut(id).expect("it sent the message");
                assert!(number > client.heard, "message {number} of {id} came after {}", client.heard);
                client.heard = number;
            }
            Event::Completed(id, outcome) => {
                assert!(self.completed.insert(*id), "operation {id} completed twice");
                self.check_outcome(*id, outcome);
            }
            Event::Start(_)
            | Event::Resume(_)
            | Event::Connect(_)
            | Event::Close(..)
            | Event::Error(..)
            | Event::Request(..)
            | Event::ResponseClosed(_)
            | Event::Stream(..)
            | Event::Drain(..)
            | Event::Alarm => {}
        }
    }

    fn end_turn(&mut self) {
        let Some(Out { mut turn, mut draft, mut chance, number, end }) = self.out.take() else { return };
        if !self.is_winding_up && self.random.percent(30) {
            // The guest went on while commits became durable.
            let (turn, draft) = (&mut turn, &mut draft);
            Guest { turn, draft, chance: &mut chance, log: &self.log, number }.act();
        }
        self.log.say(|| format!("  turn {number} ends: {end:?}"));
        if matches!(end, TurnEnd::Dropped(_)) {
            self.meet_end("dropped");
        } else {
            let before = &self.model.state.operations;
            for (id, operation) in draft.state.operations.iter().filter(|(id, _)| !before.contains_key(id)) {
                self.ids.give(Kind::Operation, id.0);
                self.due.insert(*id, operation.due);
            }
        }
        self.model.end(draft, &end);
        self.room.end_turn(turn, end);
    }

    fn time_passes(&mut self) {
        let next = self.room.next_deadline();
        let soon = self.now.after_ms(self.random.below(5));
        self.now = match (self.random.below(20), next) {
            (0..8, Some(next)) if next < Timestamp::NEVER => self.now.max(next),
            (8..11, Some(next)) => {
                self.now.max(Timestamp(next.0.saturating_sub(1)).min(self.now.after_ms(80_000)))
            }
            (11, _) => self.now.after_ms(self.random.below(40_000)),
            // The host's clock was set back.
            (12, _) => Timestamp(self.now.0 - self.random.below(50)),
            _ => soon,
        };
        if self.random.percent(80) {
            self.tell_time();
        }
    }

    fn tell_time(&mut self) {
        self.log.say(|| format!("at {}", self.now));
        self.room.on_time(self.now);
        if self.out.is_some() {
            return;
        }
        if self.model.on_time(self.now) > 0 {
            self.tally.meet("accept", "at the deadline");
        }
        if let Some(next) = self.room.next_deadline() {
            assert!(
                next > self.now,
                "a driver would spin: it is {} and the next deadline is {next}",
                self.now
            );
        }
    }

    /// Whatever can be asked of the room agrees with the model.
    fn compare(&self) {
        let (room, model) = (&self.room, &self.model);
        assert_eq!(room.phase(), model.phase, "the phase");
        assert_eq!(room.is_asleep(), model.sleeping == Sleeping::Asleep, "whether the room sleeps");
        assert_eq!(room.is_in_a_turn(), self.out.is_some(), "whether a turn is out");
        assert_eq!(room.connections(), model.connections(), "connections");
        assert_eq!(room.requests(), model.requests(), "unanswered requests");
        assert_eq!(room.durable(), model.ledger.durable(), "the last durable commit");
        assert_eq!(room.uncommitted(), model.ledger.commits_under_way(), "commits under way");
        for id in self.clients.keys() {
            assert_eq!(room.has_credit(*id), model.has_credit(*id), "the credit of {id}");
        }
        if self.out.is_none() {
            assert_eq!(room.next_deadline(), model.next_deadline(), "the next deadline");
            assert_eq!(room.is_quiet(), model.is_quiet(), "whether the room is quiet");
            let is_worked_for = model.state.operations.values().any(|operation| operation.is_under_way());
            assert!(!(is_worked_for && room.may_be_forgotten()), "nobody would hear the answer");
            assert_eq!(room.operations(), Some(model.state.operations.len()), "open operations");
            assert_eq!(room.auto_response(), model.state.auto_response.as_ref(), "the auto-response");
            assert_eq!(room.alarm(), model.state.alarm_record().map(|alarm| alarm.at), "the alarm");
        }
    }
}
