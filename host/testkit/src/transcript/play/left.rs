//! What no line was about: a failure, or, if the transcript is brought up to date, lines after the step that it came of.
//!
//! Of each thing that a client receives it is noted after which step it came. A client receives one thing after the other,
//! so what is left of it stands never before a block that was about it.

use crate::transcript::play::{Failure, Player};

impl Player<'_> {
    /// A step was taken that ends before this line: what has come since the last came of it.
    pub(super) fn has_come(&mut self, line: usize) {
        if self.edits.is_some() {
            self.places.push(line);
            let place = self.places.len() - 1;
            self.seats.values_mut().for_each(|seat| seat.has_come(place));
        }
    }

    /// Lines that say what must be so end before this one: what came of the step before them stands behind them.
    pub(super) fn was_expected(&mut self, line: usize) {
        if self.edits.is_none() {
            return;
        }
        match self.places.last_mut() {
            Some(last) => *last = line,
            None => self.places.push(line),
        }
        let place = self.places.len() - 1;
        self.seats.values_mut().for_each(|seat| seat.was_taken(place));
    }

    /// Fails if anybody has received something that no line was about.
    pub(super) async fn nothing_is_left(&mut self, line: usize) -> Result<(), Failure> {
        for (name, seat) in &mut self.seats {
            let Err(failure) = seat.nothing_is_left(name).await else { continue };
            let Some(edits) = &mut self.edits else { return Err(Failure { line, ..failure }) };
            for (place, got) in seat.take_left().await {
                let line = place.and_then(|place| self.places.get(place)).copied().unwrap_or(line);
                edits.replace(line, 0, vec![format!("< {name} {}", got.written())]);
            }
        }
        Ok(())
    }
}
