//! Who works for the room, outside of it: begins what the room asks for and answers when it likes, at once, late, after the
//! room has given up waiting, or again. Nobody works for it any more when its process ends, or when it is made anew.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use party_core::call::Attempt;
use party_core::event::{Handlers, Outcome, Output, RoomsPage};
use party_core::http::Response;
use party_core::ids::{CommitSeq, OperationId};
use party_core::operation::{OperationError, Work};
use party_core::room::{Phase, Rebuild};

use crate::memory::Memory;
use crate::world::World;

/// What is done for the room.
#[derive(Default)]
pub(crate) struct Works {
    /// The commit of the turn that has asked for each, and whether it is a fetch that is not to be sent again.
    asked: BTreeMap<u64, (CommitSeq, bool)>,
    begun: BTreeSet<u64>,
    /// The first answer that was given.
    answered: BTreeMap<u64, Outcome>,
    forgotten: BTreeSet<u64>,
    /// Of what has been begun, the assets.
    assets: BTreeSet<u64>,
    /// Of what has been begun, the calls: they are made once, however often they are begun.
    calls: BTreeSet<u64>,
    /// All that was ever sent to the world outside.
    sent: BTreeMap<u64, Arc<Work>>,
    /// Fetches that were asked for in a room before this one, and are not to be sent again.
    not_again: BTreeSet<u64>,
    /// What the rooms before this one have had begun, and whether it was answered.
    before: BTreeMap<u64, bool>,
}

impl Works {
    /// What is still worked on.
    fn under_way(&self) -> Vec<u64> {
        let is_over = |id: &u64| self.answered.contains_key(id) || self.forgotten.contains(id);
        self.begun.iter().filter(|id| !is_over(id)).copied().collect()
    }
}

impl World {
    /// A turn was kept that left this memory, with this commit.
    pub(crate) fn note_asked(&mut self, memory: &Memory, seq: CommitSeq) {
        for (id, begun) in &memory.operations {
            if begun.is_work {
                self.works.asked.entry(*id).or_insert((seq, begun.is_sent_once));
            }
        }
    }

