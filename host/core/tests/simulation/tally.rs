//! What the simulated worlds have met. A promise that was never tried proves nothing: every situation that is
//! listed here must occur in a full run.

use std::collections::BTreeMap;

use party_core::event::Output;
use party_core::room::{Action, Report};

/// A kind of thing that happened, and to what.
type Situation = (&'static str, &'static str);

/// How often each situation was met.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tally {
    met: BTreeMap<Situation, u64>,
}

/// What a full run must meet.
const REQUIRED: &[Situation] = &[
    ("accept", "at the deadline"),
    ("answer", "after it was forgotten"),
    ("answer", "after its time"),
    ("answer", "again"),
    ("answer", "before it heard that it was forgotten"),
    ("answer", "in time"),
    ("answer", "of a room that ends"),
    ("answer", "while a turn is out"),
    ("answer", "while the room is being saved"),
    ("answer", "while the room sleeps"),
    ("auto-response", "set"),
    ("auto-response", "ended"),
    ("auto-response", "in the next life"),
    ("begun", "again"),
    ("begun", "again, its answer was lost"),
    ("close", "1008"),
    ("close", "1011"),
    ("close", "1013"),
    ("close", "by the guest"),
    ("commit", "failed"),
    ("commit", "failed but durable"),
    ("commit", "failed, and was only to save"),
    ("commit", "saved all the same"),
    ("commit", "failed with answers held back"),
    ("commit", "of an alarm alone"),
    ("crash", "before any commit"),
    ("crash", "between two commits"),
    ("crash", "after all commits"),
    ("crash", "while somebody works"),
    ("dropped", "on-alarm"),
    ("dropped", "on-close"),
    ("dropped", "on-completed"),
    ("dropped", "on-connect"),
    ("dropped", "on-error"),
    ("dropped", "on-message"),
    ("dropped", "on-request"),
    ("dropped", "on-response-closed"),
    ("dropped", "on-start"),
    ("dropped", "while somebody works"),
    ("event", "while the room is held"),
    ("event", "while the room starts"),
    ("failed commit", "while somebody works"),
    ("failed", "on-alarm"),
    ("failed", "on-close"),
    ("failed", "on-completed"),
    ("failed", "on-connect"),
    ("failed", "on-message"),
    ("failed", "on-request"),
    ("failed", "on-start"),
    ("fetched", "again"),
    ("fetched", "for the first time"),
    ("fetched", "once"),
    ("given up", "alarm"),
    ("overdue", "events.hold"),
    ("overdue", "on-alarm"),
    ("overdue", "on-close"),
    ("overdue", "on-connect"),
    ("overdue", "on-request"),
    ("overdue", "on-start"),
    ("reject", "by the guest"),
    ("reject", "503"),
    ("refused", "connection"),
    ("refused", "request"),
    ("respond", "500"),
    ("respond", "503"),
    ("respond", "504"),
    ("shut down", "while somebody works"),
    ("sleep", "before the events that wait"),
    ("sleep", "given up"),
    ("sleep", "memory lost"),
    ("sleep", "overtaken by storage"),
    ("sleep", "restored in the next life"),
    ("sleep", "woken"),
    ("suspended", "room"),
    ("waits", "for commits"),
    ("work", "answered"),
    ("work", "begun"),
    ("work", "forgotten"),
    ("work", "interrupted"),
    ("work", "timed out"),
    ("work", "timed out before it was begun"),
    ("work", "waits for a commit"),
    ("work", "waited for a commit that failed"),
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

    /// Counts what a room does.
    pub(crate) fn count(&mut self, action: &Action) {
        match action {
            Action::Commit(commit)
                if commit.changes.is_empty() && commit.record.moved_at == commit.record.seq =>
            {
                self.meet("commit", "of an alarm alone");
            }
            Action::Commit(_) | Action::DropInstance => {}
            Action::Output(output) => self.count_output(output),
            Action::Report(Report::Failed { event, .. }) => self.meet("failed", event),
            Action::Report(Report::Dropped { event, .. }) => self.meet("dropped", event),
            Action::Report(Report::Overdue { event, .. }) => self.meet("overdue", event),
            Action::Report(Report::Suspended { .. }) => self.meet("suspended", "room"),
            Action::Report(Report::AlarmGivenUp) => self.meet("given up", "alarm"),
            Action::Report(Report::Destroyed) => self.meet("room", "told to end"),
            Action::Report(Report::CommitFailed) => self.meet("commit", "failed"),
            Action::Report(Report::Damaged { reason }) => panic!("room-damaged: {reason}"),
        }
    }

    fn count_output(&mut self, output: &Output) {
        match output {
            Output::Close(_, frame) => match frame.as_ref().map(|frame| frame.code) {
                Some(1008) => self.meet("close", "1008"),
                Some(1011) => self.meet("close", "1011"),
                Some(1013) => self.meet("close", "1013"),
                Some(_) | None => self.meet("close", "by the guest"),
            },
            Output::Reject(_, response) => match response.status {
                403 => self.meet("reject", "by the guest"),
                503 => self.meet("reject", "503"),
                _ => self.meet("reject", "by a failed start"),
            },
            Output::Respond(_, response) => match response.status {
                200 => self.meet("respond", "by the guest"),
                503 => self.meet("respond", "503"),
                504 => self.meet("respond", "504"),
                _ => self.meet("respond", "500"),
            },
            Output::AutoResponse(Some(_)) => self.meet("auto-response", "set"),
            Output::AutoResponse(None) => self.meet("auto-response", "ended"),
            Output::Begin(..) => self.meet("work", "begun"),
            Output::Forget(_) => self.meet("work", "forgotten"),
            Output::Accept(_)
            | Output::Read(_)
            | Output::Send(..)
            | Output::Broadcast(..)
            | Output::Open(..)
            | Output::ReadBody(..)
            | Output::Write(..)
            | Output::Finish(_)
            | Output::BreakOff(_)
            | Output::SendOn(..)
            | Output::CloseOn(..)
            | Output::Interrupted(_) => {}
        }
    }
}
