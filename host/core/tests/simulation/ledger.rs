//! The ledger: every output that the outside must see, in order, and the commit that it has to wait for.
//!
//! This is the output gate as its users know it. The model writes down what each turn wants to be seen and the last
//! commit that was taken then; whatever the room lets out is struck off. Out of order, twice, too early, changed or
//! never: each is found here.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use party_core::auto_response::AutoResponse;
use party_core::event::Output;
use party_core::http::Response;
use party_core::ids::{CommitSeq, ConnectionId, RequestId};
use party_core::message::{CloseFrame, Message};

/// What the client of a connection is to see.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Sight {
    Accept,
    Read,
    Reject(Response),
    Frame(Message),
    Close(Option<CloseFrame>),
}

/// What a connection has been told, as far as it is durable.
#[derive(Clone, Copy, Default, Debug)]
struct Told {
    accepted: bool,
    is_read: bool,
    rejected: bool,
    closed: bool,
}

impl Told {
    /// Whether nothing more is to be said. A close waits for the handshake's answer.
    fn is_all(&self) -> bool {
        self.rejected || (self.accepted && self.closed)
    }

    fn hear(&mut self, sight: &Sight) {
        match sight {
            Sight::Accept => self.accepted = true,
            Sight::Reject(_) => self.rejected = true,
            Sight::Close(_) => self.closed = true,
            Sight::Read => self.is_read = true,
            Sight::Frame(_) => {}
        }
    }
}

/// What is still to be seen.
#[derive(Default)]
pub(crate) struct Ledger {
    issued: CommitSeq,
    durable: CommitSeq,
    /// The last commit that outputs wait for.
    needed: CommitSeq,
    connections: BTreeMap<ConnectionId, VecDeque<(CommitSeq, Sight)>>,
    requests: BTreeMap<RequestId, VecDeque<(CommitSeq, Response)>>,
    auto_responses: VecDeque<(CommitSeq, Option<AutoResponse>)>,
    /// What is to be begun for the room, or not any more, in order.
    works: VecDeque<(CommitSeq, Output)>,
    /// The auto-response as the edge has it.
    auto_response: Option<AutoResponse>,
    /// One for each turn, or word of the host, whose outputs wait, with their bytes.
    batches: VecDeque<(CommitSeq, u64)>,
    /// Commits under way, with the bytes of their changes.
    commits: VecDeque<(CommitSeq, u64)>,
    told: BTreeMap<ConnectionId, Told>,
    answered: BTreeSet<RequestId>,
    /// Clients that have gone: after a failed commit it does not matter what they are told.
    gone_connections: BTreeSet<ConnectionId>,
    gone_requests: BTreeSet<RequestId>,
    has_failed: bool,
}

impl Ledger {
    pub(crate) fn new(durable: CommitSeq) -> Ledger {
        Ledger { issued: durable, durable, needed: durable, ..Ledger::default() }
    }

    /// The edge begins with this auto-response.
    pub(crate) fn begin_with(&mut self, auto_response: Option<AutoResponse>) {
        self.auto_response = auto_response;
    }

    /// The auto-response at the edge, unless another is still to come, or the life is over.
    pub(crate) fn settled_auto_response(&self) -> Option<Option<&AutoResponse>> {
        let is_settled = self.auto_responses.is_empty() && !self.has_failed;
        is_settled.then_some(self.auto_response.as_ref())
    }

    /// Takes a commit number for changes of so many bytes.
    pub(crate) fn issue(&mut self, bytes: u64) -> CommitSeq {
        self.issued = self.issued.next();
        self.commits.push_back((self.issued, bytes));
        self.needed = self.issued;
        self.issued
    }

    /// As [`Ledger::issue`], for a commit that no output waits for.
    pub(crate) fn issue_unneeded(&mut self) -> CommitSeq {
        let needed = self.needed;
        self.issue(0);
        self.needed = needed;
        self.issued
    }

    pub(crate) fn committed(&mut self, seq: CommitSeq) {
        self.durable = seq;
        self.batches.retain(|(waits_for, _)| *waits_for > seq);
        self.commits.retain(|(under_way, _)| *under_way > seq);
    }

    /// The only commit under way is not to be, and nothing depends on it: what waits for it may be seen.
    pub(crate) fn take_back(&mut self) {
        (self.issued, self.needed) = (self.durable, self.durable);
        self.batches.clear();
        self.commits.clear();
        let durable = self.durable;
        self.connections.values_mut().flatten().for_each(|(waits_for, _)| *waits_for = durable);
        self.requests.values_mut().flatten().for_each(|(waits_for, _)| *waits_for = durable);
        self.auto_responses.iter_mut().for_each(|(waits_for, _)| *waits_for = durable);
        self.works.iter_mut().for_each(|(waits_for, _)| *waits_for = durable);
    }

    /// Whether the room has ever made a commit.
    pub(crate) fn has_issued(&self) -> bool {
        self.issued > CommitSeq(0)
    }

