//! The end of a life, and of the world: nothing is left undone, and all of it can still be made again.

use std::collections::BTreeSet;

use party_core::event::Handlers;
use party_core::message::CloseFrame;
use party_core::room::Phase;

use crate::world::{Life, World};

/// How many rounds a world may take to come to rest.
const ROUNDS_MAX: u32 = 2_000;

impl World {
    /// The host ends in good order.
    pub(crate) fn shut_down(&mut self) {
        self.end_turn();
        if self.random.percent(50) {
            // As a host does: whatever comes does not keep the room from being saved any more.
            self.tally.meet("shut down", "saved before");
            self.room.will_end();
            self.save();
            self.end_turn();
        }
        self.log.say(|| "shut down".into());
        self.tally.meet("shut down", "room");
        self.room.shut_down(&CloseFrame::new(1001, "the host is shutting down"));
        self.write_and_report_all();
        self.begin_again();
    }

    /// Nothing new comes, the guest ends what it began, and the room must come to rest.
    pub(crate) fn wind_up(&mut self) {
        self.log.say(|| "winding up".into());
        self.is_winding_up = true;
        self.tell_to_give_way(false);
        if self.random.percent(50) {
            self.crash();
        }
        for _ in 0..ROUNDS_MAX {
            self.end_turn();
            self.write_and_report_all();
            self.forget_if_possible();
            self.tell_time();
            if self.room.wants_to_be_saved() {
                self.save();
                self.write_and_report_all();
            }
            self.look_at_versions();
            self.begin_turn();
            self.carry_out();
            self.check_somebody_works();
            if self.random.percent(20) {
                self.somebody_answers();
                continue;
            }
            if self.out.is_some() || !self.flight.is_empty() {
                continue;
            }
            let here = self.clients.iter().find(|(_, client)| !client.is_gone).map(|(id, _)| *id);
            if let Some(id) = here {
                self.leave(id);
            } else if self.room.wants_a_turn(self.now) || self.is_to_be_saved() || self.is_to_switch() {
                // In the next round.
            } else if let Some(next) = self.room.next_deadline() {
                self.now = self.now.max(next);
            } else if self.is_at_rest() {
                return self.check_rest();
            }
        }
        panic!("the room did not come to rest within {ROUNDS_MAX} rounds");
    }

    fn is_to_be_saved(&self) -> bool {
        self.room.wants_to_be_saved() && self.room.may_save()
    }

    fn is_at_rest(&self) -> bool {
        !matches!(self.room.phase(), Phase::Suspended { .. })
    }

    fn check_rest(&mut self) {
        self.write_and_report_all();
        self.check_nobody_works();
        assert!(self.owed_500.is_empty(), "requests of dropped turns without an answer: {:?}", self.owed_500);
        let state = self.room.as_checkpoint(Default::default());
        self.log.say(|| format!("at rest: {state:?}"));
        let (connections, requests) = (self.room.connections(), self.room.requests());
        assert_eq!((connections, requests), (0, 0), "connections and requests that are left");
        // What is over and needed no guest may still be said to be due, until the next commit: until then a crash brings it
        // back. What was interrupted is over before its time.
        let now = self.now.max(state.last_now());
        let wakes_at = self.disk.durable().record.and_then(|record| record.wakes_at());
        let is_deaf = !self.cut_short.is_empty() && !self.habits.handlers.has(Handlers::ON_COMPLETED);
        let is_said = wakes_at.is_none_or(|at| at <= now) || is_deaf;
        assert!(is_said, "something is still to be done at {wakes_at:?}");
        let goes_on = matches!(self.room.phase(), Phase::Starting | Phase::Running);
        let current = self.room.as_checkpoint(Default::default()).incarnation;
        let is_current = |life: &&Life| goes_on && life.incarnation == current;
        let Some(life) = self.life.as_ref().filter(is_current) else { return };
        let (memory, handlers) = (&life.memory, self.habits.handlers);
        if handlers.has(Handlers::ON_COMPLETED) {
            let open: BTreeSet<u64> = memory.operations.keys().copied().collect();
            let left: Vec<_> = open.difference(&self.lost_completions).collect();
            assert!(left.is_empty(), "operations whose end the guest was never told: {left:?}");
        }
        if handlers.has(Handlers::ON_CLOSE) {
            let heard: BTreeSet<u64> = memory.closed.union(&self.lost_closes).copied().collect();
            let left: Vec<_> = memory.listed.difference(&heard).collect();
            assert!(left.is_empty(), "clients that have gone without the guest's knowing: {left:?}");
        }
        // One last time, with nothing in the mailbox and nothing under way.
        self.crash();
        if let Some(what) = self.room.rebuild() {
            self.rebuild(what);
        }
    }
}
