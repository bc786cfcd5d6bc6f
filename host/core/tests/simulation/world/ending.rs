//! The end of a life, and of the world: nobody is left without an answer, and nothing is left undone.

use party_core::message::CloseFrame;

use crate::world::World;

/// How many rounds a world may take to come to rest.
const ROUNDS_MAX: u32 = 1_000;

impl World {
    /// The host ends in good order.
    pub(crate) fn shut_down(&mut self) {
        if self.out.is_some() {
            self.end_turn();
        }
        self.meet_end("shut down");
        self.log.say(|| "shut down".into());
        let frame = CloseFrame::new(1001, "the host is shutting down");
        self.room.shut_down(&frame);
        self.model.shut_down(&frame);
        if self.random.percent(20) {
            self.connect();
            self.client_leaves();
            self.turn_step();
        }
        if self.random.percent(10) {
            self.carry_out();
            self.fail_commit();
        }
        self.write_and_report_all();
        self.check_everyone_was_told();
        self.begin_life();
    }

    /// The room has been destroyed, and that is durable: the next event finds a new one.
    pub(crate) fn end_if_destroyed(&mut self) {
        if self.out.is_some() || !self.room.is_destroyed() || !self.room.must_be_made_anew() {
            return;
        }
        assert!(self.model.is_destroyed, "no guest has destroyed the room");
        self.carry_out();
        self.meet_end("destroyed");
        self.room.commit_failed();
        self.carry_out();
        self.check_everyone_was_told();
        self.begin_life();
    }

    /// Every client that is there has had an answer and a farewell, and every request its response.
    pub(crate) fn check_everyone_was_told(&self) {
        for (id, client) in &self.clients {
            let is_told = self.model.ledger.is_finished(*id);
            assert!(client.is_gone || is_told, "connection {id} was left hanging");
        }
        for (id, is_gone) in &self.requests {
            assert!(*is_gone || self.model.ledger.is_answered(*id), "request {id} was never answered");
        }
    }

    /// Nothing new comes, the guest ends what it began, and the room must come to rest.
    pub(crate) fn wind_up(&mut self) {
        self.log.say(|| "winding up".into());
        self.is_winding_up = true;
        self.tell_to_give_way(false);
        for _ in 0..ROUNDS_MAX {
            self.end_turn();
            self.write_and_report_all();
            self.compare();
            self.end_if_destroyed();
            self.tell_time();
            self.begin_turn();
            self.carry_out();
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
            } else if let Some(next) = self.room.next_deadline() {
                self.now = self.now.max(next);
            } else {
                return self.check_rest();
            }
        }
        panic!("the room did not come to rest within {ROUNDS_MAX} rounds");
    }

    fn check_rest(&mut self) {
        self.write_and_report_all();
        assert!(self.room.is_quiet(), "a room that has nothing to wait for is quiet");
        assert!(self.model.ledger.is_empty(), "something that was to be seen was not");
        self.check_nobody_works();
        for (id, is_gone) in &self.requests {
            assert!(*is_gone || self.model.ledger.is_answered(*id), "request {id} was never answered");
        }
        let durable = self.disk.durable();
        assert_eq!(durable.entries, self.model.state.entries, "what is durable at the end");
        let alarm = durable.record.and_then(|record| record.alarm);
        assert_eq!(alarm, None, "an alarm that was set did not ring");
    }
}
