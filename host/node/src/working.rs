//! What is done for rooms outside of them: begun when a room says so, on its worker, and answered to that room only.
//!
//! Whoever works holds nothing of the room but its number. One that has ended, or does not wait any more, is not answered.

mod calling;
mod streaming;

use std::collections::btree_map::Entry;
use std::rc::Rc;
use std::sync::Arc;

use party_core::address::RoomAddress;
use party_core::call::{Attempt, CallId};
use party_core::event::{Outcome, RoomsPage};
use party_core::http::Request;
use party_core::ids::{OperationId, RequestId, StreamId};
use party_core::operation::{OperationError, Work};
use party_core::room::Refusal;
use tokio::sync::mpsc::UnboundedSender;
use tokio::task::AbortHandle;

use crate::answer_body::NotWhole;
use crate::inspection::RoomsQuestion;
use crate::node::{Node, Unavailable};
use crate::outbound::{Fetch, ToSocket};
use crate::project::Project;
use crate::registry::RoomEntry;
use crate::timers::RoomNumber;
use crate::worker::Worker;
use crate::working::streaming::Reader;

/// Begins something for a room.
pub(crate) fn begin(worker: &Worker, entry: &RoomEntry, id: OperationId, work: Arc<Work>, attempt: Attempt) {
    let (node, number) = (worker.node().clone(), entry.number);
    let once = calling::once(entry.address(), id, &work, attempt);
    let body_bytes_max = u64::from(entry.limits().response_body_bytes_max);
    let call = once.clone();
    let message_bytes_max = entry.limits().message_in_bytes_max;
    let project = Arc::clone(&entry.party().project);
    let task = tokio::task::spawn_local(async move {
        let reader = Reader { room: number, operation: id };
        let outcome = match (&*work, call) {
            (Work::Call { request, .. }, Some((callee, call))) => {
                calling::ask(&node, callee, call, request).await
            }
            (Work::Fetch { request, redirects_max, streams: true, .. }, _) => {
                let request = Request::clone(request);
                let fetch = Fetch { request, redirects_max: *redirects_max, body_bytes_max };
                let answer = |outcome| answer(number, id, outcome, None);
                streaming::fetch(&node, &project, fetch, reader, answer).await;
                return ended(number, id);
            }
            (Work::Connect { target }, _) => {
                let answer = |outcome, socket| answer(number, id, outcome, socket);
                streaming::connect(&node, &project, target, message_bytes_max, reader, answer).await;
                return ended(number, id);
            }
            (work, _) => carry_out(&node, &project, work, body_bytes_max).await,
        };
        answer(number, id, outcome, None);
    });
    let call = once.map(|(callee, call)| (callee, call.id));
    entry.works.borrow_mut().insert(id, Doing { task: task.abort_handle(), call, socket: None });
}

/// Brings the body of a request. One that has come along with it has no more than its end.
pub(crate) fn read_body(entry: &RoomEntry, request: RequestId, stream: StreamId) {
    let (number, operation) = (entry.number, stream.operation());
    let upload = entry.begin_upload(request);
    let task = tokio::task::spawn_local(async move {
        streaming::upload(upload, Reader { room: number, operation }).await;
        ended(number, operation);
    });
    let doing = Doing { task: task.abort_handle(), call: None, socket: None };
    entry.works.borrow_mut().insert(operation, doing);
}

/// Something that is done for a room.
pub(crate) struct Doing {
    task: AbortHandle,
    /// If it is a call that is made once: whom to tell that the room will not ask for it again, and what. Then it stays here when
    /// it is answered, until that is so.
    call: Option<(RoomAddress, CallId)>,
    /// If it is a socket that is open: how the room sends through it.
    socket: Option<UnboundedSender<ToSocket>>,
}

/// The room does something with a socket of its own. One that has gone has told it so, or is about to.
pub(crate) fn send(entry: &RoomEntry, id: OperationId, what: ToSocket) {
    if let Some(Doing { socket: Some(socket), .. }) = entry.works.borrow().get(&id) {
        let _ = socket.send(what);
    }
}

/// The room does not wait for it any more, and will not ask for it again.
pub(crate) fn forget(worker: &Worker, entry: &RoomEntry, id: OperationId) {
    let Some(Doing { task, call, .. }) = entry.works.borrow_mut().remove(&id) else { return };
    task.abort();
    if let Some((callee, call)) = call {
        worker.node().call_gone(callee, call);
    }
}

/// The room has ended.
pub(crate) fn forget_all(entry: &RoomEntry) {
    for doing in entry.works.take().into_values() {
        doing.task.abort();
    }
}

fn room(number: RoomNumber) -> Option<Rc<RoomEntry>> {
    Worker::current()?.rooms().by_number(number)
}

