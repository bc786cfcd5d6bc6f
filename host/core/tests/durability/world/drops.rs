//! Dropped turns: the room goes back to before them, and what they were about is tried once more or given up.

use party_core::event::{Event, Outcome};
use party_core::room::{Phase, Rebuild};

use crate::world::World;

impl World {
    /// What must hold of a delivery whatever the guest remembers.
    pub(crate) fn check_delivery(&mut self, event: &Event) {
        match event {
            Event::Completed(id, outcome) => {
                let is_interrupted = self.interrupted.contains(&id.0);
                let drops = self.completion_drops.get(&id.0).copied().unwrap_or_default();
                let expected = match (drops, is_interrupted) {
                    (2.., _) => Outcome::Dropped,
                    (_, true) => Outcome::Interrupted,
                    (_, false) => Outcome::Slept,
                };
                let was_cut_short = *outcome == Outcome::Interrupted && self.cut_short.contains(&id.0);
                let is_right = *outcome == expected || (was_cut_short && drops < 2);
                assert!(is_right, "the outcome of {id} after {drops} drops: {outcome:?}, not {expected:?}");
                match drops {
                    0 => {}
                    1 => self.tally.meet("delivered", "dropped completion, again"),
                    _ => self.tally.meet("delivered", "dropped completion, as dropped"),
                }
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
            | Event::Alarm => {}
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
            | Event::Alarm => {}
        }
    }
}
