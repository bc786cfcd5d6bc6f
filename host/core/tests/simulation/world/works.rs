//! Who works for the room, outside of it: begins what the room asks for and answers when it likes, at once, late, after the
//! room has given up waiting, or again. Like a real host it answers only the room that asked, not the one that takes its
//! place after a crash.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use party_core::event::{Outcome, Output, RoomsPage};
use party_core::http::Response;
use party_core::ids::OperationId;
use party_core::operation::{OperationError, Work};

use crate::model::Sleeping;
use crate::world::World;

/// What has been begun for one life of the room in one process.
#[derive(Default)]
pub(crate) struct Works {
    begun: BTreeSet<OperationId>,
    /// The first answer that was given.
    answered: BTreeMap<OperationId, Outcome>,
    forgotten: BTreeSet<OperationId>,
    /// Of what has been begun, the assets.
    assets: BTreeSet<OperationId>,
}

impl Works {
    /// What is still worked on.
    fn under_way(&self) -> impl Iterator<Item = OperationId> + '_ {
        let is_over = |id: &OperationId| self.answered.contains_key(id) || self.forgotten.contains(id);
        self.begun.iter().filter(move |id| !is_over(id)).copied()
    }
}

impl World {
    /// The room asks for something, or does not wait for it any more.
    pub(crate) fn see_work(&mut self, output: &Output) {
        match output {
            Output::Begin(id, work, _) => {
                self.see_fetch(*id, work);
                if let Work::Asset { .. } = &**work {
                    self.works.assets.insert(*id);
                }
                assert!(self.works.begun.insert(*id), "{id} is begun twice");
                if let Some(was_answered) = self.works_before.remove(id) {
                    let what = if was_answered { "again, its answer was lost" } else { "again" };
                    self.tally.meet("begun", what);
                }
                if self.random.percent(15) {
                    self.answer(*id);
                }
            }
            Output::Forget(id) => {
                assert!(self.works.begun.contains(id), "{id} is forgotten and was never begun");
                assert!(self.works.forgotten.insert(*id), "{id} is forgotten twice");
            }
            Output::Accept(_)
            | Output::Read(_)
            | Output::Reject(..)
            | Output::Send(..)
            | Output::Broadcast(..)
            | Output::Close(..)
            | Output::Respond(..)
            | Output::Open(..)
            | Output::ReadBody(..)
            | Output::Write(..)
            | Output::Finish(_)
            | Output::BreakOff(_)
            | Output::SendOn(..)
            | Output::CloseOn(..)
            | Output::Interrupted(_)
            | Output::AutoResponse(_) => {}
        }
    }

    /// A fetch is sent once; or it may be sent again, and is the same each time.
    fn see_fetch(&mut self, id: OperationId, work: &Arc<Work>) {
        let Work::Fetch { resend, .. } = &**work else { return };
        // A life that has left nothing begins with the same ids.
        let is_known = self.works_before.contains_key(&id);
        match self.sent.insert(id, Arc::clone(work)).filter(|_| is_known) {
            Some(before) => {
                assert!(*resend, "{id} is sent twice");
                assert_eq!(before, *work, "{id} is sent again as something else");
                self.tally.meet("fetched", "again");
            }
            None if is_known => panic!("{id} was begun before, and not sent"),
            None => self.tally.meet("fetched", if *resend { "for the first time" } else { "once" }),
        }
    }

    /// Somebody who works for the room answers, or one who need not any more.
    pub(crate) fn somebody_answers(&mut self) {
        let ids: Vec<OperationId> = match self.random.percent(75) {
            true => self.works.under_way().collect(),
            false => self.works.begun.iter().copied().collect(),
        };
        if let Some(id) = self.random.pick(ids) {
            self.answer(id);
        }
    }

