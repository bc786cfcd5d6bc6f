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
    ("answer", "broken off"),
    ("answer", "broken off by the guest"),
    ("answer", "finished"),
    ("answer", "its client has gone"),
    ("answer", "opened"),
    ("arriving", "begun again"),
    ("arriving", "ended"),
    ("arriving", "forgotten"),
    ("arriving", "full"),
    ("arriving", "of a request"),
    ("crash", "of a durable room that streams"),
    ("crash", "of a hibernating room that streams"),
    ("delivered", "on-completed"),
    ("delivered", "on-drain"),
    ("delivered", "on-response-closed"),
    ("delivered", "on-stream"),
    ("destroyed", "while it streams"),
    ("dropped", "on-completed, and gone back"),
    ("dropped", "on-drain, and gone back"),
    ("dropped", "on-drain, with its life"),
    ("dropped", "on-response-closed, and gone back"),
    ("dropped", "on-stream, and gone back"),
    ("dropped", "on-stream, with its life"),
    ("dropped", "the end of a stream, twice"),
    ("failed", "a commit, while it streams"),
    ("forgotten", "room"),
    ("missed", "the end of a stream, whose turns were dropped"),
    ("replayed", "with streams"),
    ("replayed", "without"),
    ("room", "durable"),
    ("room", "hibernating"),
    ("shut down", "while it streams"),
    ("slept", "while it streams"),
    ("suspended", "while it streams"),
    ("switched", "while it streams"),
    ("woken", "by a stream"),
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
