//! Turns in a row: how long a room goes on before the others of its thread have their turns.
//!
//! A guest that runs for long yields by itself, every millisecond. That says nothing of turns that are short, and of what
//! the host does between two of them, which no clock of the guest's counts. So a room with more to do steps aside after a
//! bounded number of turns, when a millisecond has ended since it began, and after every turn that was dropped: then an
//! instance goes and another comes, which takes as long as many turns.
//!
//! A room that rests owes that for as long as a row lasts. Else one with long turns and a socket that brings it one large
//! message after the other would wake each other for ever and leave the thread no time to look at its other sockets: it
//! looks when nothing is left to run, or when it has polled 61 tasks.
//!
//! The time is that which the room's task has asked for anyway, in whole milliseconds: a row lasts one at most, and the
//! turn that was begun in it.

use party_core::ids::Timestamp;

/// How many turns a room takes before the others of its thread have theirs.
const TURNS_MAX: u32 = 16;

/// How long a row lasts, in milliseconds.
const ROW_MS: u64 = 1;

/// The turns that a room has taken since the others had theirs.
#[derive(Default)]
pub(crate) struct Row {
    turns: u32,
    began: Timestamp,
    was_dropped: bool,
    /// Until when the room owes what it did not do before it rested.
    owes_until: Option<Timestamp>,
}

impl Row {
    /// Whether it is the others' turn.
    pub(crate) fn is_over(&self, now: Timestamp) -> bool {
        let owes = self.owes_until.is_some_and(|until| now <= until);
        owes || self.turns > 0 && (self.turns >= TURNS_MAX || self.began != now || self.was_dropped)
    }

    /// A turn begins.
    pub(crate) fn begin(&mut self, now: Timestamp) {
        if self.turns == 0 {
            self.began = now;
        }
        self.turns += 1;
    }

    /// That turn was dropped.
    pub(crate) fn dropped(&mut self) {
        self.was_dropped = true;
    }

    /// The room has nothing more to do now.
    pub(crate) fn rest(&mut self, now: Timestamp) {
        let owes = self.is_over(now).then(|| self.owes_until.unwrap_or(now.after_ms(ROW_MS)));
        *self = Row { owes_until: owes, ..Row::default() };
    }

    /// The others have had their turns.
    pub(crate) fn clear(&mut self) {
        *self = Row::default();
    }
}

#[cfg(test)]
mod tests {
    use super::{Row, TURNS_MAX};
    use party_core::ids::Timestamp;

    const NOW: Timestamp = Timestamp(7);
    const NEXT: Timestamp = Timestamp(8);

    #[test]
    fn a_row_has_a_bounded_number_of_turns() {
        let mut row = Row::default();
        for _ in 0..TURNS_MAX {
            assert!(!row.is_over(NOW));
            row.begin(NOW);
        }
        assert!(row.is_over(NOW));
        row.clear();
        assert!(!row.is_over(NOW));
    }

    #[test]
    fn a_row_ends_with_its_millisecond() {
        let mut row = Row::default();
        assert!(!row.is_over(NEXT), "it has not begun");
        row.begin(NOW);
        assert!(!row.is_over(NOW) && row.is_over(NEXT));
    }

    #[test]
    fn a_dropped_turn_ends_its_row() {
        let mut row = Row::default();
        row.begin(NOW);
        row.dropped();
        assert!(row.is_over(NOW));
    }

    #[test]
    fn a_room_that_rests_owes_its_row_for_a_millisecond() {
        let mut row = Row::default();
        row.begin(NOW);
        row.rest(NOW);
        assert!(!row.is_over(NOW) && !row.is_over(NEXT), "its row was not over");
        row.begin(NOW);
        row.rest(NEXT);
        assert!(row.is_over(NEXT) && row.is_over(NEXT.after_ms(1)));
        row.rest(NEXT.after_ms(1));
        assert!(!row.is_over(NEXT.after_ms(2)), "to rest again is not to owe again");
        row.rest(NEXT);
        row.clear();
        assert!(!row.is_over(NEXT));
    }
}
