//! The mailbox: events that wait for their turn, and the credit that bounds them.
//!
//! Each connection may have so many events and bytes waiting (`credit_events`, `credit_bytes`); when they are
//! spent its socket is not read, so a flooder slows itself. Requests are counted apart and refused when there are
//! too many. Closes, alarms and completions are bounded by what they belong to and always have a place.

use std::collections::{BTreeMap, VecDeque};

use crate::emptied::Emptied;
use crate::event::{Event, Outcome};
use crate::ids::{ConnectionId, OperationId, StreamId};
use crate::limits::Limits;
use crate::planted::{self, PlantedBug};

#[derive(Clone, Copy, Debug, Default)]
struct Spent {
    events: u32,
    bytes: u64,
}

/// Whose events spend credit.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Source {
    /// A client's.
    Connection(ConnectionId),
    /// What a stream brings.
    Stream(StreamId),
}

impl From<ConnectionId> for Source {
    fn from(id: ConnectionId) -> Source {
        Source::Connection(id)
    }
}

impl From<StreamId> for Source {
    fn from(id: StreamId) -> Source {
        Source::Stream(id)
    }
}

/// Events that wait, oldest first. Completions wait in a lane of their own, because they pass while the room is
/// held or starting; so does the news that the room goes on elsewhere, which comes before everything.
#[derive(Clone, Debug, Default)]
pub struct Mailbox {
    events: VecDeque<(u64, Event)>,
    completions: VecDeque<(u64, Event)>,
    arrivals: u64,
    spent: BTreeMap<Source, Spent>,
    requests: u32,
}

/// Which events may be taken.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Lane {
    /// All, in the order in which they came.
    All,
    /// Only completions.
    Completions,
}

impl Emptied for Mailbox {
    fn give_back(&mut self) {
        self.events.give_back();
        self.completions.give_back();
        self.spent.give_back();
    }
}

impl Mailbox {
    /// Whether a connection, or a stream, may put another message in. One message always fits.
    pub fn has_credit(&self, source: impl Into<Source>, limits: &Limits) -> bool {
        self.spent.get(&source.into()).is_none_or(|spent| {
            spent.events < limits.credit_events && spent.bytes < u64::from(limits.credit_bytes)
        })
    }

    /// Requests that wait.
    pub fn requests(&self) -> u32 {
        self.requests
    }

