//! The other sides: clients that read answers, servers that send bodies, sockets. What each has seen is compared with what
//! kept turns did.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use bytes::Bytes;
use party_core::event::{Outcome, Output};
use party_core::http::{Request, Response};
use party_core::ids::{CommitSeq, OperationId, RequestId, StreamId};
use party_core::message::{CloseFrame, Message};
use party_core::operation::{OperationError, Work};
use party_core::stream::StreamEvent;

use crate::guest::Did;
use crate::world::World;

/// An answer, as its client has it.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    request: RequestId,
    /// Bytes that have left and that the client has not taken.
    pub(crate) waiting: u64,
    /// It was finished, or has broken off.
    pub(crate) is_over: bool,
    pub(crate) is_gone: bool,
}

/// Who sends a body, or is at the other end of a socket.
#[derive(Clone, Debug)]
pub(crate) struct Peer {
    is_socket: bool,
    /// It has answered, and says so many pieces more.
    next: Option<u64>,
    waiting: u64,
    is_closing: bool,
    /// It has ended, or nobody wants anything of it any more.
    pub(crate) is_over: bool,
}

/// All that is outside.
#[derive(Default)]
pub(crate) struct Outside {
    pub(crate) requests: BTreeSet<RequestId>,
    pub(crate) answers: BTreeMap<StreamId, Answer>,
    pub(crate) peers: BTreeMap<StreamId, Peer>,
    /// What kept turns did to each stream and has not left, and the commit that it waits for.
    pub(crate) owed: BTreeMap<StreamId, VecDeque<(CommitSeq, Did)>>,
}

impl Outside {
    /// Answers that go on.
    pub(crate) fn live_answers(&self) -> impl Iterator<Item = StreamId> {
        self.answers.iter().filter(|(_, it)| !it.is_over && !it.is_gone).map(|(id, _)| *id)
    }

    /// Bodies and sockets that go on, and those that may come.
    pub(crate) fn live_peers(&self) -> impl Iterator<Item = StreamId> {
        self.peers.iter().filter(|(_, it)| !it.is_over).map(|(id, _)| *id)
    }

    /// Whether anything goes on.
    pub(crate) fn is_streaming(&self) -> bool {
        self.live_answers().next().is_some() || self.live_peers().next().is_some()
    }
}

impl World {
    /// Somebody outside does something.
    pub(crate) fn step_outside(&mut self) {
        match self.random.below(16) {
            0..3 => self.ask(),
            3 => self.client_goes(),
            4..8 => self.take(),
            8 | 9 => self.peer_answers(),
            10..15 => self.peer_brings(),
            _ => self.peer_ends(),
        }
    }

    pub(crate) fn ask(&mut self) {
        let (method, uri) = ("GET".into(), "http://host/".into());
        let body_waits = self.random.percent(30);
        let request = Request { method, uri, headers: Vec::new(), body: Bytes::new(), body_waits };
        if let Ok(id) = self.room.request(request, self.now) {
            self.outside.requests.insert(id);
        }
    }

    fn client_goes(&mut self) {
        let ids: Vec<StreamId> = self.outside.live_answers().collect();
        let Some(id) = self.random.pick(ids) else { return };
        let answer = self.outside.answers.get_mut(&id).expect("it was picked");
        answer.is_gone = true;
        let request = answer.request;
        self.log.say(|| format!("the client of {id} goes"));
        self.tally.meet("answer", "its client has gone");
        self.room.request_gone(request);
    }

    /// Some of what has been written is taken.
    pub(crate) fn take(&mut self) {
        let answers = self.outside.answers.iter().filter(|(_, it)| it.waiting > 0 && !it.is_gone);
        let answers = answers.map(|(id, it)| (*id, it.waiting));
        let peers = self.outside.peers.iter().filter(|(_, it)| it.waiting > 0 && !it.is_over);
        let waiting: Vec<(StreamId, u64)> = answers.chain(peers.map(|(id, it)| (*id, it.waiting))).collect();
        let Some((id, waiting)) = self.random.pick(waiting) else { return };
        let bytes = 1 + self.random.below(waiting);
        match (self.outside.answers.get_mut(&id), self.outside.peers.get_mut(&id)) {
            (Some(answer), _) => answer.waiting -= bytes,
            (None, Some(peer)) => peer.waiting -= bytes,
            (None, None) => unreachable!("it was picked"),
        }
        self.log.say(|| format!("{bytes} of {id} are taken"));
        self.room.stream_taken(id, bytes);
    }

