//! Visits: what the edge brings to a room's door, and waits for.
//!
//! A room lives on one worker; whoever comes from another thread sends its question there and gets the answer by mail.

use std::rc::Rc;

use party_core::address::RoomAddress;
use party_core::call::{Call, CallId};
use party_core::event::NewConnection;
use party_core::http::{Request, Response};
use party_core::ids::{RequestId, StreamId};
use tokio::sync::oneshot;

use crate::answer_body::{AnswerBody, Reply, Unread, Whose};
use crate::connection::{Connect, Decision, Ticket, knock};
use crate::node::{Node, Unavailable};
use crate::request_body::WaitingBody;
use crate::timers::RoomNumber;
use crate::worker::{Worker, WorkerIndex};

impl Node {
    /// Asks a room. Dropping the future, or the body of what it gives, tells the room that its client has gone.
    pub async fn request(&self, address: RoomAddress, request: Request) -> Result<Reply, Unavailable> {
        self.request_with(address, request, None).await
    }

    /// The same with a request whose body has not come along, if it waits.
    pub async fn request_with(
        &self,
        address: RoomAddress,
        request: Request,
        body: Option<WaitingBody>,
    ) -> Result<Reply, Unavailable> {
        let index = self.worker_of(&address);
        let (reply, response) = oneshot::channel();
        let ask = move |worker: &Rc<Worker>| {
            let entry = worker.open(&address)?;
            let now = worker.now();
            let id = match entry.take_request() {
                Some(id) => id,
                None => entry.put_in(|core| core.request(request, now))?,
            };
            entry.add_request(id, body, reply);
            Ok((entry.number, id))
        };
        let (room, id) = self.ask(index, ask).await?;
        let mut waiting = Waiting { node: self, index, room, id, answered: false };
        let answer = response.await;
        waiting.answered = true;
        match answer {
            Ok(Answer::Response(response)) => Ok(Reply::Whole(response)),
            Ok(Answer::Streamed(head, stream, unread)) => {
                let whose = Whose { node: self.clone(), worker: index, room, request: id, stream };
                Ok(Reply::Streamed(head, AnswerBody::new(unread, whose)))
            }
            Ok(Answer::Interrupted) | Err(_) => Err(Unavailable::Lost),
        }
    }

    /// Brings a call of a durable room to a room and waits for the answer. If whoever waits goes away, the room that was called
    /// is not told: the same call may be asked once more ([`Node::call_gone`] tells it).
    pub(crate) async fn call(
        &self,
        address: RoomAddress,
        call: Call,
        request: Request,
    ) -> Result<Answer, Unavailable> {
        let index = self.worker_of(&address);
        let (reply, answer) = oneshot::channel();
        let ask = move |worker: &Rc<Worker>| {
            let entry = worker.open(&address)?;
            let now = worker.now();
            let id = entry.put_in(|core| core.call(call, request, now))?;
            entry.add_request(id, None, reply);
            Ok(())
        };
        self.ask(index, ask).await?;
        answer.await.map_err(|_| Unavailable::Lost)
    }

    /// Whoever made this call will not ask for it again.
    pub(crate) fn call_gone(&self, address: RoomAddress, call: CallId) {
        let index = self.worker_of(&address);
        self.run_on(index, move |worker| {
            if let Some(entry) = worker.rooms().by_address(&address) {
                entry.put_in(|core| core.call_gone(&call));
            }
        });
    }

    /// Brings a client to a room's door and waits for what is decided.
    pub async fn connect(&self, address: RoomAddress, new: NewConnection) -> Result<Connect, Unavailable> {
        let index = self.worker_of(&address);
        let knock = move |worker: &Rc<Worker>| {
            let entry = worker.open(&address)?;
            let (id, decision) = knock(&entry, new)?;
            Ok((entry.number, id, decision))
        };
        let (room, id, decision) = self.ask(index, knock).await?;
        let ticket = Ticket::new(self.clone(), index, room, id);
        match decision.await {
            Ok(Decision::Accepted) => Ok(Connect::Accepted(ticket)),
            Ok(Decision::Rejected(response)) => Ok(Connect::Rejected(response)),
            Err(_) => Err(Unavailable::Lost),
        }
    }

    async fn ask<T: Send + 'static>(
        &self,
        index: WorkerIndex,
        ask: impl FnOnce(&Rc<Worker>) -> Result<T, Unavailable> + Send + 'static,
    ) -> Result<T, Unavailable> {
        if let Some(worker) = Worker::current().filter(|worker| worker.index() == index) {
            return ask(&worker);
        }
        let (sender, receiver) = oneshot::channel();
        self.run_on(index, move |worker| {
            // Whoever asked may have gone; then the answer is of no use.
            let _ = sender.send(ask(worker));
        });
        receiver.await.unwrap_or(Err(Unavailable::Ending))
    }
}

/// What comes of a request.
pub(crate) enum Answer {
    /// It is answered.
    Response(Response),
    /// It is answered with this head; the body follows.
    Streamed(Response, StreamId, Unread),
    /// It is a call of a durable room, and may have been heard before.
    Interrupted,
}

/// A request on its way; tells the room if its client goes.
struct Waiting<'a> {
    node: &'a Node,
    index: WorkerIndex,
    room: RoomNumber,
    id: RequestId,
    answered: bool,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        if !self.answered {
            let (room, id) = (self.room, self.id);
            self.node.run_on(self.index, move |worker| {
                if let Some(entry) = worker.rooms().by_number(room) {
                    entry.request_gone(id);
                }
            });
        }
    }
}
