//! Calls of durable rooms: each is made once, however often it is asked.
//!
//! A durable room that goes on after a crash does not know what became of its calls, and asks once more. So the room that was
//! called knows each call by its [`CallId`] from the turn that took it in on, gives the answer that it gave before, and keeps
//! that until the caller says that it has it (its own turn with it is durable) or the call's time has passed: after that
//! nobody asks. All of this is part of the room that was called, and is saved and recorded with it. Where that is not so,
//! because its memory is not durable or was lost, [`Calls::since`] says from when on it knows of every call; what was asked
//! before may have been made, and is not made again.

use std::collections::{BTreeMap, BTreeSet};

use crate::emptied::Emptied;
use crate::http::Response;
use crate::ids::{Incarnation, OperationId, RequestId, Timestamp};
use crate::limits::{CALLS_KNOWN_BYTES_MAX, CALLS_KNOWN_MAX};
use crate::planted::{self, PlantedBug};

/// Which call it is: an operation of one life of a room of the same project.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct CallId {
    /// The caller's party.
    pub party: Box<str>,
    /// The caller.
    pub room: Box<str>,
    /// Its life.
    pub incarnation: Incarnation,
    /// What it waits with.
    pub operation: OperationId,
}

/// What makes a call of a durable room one call.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Once {
    /// The life of the room that calls.
    pub incarnation: Incarnation,
    /// When it was begun.
    pub begun: Timestamp,
    /// From then on nobody asks.
    pub until: Timestamp,
}

/// Whether something may have been begun before.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Attempt {
    /// Never.
    First,
    /// By this room, before it was made again, or by whoever carries it out.
    Again,
}

/// A request of a durable room, as it comes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Call {
    /// Which one.
    pub id: CallId,
    /// When it was begun, and until when it is asked.
    pub once: Once,
    /// Whether it may have come before.
    pub attempt: Attempt,
}

/// What a call is to the room that is called.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Asked {
    /// New: the guest hears it.
    New,
    /// Answered before, with this.
    Answered(Response),
    /// Heard, and not answered yet: this request is answered with the other.
    Waits,
    /// It may have been heard, and nobody knows.
    Unknown,
    /// Its time has passed.
    TooLate,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum State {
    Open(RequestId),
    Answered(Response),
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Known {
    pub(crate) until: Timestamp,
    pub(crate) state: State,
}

/// The calls that a room knows of.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Calls {
    /// From when on it knows of every call; not at all, if it has not been told the time.
    since: Option<Timestamp>,
    known: BTreeMap<CallId, Known>,
    by_until: BTreeSet<(Timestamp, CallId)>,
    /// Those without an answer.
    open: BTreeMap<RequestId, CallId>,
    /// Requests that ask for such a one once more.
    also: BTreeMap<RequestId, Vec<RequestId>>,
    answers_bytes: u64,
}

impl Emptied for Calls {
    fn give_back(&mut self) {
        self.known.give_back();
        self.by_until.give_back();
        self.open.give_back();
        self.also.give_back();
    }
}

impl Calls {
    /// Of a room that has had no turn of which anything is left.
    pub(crate) fn of_a_new_room() -> Calls {
        Calls { since: Some(Timestamp(0)), ..Calls::default() }
    }

    /// Those of a checkpoint. Fails if one stands there twice.
    pub(crate) fn of(since: Option<Timestamp>, known: Vec<(CallId, Known)>) -> Option<Calls> {
        let mut calls = Calls { since, ..Calls::default() };
        let count = known.len();
        for (id, one) in known {
            match &one.state {
                State::Open(request) => _ = calls.open.insert(*request, id.clone()),
                State::Answered(response) => calls.answers_bytes += response.bytes(),
            }
            calls.by_until.insert((one.until, id.clone()));
            calls.known.insert(id, one);
        }
        let open = calls.known.values().filter(|one| matches!(one.state, State::Open(_))).count();
        (calls.known.len() == count && calls.open.len() == open).then_some(calls)
    }

    pub(crate) fn since(&self) -> Option<Timestamp> {
        self.since
    }

    pub(crate) fn all(&self) -> &BTreeMap<CallId, Known> {
        &self.known
    }

    /// As a checkpoint keeps them: whoever asks once more is of this process.
    pub(crate) fn kept(&self, now: Timestamp) -> Calls {
        let mut kept = Calls { also: BTreeMap::new(), ..self.clone() };
        kept.forget_overdue(now);
        kept
    }

