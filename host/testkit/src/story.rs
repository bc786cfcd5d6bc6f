//! What has happened in a world so far, as a transcript: for whoever wonders why a test has failed, and wants to play it.
//!
//! What no line of a transcript can say is a comment: something that is too long to be read, what only a test in Rust does.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;

/// Entries that are kept; of more, the oldest go.
const ENTRIES_MAX: usize = 200;
/// Characters of a line that are kept.
const LINE_CHARS_MAX: usize = 200;

/// Entries of a line or more, the oldest first.
#[derive(Default)]
pub(crate) struct Story {
    /// What the world is.
    settings: RefCell<Vec<String>>,
    entries: RefCell<VecDeque<String>>,
    left_out: Cell<u64>,
    clients: Cell<u64>,
    requests: Cell<u64>,
}

/// A request that has been told of, and that waits for its answer.
pub(crate) struct Asked {
    /// What the story calls it.
    name: String,
    /// Its line without a name, and those below it.
    line: String,
    below: String,
    /// As it was told: a comment if it is too long.
    told: String,
}

impl Story {
    /// The settings with which the transcript begins, line by line.
    pub(crate) fn begin(&self, settings: Vec<String>) {
        *self.settings.borrow_mut() = settings;
    }

    /// The name of the next client: `c1`.
    pub(crate) fn name_client(&self) -> String {
        self.clients.set(self.clients.get() + 1);
        format!("c{}", self.clients.get())
    }

    /// Something has happened.
    pub(crate) fn tell(&self, line: String) {
        self.push(shortened(line));
    }

    fn push(&self, entry: String) {
        let mut entries = self.entries.borrow_mut();
        if entries.len() == ENTRIES_MAX {
            entries.pop_front();
            self.left_out.set(self.left_out.get() + 1);
        }
        entries.push_back(entry);
    }

    /// Somebody has asked, with these lines of headers below: `  > name: value`.
    pub(crate) fn ask(&self, line: String, headers: &[String]) -> Asked {
        self.requests.set(self.requests.get() + 1);
        let name = format!("r{}", self.requests.get());
        let below: String = headers.iter().map(|header| format!("\n{header}")).collect();
        let told = shortened(format!("{line} -> {name}{below}"));
        self.push(told.clone());
        Asked { name, line, below, told }
    }

    /// And has been answered: on the same line, if nothing was told in between.
    pub(crate) fn answer(&self, asked: Asked, answer: &str) {
        let Asked { name, line, below, told } = asked;
        let mut entries = self.entries.borrow_mut();
        match entries.back_mut().filter(|last| **last == told) {
            Some(last) => *last = shortened(format!("{line} -> {answer}{below}")),
            None => {
                drop(entries);
                // What is answered is not known to the transcript if it was a comment.
                let mark = if told.starts_with('#') { "# " } else { "" };
                self.tell(format!("{mark}< {name} {answer}"));
            }
        }
    }

    /// All of it.
    pub(crate) fn told(&self) -> String {
        let mut lines: Vec<String> = self.settings.borrow().clone();
        if self.left_out.get() > 0 {
            lines.push(format!("# {} steps before are left out", self.left_out.get()));
        }
        lines.extend(self.entries.borrow().iter().cloned());
        lines.iter().map(|line| format!("{line}\n")).collect()
    }
}

/// What is too long to be read is no line of a transcript any more: a comment.
fn shortened(entry: String) -> String {
    let cut = |line: &str| match line.char_indices().nth(LINE_CHARS_MAX) {
        Some((end, _)) => format!("# shortened: {}…", &line[..end]),
        None => line.to_owned(),
    };
    let lines: Vec<String> = entry.lines().map(cut).collect();
    match lines.first().is_some_and(|first| first.starts_with('#')) {
        // Headers of what is no line any more are none either.
        true => lines[0].clone(),
        false => lines.join("\n"),
    }
}

#[cfg(test)]
mod tests {
    use super::{ENTRIES_MAX, Story};

    #[test]
    fn the_last_lines_are_kept_and_none_is_longer_than_can_be_read() {
        let story = Story::default();
        story.begin(vec!["seed 1".into()]);
        assert_eq!((story.name_client(), story.name_client()), ("c1".into(), "c2".into()));
        (0..ENTRIES_MAX + 2).for_each(|number| story.tell(format!("line {number}")));
        story.tell("x".repeat(1_000));
        let told = story.told();
        assert!(told.starts_with("seed 1\n# 3 steps before are left out\nline 3\n"), "{told}");
        assert_eq!(told.lines().last().map(|line| line.chars().count()), Some(214));
        assert!(told.lines().last().is_some_and(|line| line.starts_with("# shortened: xxx")), "{told}");
    }

    #[test]
    fn an_answer_stands_on_the_line_of_its_request_unless_something_came_between() {
        let story = Story::default();
        let header = "  > x-from: test".to_owned();
        let asked = story.ask("GET /a".into(), &[header]);
        story.answer(asked, "200 one");
        let asked = story.ask("GET /b".into(), &[]);
        story.tell("advance 5ms".into());
        story.answer(asked, "204");
        let long = story.ask(format!("GET /{}", "x".repeat(1_000)), &[]);
        story.tell("crash 0ms".into());
        story.answer(long, "204");
        let told = story.told();
        let lines: Vec<&str> = told.lines().collect();
        let before = ["GET /a -> 200 one", "  > x-from: test", "GET /b -> r2", "advance 5ms", "< r2 204"];
        assert_eq!(lines[..5], before, "{told}");
        assert!(lines[5].starts_with("# shortened: GET /xxx"), "{told}");
        assert_eq!(lines[6..], ["crash 0ms", "# < r3 204"], "{told}");
    }
}