    pub(crate) fn durable(&self) -> CommitSeq {
        self.durable
    }

    pub(crate) fn commits_under_way(&self) -> u64 {
        self.commits.len() as u64
    }

    /// Turns that wait, for their commit or with their outputs.
    pub(crate) fn waiting_turns(&self) -> u64 {
        self.commits.len().max(self.batches.len()) as u64
    }

    /// Bytes that wait: of changes, and of outputs.
    pub(crate) fn waiting_bytes(&self) -> u64 {
        self.commits.iter().chain(&self.batches).map(|(_, bytes)| bytes).sum()
    }

    pub(crate) fn connection_gone(&mut self, id: ConnectionId) {
        self.gone_connections.insert(id);
    }

    pub(crate) fn request_gone(&mut self, id: RequestId) {
        self.gone_requests.insert(id);
    }

    /// Outputs of one turn, or one of the host: to be seen when all commits so far are durable.
    pub(crate) fn expect(&mut self, outputs: Vec<Output>) {
        if outputs.is_empty() {
            return;
        }
        if self.needed > self.durable {
            let bytes = outputs.iter().map(Output::payload_bytes).sum();
            self.batches.push_back((self.needed, bytes));
        }
        for output in outputs {
            self.expect_one(output);
        }
    }

    fn expect_one(&mut self, output: Output) {
        let waits_for = self.needed;
        let mut add = |id, sight| self.connections.entry(id).or_default().push_back((waits_for, sight));
        match output {
            Output::Accept(id) => add(id, Sight::Accept),
            Output::Read(id) => add(id, Sight::Read),
            Output::Reject(id, response) => add(id, Sight::Reject(response)),
            Output::Send(id, message) => add(id, Sight::Frame(message)),
            Output::Broadcast(ids, message) => {
                ids.into_iter().for_each(|id| add(id, Sight::Frame(message.clone())));
            }
            Output::Close(id, frame) => add(id, Sight::Close(frame)),
            Output::Respond(id, response) => {
                self.requests.entry(id).or_default().push_back((waits_for, response));
            }
            Output::AutoResponse(pair) => self.auto_responses.push_back((waits_for, pair)),
            Output::Begin(id, work, attempt) => {
                self.works.push_back((waits_for, Output::Begin(id, work, attempt)));
            }
            Output::Forget(id) => self.works.push_back((waits_for, Output::Forget(id))),
            Output::Open(..)
            | Output::ReadBody(..)
            | Output::Write(..)
            | Output::Finish(_)
            | Output::BreakOff(_)
            | Output::SendOn(..)
            | Output::CloseOn(..) => panic!("the room has no streams: {output:?}"),
            Output::Interrupted(id) => panic!("nobody has called, and request {id} is answered so"),
        }
    }

    /// Strikes off what has become visible.
    pub(crate) fn see(&mut self, output: &Output) {
        match output {
            Output::Accept(id) => self.see_connection(*id, Sight::Accept),
            Output::Read(id) => self.see_connection(*id, Sight::Read),
            Output::Reject(id, response) => self.see_connection(*id, Sight::Reject(response.clone())),
            Output::Send(id, message) => self.see_connection(*id, Sight::Frame(message.clone())),
            Output::Broadcast(ids, message) => {
                assert!(ids.is_sorted(), "a broadcast names its connections in ascending order");
                ids.iter().for_each(|id| self.see_connection(*id, Sight::Frame(message.clone())));
            }
            Output::Close(id, frame) => self.see_connection(*id, Sight::Close(frame.clone())),
            Output::Respond(id, response) => self.see_response(*id, response),
            Output::AutoResponse(pair) => self.see_auto_response(pair),
            Output::Begin(..) | Output::Forget(_) => self.see_work(output),
            Output::Open(..)
            | Output::ReadBody(..)
            | Output::Write(..)
            | Output::Finish(_)
            | Output::BreakOff(_)
            | Output::SendOn(..)
            | Output::CloseOn(..) => panic!("the room has no streams: {output:?}"),
            Output::Interrupted(id) => panic!("nobody has called, and request {id} is answered so"),
        }
    }

    fn see_work(&mut self, output: &Output) {
        let Some((waits_for, expected)) = self.works.pop_front() else {
            panic!("{output:?}, which nothing that stands has caused");
        };
        assert!(waits_for <= self.durable, "{output:?} before commit {waits_for}");
        assert_eq!(*output, expected, "what is done for the room");
    }

    fn see_auto_response(&mut self, pair: &Option<AutoResponse>) {
        let Some((waits_for, expected)) = self.auto_responses.pop_front() else {
            panic!("the auto-response became {pair:?}, which nothing that stands has caused");
        };
        assert!(waits_for <= self.durable, "the auto-response became {pair:?} before commit {waits_for}");
        assert_eq!(*pair, expected, "the auto-response");
        self.auto_response.clone_from(pair);
    }

