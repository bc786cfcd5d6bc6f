//! The mailbox: events that wait for their turn, and the credit that bounds them.
//!
//! Each connection may have so many events and bytes waiting (`credit_events`, `credit_bytes`); when they are
//! spent its socket is not read, so a flooder slows itself. Requests are counted apart and refused when there are
//! too many. Closes, alarms and completions are bounded by what they belong to and always have a place.

use std::collections::{BTreeMap, VecDeque};

use crate::event::Event;
use crate::ids::ConnectionId;
use crate::limits::Limits;

#[derive(Clone, Copy, Debug, Default)]
struct Spent {
    events: u32,
    bytes: u64,
}

/// Events that wait, oldest first. Completions wait in a lane of their own, because they pass while the room is
/// held or starting.
#[derive(Clone, Debug, Default)]
pub struct Mailbox {
    events: VecDeque<(u64, Event)>,
    completions: VecDeque<(u64, Event)>,
    arrivals: u64,
    spent: BTreeMap<ConnectionId, Spent>,
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

impl Mailbox {
    /// Whether a connection may put another message in. One message always fits.
    pub fn has_credit(&self, connection: ConnectionId, limits: &Limits) -> bool {
        self.spent.get(&connection).is_none_or(|spent| {
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
            Event::Completed(..) => return self.completions.push_back((arrival, event)),
            Event::Message(connection, message) => {
                let spent = self.spent.entry(*connection).or_default();
                spent.events += 1;
                spent.bytes += message.len() as u64;
            }
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

    /// Takes the next event of a lane, by arrival.
    pub fn pop(&mut self, lane: Lane) -> Option<Event> {
        let completion = self.completions.front().map(|(arrival, _)| *arrival);
        let ordinary = self.events.front().map(|(arrival, _)| *arrival).filter(|_| lane == Lane::All);
        let first_is_completion = match (completion, ordinary) {
            (Some(completion), Some(ordinary)) => completion < ordinary,
            (Some(_), None) => true,
            (None, Some(_)) => false,
            (None, None) => return None,
        };
        if first_is_completion {
            return self.completions.pop_front().map(|(_, event)| event);
        }
        let (_, event) = self.events.pop_front()?;
        match &event {
            Event::Message(connection, message) => self.repay(*connection, message.len() as u64),
            Event::Request(..) => self.requests -= 1,
            Event::Start(_)
            | Event::Connect(_)
            | Event::Close(..)
            | Event::Error(..)
            | Event::ResponseClosed(_)
            | Event::Alarm
            | Event::Completed(..) => {}
        }
        Some(event)
    }

    /// Forgets completions: their operations are no more.
    pub fn clear_completions(&mut self) {
        self.completions.clear();
    }

    fn repay(&mut self, connection: ConnectionId, bytes: u64) {
        let spent = self.spent.get_mut(&connection).expect("a message in the mailbox has spent credit");
        spent.events -= 1;
        spent.bytes -= bytes;
        if spent.events == 0 {
            self.spent.remove(&connection);
        }
    }
}