    /// The room asks for something, or does not wait for it any more.
    pub(crate) fn see_work(&mut self, output: &Output) {
        match output {
            Output::Begin(OperationId(id), work, attempt) => {
                let seq = self.works.asked.get(id).copied();
                let (seq, _) = seq.unwrap_or_else(|| panic!("{id} is begun and of a turn that was dropped"));
                let durable = self.disk.durable().seq();
                assert!(seq <= durable, "{id} is begun at {durable}, before its turn's commit {seq}");
                assert!(self.works.begun.insert(*id), "{id} is begun twice");
                if let Work::Call { once, .. } = &**work {
                    assert!(once.is_some(), "{id} could be made twice");
                    self.works.calls.insert(*id);
                }
                self.see_fetch(*id, work);
                if let Work::Asset { .. } = &**work {
                    self.works.assets.insert(*id);
                }
                let is_first = !self.works.before.contains_key(id);
                assert!(*attempt == Attempt::Again || is_first, "{id} was begun before");
                assert!(!self.interrupted.contains(id), "{id} was begun for another room");
                match self.works.before.get(id) {
                    None => self.tally.meet("begun", "when its turn was durable"),
                    Some(false) => self.tally.meet("begun", "again"),
                    Some(true) => self.tally.meet("begun", "again, its answer was lost"),
                }
                if self.random.percent(15) {
                    self.answer(*id);
                }
            }
            Output::Forget(OperationId(id)) => {
                if self.works.answered.contains_key(id) && self.works.calls.contains(id) {
                    self.tally.meet("forgotten", "a call that was answered");
                }
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
            | Output::Interrupted(_)
            | Output::Open(..)
            | Output::ReadBody(..)
            | Output::Write(..)
            | Output::Finish(_)
            | Output::BreakOff(_)
            | Output::SendOn(..)
            | Output::CloseOn(..)
            | Output::AutoResponse(_) => {}
        }
    }

    /// A fetch is sent once, or is the same each time.
    fn see_fetch(&mut self, id: u64, work: &Arc<Work>) {
        let Work::Fetch { resend, request, .. } = &**work else { return };
        let keys = request.headers.iter().filter(|header| header.name == "idempotency-key").count();
        assert_eq!(keys, usize::from(*resend), "the keys of {id}");
        match self.works.sent.insert(id, Arc::clone(work)) {
            Some(before) => {
                assert!(*resend, "{id} is sent twice");
                assert_eq!(before, *work, "{id} is sent again as something else");
                self.tally.meet("fetched", "again");
            }
            None if self.works.before.contains_key(&id) => panic!("{id} was begun before, and not sent"),
            None => self.tally.meet("fetched", if *resend { "for the first time" } else { "once" }),
        }
    }

    /// Whether this was asked for in a room before this one, and is not to be sent again.
    pub(crate) fn is_not_sent_again(&self, id: OperationId) -> bool {
        self.works.not_again.contains(&id.0)
    }

    /// Somebody who works for the room answers, or one who need not any more.
    pub(crate) fn somebody_answers(&mut self) {
        let ids = match self.random.percent(75) {
            true => self.works.under_way(),
            false => self.works.begun.iter().copied().collect(),
        };
        if let Some(id) = self.random.pick(ids) {
            self.answer(id);
        }
    }

    fn answer(&mut self, id: u64) {
        let number = self.random.below(1_000_000);
        let is_answered = self.works.calls.contains(&id) || self.works.sent.contains_key(&id);
        let outcome = match self.random.below(5) {
            0 => Outcome::Failed(OperationError::Connect(format!("it cannot be: {number}"))),
            1 => Outcome::Failed(OperationError::NoSuchParty(number.to_string())),
            _ if is_answered => Outcome::Response(Box::new(Response::text(200, number.to_string()))),
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
        let is_out = self.room.is_in_a_turn();
        let when = match self.room.rebuild() {
            _ if self.works.answered.contains_key(&id) => "again",
            _ if self.works.forgotten.contains(&id) => "after it was forgotten",
            _ if self.out.is_some() => "while a turn is out",
            _ if is_out => "while the room is carried over",
            Some(Rebuild::Asleep(_)) => "while the room sleeps",
            Some(Rebuild::Behind) => "while the room goes back",
            Some(Rebuild::Unread) | None => "in time",
        };
        self.tally.meet("answer", when);
        self.room.answered(OperationId(id), outcome.clone());
        self.works.answered.entry(id).or_insert(outcome);
    }

    /// Whether this is what was answered, in this process.
    pub(crate) fn was_answered(&self, id: OperationId, outcome: &Outcome) -> bool {
        self.works.answered.get(&id.0) == Some(outcome)
    }

    /// The room is made anew, from what this commit has left.
    pub(crate) fn end_works(&mut self, seq: CommitSeq) {
        let Works { mut asked, begun, answered, mut before, sent, .. } = std::mem::take(&mut self.works);
        asked.retain(|_, (at, _)| *at <= seq);
        let not_again =
            asked.iter().filter(|(_, (_, is_sent_once))| *is_sent_once).map(|(id, _)| *id).collect();
        before.extend(begun.into_iter().map(|id| (id, answered.contains_key(&id))));
        before.retain(|id, _| asked.contains_key(id));
        self.works = Works { asked, before, sent, not_again, ..Works::default() };
    }

    /// Everything that the guest waits for is being done, or has been in this process. Nothing is under way to the store.
    pub(crate) fn check_somebody_works(&mut self) {
        let goes_on = matches!(self.room.phase(), Phase::Starting | Phase::Running);
        let is_read = self.room.rebuild() != Some(Rebuild::Unread);
        let is_still = self.flight.is_empty() && self.undone.is_empty() && self.room.uncommitted() == 0;
        if self.room.is_in_a_turn() || !goes_on || !is_read || !is_still {
            return;
        }
        let waits =
            self.life.as_ref().is_some_and(|life| life.memory.operations.values().any(|it| it.is_work));
        if !waits || !self.habits.handlers.has(Handlers::ON_COMPLETED) {
            return;
        }
        let current = self.room.as_checkpoint(Default::default()).incarnation;
        let Some(life) = self.life.as_ref().filter(|life| life.incarnation == current) else { return };
        for (id, _) in life.memory.operations.iter().filter(|(_, begun)| begun.is_work) {
            let is_over = self.interrupted.contains(id) || self.works.not_again.contains(id);
            let will_not_be = is_over || self.lost_completions.contains(id);
            assert!(
                will_not_be || self.works.begun.contains(id),
                "the guest waits for {id}, which nobody does"
            );
        }
    }

    /// Nobody works for a room that does not wait.
    pub(crate) fn check_nobody_works(&self) {
        // A life that is over leaves its calls to their deadline: it may be taken again.
        let left: Vec<u64> =
            self.works.under_way().into_iter().filter(|id| !self.works.calls.contains(id)).collect();
        assert!(left.is_empty(), "somebody still works for the room: {left:?}");
    }

    /// Whether somebody works for the room.
    pub(crate) fn is_worked_for(&self) -> bool {
        !self.works.under_way().is_empty()
    }
}