    fn pick_peer(&mut self, is_such: impl Fn(&Peer) -> bool) -> Option<StreamId> {
        let peers = self.outside.peers.iter().filter(|(_, it)| !it.is_over && is_such(it));
        let ids: Vec<StreamId> = peers.map(|(id, _)| *id).collect();
        self.random.pick(ids)
    }

    fn peer_answers(&mut self) {
        let Some(id) = self.pick_peer(|peer| peer.next.is_none()) else { return };
        let peer = self.outside.peers.get_mut(&id).expect("it was picked");
        let outcome = match self.random.below(5) {
            0 => Outcome::Failed(OperationError::Connect("nobody is there".into())),
            _ if peer.is_socket => Outcome::Connected,
            _ => {
                Outcome::Streamed(Box::new(Response { status: 200, headers: Vec::new(), body: Bytes::new() }))
            }
        };
        match outcome {
            Outcome::Failed(_) => peer.is_over = true,
            _ => peer.next = Some(0),
        }
        self.log.say(|| format!("{id} is answered: {outcome:?}"));
        self.room.answered(id.operation(), outcome);
    }

    fn peer_brings(&mut self) {
        let Some(id) = self.pick_peer(|peer| peer.next.is_some()) else { return };
        if !self.room.stream_has_credit(id) {
            return self.tally.meet("arriving", "full");
        }
        let peer = self.outside.peers.get_mut(&id).expect("it was picked");
        let number = peer.next.as_mut().expect("it has answered");
        let text = format!("{id}.{number}");
        *number += 1;
        self.log.say(|| format!("{id} brings {text}"));
        let what = match peer.is_socket {
            true => StreamEvent::Message(Message::text(text)),
            false => StreamEvent::Chunk(text.into()),
        };
        self.bring(id, what);
    }

    fn bring(&mut self, id: StreamId, what: StreamEvent) {
        if self.room.is_asleep() {
            self.tally.meet("woken", "by a stream");
        }
        self.room.stream_event(id, what);
    }

    pub(crate) fn peer_ends(&mut self) {
        let ends_all = self.is_winding_up;
        let Some(id) = self.pick_peer(|peer| peer.next.is_some() || ends_all) else { return };
        let peer = self.outside.peers.get_mut(&id).expect("it was picked");
        peer.is_over = true;
        let what = match (peer.is_socket, self.random.percent(30)) {
            (_, true) => StreamEvent::Error("it broke".into()),
            (true, false) if peer.is_closing => StreamEvent::Closed(CloseFrame::new(1_000, "bye")),
            (true, false) => StreamEvent::Closed(CloseFrame::new(1_001, "")),
            (false, false) => StreamEvent::End,
        };
        self.log.say(|| format!("{id} ends: {what:?}"));
        self.tally.meet("arriving", "ended");
        match peer.next {
            Some(_) => self.bring(id, what),
            None => {
                let error = OperationError::Connect("nobody is there".into());
                self.room.answered(id.operation(), Outcome::Failed(error));
            }
        }
    }

