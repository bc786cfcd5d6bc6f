//! The mailbox: events that wait for their turn, and the credit that bounds them.
//!
//! Each connection may have so many events and bytes waiting (`credit_events`, `credit_bytes`); when they are
//! spent its socket is not read, so a flooder slows itself. Requests are counted apart and refused when there are
//! too many. Closes, alarms and completions are bounded by what they belong to and always have a place.

use std::collections::{BTreeMap, VecDeque};

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

    /// Forgets completions, and what streams have brought: there are no such operations and streams any more.
    pub fn clear_completions(&mut self) {
        for (_, event) in std::mem::take(&mut self.completions) {
            self.give_back(&event);
        }
    }

    /// Takes back the last outcome of an operation that has come.
    pub fn take_completion_back(&mut self, id: OperationId) {
        let is_it = |(_, event): &(u64, Event)| matches!(event, Event::Completed(one, _) if *one == id);
        if let Some(index) = self.completions.iter().rposition(is_it) {
            self.completions.remove(index);
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
mod tests {
    use super::{Lane, Mailbox, is_from_client};
    use crate::event::{Event, Outcome};
    use crate::http::Request;
    use crate::ids::{ConnectionId, OperationId, RequestId};
    use crate::limits::Limits;
    use crate::message::{CloseFrame, Message};

    const ANN: ConnectionId = ConnectionId(1);
    const BEN: ConnectionId = ConnectionId(2);

    fn message(connection: ConnectionId, bytes: usize) -> Event {
        Event::Message(connection, Message::Binary(vec![0; bytes].into()))
    }

    fn completed(operation: u64) -> Event {
        Event::Completed(OperationId(operation), Outcome::Slept)
    }

    #[test]
    fn credit_is_spent_by_waiting_events_and_repaid_by_delivery() {
        let limits = Limits { credit_events: 2, credit_bytes: 100, ..Limits::default() };
        let mut mailbox = Mailbox::default();
        mailbox.push(message(ANN, 1));
        assert!(mailbox.has_credit(ANN, &limits));
        mailbox.push(message(ANN, 1));
        assert!(!mailbox.has_credit(ANN, &limits), "two events of two");
        assert!(mailbox.has_credit(BEN, &limits), "each connection has its own");
        mailbox.pop(Lane::All);
        assert!(mailbox.has_credit(ANN, &limits));
    }

    #[test]
    fn one_message_of_any_size_fits() {
        let limits = Limits { credit_events: 16, credit_bytes: 100, ..Limits::default() };
        let mut mailbox = Mailbox::default();
        mailbox.push(message(ANN, 99));
        assert!(mailbox.has_credit(ANN, &limits), "below the bound");
        mailbox.push(message(ANN, 1_000));
        assert!(!mailbox.has_credit(ANN, &limits));
        mailbox.pop(Lane::All);
        assert!(!mailbox.has_credit(ANN, &limits), "1,000 bytes of 100 still wait");
        mailbox.pop(Lane::All);
        assert!(mailbox.has_credit(ANN, &limits));
    }

    #[test]
    fn only_messages_spend_credit_and_only_requests_are_counted() {
        let limits = Limits { credit_events: 1, ..Limits::default() };
        let mut mailbox = Mailbox::default();
        mailbox.push(Event::Connect(ANN));
        mailbox.push(Event::Error(ANN, "too large".into()));
        mailbox.push(Event::Close(ANN, CloseFrame::lost(), false));
        assert!(mailbox.has_credit(ANN, &limits));
        let (method, uri) = ("GET".into(), "http://host/".into());
        let request = Request { method, uri, headers: Vec::new(), body: Default::default() };
        mailbox.push(Event::Request(RequestId(1), Box::new(request)));
        assert_eq!((mailbox.requests(), mailbox.len()), (1, 4));
        while mailbox.pop(Lane::All).is_some() {}
        assert_eq!(mailbox.requests(), 0);
    }

    #[test]
    fn completions_pass_the_others_only_in_their_own_lane() {
        let mut mailbox = Mailbox::default();
        mailbox.push(Event::Alarm);
        mailbox.push(completed(1));
        mailbox.push(Event::Connect(ANN));
        mailbox.push(completed(2));
        assert_eq!(mailbox.peek(Lane::All), Some(&Event::Alarm));
        assert_eq!(mailbox.pop(Lane::Completions), Some(completed(1)));
        let rest: Vec<_> = std::iter::from_fn(|| mailbox.pop(Lane::All)).collect();
        assert_eq!(rest, [Event::Alarm, Event::Connect(ANN), completed(2)], "by arrival");
        assert!(!mailbox.has(Lane::All));
    }

    #[test]
    fn forgotten_completions_leave_the_others() {
        let mut mailbox = Mailbox::default();
        mailbox.push(completed(1));
        mailbox.push(Event::Alarm);
        mailbox.clear_completions();
        assert!(!mailbox.has(Lane::Completions));
        assert_eq!(mailbox.pop(Lane::All), Some(Event::Alarm));
        assert_eq!(mailbox.pop(Lane::All), None);
    }

    #[test]
    fn only_the_last_outcome_of_an_operation_is_taken_back() {
        let mut mailbox = Mailbox::default();
        let dropped = Event::Completed(OperationId(1), Outcome::Dropped);
        for event in [completed(1), Event::Alarm, dropped, completed(2)] {
            mailbox.push(event);
        }
        mailbox.take_completion_back(OperationId(3));
        assert_eq!(mailbox.len(), 4, "nothing has come of it");
        mailbox.take_completion_back(OperationId(1));
        let rest: Vec<_> = std::iter::from_fn(|| mailbox.pop(Lane::All)).collect();
        assert_eq!(rest, [completed(1), Event::Alarm, completed(2)]);
    }

    #[test]
    fn what_clients_wait_for_is_taken_out_and_their_credit_given_back() {
        let limits = Limits { credit_events: 1, ..Limits::default() };
        let mut mailbox = Mailbox::default();
        for event in [Event::Alarm, message(ANN, 3), completed(1), Event::Connect(BEN)] {
            mailbox.push(event);
        }
        assert!(mailbox.any(Lane::All, is_from_client) && !mailbox.has_credit(ANN, &limits));
        assert_eq!(mailbox.take_from_clients(), [message(ANN, 3), Event::Connect(BEN)]);
        assert!(!mailbox.any(Lane::All, is_from_client) && mailbox.has_credit(ANN, &limits));
        let rest: Vec<_> = std::iter::from_fn(|| mailbox.pop(Lane::All)).collect();
        assert_eq!(rest, [Event::Alarm, completed(1)]);
    }
}
