//! Other versions: deployed while the room lives or found by the next process, and how the room goes on with them.
//!
//! The driver does what `node/src/upgrade.rs` does. A crash can come at any step of it: before the switch, while its
//! checkpoint is on its way to the store, before or after its commit reaches the disk. Each version notes its own name in
//! its memory with every turn, so a turn that is taken again by another version than took it first is found.

use std::sync::Arc;

use party_core::commit::{CheckpointBytes, ComponentDigest};
use party_core::room::{Action, Readiness, Rebuild, RoomConfig, Upgraded};

use crate::guest::handing_over::{restore, save};
use crate::ids::Kind;
use crate::memory::Memory;
use crate::world::{Life, World};

/// The versions that there are.
const VERSIONS: u64 = 3;

/// The version of this number.
pub(crate) fn version(number: u64) -> ComponentDigest {
    ComponentDigest([7 + number as u8; 32])
}

/// How the world stands to versions.
pub(crate) struct Deployed {
    /// The one that is served.
    pub(crate) served: ComponentDigest,
    /// Whether rooms can be carried over to it.
    hands_over: bool,
    /// The room has been given its time.
    was_interrupted: bool,
    /// It could not be carried over.
    has_stayed: bool,
}

impl Default for Deployed {
    fn default() -> Deployed {
        Deployed { served: version(0), hands_over: true, was_interrupted: false, has_stayed: false }
    }
}

impl World {
    /// Another version is served from now on.
    pub(crate) fn deploy(&mut self) {
        let served = version(self.random.below(VERSIONS));
        let hands_over = self.random.percent(75);
        self.log.say(|| format!("deployed {}; carries over: {hands_over}", served.0[0]));
        self.deployed = Deployed { served, hands_over, was_interrupted: false, has_stayed: false };
    }

    /// A process has ended, and perhaps the next serves another version.
    pub(crate) fn look_at_versions_again(&mut self) {
        self.cut_short.clear();
        (self.deployed.was_interrupted, self.deployed.has_stayed) = (false, false);
        if self.random.percent(10) {
            self.deploy();
        }
        // Its memory is of the version that the store says.
        let component = self.disk.durable().component.unwrap_or(self.deployed.served);
        self.config = self.config_of(component);
    }

    fn config_of(&self, component: ComponentDigest) -> Arc<RoomConfig> {
        let RoomConfig { address, limits, handlers, vars, storage, .. } = &*self.config;
        Arc::new(RoomConfig {
            address: Arc::clone(address),
            limits: Arc::clone(limits),
            handlers: *handlers,
            vars: Arc::clone(vars),
            storage: Arc::clone(storage),
            duplicate_keys: Default::default(),
            profile: Default::default(),
            durable: Some(component),
        })
    }

    /// The version that the room has.
    pub(crate) fn version(&self) -> ComponentDigest {
        self.config.durable.expect("the room is durable")
    }

    fn is_due(&self) -> bool {
        self.version() != self.deployed.served && !self.deployed.has_stayed
    }

    /// Whether the room will go on with another version by itself.
    pub(crate) fn is_to_switch(&self) -> bool {
        self.is_due() && self.room.readiness() != Readiness::NotNow
    }

    /// The room goes on with the version that is served, if it can now.
    pub(crate) fn look_at_versions(&mut self) {
        self.change_the_setting_back();
        if self.out.is_some() || !self.is_due() {
            return;
        }
        self.carry_out();
        match self.room.readiness() {
            Readiness::NotNow => {
                let sleeps = matches!(self.room.rebuild(), Some(Rebuild::Asleep(_)));
                if sleeps && !self.deployed.hands_over && self.room.has_nothing_open() {
                    self.start_over("asleep");
                }
            }
            Readiness::Fresh => self.start_over("fresh"),
            Readiness::Quiet => self.switch("quiet"),
            Readiness::Busy if self.deployed.was_interrupted => {
                if !self.room.has_outcomes() {
                    self.switch("interrupted");
                }
            }
            Readiness::Busy if self.random.percent(20) => {
                self.log.say(|| "interrupted".into());
                self.cut_short.extend(self.instance.iter().flat_map(|memory| memory.operations.keys()));
                self.room.interrupt();
                self.deployed.was_interrupted = true;
                self.collect();
            }
            Readiness::Busy => {}
        }
    }

    fn start_over(&mut self, when: &'static str) {
        self.log.say(|| "starts over".into());
        self.tally.meet("started over", when);
        self.config = self.config_of(self.deployed.served);
        self.room.start_over(Arc::clone(&self.config));
        self.cut_short.clear();
        self.deployed.was_interrupted = false;
        self.collect();
    }

