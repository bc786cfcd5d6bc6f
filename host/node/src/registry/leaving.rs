//! What leaves a room: outputs on their way to its clients, and what is answered without it.

use std::collections::VecDeque;
use std::rc::Rc;

use party_core::auto_response::AutoResponse;
use party_core::event::Output;
use party_core::http::Response;
use party_core::ids::{ConnectionId, RequestId, StreamId};
use party_core::message::{CloseFrame, Message};
use party_core::profile;

use crate::answer_body::{self, BodyWriter};
use crate::connection::{Decision, Link};
use crate::outbound::ToSocket;
use crate::outbox::Outgoing;
use crate::registry::RoomEntry;
use crate::visits::Answer;
use crate::working;

/// A room's auto-response. It is encoded once, however often it is given.
pub(super) struct AutoAnswer {
    pair: AutoResponse,
    outgoing: Rc<Outgoing>,
}

impl AutoAnswer {
    pub(super) fn new(pair: AutoResponse) -> AutoAnswer {
        let outgoing = Outgoing::new(Message::Text(pair.response.clone()));
        AutoAnswer { pair, outgoing }
    }
}

impl RoomEntry {
    /// Gives back what it keeps for nothing, while it sleeps.
    pub(crate) fn give_back(&self) {
        let mut undone = self.undone.borrow_mut();
        if undone.is_empty() {
            *undone = VecDeque::new();
        }
        self.links.borrow().iter().for_each(|link| link.outbox.give_back());
    }

    /// Closes every connection with this and answers nobody, because the room cannot be asked any more.
    pub(crate) fn lose_everyone(&self, frame: &CloseFrame) {
        self.starved.take();
        for link in self.links.take() {
            link.decide(Decision::Rejected(profile::failed(&frame.reason)));
            link.close(Some(frame.clone()));
        }
        // Who waits is told that the room was lost.
        self.requests.take();
        self.bodies.take();
        self.uploads.take();
    }

    /// Lets an output leave.
    pub(crate) fn perform(&self, output: Output) {
        match output {
            Output::Send(id, message) => {
                if let Some(link) = self.link(id) {
                    self.send(&link, &Outgoing::new(message));
                }
            }
            Output::Broadcast(ids, message) => self.send_to_all(&ids, &Outgoing::new(message)),
            Output::Respond(id, response) => {
                self.forget_upload(id);
                if let Some(reply) = self.requests.borrow_mut().remove(&id) {
                    // A client that has gone meanwhile misses nothing.
                    let _ = reply.send(Answer::Response(response));
                }
            }
            Output::Open(id, stream, head) => self.open_answer(id, stream, head),
            Output::Write(stream, bytes) => {
                if let Some((_, body)) = self.bodies.borrow().get(&stream) {
                    body.write(bytes);
                }
            }
            Output::Finish(stream) => {
                if let Some(body) = self.take_body(stream) {
                    body.finish();
                }
            }
            Output::BreakOff(stream) => _ = self.take_body(stream),
            Output::SendOn(stream, message) => {
                working::send(self, stream.operation(), ToSocket::Send(message));
            }
            Output::CloseOn(stream, frame) => {
                working::send(self, stream.operation(), ToSocket::Close(frame));
            }
            Output::Interrupted(id) => {
                if let Some(reply) = self.requests.borrow_mut().remove(&id) {
                    let _ = reply.send(Answer::Interrupted);
                }
            }
            Output::Accept(id) => {
                let still_there = self.link(id).is_some_and(|link| link.decide(Decision::Accepted));
                if !still_there {
                    self.connection_closed(id, CloseFrame::lost(), false);
                }
            }
            Output::Read(id) => {
                if let Some(link) = self.link(id) {
                    link.read();
                }
            }
            Output::Reject(id, response) => {
                if let Some(link) = self.remove_link(id) {
                    link.decide(Decision::Rejected(response));
                }
            }
            Output::Close(id, frame) => {
                if let Some(link) = self.link(id) {
                    link.close(frame);
                }
            }
            // Done by who carries the room's decisions out, who has the means.
            Output::Begin(..) | Output::Forget(_) | Output::ReadBody(..) => {}
            Output::AutoResponse(pair) => *self.auto_answer.borrow_mut() = pair.map(AutoAnswer::new),
        }
    }

    /// The body of an answer, which ends with this.
    fn take_body(&self, stream: StreamId) -> Option<BodyWriter> {
        let (request, body) = self.bodies.borrow_mut().remove(&stream)?;
        self.forget_upload(request);
        Some(body)
    }

    fn open_answer(&self, id: RequestId, stream: StreamId, head: Response) {
        let Some(reply) = self.requests.borrow_mut().remove(&id) else { return };
        let (writer, unread) = answer_body::body(self.limits.stream_credit_bytes);
        self.bodies.borrow_mut().insert(stream, (id, writer));
        if reply.send(Answer::Streamed(head, stream, unread)).is_err() {
            self.answer_gone(stream, id);
        }
    }

    /// Answers a message without the room, if it is the one that has an auto-response: neither wakes it nor counts as
    /// something that happened to it.
    pub(crate) fn answer(&self, link: &Link, message: &Message) -> bool {
        let auto_answer = self.auto_answer.borrow();
        let Some(answer) = auto_answer.as_ref().filter(|answer| answer.pair.answers(message)) else {
            return false;
        };
        self.mind_slow_reader(link, link.outbox.answer(&answer.outgoing));
        true
    }

    fn send(&self, link: &Link, outgoing: &Rc<Outgoing>) {
        self.mind_slow_reader(link, link.send(outgoing));
    }

    /// Says so if a connection is closed because there was no room for another message.
    fn mind_slow_reader(&self, link: &Link, had_room: bool) {
        if !had_room {
            let ((project, party, room), connection) = (self.address.names(), link.id.0);
            let bytes_max = self.limits.outbound_queue_bytes_max;
            tracing::warn!(
                project,
                party,
                room,
                connection,
                "closed with 1013: more than {bytes_max} bytes wait for it (limits.outbound_queue_bytes_max)"
            );
        }
    }

    /// Both lists are in ascending order, so one walk finds every receiver.
    fn send_to_all(&self, ids: &[ConnectionId], outgoing: &Rc<Outgoing>) {
        let links = self.links.borrow();
        let mut at = 0;
        for id in ids {
            while links.get(at).is_some_and(|link| link.id < *id) {
                at += 1;
            }
            if let Some(link) = links.get(at).filter(|link| link.id == *id) {
                self.send(link, outgoing);
            }
        }
    }
}