/// A stream is over, and its end has been told.
fn ended(number: RoomNumber, id: OperationId) {
    if let Some(entry) = room(number) {
        entry.works.borrow_mut().remove(&id);
    }
}

/// What a room is told of its operation. A stream goes on behind it.
fn answer(number: RoomNumber, id: OperationId, outcome: Outcome, socket: Option<UnboundedSender<ToSocket>>) {
    let Some(entry) = room(number) else { return };
    let goes_on = matches!(outcome, Outcome::Streamed(_) | Outcome::Connected);
    let is_waited_for = match entry.works.borrow_mut().entry(id) {
        Entry::Occupied(doing) if doing.get().call.is_none() && !goes_on => {
            doing.remove();
            true
        }
        Entry::Occupied(mut doing) => {
            doing.get_mut().socket = socket;
            true
        }
        Entry::Vacant(_) => false,
    };
    if is_waited_for {
        entry.put_in(|core| core.answered(id, outcome));
    }
}

/// Does it, for a room or for a lobby event of a project. A body that comes from outside the host, or from a file, may be so
/// large.
pub(crate) async fn carry_out(node: &Node, project: &Project, work: &Work, body_bytes_max: u64) -> Outcome {
    match work {
        Work::Rooms { party, prefix, after, limit } => {
            rooms(node, &project.name, party, prefix, after.as_deref(), *limit).await
        }
        Work::Call { party, room, request, .. } => {
            call(node, &project.name, (party, room), request, body_bytes_max).await
        }
        Work::Asset { path } => match project.assets.read(path, body_bytes_max).await {
            Ok(asset) => Outcome::Asset(asset.map(Box::new)),
            Err(error) => Outcome::Failed(error),
        },
        Work::Fetch { request, redirects_max, .. } => {
            let request = Request::clone(request);
            fetch(project, Fetch { request, redirects_max: *redirects_max, body_bytes_max }).await
        }
        // Only rooms have streams (`Turn::connect`).
        Work::Connect { .. } => {
            Outcome::Failed(OperationError::Connect("a lobby event has no streams".into()))
        }
    }
}

/// Somebody outside of the host is asked.
async fn fetch(project: &Project, fetch: Fetch) -> Outcome {
    let body_bytes_max = fetch.body_bytes_max;
    match project.outbound.fetch(fetch).await {
        Ok(response) if response.body.len() as u64 > body_bytes_max => {
            Outcome::Failed(OperationError::TooLarge(body_bytes_max))
        }
        Ok(response) => Outcome::Response(Box::new(response)),
        Err(error) => Outcome::Failed(error),
    }
}

/// Another room is asked as a client asks it.
async fn call(
    node: &Node,
    project: &str,
    (party, room): (&str, &str),
    request: &Request,
    body_bytes_max: u64,
) -> Outcome {
    let address = match RoomAddress::new(project, party, room) {
        Ok(address) => address,
        Err(error) => return Outcome::Failed(OperationError::Connect(error.to_string())),
    };
    match node.request(address, request.clone()).await {
        Ok(reply) => match reply.whole(body_bytes_max).await {
            Ok(response) => Outcome::Response(Box::new(response)),
            Err(NotWhole::TooLarge) => Outcome::Failed(OperationError::TooLarge(body_bytes_max)),
            Err(NotWhole::BrokeOff) => Outcome::Interrupted,
        },
        Err(Unavailable::NoSuchParty) => Outcome::Failed(OperationError::NoSuchParty(party.to_owned())),
        Err(Unavailable::Refused(Refusal::TooManyRequests { requests_max })) => {
            Outcome::Failed(OperationError::Overloaded(requests_max))
        }
        // It may have taken the request.
        Err(Unavailable::Lost) => Outcome::Interrupted,
        Err(error) => Outcome::Failed(OperationError::Connect(error.to_string())),
    }
}

async fn rooms(
    node: &Node,
    project: &str,
    party: &str,
    prefix: &str,
    after: Option<&str>,
    limit: u32,
) -> Outcome {
    if node.party(project, party).is_none() {
        return Outcome::Failed(OperationError::NoSuchParty(party.to_owned()));
    }
    let after = match after.map(|after| RoomAddress::new(project, party, after)).transpose() {
        Ok(after) => after,
        Err(error) => return Outcome::Failed(OperationError::Connect(error.to_string())),
    };
    let question = RoomsQuestion {
        project: project.to_owned(),
        party: Some(party.to_owned()),
        prefix: prefix.to_owned(),
        state: None,
        after,
        limit: limit as usize,
    };
    match node.rooms(&question).await {
        Ok(page) => Outcome::Rooms(RoomsPage {
            rooms: page.rooms.into_iter().map(|view| view.address.room().to_owned()).collect(),
            next: page.next.map(|address| address.room().to_owned()),
        }),
        Err(error) => Outcome::Failed(OperationError::Connect(error.to_string())),
    }
}