    fn switch(&mut self, when: &'static str) {
        let Some(mut old) = self.instance.clone().filter(|_| self.deployed.hands_over) else {
            return self.start_over("awake");
        };
        let moment = self.moment();
        let (before, after) = (self.version(), self.deployed.served);
        let mut turn = self.room.begin_upgrade(moment);
        let actions = self.room.take_actions();
        self.put_off(actions, false);
        self.log.say(|| format!("  switch at {} to {}", turn.now(), after.0[0]));
        self.ids.give(Kind::Event, turn.event_id().0);
        let tag = u64::from_le_bytes(turn.seed().0[..8].try_into().expect("8 bytes"));
        let (mut memory, mut entries) = (Memory::default(), self.entries.clone());
        self.break_disk(self.habits.read_failure);
        let saved = save(&mut old, &mut turn, &mut entries, before, &self.log);
        let is_taken_in = saved
            .is_some_and(|saved| restore(&mut memory, &mut turn, &mut entries, after, &saved, &self.log));
        self.mend_disk();
        if !is_taken_in {
            self.tally.meet("switched", "not: it stays");
            self.room.stays(turn);
            self.deployed.has_stayed = true;
            if self.random.percent(30) {
                // Its instance cannot be had again as it was.
                let is_kept = self.room.instance_lost(self.now);
                self.tally
                    .meet("switched", if is_kept { "not: it goes back" } else { "not: it has no past" });
            }
            return self.collect();
        }
        if self.is_worked_for() {
            self.tally.meet("switched", "while somebody works");
        }
        let config = self.config_of(after);
        let upgraded = self.room.upgraded(turn, Arc::clone(&config), Some((after, memory.image())));
        let actions = self.room.take_actions();
        self.put_off(actions, false);
        if self.random.percent(40) {
            // Its checkpoint is on its way to the store.
            for _ in 0..self.random.below(4) {
                self.step_outside();
            }
            match self.random.below(8) {
                0 => {
                    self.tally.meet("switched", "not: a crash before its commit was taken");
                    return self.crash();
                }
                1 => return self.cannot_go_on(upgraded),
                _ => {}
            }
        }
        for id in memory.operations.keys() {
            self.ids.give(Kind::Operation, *id);
        }
        let incarnation = self.life.as_ref().expect("it has an instance").incarnation;
        self.life = Some(Life { incarnation, memory: memory.clone(), is_kept: true });
        let handed = memory.clone();
        (self.instance, self.entries, self.config) = (Some(memory), entries, config);
        let bytes = upgraded.encode().unwrap().expect("its memory is kept");
        self.room.goes_on(upgraded, Some(CheckpointBytes::Inline(bytes)));
        let actions = self.room.take_actions();
        let commits = actions.iter().filter_map(|action| match action {
            Action::Commit(commit) => Some(commit.record.seq),
            Action::Output(_) | Action::DropInstance | Action::Report(_) => None,
        });
        let seq = commits.last().expect("a switch takes a commit");
        self.note_asked(&handed, seq);
        self.tags.insert(tag, seq);
        self.put_off(actions, true);
        self.tally.meet("switched", when);
        // What the old version failed with, the new one may try afresh.
        self.completion_drops.clear();
        self.heard.clear();
        self.close_drops.clear();
        self.cut_short.clear();
        self.deployed.was_interrupted = false;
        self.switched_at = Some(seq);
    }

    /// Its checkpoint cannot be written. Nobody has seen anything of the switch.
    fn cannot_go_on(&mut self, upgraded: Upgraded) {
        self.tally.meet("switched", "not: its checkpoint could not be written");
        self.room.cannot_go_on(upgraded);
        assert!(!self.room.wants_a_turn(self.now), "it can go neither on nor back");
        let is_under_way = !self.flight.is_empty() || self.room.uncommitted() > 0;
        assert_eq!(self.room.must_be_made_anew(), !is_under_way, "its commits are answered first");
        self.write_and_report_all();
        assert!(self.room.must_be_made_anew(), "all of them are answered");
        self.owed_500.clear();
        self.room.commit_failed();
        self.carry_out();
        self.begin_again();
    }

    /// Its last turn could not read what it wanted to: the room is made again of what is recorded, as it was before.
    pub(crate) fn is_unreadable(&mut self) {
        self.tally.meet("read failed", "and the room was made anew");
        assert!(self.room.is_unreadable() && !self.room.wants_a_turn(self.now), "it takes no turn any more");
        self.write_and_report_all();
        assert!(self.room.must_be_made_anew(), "all of its commits are answered");
        self.owed_500.clear();
        self.room.commit_failed();
        self.carry_out();
        self.begin_again();
    }

    /// The device fails from now on, so often.
    pub(crate) fn break_disk(&mut self, percent: u64) {
        self.disk.durable().is_broken = self.random.percent(percent);
    }

    /// It works again.
    pub(crate) fn mend_disk(&mut self) {
        self.disk.durable().is_broken = false;
    }
}
