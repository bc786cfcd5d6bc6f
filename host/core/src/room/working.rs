//! What is done for a room outside of it: begun when the turn that asked for it is durable, answered as an event.
//!
//! Whoever does it is in this process. The room may sleep meanwhile; when it goes on in another process, what may be done
//! twice is begun again, and everything else ends as interrupted.

use crate::call::Attempt;
use crate::event::{Event, Outcome, Output};
use crate::ids::OperationId;
use crate::limits::OUTCOMES_BYTES_MAX;
use crate::mailbox::Lane;
use crate::operation::{Operation, OperationError};
use crate::planted::{self, PlantedBug};
use crate::room::{Room, RoomState, Service};

impl Room {
    /// Something that was begun for the room ([`Output::Begin`]) has come to its end. Nothing if the room does not wait for
    /// it any more. Also while a turn is out.
    pub fn answered(&mut self, id: OperationId, outcome: Outcome) {
        if self.service != Service::Open {
            return;
        }
        let may_wait_for_it = match &mut self.state {
            Some(state) => state.operations.take_off_the_clock(id) || planted::is(PlantedBug::AnswerTwice),
            // Whether it does is found when the turn has come back; of several answers only the first is of use.
            None => self.answered.insert(id) && !planted::is(PlantedBug::AnswerInATurnLost),
        };
        if may_wait_for_it {
            let waiting = self.mailbox.outcome_bytes();
            let fits = waiting == 0 || waiting + outcome.bytes() <= OUTCOMES_BYTES_MAX;
            let too_large = || Outcome::Failed(OperationError::TooLarge(OUTCOMES_BYTES_MAX));
            if !fits && outcome.begins_a_stream() {
                self.output(Output::Forget(id));
            }
            let outcome = if fits { outcome } else { too_large() };
            self.mailbox.push(Event::Completed(id, outcome));
        } else if outcome.begins_a_stream() && self.has_no_stream_of(id) {
            self.output(Output::Forget(id));
        }
    }

    /// The state has come home: what was answered meanwhile has its outcome, and does not come to its end by itself any
    /// more. What had one already, or is not open, has nothing of it.
    pub(super) fn hear_answers(&mut self) {
        let answered = std::mem::take(&mut self.answered);
        if planted::is(PlantedBug::AnswerInATurnLost) || planted::is(PlantedBug::AnswerInATurnOverdue) {
            return;
        }
        for id in answered {
            if self.home().operations.take_off_the_clock(id) {
                continue;
            }
            let outcome = self.mailbox.take_completion_back(id);
            if outcome.is_some_and(|outcome| outcome.begins_a_stream()) && self.has_no_stream_of(id) {
                self.output(Output::Forget(id));
            }
        }
    }

    /// Whether no stream of this operation has been taken in, and none waits to be. `false` while a turn is out.
    fn has_no_stream_of(&self, id: OperationId) -> bool {
        let begins = |event: &Event| match event {
            Event::Completed(one, outcome) => *one == id && outcome.begins_a_stream(),
            _ => false,
        };
        let is_known = |state: &RoomState| state.streams.get(id.stream()).is_some();
        self.state.as_deref().is_some_and(|state| !is_known(state))
            && !self.mailbox.any(Lane::Completions, begins)
    }

    /// The room goes on in another process: what was done for it in the last one is not.
    pub(super) fn begin_again(&mut self) {
        let ids: Vec<OperationId> = self.home().operations.worked_on().collect();
        for id in ids {
            let Some(Operation::Work { work, .. }) = self.home().operations.get(id) else { continue };
            if planted::is(PlantedBug::WorkNotBegunAgain) {
                continue;
            }
            if work.is_repeatable() {
                self.output(Output::Begin(id, work, Attempt::Again));
            } else {
                self.home().operations.take_off_the_clock(id);
                self.mailbox.push(Event::Completed(id, Outcome::Interrupted));
            }
        }
    }

    /// Nobody waits any more for what is done for the room.
    pub(super) fn forget_works(&mut self) {
        let operations = &self.home().operations;
        // Of a call that is made once whoever was called is not told: this life may be taken again if the host dies now.
        let is_told = |id: &OperationId| !operations.get(*id).is_some_and(|it| it.is_made_once());
        let ids: Vec<OperationId> = operations.worked_on().filter(is_told).collect();
        for id in ids {
            self.output(Output::Forget(id));
        }
    }
}
