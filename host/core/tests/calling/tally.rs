//! What the worlds have met. Every situation that is listed here must occur in a full run.

use std::collections::BTreeMap;

/// A kind of thing that happened, and to what.
type Situation = (&'static str, &'static str);

/// How often each situation was met.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tally {
    met: BTreeMap<Situation, u64>,
}

/// What a full run must meet.
const REQUIRED: &[Situation] = &[
    ("asked", "again, after a crash"),
    ("asked", "again, of a room that was lost"),
    ("asked", "by a room that was lost"),
    ("called", "a durable room"),
    ("called", "a room that is not durable"),
    ("crash", "with an answer on its way"),
    ("crash", "with a call on its way"),
    ("crash", "with a call open"),
    ("lost", "caller"),
    ("lost", "callee"),
    ("outcome", "200"),
    ("outcome", "500"),
    ("outcome", "504"),
    ("outcome", "interrupted"),
    ("outcome", "timeout"),
    ("saved", "with a call known"),
    ("told", "that it is not asked again"),
];

impl Tally {
    pub(crate) fn meet(&mut self, kind: &'static str, what: &'static str) {
        *self.met.entry((kind, what)).or_default() += 1;
    }

    pub(crate) fn add(&mut self, other: Tally) {
        for (situation, count) in other.met {
            *self.met.entry(situation).or_default() += count;
        }
    }

    /// Panics if a situation was not met.
    pub(crate) fn check_all_met(&self) {
        let missing: Vec<_> =
            REQUIRED.iter().filter(|situation| !self.met.contains_key(*situation)).collect();
        assert!(missing.is_empty(), "never met: {missing:?}; met: {self:#?}");
    }
}
