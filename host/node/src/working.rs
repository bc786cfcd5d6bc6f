//! What is done for rooms outside of them: begun when a room says so, on its worker, and answered to that room only.
//!
//! Whoever works holds nothing of the room but its number. One that has ended, or does not wait any more, is not answered.

mod calling;

use std::collections::btree_map::Entry;
use std::rc::Rc;
use std::sync::Arc;

use party_core::address::RoomAddress;
use party_core::call::{Attempt, CallId};
use party_core::event::{Outcome, RoomsPage};
use party_core::http::Request;
use party_core::ids::OperationId;
use party_core::operation::{OperationError, Work};
use party_core::room::Refusal;
use tokio::task::AbortHandle;

use crate::inspection::RoomsQuestion;
use crate::node::{Node, Unavailable};
use crate::outbound::Fetch;
use crate::registry::RoomEntry;
use crate::timers::RoomNumber;
use crate::worker::Worker;

/// Begins something for a room.
pub(crate) fn begin(worker: &Worker, entry: &RoomEntry, id: OperationId, work: Arc<Work>, attempt: Attempt) {
    let (node, address, number) = (worker.node().clone(), Arc::clone(entry.address()), entry.number);
    let once = calling::once(&address, id, &work, attempt);
    let body_bytes_max = u64::from(entry.limits().response_body_bytes_max);
    let call = once.clone();
    let task = tokio::task::spawn_local(async move {
        let outcome = match (&*work, call) {
            (Work::Call { request, .. }, Some((callee, call))) => {
                calling::ask(&node, callee, call, request).await
            }
            (work, _) => carry_out(&node, address.project(), work, body_bytes_max).await,
        };
        if let Some(worker) = Worker::current() {
            answer(&worker, number, id, outcome);
        }
    });
    let call = once.map(|(callee, call)| (callee, call.id));
    entry.works.borrow_mut().insert(id, Doing { task: task.abort_handle(), call });
}

/// Something that is done for a room.
pub(crate) struct Doing {
    task: AbortHandle,
    /// If it is a call that is made once: whom to tell that the room will not ask for it again, and what. Then it stays here when
    /// it is answered, until that is so.
    call: Option<(RoomAddress, CallId)>,
}

/// The room does not wait for it any more, and will not ask for it again.
pub(crate) fn forget(worker: &Worker, entry: &RoomEntry, id: OperationId) {
    let Some(Doing { task, call }) = entry.works.borrow_mut().remove(&id) else { return };
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

fn answer(worker: &Rc<Worker>, number: RoomNumber, id: OperationId, outcome: Outcome) {
    let Some(entry) = worker.rooms().by_number(number) else { return };
    let is_waited_for = match entry.works.borrow_mut().entry(id) {
        Entry::Occupied(doing) if doing.get().call.is_none() => {
            doing.remove();
            true
        }
        Entry::Occupied(_) => true,
        Entry::Vacant(_) => false,
    };
    if is_waited_for {
        entry.put_in(|core| core.answered(id, outcome));
    }
}

/// Does it, for a room or for a lobby event. A body that comes from outside the host, or from a file, may be so large.
pub(crate) async fn carry_out(node: &Node, project: &str, work: &Work, body_bytes_max: u64) -> Outcome {
    match work {
        Work::Rooms { party, prefix, after, limit } => {
            rooms(node, project, party, prefix, after.as_deref(), *limit).await
        }
        Work::Call { party, room, request, .. } => call(node, project, party, room, request).await,
        Work::Asset { path } => match node.assets().read(path, body_bytes_max).await {
            Ok(asset) => Outcome::Asset(asset.map(Box::new)),
            Err(error) => Outcome::Failed(error),
        },
        Work::Fetch { request, redirects_max, .. } => {
            let request = Request::clone(request);
            fetch(node, Fetch { request, redirects_max: *redirects_max, body_bytes_max }).await
        }
    }
}

/// Somebody outside of the host is asked.
async fn fetch(node: &Node, fetch: Fetch) -> Outcome {
    let body_bytes_max = fetch.body_bytes_max;
    match node.outbound().fetch(fetch).await {
        Ok(response) if response.body.len() as u64 > body_bytes_max => {
            Outcome::Failed(OperationError::TooLarge(body_bytes_max))
        }
        Ok(response) => Outcome::Response(Box::new(response)),
        Err(error) => Outcome::Failed(error),
    }
}

/// Another room is asked as a client asks it.
async fn call(node: &Node, project: &str, party: &str, room: &str, request: &Request) -> Outcome {
    let address = match RoomAddress::new(project, party, room) {
        Ok(address) => address,
        Err(error) => return Outcome::Failed(OperationError::Connect(error.to_string())),
    };
    match node.request(address, request.clone()).await {
        Ok(response) => Outcome::Response(Box::new(response)),
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
    if node.party(party).is_none() {
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