    fn answer(&mut self, id: OperationId) {
        let number = self.random.next();
        let outcome = match self.random.below(5) {
            0 => Outcome::Failed(OperationError::Connect(format!("it cannot be: {number}"))),
            1 => Outcome::Failed(OperationError::NoSuchParty(number.to_string())),
            _ if self.sent.contains_key(&id) => {
                Outcome::Response(Box::new(Response::text(200, number.to_string())))
            }
            _ if self.works.assets.contains(&id) => {
                let asset = Box::new(Response::text(200, number.to_string()));
                Outcome::Asset(number.is_multiple_of(2).then_some(asset))
            }
            _ => {
                let next = number.is_multiple_of(2).then(|| number.to_string());
                Outcome::Rooms(RoomsPage { rooms: vec![id.to_string(), number.to_string()], next })
            }
        };
        self.log.say(|| format!("answer {id}: {outcome:?}"));
        let is_waited_for = self.model.answer(id, &outcome);
        let when = match (is_waited_for, self.model.sleeping) {
            (true, _) if self.out.is_some() => "while a turn is out",
            (true, Sleeping::Awake) => "in time",
            (true, Sleeping::Saving(_)) => "while the room is being saved",
            (true, Sleeping::Asleep) => "while the room sleeps",
            (false, _) if self.works.answered.contains_key(&id) => "again",
            (false, _) if self.due.get(&id).is_some_and(|due| *due <= self.now) => "after its time",
            (false, _) if self.works.forgotten.contains(&id) => "after it was forgotten",
            (false, _) if self.model.state.operations.contains_key(&id) => "of a room that ends",
            (false, _) => "before it heard that it was forgotten",
        };
        self.tally.meet("answer", when);
        self.room.answered(id, outcome.clone());
        self.works.answered.entry(id).or_insert(outcome);
    }

    /// What a guest hears of its operation: of work the first answer, or that its time has passed.
    pub(crate) fn check_outcome(&mut self, id: OperationId, outcome: &Outcome) {
        let is_over = |world: &World| {
            let due = world.due.get(&id).expect("it was started by a turn that was kept");
            assert!(world.last_turn_at >= *due, "{id} ends at {due} and did at {}", world.last_turn_at);
        };
        match outcome {
            Outcome::Slept => {
                assert!(!self.works.begun.contains(&id), "{id} was no sleep");
                is_over(self);
            }
            Outcome::Failed(OperationError::Timeout) => {
                is_over(self);
                let is_begun = self.works.begun.contains(&id);
                self.tally.meet("work", if is_begun { "timed out" } else { "timed out before it was begun" });
            }
            Outcome::Rooms(_) | Outcome::Asset(_) | Outcome::Response(_) | Outcome::Failed(_) => {
                assert_eq!(Some(outcome), self.works.answered.get(&id), "what the guest hears of {id}");
                self.tally.meet("work", "answered");
            }
            Outcome::Interrupted => {
                assert!(!self.works.begun.contains(&id), "{id} was interrupted in the process that began it");
                self.tally.meet("work", "interrupted");
            }
            Outcome::Dropped | Outcome::Streamed(_) | Outcome::Connected => {
                panic!("{id}: {outcome:?}, in a room of this kind")
            }
        }
    }

    /// The room ends, or its process: nobody works for it any more.
    pub(crate) fn end_works(&mut self) {
        let works = std::mem::take(&mut self.works);
        // Of the last life only: what it has not begun again is over.
        let was_answered = |id: &OperationId| works.answered.contains_key(id);
        self.works_before = works.begun.iter().map(|id| (*id, was_answered(id))).collect();
    }

    /// Something ends what is done for the room, if something is.
    pub(crate) fn meet_end(&mut self, of: &'static str) {
        if self.works.under_way().next().is_some() {
            self.tally.meet(of, "while somebody works");
        }
    }

    /// Nobody works for a room that does not wait.
    pub(crate) fn check_nobody_works(&self) {
        let left: Vec<OperationId> = self.works.under_way().collect();
        assert!(left.is_empty(), "somebody still works for the room: {left:?}");
    }
}
