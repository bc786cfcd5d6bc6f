//! One step of a transcript in the making, and how steps are put in a row.

use std::fmt::Write as _;

use party_core::ids::Seed;

use crate::transcript::recorded::scenes::Scenes;
use crate::transcript::recorded::{Told, check, lines};

/// A step and what was seen.
#[derive(Default)]
pub(super) struct Scene {
    pub(super) comments: Vec<String>,
    /// What the world outside answers to what is fetched in it.
    pub(super) outside: Vec<Laid>,
    /// Its line and those below it; none, if it is only a comment.
    pub(super) lines: Vec<String>,
    /// The request that it is, until that is answered: then it is the end of its line.
    pub(super) answer: Option<String>,
    /// What the turns in it drew from.
    pub(super) seeds: Vec<Seed>,
    pub(super) expected: Vec<String>,
}

/// Turns that the next step brings with it: a room starts because something comes.
#[derive(Default)]
pub(super) struct Before {
    pub(super) outside: Vec<Laid>,
    pub(super) seeds: Vec<Seed>,
    pub(super) expected: Vec<String>,
}

/// A line of what the world outside answers, which is known only later.
#[derive(Clone, Copy)]
pub(super) struct Laid(pub(super) usize);

/// Where something is expected.
#[derive(Clone, Copy)]
pub(super) enum Place {
    /// After the next step, before what that brings by itself.
    Before,
    /// After this one.
    Scene(usize),
}

impl Scene {
    /// Whether it begins with this word.
    pub(super) fn is(&self, verb: &str) -> bool {
        self.lines.first().is_some_and(|line| line.split(' ').next() == Some(verb))
    }

    /// Whether it has headers that browsers add.
    pub(super) fn has_browser_headers(&self) -> bool {
        self.lines.iter().any(|line| lines::is_of_browser(line))
    }

    /// Writes it; `laid` are the lines of what the world outside answers.
    pub(super) fn write(&self, text: &mut String, laid: &[String], told: Told) {
        for comment in &self.comments {
            let _ = writeln!(text, "{comment}");
        }
        for Laid(index) in &self.outside {
            let _ = writeln!(text, "{}", laid[*index]);
        }
        if told.seeds && !self.seeds.is_empty() && !self.lines.is_empty() {
            text.push_str("draw");
            for Seed(seed) in &self.seeds {
                text.push(' ');
                seed.iter().for_each(|byte| {
                    let _ = write!(text, "{byte:02x}");
                });
            }
            text.push('\n');
        }
        let lines = self.lines.iter().filter(|line| told.browser_headers || !lines::is_of_browser(line));
        for (index, line) in lines.enumerate() {
            match &self.answer {
                Some(answer) if index == 0 => {
                    let _ = writeln!(text, "{line} -> {answer}");
                }
                Some(_) | None => {
                    let _ = writeln!(text, "{line}");
                }
            }
        }
        for line in &self.expected {
            let _ = writeln!(text, "{line}");
        }
    }
}

impl Scenes {
    /// Time passes until something comes from outside.
    pub(super) fn passes(&mut self, now: u64) {
        if now > self.clock {
            let line = format!("advance {}", lines::time(now - self.clock));
            self.push(Scene { lines: vec![line], ..Scene::default() });
            self.clock = now;
        }
    }

    /// It is later, and something happens by itself.
    pub(super) fn jump(&mut self, now: u64) {
        let line = format!("jump {}", lines::time(now.saturating_sub(self.clock)));
        self.clock = self.clock.max(now);
        self.happens(vec![line], None);
    }

    pub(super) fn happens(&mut self, lines: Vec<String>, seed: Option<Seed>) {
        let Before { outside, mut seeds, expected } = std::mem::take(&mut self.before);
        seeds.extend(seed);
        self.push(Scene { outside, lines, seeds, expected, ..Scene::default() });
    }

    /// A turn that the last scene brings with it.
    pub(super) fn goes_on(&mut self, seed: Option<Seed>) {
        let Before { outside, seeds, expected } = std::mem::take(&mut self.before);
        if let Some(scene) = self.scenes.last_mut() {
            scene.outside.extend(outside);
            scene.seeds.extend(seeds.into_iter().chain(seed));
            scene.expected.extend(expected);
        }
    }

    pub(super) fn unwritten(&mut self, names: &[&str]) {
        names.iter().for_each(|name| self.comment(&format!("not repeated: the header {name}")));
    }

    pub(super) fn comment(&mut self, text: &str) {
        self.push(Scene { comments: vec![format!("# {text}")], ..Scene::default() });
    }

    pub(super) fn expect(&mut self, place: Place, line: String) {
        self.count(&line);
        let scene = match place {
            Place::Scene(scene) => self.scenes.get_mut(scene),
            Place::Before => None,
        };
        scene.map_or(&mut self.before.expected, |scene| &mut scene.expected).push(line);
    }

    fn push(&mut self, scene: Scene) {
        scene.comments.iter().chain(&scene.lines).for_each(|line| self.count(line));
        self.scenes.push(scene);
    }

    pub(super) fn count(&mut self, line: &str) {
        self.bytes += line.len() + 1;
        self.line_count += 1;
        if let Err(problem) = check("line", line.len(), self.last) {
            self.problem.get_or_insert(problem);
        }
    }
}
