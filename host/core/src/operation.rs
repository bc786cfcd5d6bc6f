//! Operations: what a room has started and not yet heard of.
//!
//! An operation is open from the turn that starts it to the turn that is called with its outcome. The table is
//! the truth: an outcome whose operation is no longer in it (cancelled, or of a life before) is not delivered.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::call::Once;
use crate::emptied::Emptied;
use crate::http::Request;
use crate::ids::{OperationId, Timestamp};
use crate::planted::{self, PlantedBug};
pub use crate::stream::ConnectTarget;

/// What is under way.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Operation {
    /// Completes at this time.
    Sleep {
        /// When, never earlier.
        due: Timestamp,
    },
    /// Somebody outside the room works for it, and answers ([`Room::answered`](crate::room::Room::answered)).
    Work {
        /// What is to be done.
        work: Arc<Work>,
        /// When the room waits for the answer no more.
        until: Timestamp,
    },
}

impl Operation {
    /// Whether it is a call that is made once, however often it is asked.
    pub(crate) fn is_made_once(&self) -> bool {
        match self {
            Operation::Work { work, .. } => matches!(**work, Work::Call { once: Some(_), .. }),
            Operation::Sleep { .. } => false,
        }
    }

    /// When it ends by itself.
    pub fn due(&self) -> Timestamp {
        match self {
            Operation::Sleep { due } => *due,
            Operation::Work { until, .. } => *until,
        }
    }
}

/// What is done for a room outside of it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Work {
    /// Lists rooms of a party on this host, in order of id.
    Rooms {
        /// Of which party.
        party: String,
        /// How their ids begin.
        prefix: String,
        /// The last id of the page before.
        after: Option<String>,
        /// At most so many, 1 to [`ROOMS_PAGE_MAX`](crate::limits::ROOMS_PAGE_MAX).
        limit: u32,
    },
    /// Sends a request to another room on this host.
    Call {
        /// Of which party.
        party: String,
        /// To which room.
        room: String,
        /// What the other room is asked.
        request: Box<Request>,
        /// If the room that calls is durable: what makes this one call, however often it is asked.
        once: Option<Once>,
    },
    /// Reads one of the project's static assets.
    Asset {
        /// As it stands in a URL, without a query.
        path: String,
    },
    /// Sends a request to a public address.
    Fetch {
        /// With its full URL. One that may be sent again has an `idempotency-key`.
        request: Box<Request>,
        /// How many redirects to follow, up to [`FETCH_REDIRECTS_MAX`](crate::limits::FETCH_REDIRECTS_MAX).
        redirects_max: u32,
        /// Whether it is sent again when the host was restarted in the middle.
        resend: bool,
        /// Whether the body of the answer is to come as a stream.
        streams: bool,
    },
    /// Opens a WebSocket as a client.
    Connect {
        /// To whom.
        target: ConnectTarget,
    },
}

impl Work {
    /// Whether it may be asked for again by a host that does not know what became of it: what changes nothing, is done once
    /// however often it is asked for, or may be sent again because the guest has said so.
    pub fn is_repeatable(&self) -> bool {
        match self {
            Work::Rooms { .. } | Work::Asset { .. } => true,
            Work::Call { once, .. } => once.is_some(),
            Work::Fetch { resend, .. } => *resend || planted::is(PlantedBug::FetchSentTwice),
            // Nobody knows what the other side has made of the first one.
            Work::Connect { .. } => false,
        }
    }

    /// Bytes that it holds, about.
    pub fn bytes(&self) -> u64 {
        match self {
            Work::Rooms { party, prefix, after, .. } => {
                (party.len() + prefix.len() + after.as_ref().map_or(0, String::len)) as u64
            }
            Work::Call { party, room, request, .. } => (party.len() + room.len()) as u64 + request.bytes(),
            Work::Asset { path } => path.len() as u64,
            Work::Fetch { request, .. } => request.bytes(),
            Work::Connect { target: ConnectTarget::Url(url) } => url.len() as u64,
            Work::Connect { target: ConnectTarget::Room { party, room, request } } => {
                (party.len() + room.len()) as u64 + request.bytes()
            }
        }
    }

    /// Whether a stream comes of it.
    pub fn opens_a_stream(&self) -> bool {
        match self {
            Work::Fetch { streams, .. } => *streams,
            Work::Connect { .. } => true,
            Work::Rooms { .. } | Work::Asset { .. } | Work::Call { .. } => false,
        }
    }
}

/// How an operation failed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum OperationError {
    /// Its time has passed.
    Timeout,
    /// There is no party of that name.
    NoSuchParty(String),
    /// It cannot be done now; the text says why. Of a fetch: no connection could be made, or it broke.
    Connect(String),
    /// The name does not resolve; the text says which, and why.
    Dns(String),
    /// The TLS handshake failed; the text says why.
    Tls(String),
    /// The host's rules forbid it; the text says what.
    RefusedByPolicy(String),
    /// Larger than so many bytes.
    TooLarge(u64),
    /// Who is asked takes no more; the bound.
    Overloaded(u32),
}

