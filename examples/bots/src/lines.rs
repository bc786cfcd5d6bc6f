//! The last lines of a chat: in memory, and those that are whole in storage.

use std::collections::VecDeque;

use party::{Result, Room};

use crate::protocol::{Line, State};

/// How many are kept.
const LINES_MAX: usize = 100;
/// Line `n` has the key `line/` and `n` in hex, so that keys are in its order.
const PREFIX: &str = "line/";
/// What is the matter with a line that grows, should nothing be heard of it any more.
pub(crate) const INTERRUPTED: &str = "the bot was interrupted";

#[derive(Default)]
pub(crate) struct Lines {
    lines: VecDeque<Line>,
    /// The number of the next line.
    next: u64,
}

impl Lines {
    pub(crate) fn load(room: &Room) -> Result<Self> {
        let entries = room.storage().list(PREFIX).entries::<Line>()?;
        let lines: VecDeque<Line> = entries.into_iter().map(|entry| entry.value).collect();
        let next = lines.back().map_or(0, |line| line.number + 1);
        Ok(Self { lines, next })
    }

    /// The oldest first.
    pub(crate) fn all(&self) -> &VecDeque<Line> {
        &self.lines
    }

    /// Keep one more, and forget the oldest beyond the hundred.
    pub(crate) fn add(&mut self, room: &Room, name: &str, text: &str, state: State) -> Result<Line> {
        let line = Line { number: self.next, name: name.to_owned(), text: text.to_owned(), state };
        store(room, &line)?;
        self.next += 1;
        self.lines.push_back(line.clone());
        while self.lines.len() > LINES_MAX {
            if let Some(oldest) = self.lines.pop_front() {
                room.storage().delete(key(oldest.number))?;
            }
        }
        Ok(line)
    }

    /// More of a line. It is stored when it ends.
    pub(crate) fn grow(&mut self, number: u64, text: &str) {
        if let Some(line) = self.line(number) {
            line.text.push_str(text);
        }
    }

    /// A line has come to its end, and is still there or not.
    pub(crate) fn end(&mut self, room: &Room, number: u64, state: State) -> Result<()> {
        match self.line(number) {
            Some(line) => {
                line.state = state;
                store(room, line)
            }
            None => Ok(()),
        }
    }

    fn line(&mut self, number: u64) -> Option<&mut Line> {
        self.lines.iter_mut().rev().find(|line| line.number == number)
    }
}

/// A line that grows is stored as broken off: whoever reads it there does so because the task that grew it is gone.
fn store(room: &Room, line: &Line) -> Result<()> {
    let state = match &line.state {
        State::Growing => State::BrokenOff(INTERRUPTED.to_owned()),
        other => other.clone(),
    };
    room.storage().put(key(line.number), &Line { state, ..line.clone() })?;
    Ok(())
}

fn key(number: u64) -> String {
    format!("{PREFIX}{number:016x}")
}

#[cfg(test)]
mod tests {
    use super::key;

    #[test]
    fn keys_are_in_the_order_of_their_numbers() {
        assert!(key(9) < key(10) && key(15) < key(16) && key(255) < key(u64::MAX));
    }
}
