//! What has happened in a world so far, in the words of a transcript: for whoever wonders why a test has failed.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;

/// Lines that are kept; of more, the oldest go.
const LINES_MAX: usize = 200;
/// Characters of a line that are kept.
const LINE_CHARS_MAX: usize = 200;

/// Lines, the oldest first.
#[derive(Default)]
pub(crate) struct Story {
    lines: RefCell<VecDeque<String>>,
    left_out: Cell<u64>,
    clients: Cell<u64>,
}

impl Story {
    /// The name of the next client: `c1`.
    pub(crate) fn name_client(&self) -> String {
        self.clients.set(self.clients.get() + 1);
        format!("c{}", self.clients.get())
    }

    /// Something has happened.
    pub(crate) fn tell(&self, line: String) {
        let mut lines = self.lines.borrow_mut();
        if lines.len() == LINES_MAX {
            lines.pop_front();
            self.left_out.set(self.left_out.get() + 1);
        }
        lines.push_back(match line.char_indices().nth(LINE_CHARS_MAX) {
            Some((end, _)) => format!("{}…", &line[..end]),
            None => line,
        });
    }

    /// All of it, a line each.
    pub(crate) fn told(&self) -> String {
        let lines = self.lines.borrow();
        let before = match self.left_out.get() {
            0 => String::new(),
            count => format!("# {count} lines before are left out\n"),
        };
        before + &lines.iter().map(|line| format!("{line}\n")).collect::<String>()
    }
}

#[cfg(test)]
mod tests {
    use super::{LINES_MAX, Story};

    #[test]
    fn the_last_lines_are_kept_and_none_is_longer_than_can_be_read() {
        let story = Story::default();
        assert_eq!((story.name_client(), story.name_client()), ("c1".into(), "c2".into()));
        (0..LINES_MAX + 2).for_each(|number| story.tell(format!("line {number}")));
        story.tell("x".repeat(1_000));
        let told = story.told();
        assert!(told.starts_with("# 3 lines before are left out\nline 3\n"), "{told}");
        assert_eq!(told.lines().last().map(|line| line.chars().count()), Some(201));
    }
}
