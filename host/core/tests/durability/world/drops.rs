//! Dropped turns: the room goes back to before them, and what they were about is tried once more or given up.

use party_core::event::{Event, Outcome};
use party_core::operation::OperationError;
use party_core::room::{Phase, Rebuild};

use crate::world::World;

impl World {
    /// What must hold of a delivery whatever the guest remembers.
    pub(crate) fn check_delivery(&mut self, event: &Event) {
        match event {
            Event::Completed(id, outcome) => {
                let is_interrupted = self.interrupted.contains(&id.0);
                let drops = self.completion_drops.get(&id.0).copied().unwrap_or_default();
                let is_right = match (drops, outcome) {
                    (2.., _) => *outcome == Outcome::Dropped,
                    (1, _) => Some(outcome) == self.heard.get(&id.0),
                    (0, _) if is_interrupted => *outcome == Outcome::Interrupted,
                    (0, _) if self.is_not_sent_again(*id) => *outcome == Outcome::Interrupted,
                    (0, Outcome::Interrupted) => self.cut_short.contains(&id.0),
                    (0, Outcome::Dropped | Outcome::Streamed(_) | Outcome::Connected) => false,
                    // Whether its time has passed, and what it was, the guest knows.
                    (0, Outcome::Slept | Outcome::Failed(OperationError::Timeout)) => true,
                    (
                        0,
                        Outcome::Rooms(_) | Outcome::Asset(_) | Outcome::Response(_) | Outcome::Failed(_),
                    ) => self.was_answered(*id, outcome),
                };
                let first = self.heard.get(&id.0);
                assert!(is_right, "the outcome of {id} after {drops} drops of {first:?}: {outcome:?}");
                if drops > 1
                    && matches!(first, Some(Outcome::Rooms(_) | Outcome::Asset(_) | Outcome::Response(_)))
                {
                    self.tally.meet("delivered", "dropped answer, as dropped");
                }
                if self.is_not_sent_again(*id) {
                    self.tally.meet("fetched", "interrupted");
                }
                self.meet_outcome(drops, outcome);
                self.heard.entry(id.0).or_insert_with(|| outcome.clone());
                if is_interrupted && self.has_crashed_since_fork {
                    self.tally.meet("delivered", "interrupted after another crash");
                }
            }
            Event::Close(id, ..) if self.close_drops.contains_key(&id.0) => {
                assert_eq!(self.close_drops[&id.0], 1, "the close of {id} is tried once more, not twice");
                self.tally.meet("delivered", "dropped close, again");
            }
            Event::Start(_)
            | Event::Resume(_)
            | Event::Connect(_)
            | Event::Message(..)
            | Event::Close(..)
            | Event::Error(..)
            | Event::Request(..)
            | Event::ResponseClosed(_)
            | Event::Stream(..)
            | Event::Drain(..)
            | Event::Alarm => {}
        }
    }

    fn meet_outcome(&mut self, drops: u32, outcome: &Outcome) {
        match drops {
            0 => {}
            1 => self.tally.meet("delivered", "dropped completion, again"),
            _ => self.tally.meet("delivered", "dropped completion, as dropped"),
        }
        match (outcome, drops) {
            (Outcome::Failed(OperationError::Timeout), 0) => self.tally.meet("delivered", "timeout"),
            (Outcome::Failed(OperationError::Timeout), _) => {
                self.tally.meet("delivered", "dropped timeout, again");
            }
            (Outcome::Rooms(_) | Outcome::Asset(_) | Outcome::Response(_) | Outcome::Failed(_), 0) => {
                self.tally.meet("delivered", "answer")
            }
            (Outcome::Rooms(_) | Outcome::Asset(_) | Outcome::Response(_) | Outcome::Failed(_), _) => {
                self.tally.meet("delivered", "dropped answer, again");
            }
            (
                Outcome::Slept
                | Outcome::Interrupted
                | Outcome::Dropped
                | Outcome::Streamed(_)
                | Outcome::Connected,
                _,
            ) => {}
        }
    }

    /// A turn was dropped: the room goes back if it can.
    pub(crate) fn note_drop(&mut self, event: &Event, goes_back: bool) {
        self.tally.meet("dropped", event.name());
        self.instance = None;
        let is_suspended = matches!(self.room.phase(), Phase::Suspended { .. });
        let has_gone_back = is_suspended || self.room.rebuild() == Some(Rebuild::Behind);
        assert!(has_gone_back || !goes_back, "a room whose life is kept goes back");
        if !has_gone_back {
            return self.tally.meet("dropped", "before the life was kept");
        }
        match event {
            Event::Request(id, _) => {
                self.owed_500.insert(*id);
            }
            Event::Completed(id, _) => {
                let drops = self.completion_drops.entry(id.0).or_default();
                *drops += 1;
                if *drops == 3 {
                    self.lost_completions.insert(id.0);
                    self.tally.meet("dropped", "on-completed, three times");
                }
            }
            Event::Close(id, ..) => {
                let drops = self.close_drops.entry(id.0).or_default();
                *drops += 1;
                if *drops == 2 {
                    self.lost_closes.insert(id.0);
                    self.tally.meet("dropped", "on-close, twice");
                }
            }
            Event::Start(_)
            | Event::Resume(_)
            | Event::Connect(_)
            | Event::Message(..)
            | Event::Error(..)
            | Event::ResponseClosed(_)
            | Event::Stream(..)
            | Event::Drain(..)
            | Event::Alarm => {}
        }
    }
}