    fn see_connection(&mut self, id: ConnectionId, sight: Sight) {
        let expected = self.connections.get_mut(&id).and_then(VecDeque::pop_front);
        let told = self.told.entry(id).or_default();
        match expected {
            Some((waits_for, expected)) => {
                assert!(waits_for <= self.durable, "connection {id} saw {sight:?} before commit {waits_for}");
                assert_eq!(sight, expected, "what connection {id} saw next");
            }
            None if self.has_failed && self.gone_connections.contains(&id) => return,
            None => panic!("connection {id} saw {sight:?}, which nothing that stands has caused"),
        }
        let is_answer = matches!(sight, Sight::Accept | Sight::Reject(_));
        assert!(!(is_answer && (told.accepted || told.rejected)), "handshake {id} was answered twice");
        told.hear(&sight);
    }

    fn see_response(&mut self, id: RequestId, response: &Response) {
        match self.requests.get_mut(&id).and_then(VecDeque::pop_front) {
            Some((waits_for, expected)) => {
                assert!(waits_for <= self.durable, "request {id} was answered before commit {waits_for}");
                assert_eq!(*response, expected, "the answer to request {id}");
            }
            None if self.has_failed && self.gone_requests.contains(&id) => return,
            None => panic!("request {id} was answered {response:?}, which nothing that stands has caused"),
        }
        assert!(self.answered.insert(id), "request {id} was answered twice");
    }

    /// Nothing is held back that could be seen.
    pub(crate) fn check_seen(&self) {
        for (id, sights) in &self.connections {
            if let Some((waits_for, sight)) = sights.front() {
                assert!(*waits_for > self.durable, "connection {id} should have seen {sight:?}");
            }
        }
        if let Some((waits_for, pair)) = self.auto_responses.front() {
            assert!(*waits_for > self.durable, "the auto-response should have become {pair:?}");
        }
        if let Some((waits_for, output)) = self.works.front() {
            assert!(*waits_for > self.durable, "{output:?} should have left");
        }
        for (id, responses) in &self.requests {
            if let Some((waits_for, _)) = responses.front() {
                assert!(*waits_for > self.durable, "request {id} should have been answered");
            }
        }
    }

    /// A commit failed. What waits will never be seen; instead every client that is there is told so, once.
    pub(crate) fn fail(
        &mut self,
        connections: impl Iterator<Item = ConnectionId>,
        requests: impl Iterator<Item = RequestId>,
        frame: &CloseFrame,
    ) {
        let unavailable = Response::text(503, frame.reason.clone());
        let durable = self.durable;
        self.connections.values_mut().for_each(|sights| sights.retain(|(seq, _)| *seq <= durable));
        self.requests.values_mut().for_each(|responses| responses.retain(|(seq, _)| *seq <= durable));
        self.auto_responses.retain(|(seq, _)| *seq <= durable);
        self.works.retain(|(seq, _)| *seq <= durable);
        (self.issued, self.needed) = (durable, durable);
        self.batches.clear();
        self.commits.clear();
        self.has_failed = true;
        for id in connections {
            let mut told = self.told.get(&id).copied().unwrap_or_default();
            let sights = self.connections.entry(id).or_default();
            sights.iter().for_each(|(_, sight)| told.hear(sight));
            if told.is_all() {
                continue;
            }
            let sight = match told.accepted {
                true => Sight::Close(Some(frame.clone())),
                false => Sight::Reject(unavailable.clone()),
            };
            sights.push_back((durable, sight));
        }
        for id in requests {
            let responses = self.requests.entry(id).or_default();
            if responses.is_empty() && !self.answered.contains(&id) {
                responses.push_back((durable, unavailable.clone()));
            }
        }
    }

    /// Whether messages of the client are read.
    pub(crate) fn is_read(&self, id: ConnectionId) -> bool {
        self.told.get(&id).is_some_and(|told| told.accepted && told.is_read && !told.closed)
    }

    /// Whether nothing more will be said to a connection.
    pub(crate) fn is_finished(&self, id: ConnectionId) -> bool {
        self.told.get(&id).is_some_and(Told::is_all)
    }

    pub(crate) fn is_rejected(&self, id: ConnectionId) -> bool {
        self.told.get(&id).is_some_and(|told| told.rejected)
    }

    pub(crate) fn is_answered(&self, id: RequestId) -> bool {
        self.answered.contains(&id)
    }

    /// Whether something that is to be done for the room is not begun yet, because a commit is under way.
    pub(crate) fn holds_work_back(&self) -> bool {
        self.works.iter().any(|(_, output)| matches!(output, Output::Begin(..)))
    }

    /// Whether nothing is left to be seen.
    pub(crate) fn is_empty(&self) -> bool {
        self.connections.values().all(VecDeque::is_empty)
            && self.requests.values().all(VecDeque::is_empty)
            && self.auto_responses.is_empty()
            && self.works.is_empty()
    }
}