/// The open operations of a room.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Operations {
    open: BTreeMap<OperationId, Operation>,
    by_due: BTreeSet<(Timestamp, OperationId)>,
    /// What somebody still works on: of the work that is on the clock, the ids.
    worked_on: BTreeSet<OperationId>,
}

impl Emptied for Operations {
    fn give_back(&mut self) {
        self.open.give_back();
        self.by_due.give_back();
        self.worked_on.give_back();
    }
}

impl Operations {
    /// How many are open.
    pub fn len(&self) -> usize {
        self.open.len()
    }

    /// Whether none is open.
    pub fn is_empty(&self) -> bool {
        self.open.is_empty()
    }

    /// This one, if it is open.
    pub(crate) fn get(&self, id: OperationId) -> Option<Operation> {
        self.open.get(&id).cloned()
    }

    /// Opens one again whose outcome was not received. It is off the clock.
    pub(crate) fn reopen(&mut self, id: OperationId, operation: Operation) {
        self.open.insert(id, operation);
    }

    /// Lets this one not come to its end by itself any more, because its outcome is known. Whether it would have.
    pub(crate) fn take_off_the_clock(&mut self, id: OperationId) -> bool {
        self.worked_on.remove(&id);
        self.open.get(&id).is_some_and(|operation| self.by_due.remove(&(operation.due(), id)))
    }

    /// Whether this one is open.
    pub fn contains(&self, id: OperationId) -> bool {
        self.open.contains_key(&id)
    }

    /// Adds one.
    pub fn start(&mut self, id: OperationId, operation: Operation) {
        self.by_due.insert((operation.due(), id));
        if let Operation::Work { .. } = operation {
            self.worked_on.insert(id);
        }
        let before = self.open.insert(id, operation);
        assert!(before.is_none(), "operation ids are never used twice");
    }

    /// Removes one. What it was, if it was open.
    pub fn end(&mut self, id: OperationId) -> Option<Operation> {
        let operation = self.open.remove(&id)?;
        self.by_due.remove(&(operation.due(), id));
        self.worked_on.remove(&id);
        Some(operation)
    }

    /// When the next of them ends by itself.
    pub fn next_due(&self) -> Option<Timestamp> {
        self.by_due.first().map(|(due, _)| *due)
    }

    /// Takes the next that ends by `now` off the clock; it stays open until that is delivered.
    pub fn take_due(&mut self, now: Timestamp) -> Option<(OperationId, &Operation)> {
        let (due, id) = *self.by_due.first()?;
        let early_ms = u64::from(planted::is(PlantedBug::SleepEarly));
        if due > now.after_ms(early_ms) {
            return None;
        }
        self.by_due.pop_first();
        self.worked_on.remove(&id);
        self.open.get(&id).map(|operation| (id, operation))
    }

    /// Lets none come to its end by itself any more. Gives those that would have.
    pub(crate) fn take_all_off_the_clock(&mut self) -> Vec<OperationId> {
        self.worked_on.clear();
        std::mem::take(&mut self.by_due).into_iter().map(|(_, id)| id).collect()
    }

    /// Those of a checkpoint.
    pub(crate) fn of(open: Vec<(OperationId, Operation)>) -> Operations {
        let mut operations = Operations::default();
        open.into_iter().for_each(|(id, operation)| operations.start(id, operation));
        operations
    }

    /// The same in another process: outcomes that were on their way are lost, so that all are on the clock again.
    pub(crate) fn without_outcomes(self) -> Operations {
        let worked_on = self.worked_on;
        let mut operations = Operations::of(self.open.into_iter().collect());
        if planted::is(PlantedBug::AnswerTakenForGiven) {
            let all = operations.worked_on.clone();
            all.difference(&worked_on).for_each(|id| assert!(operations.take_off_the_clock(*id)));
        }
        operations
    }

    /// Those of a checkpoint that goes on elsewhere: none comes to its end by itself any more.
    pub(crate) fn interrupted(open: Vec<(OperationId, Operation)>) -> Operations {
        let mut operations = Operations::of(open);
        operations.by_due.clear();
        if !planted::is(PlantedBug::WorkBegunForACopy) {
            operations.worked_on.clear();
        }
        operations
    }