    /// Something leaves the room.
    pub(crate) fn see(&mut self, output: Output) {
        self.log.say(|| format!("    sees {output:?}"));
        match output {
            Output::Respond(id, _) => {
                assert!(self.outside.requests.remove(&id), "request {id} is answered twice");
            }
            Output::Open(request, id, head) => {
                assert_eq!(head.status, 200);
                self.expect(id, &Did::Open(request));
                assert!(self.outside.requests.remove(&request), "request {request} is answered twice");
                let answer = Answer { request, waiting: 0, is_over: false, is_gone: false };
                assert!(self.outside.answers.insert(id, answer).is_none(), "{id} is opened twice");
                self.tally.meet("answer", "opened");
            }
            Output::ReadBody(request, id) => {
                self.expect(id, &Did::Read(request));
                let peer =
                    Peer { is_socket: false, next: Some(0), waiting: 0, is_closing: false, is_over: false };
                assert!(self.outside.peers.insert(id, peer).is_none(), "{id} is read twice");
                self.tally.meet("arriving", "of a request");
            }
            Output::Write(id, bytes) => {
                self.expect(id, &Did::Write(bytes.clone()));
                let Some(answer) = self.answer(id) else { return };
                assert!(!answer.is_over, "{id} is over and written to");
                answer.waiting += bytes.len() as u64;
                let waiting = answer.waiting;
                self.check_credit(id, waiting, bytes.len());
            }
            Output::Finish(id) => {
                self.expect(id, &Did::Finish);
                let Some(answer) = self.answer(id) else { return };
                assert!(!std::mem::replace(&mut answer.is_over, true), "{id} ends twice");
                self.tally.meet("answer", "finished");
            }
            Output::BreakOff(id) => {
                let owed = self.outside.owed.get(&id);
                if owed.and_then(VecDeque::front).is_some_and(|(_, did)| *did == Did::BreakOff) {
                    self.expect(id, &Did::BreakOff);
                    self.tally.meet("answer", "broken off by the guest");
                }
                let owed = self.outside.owed.remove(&id).unwrap_or_default();
                assert!(owed.is_empty(), "{id} breaks off before {owed:?}");
                let Some(answer) = self.answer(id) else { return };
                assert!(!std::mem::replace(&mut answer.is_over, true), "{id} ends twice");
                self.tally.meet("answer", "broken off");
            }
            Output::SendOn(id, message) => {
                self.expect(id, &Did::Send(message.payload().clone()));
                let bytes = message.len();
                let Some(peer) = self.peer(id) else { return };
                assert!(!peer.is_closing, "{id} is closed and written to");
                peer.waiting += bytes as u64;
                let waiting = peer.waiting;
                self.check_credit(id, waiting, bytes);
            }
            Output::CloseOn(id, _) => {
                self.expect(id, &Did::Close);
                let Some(peer) = self.peer(id) else { return };
                assert!(!std::mem::replace(&mut peer.is_closing, true), "{id} is closed twice");
            }
            Output::Begin(OperationId(id), work, _) => self.begin(StreamId(id), &work),
            Output::Forget(id) => {
                let Some(peer) = self.peer(id.stream()) else { return };
                peer.is_over = true;
                self.tally.meet("arriving", "forgotten");
            }
            output => panic!("nobody asks for {output:?}"),
        }
    }

    /// An answer of this process. The room may still name one of another, until it hears that that is gone.
    fn answer(&mut self, id: StreamId) -> Option<&mut Answer> {
        let answer = self.outside.answers.get_mut(&id);
        assert!(answer.is_some() || self.of_before.contains(&id), "{id} was never opened");
        answer
    }

    /// The same of a body or a socket.
    fn peer(&mut self, id: StreamId) -> Option<&mut Peer> {
        let peer = self.outside.peers.get_mut(&id);
        assert!(peer.is_some() || self.of_before.contains(&id), "{id} was never begun");
        peer
    }

    fn begin(&mut self, id: StreamId, work: &Work) {
        let is_socket = matches!(work, Work::Connect { .. });
        let peer = Peer { is_socket, next: None, waiting: 0, is_closing: false, is_over: false };
        assert!(self.outside.peers.insert(id, peer).is_none(), "{id} is begun twice");
        // A life of a room that is not durable and has left nothing begins with the same ids.
        if self.is_durable && self.of_before.contains(&id) {
            let is_resent = matches!(work, Work::Fetch { resend: true, .. });
            assert!(is_resent, "{id} is begun again");
            self.tally.meet("arriving", "begun again");
        }
    }

    /// This is what comes next of a stream, and durable.
    fn expect(&mut self, id: StreamId, did: &Did) {
        let owed = self.outside.owed.get_mut(&id).and_then(VecDeque::pop_front);
        let Some((seq, owed)) = owed else { panic!("{id}: {did:?}, which no turn that stands did") };
        assert_eq!(*did, owed, "what comes next of {id}");
        let durable = self.durable;
        assert!(seq <= durable, "{id}: {did:?} leaves at {durable}, before commit {seq}");
    }

    /// The last write was let in while there was credit.
    fn check_credit(&self, id: StreamId, waiting: u64, last: usize) {
        let credit = u64::from(self.room.limits().stream_credit_bytes);
        assert!(waiting < credit + last as u64, "{waiting} bytes of {id} wait, of {credit} and {last}");
    }

    /// Everyone that the room has told of its end has heard an end.
    pub(crate) fn check_all_over(&self, when: &str) {
        let left: Vec<StreamId> = self.outside.live_answers().collect();
        assert!(left.is_empty(), "{when}, answers wait for their end: {left:?}");
    }
}
