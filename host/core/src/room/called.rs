//! Called: requests of durable rooms, each of which is made once however often it is asked ([`crate::call`]).

use crate::call::{Asked, Call, CallId};
use crate::event::Output;
use crate::http::{Request, Response};
use crate::ids::{RequestId, Timestamp};
use crate::planted::{self, PlantedBug};
use crate::room::{Refusal, Room};

impl Room {
    /// A request of a durable room came. It is answered by a `Respond`, or by an `Interrupted`.
    pub fn call(&mut self, call: Call, request: Request, now: Timestamp) -> Result<RequestId, Refusal> {
        if self.calls.is_full() {
            let requests_max = self.config.limits.requests_open_max;
            return Err(Refusal::TooManyRequests { requests_max });
        }
        let id = self.request(request, now)?;
        self.calling.insert(id, Box::new(call));
        Ok(id)
    }

    /// Whoever made this call does not wait for the answer any more, or has it for good. Also while a turn is out.
    pub fn call_gone(&mut self, id: &CallId) {
        // What still waits for its turn has come too late.
        let waiting = self.calling.values_mut().filter(|call| call.id == *id);
        waiting.for_each(|call| call.once.until = Timestamp(0));
        if let Some(request) = self.calls.gone(id) {
            self.request_gone(request);
        }
    }

    /// How many calls of durable rooms it knows of: those without an answer, and those whose caller may ask again.
    pub fn known_calls(&self) -> usize {
        self.calls.all().len()
    }

    /// A request comes to its turn. Whether the guest is to hear it.
    pub(super) fn admit_call(&mut self, request: RequestId, now: Timestamp) -> bool {
        let Some(call) = self.calling.remove(&request) else { return true };
        if self.takes_again() {
            // It was heard then.
            self.calls.take_in(&call, request);
            return true;
        }
        match self.calls.ask(&call, request, now) {
            Asked::New => return true,
            Asked::Waits => {}
            Asked::Answered(response) => self.answer_call(request, response),
            Asked::Unknown => self.output(Output::Interrupted(request)),
            Asked::TooLate => self.answer_call(request, Response::text(504, "The call came too late")),
        }
        false
    }

    /// Answers a call that the guest does not hear.
    fn answer_call(&mut self, request: RequestId, response: Response) {
        self.note_answered(&[request]);
        self.output(Output::Respond(request, response));
    }

    /// Calls have an answer that may still be taken back.
    fn note_answered(&mut self, requests: &[RequestId]) {
        if self.gate.uncommitted() > 0 {
            self.calls_answered.extend(requests);
        }
    }

    /// The outputs that answer requests answer those who have asked once more, too, and are kept for those who will.
    pub(super) fn answer_calls(&mut self, outputs: &mut Vec<Output>) {
        if (self.calls.none_open() && self.calling.is_empty()) || planted::is(PlantedBug::AnswerNotKept) {
            return;
        }
        let mut also = Vec::new();
        for output in outputs.iter() {
            if let Output::Respond(request, response) = output {
                // It was turned away before its turn, if it still stands here.
                self.calling.remove(request);
                let Some(others) = self.calls.answered(*request, response) else { continue };
                self.note_answered(&[*request]);
                self.note_answered(&others);
                also.extend(others.into_iter().map(|other| Output::Respond(other, response.clone())));
            }
        }
        outputs.extend(also);
    }

    /// Nobody waits for the answer to a request any more.
    pub(super) fn close_call(&mut self, request: RequestId) {
        for other in self.calls.closed(request) {
            self.output(Output::Interrupted(other));
        }
    }

    fn takes_again(&self) -> bool {
        self.recording.as_ref().is_some_and(|recording| recording.replaying.is_some())
    }
}