    /// All that are open, in order of id.
    pub(crate) fn all(&self) -> impl Iterator<Item = (OperationId, &Operation)> + '_ {
        self.open.iter().map(|(id, operation)| (*id, operation))
    }

    /// What somebody still works on, in order of id.
    pub(crate) fn worked_on(&self) -> impl Iterator<Item = OperationId> + '_ {
        self.worked_on.iter().copied()
    }

    /// Whether somebody still works on this one.
    pub(crate) fn is_worked_on(&self, id: OperationId) -> bool {
        self.worked_on.contains(&id)
    }

    /// Ends all, without outcomes.
    pub fn clear(&mut self) {
        self.open.clear();
        self.by_due.clear();
        self.worked_on.clear();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::{Operation, Operations, Work};
    use crate::ids::{OperationId, Timestamp};

    fn sleep(due: u64) -> Operation {
        Operation::Sleep { due: Timestamp(due) }
    }

    fn open(sleeps: &[(u64, u64)]) -> Operations {
        let mut operations = Operations::default();
        for (id, due) in sleeps {
            operations.start(OperationId(*id), sleep(*due));
        }
        operations
    }

    #[test]
    fn sleeps_come_off_the_clock_in_order_of_due_time_then_of_start() {
        let mut operations = open(&[(1, 30), (2, 10), (3, 10), (4, 31)]);
        assert_eq!(operations.next_due(), Some(Timestamp(10)));
        assert_eq!(operations.take_due(Timestamp(9)), None, "never early");
        let taken: Vec<_> =
            std::iter::from_fn(|| operations.take_due(Timestamp(30)).map(|(id, _)| id)).collect();
        assert_eq!(taken, [OperationId(2), OperationId(3), OperationId(1)]);
        assert_eq!(operations.next_due(), Some(Timestamp(31)));
    }

    #[test]
    fn a_sleep_stays_open_from_the_clock_to_its_delivery() {
        let mut operations = open(&[(1, 10)]);
        assert_eq!(operations.take_due(Timestamp(10)), Some((OperationId(1), &sleep(10))));
        assert!(operations.contains(OperationId(1)));
        assert_eq!(operations.len(), 1);
        assert_eq!(operations.end(OperationId(1)), Some(sleep(10)), "delivered");
        assert_eq!(operations.end(OperationId(1)), None, "not again");
    }

    #[test]
    fn a_cancelled_sleep_is_never_due() {
        let mut operations = open(&[(1, 10), (2, 20)]);
        assert!(operations.end(OperationId(1)).is_some());
        assert_eq!(operations.next_due(), Some(Timestamp(20)));
        operations.clear();
        assert!(operations.is_empty());
        assert_eq!(operations.take_due(Timestamp::NEVER), None);
    }

    #[test]
    #[should_panic(expected = "operation ids are never used twice")]
    fn an_id_that_is_open_cannot_be_started_again() {
        open(&[(1, 10), (1, 20)]);
    }

    fn work(until: u64) -> Operation {
        let (party, prefix) = ("main".into(), String::new());
        let work = Work::Rooms { party, prefix, after: None, limit: 1 };
        Operation::Work { work: Arc::new(work), until: Timestamp(until) }
    }

    /// A sleep, and work in each state: under way, answered, overdue, cancelled, and dropped when its answer came.
    fn works() -> Operations {
        let mut operations = open(&[(1, 10)]);
        (2..=6).for_each(|id| operations.start(OperationId(id), work(if id == 4 { 20 } else { 30 })));
        assert!(operations.take_off_the_clock(OperationId(3)), "answered");
        assert!(!operations.take_off_the_clock(OperationId(3)), "once");
        while operations.take_due(Timestamp(20)).is_some() {}
        operations.end(OperationId(5));
        let answered = operations.end(OperationId(6)).unwrap();
        operations.reopen(OperationId(6), answered);
        operations
    }

    fn worked_on(operations: &Operations) -> Vec<u64> {
        operations.worked_on().map(|id| id.0).collect()
    }

    #[test]
    fn who_works_is_known_until_the_answer_the_deadline_or_the_end() {
        let mut operations = works();
        assert_eq!((worked_on(&operations), operations.len()), (vec![2], 5));
        assert!(operations.is_worked_on(OperationId(2)) && !operations.is_worked_on(OperationId(1)));
        assert_eq!(operations.take_all_off_the_clock(), [OperationId(2)]);
        assert_eq!(worked_on(&operations), [0; 0]);
        let mut operations = works();
        operations.clear();
        assert_eq!(worked_on(&operations), [0; 0]);
    }

    #[test]
    fn another_process_knows_of_no_outcome_and_a_copy_of_nobody_who_works() {
        let all = works().all().map(|(id, operation)| (id, operation.clone())).collect::<Vec<_>>();
        assert_eq!(worked_on(&works().without_outcomes()), [2, 3, 4, 6]);
        assert_eq!(works().without_outcomes(), Operations::of(all.clone()));
        let copy = Operations::interrupted(all);
        assert_eq!((worked_on(&copy), copy.next_due(), copy.len()), (vec![], None, 5));
    }
}
