//! Operations in the model: sleeps, and what is done for the room outside. One is open until its outcome is delivered.
//!
//! An outcome is decided once: by the clock, or by the first answer that comes while the operation is open. Whoever works for
//! the room is told to begin with the turn that asked, and to forget it when the room ends its waiting before the answer.

use std::collections::BTreeMap;
use std::sync::Arc;

use party_core::call::Attempt;
use party_core::event::{Event, Outcome, Output};
use party_core::ids::{OperationId, Timestamp};
use party_core::limits::{CALL_GRACE_MS, ROOMS_PAGE_MAX, WORK_DEADLINE_MS};
use party_core::operation::{OperationError, Work};
use party_core::turn::operations::StartError;

use crate::model::{Draft, Model, State};

/// An operation that is open.
#[derive(Clone, Debug)]
pub(crate) struct Operation {
    /// When it ends by itself.
    pub(crate) due: Timestamp,
    /// What is done outside, if it is no sleep.
    pub(crate) work: Option<Arc<Work>>,
    /// Its outcome waits to be delivered.
    pub(crate) is_decided: bool,
}

impl Operation {
    /// Whether somebody works for it, as far as the room knows.
    pub(crate) fn is_under_way(&self) -> bool {
        self.work.is_some() && !self.is_decided
    }
}

impl State {
    fn under_way(&self) -> Vec<OperationId> {
        let under_way = self.operations.iter().filter(|(_, operation)| operation.is_under_way());
        under_way.map(|(id, _)| *id).collect()
    }
}

impl Draft {
    /// Whether another operation may be begun; [`Draft::sleep`] or [`Draft::ask`] then adds it.
    pub(crate) fn may_begin(&self) -> Result<(), StartError> {
        match self.state.operations.len() < self.operations_open_max as usize {
            true => Ok(()),
            false => Err(StartError::Overloaded(self.operations_open_max)),
        }
    }

    pub(crate) fn sleep(&mut self, id: OperationId, ms: u64) {
        self.begin(id, Operation { due: self.now.after_ms(ms), work: None, is_decided: false });
    }

    /// Asks for rooms.
    pub(crate) fn ask(&mut self, id: OperationId, work: Work) {
        match &work {
            Work::Rooms { limit, .. } => {
                assert!((1..=ROOMS_PAGE_MAX).contains(limit), "a page of {limit} rooms");
            }
            Work::Asset { path } => assert!(path.starts_with('/'), "an asset {path}"),
            Work::Call { once, .. } => assert_eq!(*once, None, "only durable rooms know what is made once"),
            Work::Connect { .. } => panic!("nobody of this world connects"),
            Work::Fetch { .. } => panic!("what is fetched says itself how long it waits"),
        }
        let deadline_ms = match work {
            Work::Rooms { .. } | Work::Asset { .. } | Work::Connect { .. } => WORK_DEADLINE_MS,
            Work::Call { .. } | Work::Fetch { .. } => self.request_deadline_ms + CALL_GRACE_MS,
        };
        self.ask_within(id, work, deadline_ms);
    }

    /// Asks for something, for so long.
    pub(crate) fn ask_within(&mut self, id: OperationId, work: Work, deadline_ms: u64) {
        let (work, due) = (Arc::new(work), self.now.after_ms(deadline_ms));
        self.outputs.push(Output::Begin(id, Arc::clone(&work), Attempt::First));
        self.begin(id, Operation { due, work: Some(work), is_decided: false });
    }

    fn begin(&mut self, id: OperationId, operation: Operation) {
        let before = self.state.operations.insert(id, operation);
        assert!(before.is_none(), "operation {id} was given out while it was open");
    }

    /// What was begun in this turn is then not begun at all.
    pub(crate) fn cancel(&mut self, id: OperationId) -> bool {
        self.outputs.retain(|output| !matches!(output, Output::Begin(begun, ..) if *begun == id));
        self.state.operations.remove(&id).is_some()
    }
}

impl Model {
    /// Somebody who worked for the room answers. Whether the room waits for that.
    pub(crate) fn answer(&mut self, id: OperationId, outcome: &Outcome) -> bool {
        let waits = self.state.operations.get_mut(&id).filter(|operation| operation.is_under_way());
        let Some(operation) = waits.filter(|_| self.is_open) else { return false };
        operation.is_decided = true;
        self.waiting.push_back(Event::Completed(id, outcome.clone()));
        true
    }

    /// A turn was kept that began with these operations open. Answers may have come since; whoever works for what the
    /// turn has cancelled is told so.
    pub(crate) fn keep_answers(&mut self, before: &BTreeMap<OperationId, Operation>) -> Vec<Output> {
        let mut cancelled = Vec::new();
        for (id, was) in before {
            match self.state.operations.get_mut(id) {
                Some(operation) => operation.is_decided = was.is_decided,
                None if was.is_under_way() => cancelled.push(Output::Forget(*id)),
                None => {}
            }
        }
        cancelled
    }

    /// What is due by now ends.
    pub(super) fn ring(&mut self, now: Timestamp) {
        let operations = self.state.operations.iter_mut();
        let due = operations.filter(|(_, operation)| !operation.is_decided && operation.due <= now);
        let mut due: Vec<_> = due
            .map(|(id, operation)| {
                operation.is_decided = true;
                (operation.due, *id, operation.work.is_some())
            })
            .collect();
        due.sort();
        for (_, id, is_work) in due {
            let outcome = match is_work {
                true => {
                    self.say(vec![Output::Forget(id)]);
                    Outcome::Failed(OperationError::Timeout)
                }
                false => Outcome::Slept,
            };
            self.waiting.push_back(Event::Completed(id, outcome));
        }
    }

    /// The memory that waited for outcomes goes.
    pub(super) fn end_operations(&mut self) {
        self.waiting.retain(|event| !matches!(event, Event::Completed(..)));
        let forgotten = self.state.under_way();
        self.say(forgotten.into_iter().map(Output::Forget).collect());
        self.state.operations.clear();
    }

    /// Nobody in this process works for the room.
    pub(super) fn begin_again(&mut self) {
        let mut begun = Vec::new();
        for (id, operation) in self.state.operations.iter_mut().filter(|(_, it)| it.is_under_way()) {
            match operation.work.as_deref() {
                Some(Work::Call { .. } | Work::Connect { .. } | Work::Fetch { resend: false, .. }) => {
                    operation.is_decided = true;
                    self.waiting.push_back(Event::Completed(*id, Outcome::Interrupted));
                }
                Some(Work::Rooms { .. } | Work::Asset { .. } | Work::Fetch { resend: true, .. }) | None => {
                    begun.extend(operation.work.clone().map(|work| Output::Begin(*id, work, Attempt::Again)));
                }
            }
        }
        self.say(begun);
    }
}