    /// Events that wait.
    pub fn len(&self) -> usize {
        self.events.len() + self.completions.len()
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether something waits in a lane.
    pub fn has(&self, lane: Lane) -> bool {
        !self.completions.is_empty() || (lane == Lane::All && !self.events.is_empty())
    }

    /// Puts an event in.
    pub fn push(&mut self, event: Event) {
        let arrival = self.arrivals;
        self.arrivals += 1;
        match &event {
            Event::Completed(..) | Event::Resume(_) | Event::Stream(..) | Event::Drain(..) => {
                self.spend(&event);
                return self.completions.push_back((arrival, event));
            }
            Event::Message(..) => self.spend(&event),
            Event::Request(..) => self.requests += 1,
            Event::Start(_)
            | Event::Connect(_)
            | Event::Close(..)
            | Event::Error(..)
            | Event::ResponseClosed(_)
            | Event::Alarm => {}
        }
        self.events.push_back((arrival, event));
    }

    /// Puts a completion in, or what a stream brings, before everything else.
    pub fn put_back(&mut self, event: Event) {
        self.spend(&event);
        self.completions.push_front((0, event));
    }

    fn spend(&mut self, event: &Event) {
        let (source, bytes) = match event {
            Event::Message(connection, message) => (Source::Connection(*connection), message.len() as u64),
            Event::Stream(stream, what) => (Source::Stream(*stream), what.bytes()),
            _ => return,
        };
        let spent = self.spent.entry(source).or_default();
        spent.events += 1;
        spent.bytes += bytes;
    }

    /// The next event of a lane, by arrival.
    pub fn peek(&self, lane: Lane) -> Option<&Event> {
        let completion = self.completions.front();
        let ordinary = self.events.front().filter(|_| lane == Lane::All);
        let first = completion.into_iter().chain(ordinary).min_by_key(|(arrival, _)| *arrival);
        first.map(|(_, event)| event)
    }

    /// Whether one of the events of a lane is such.
    pub fn any(&self, lane: Lane, is_such: impl FnMut(&Event) -> bool) -> bool {
        let ordinary = self.events.iter().filter(|_| lane == Lane::All);
        self.completions.iter().chain(ordinary).map(|(_, event)| event).any(is_such)
    }

    /// Takes the next event of a lane, by arrival.
    pub fn pop(&mut self, lane: Lane) -> Option<Event> {
        let is_completion = is_completion(self.peek(lane)?);
        let events = if is_completion { &mut self.completions } else { &mut self.events };
        let (_, event) = events.pop_front()?;
        self.give_back(&event);
        Some(event)
    }

    /// The event waits no more.
    fn give_back(&mut self, event: &Event) {
        match event {
            Event::Message(connection, message) => self.repay(*connection, message.len() as u64),
            Event::Stream(stream, what) => self.repay(*stream, what.bytes()),
            Event::Request(..) => self.requests -= 1,
            Event::Start(_)
            | Event::Connect(_)
            | Event::Close(..)
            | Event::Error(..)
            | Event::ResponseClosed(_)
            | Event::Alarm
            | Event::Resume(_)
            | Event::Drain(..)
            | Event::Completed(..) => {}
        }
    }

    /// Bytes of the outcomes that wait.
    pub fn outcome_bytes(&self) -> u64 {
        let bytes = |(_, event): &(u64, Event)| match event {
            Event::Completed(_, outcome) => outcome.bytes(),
            _ => 0,
        };
        self.completions.iter().map(bytes).sum()
    }

    /// Whether something waits that no checkpoint could say again: that the room goes on elsewhere, what that has ended, and
    /// what was dropped.
    pub fn has_unrepeatable(&self) -> bool {
        self.completions.iter().any(|(_, event)| match event {
            Event::Completed(_, Outcome::Interrupted | Outcome::Dropped) | Event::Resume(_) => true,
            // Of these the operation is still open: it is due again, begun again, or said to be interrupted.
            Event::Completed(
                _,
                Outcome::Slept
                | Outcome::Rooms(_)
                | Outcome::Asset(_)
                | Outcome::Response(_)
                | Outcome::Streamed(_)
                | Outcome::Connected
                | Outcome::Failed(_),
            ) => false,
            // Whoever goes on elsewhere is told that the stream broke off.
            Event::Stream(..) | Event::Drain(..) => false,
            Event::Start(_)
            | Event::Connect(_)
            | Event::Message(..)
            | Event::Close(..)
            | Event::Error(..)
            | Event::Request(..)
            | Event::ResponseClosed(_)
            | Event::Alarm => false,
        })
    }

    /// Takes out all that clients wait for: connects, requests and messages, oldest first. Their credit is given back.
    pub fn take_from_clients(&mut self) -> Vec<Event> {
        let (taken, kept): (VecDeque<_>, VecDeque<_>) =
            std::mem::take(&mut self.events).into_iter().partition(|(_, event)| is_from_client(event));
        self.events = kept;
        let taken: Vec<Event> = taken.into_iter().map(|(_, event)| event).collect();
        taken.iter().for_each(|event| self.give_back(event));
        taken
    }

    /// Takes out completions, and what streams have brought, oldest first: there are no such operations and streams any more.
    pub fn take_completions(&mut self) -> Vec<Event> {
        let taken = std::mem::take(&mut self.completions).into_iter().map(|(_, event)| event);
        let taken: Vec<Event> = taken.collect();
        taken.iter().for_each(|event| self.give_back(event));
        taken
    }

    /// Takes back the last outcome of an operation that has come.
    pub fn take_completion_back(&mut self, id: OperationId) -> Option<Outcome> {
        let is_it = |(_, event): &(u64, Event)| matches!(event, Event::Completed(one, _) if *one == id);
        let index = self.completions.iter().rposition(is_it)?;
        match self.completions.remove(index)? {
            (_, Event::Completed(_, outcome)) => Some(outcome),
            _ => None,
        }
    }

    fn repay(&mut self, source: impl Into<Source>, bytes: u64) {
        let source = source.into();
        if planted::is(PlantedBug::CreditNotRepaid) {
            return;
        }
        let spent = self.spent.get_mut(&source).expect("a message in the mailbox has spent credit");
        spent.events -= 1;
        spent.bytes -= bytes;
        // The last one stays: an empty map gives its memory back, and would take it again with the next message.
        if spent.events == 0 && self.spent.len() > 1 {
            self.spent.remove(&source);
        }
    }
}

pub(crate) fn is_from_client(event: &Event) -> bool {
    match event {
        Event::Connect(_) | Event::Request(..) | Event::Message(..) => true,
        Event::Start(_)
        | Event::Resume(_)
        | Event::Close(..)
        | Event::Error(..)
        | Event::ResponseClosed(_)
        | Event::Alarm
        | Event::Stream(..)
        | Event::Drain(..)
        | Event::Completed(..) => false,
    }
}

/// Whether it passes while the room is held or starting, or comes before everything.
fn is_completion(event: &Event) -> bool {
    matches!(event, Event::Completed(..) | Event::Resume(_) | Event::Stream(..) | Event::Drain(..))
}

#[cfg(test)]
mod tests;