    /// It is so late. What was asked before that is known from here on, if it was not.
    pub(crate) fn tell_time(&mut self, now: Timestamp) {
        // What was begun in this very millisecond may have come before.
        self.since.get_or_insert(now.after_ms(1));
    }

    /// Whether there is no place for another.
    pub(crate) fn is_full(&self) -> bool {
        self.known.len() >= CALLS_KNOWN_MAX || self.answers_bytes >= CALLS_KNOWN_BYTES_MAX
    }

    /// A call comes to its turn, as this request.
    pub(crate) fn ask(&mut self, call: &Call, request: RequestId, now: Timestamp) -> Asked {
        self.forget_overdue(now);
        if let Some(known) = self.known.get(&call.id).filter(|_| !planted::is(PlantedBug::CallMadeTwice)) {
            return match &known.state {
                State::Answered(response) => Asked::Answered(response.clone()),
                State::Open(first) => {
                    self.also.entry(*first).or_default().push(request);
                    Asked::Waits
                }
            };
        }
        if call.once.until <= now {
            return Asked::TooLate;
        }
        let is_of_before = self.since.is_none_or(|since| call.once.begun < since);
        if call.attempt == Attempt::Again && is_of_before && !planted::is(PlantedBug::CallOfBeforeMadeAgain) {
            return Asked::Unknown;
        }
        self.take_in(call, request);
        Asked::New
    }

    /// A call is heard, or was when what is recorded was taken.
    pub(crate) fn take_in(&mut self, call: &Call, request: RequestId) {
        let until = call.once.until;
        self.known.insert(call.id.clone(), Known { until, state: State::Open(request) });
        self.by_until.insert((until, call.id.clone()));
        self.open.insert(request, call.id.clone());
    }

    /// Whether this request is a call without an answer.
    pub(crate) fn is_open(&self, request: RequestId) -> bool {
        self.open.contains_key(&request)
    }

    /// The requests that are calls without an answer.
    pub(crate) fn open(&self) -> impl Iterator<Item = RequestId> + '_ {
        self.open.keys().copied()
    }

    /// Whether no call waits for an answer.
    pub(crate) fn none_open(&self) -> bool {
        self.open.is_empty()
    }

    /// A request is answered. If it is a call the answer is kept, and whoever has asked for it once more is answered too.
    /// Nothing if it is none.
    pub(crate) fn answered(&mut self, request: RequestId, response: &Response) -> Option<Vec<RequestId>> {
        let id = self.open.remove(&request)?;
        if let Some(known) = self.known.get_mut(&id) {
            self.answers_bytes += response.bytes();
            known.state = State::Answered(response.clone());
            // If its time has passed it goes with the next that are looked at.
            self.by_until.insert((known.until, id));
        }
        Some(self.also.remove(&request).unwrap_or_default())
    }

    /// The caller does not wait for it any more, or has the answer for good. The request that is to be told so, if it has no
    /// answer yet.
    pub(crate) fn gone(&mut self, id: &CallId) -> Option<RequestId> {
        match self.known.get(id)?.state {
            State::Open(request) => Some(request),
            State::Answered(_) => {
                self.forget(id);
                None
            }
        }
    }

    /// Nobody waits for the answer to this request. Those who have asked once more.
    pub(crate) fn closed(&mut self, request: RequestId) -> Vec<RequestId> {
        let Some(id) = self.open.get(&request).cloned() else { return Vec::new() };
        self.forget(&id);
        self.also.remove(&request).unwrap_or_default()
    }

    fn forget(&mut self, id: &CallId) {
        let Some(Known { until, state }) = self.known.remove(id) else { return };
        self.by_until.remove(&(until, id.clone()));
        match state {
            State::Open(request) => _ = self.open.remove(&request),
            State::Answered(response) => self.answers_bytes -= response.bytes(),
        }
    }

    /// Nobody asks for what is overdue. Those without an answer are still to have one.
    fn forget_overdue(&mut self, now: Timestamp) {
        while let Some((until, id)) = self.by_until.first().cloned() {
            if until > now {
                return;
            }
            self.by_until.pop_first();
            if matches!(self.known.get(&id), Some(Known { state: State::Answered(_), .. })) {
                self.forget(&id);
            }
        }
    }
}

#[cfg(test)]
mod tests;
