//! What the worlds have met. A promise that was never tried proves nothing: every situation that is listed here must occur
//! in a full run.

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
    ("answer", "after it was forgotten"),
    ("answer", "again"),
    ("answer", "in time"),
    ("answer", "while a turn is out"),
    ("answer", "while the room goes back"),
    ("answer", "while the room is carried over"),
    ("answer", "while the room sleeps"),
    ("begun", "again"),
    ("begun", "again, its answer was lost"),
    ("begun", "when its turn was durable"),
    ("forgotten", "a call that was answered"),
    ("checkpoint", "with commits under way"),
    ("checkpoint", "with events waiting"),
    ("checkpoint", "soon after a drop"),
    ("checkpoint", "to keep"),
    ("checkpoint", "to sleep"),
    ("checkpoint", "to sleep, with events waiting"),
    ("checkpoint", "given up"),
    ("checkpoint", "time has passed since it was captured"),
    ("commit", "begins a life"),
    ("commit", "between two lives"),
    ("commit", "checkpoint"),
    ("commit", "record"),
    ("crash", "before any commit"),
    ("crash", "between two commits"),
    ("crash", "after a switch was durable"),
    ("crash", "after all commits"),
    ("crash", "before a switch was"),
    ("delivered", "answer"),
    ("delivered", "dropped answer, again"),
    ("delivered", "dropped answer, as dropped"),
    ("delivered", "dropped completion, again"),
    ("delivered", "dropped completion, as dropped"),
    ("delivered", "dropped timeout, again"),
    ("delivered", "dropped close, again"),
    ("delivered", "interrupted after another crash"),
    ("delivered", "timeout"),
    ("dropped", "on-alarm"),
    ("dropped", "on-close"),
    ("dropped", "on-close, twice"),
    ("dropped", "on-completed"),
    ("dropped", "on-completed, three times"),
    ("dropped", "on-connect"),
    ("dropped", "on-error"),
    ("dropped", "on-message"),
    ("dropped", "on-request"),
    ("dropped", "on-resume"),
    ("dropped", "on-response-closed"),
    ("dropped", "on-start"),
    ("dropped", "before the life was kept"),
    ("durable no more", "its life has ended"),
    ("durable no more", "saved"),
    ("durable no more", "with a journal"),
    ("failed", "a commit"),
    ("forgotten", "asleep"),
    ("forgotten", "suspended"),
    ("forked", "with operations"),
    ("forked", "with work"),
    ("fetched", "again"),
    ("fetched", "for the first time"),
    ("fetched", "interrupted"),
    ("fetched", "once"),
    ("gate", "an answer has left"),
    ("journal", "full"),
    ("rebuilt", "behind"),
    ("rebuilt", "behind, with a checkpoint"),
    ("rebuilt", "from a checkpoint and a journal"),
    ("rebuilt", "from a journal"),
    ("rebuilt", "from nothing but a checkpoint"),
    ("rebuilt", "meanwhile something came"),
    ("rebuilt", "its life had ended"),
    ("restarted", "with other settings"),
    ("shut down", "room"),
    ("shut down", "saved before"),
    ("read failed", "in a turn"),
    ("read failed", "of a memory that was asleep"),
    ("read failed", "while turns were taken again"),
    ("started over", "asleep"),
    ("started over", "awake"),
    ("started over", "fresh"),
    ("suspended", "room"),
    ("switched", "interrupted"),
    ("switched", "not: a crash before its commit was taken"),
    ("switched", "not: it goes back"),
    ("switched", "not: it stays"),
    ("switched", "not: its checkpoint could not be written"),
    ("switched", "quiet"),
    ("switched", "while somebody works"),
    ("woken", "room"),
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
