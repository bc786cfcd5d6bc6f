//! Calls of durable rooms, which are made once: whoever is lost before it has answered is asked once more.

use std::future::pending;

use party_core::address::RoomAddress;
use party_core::call::{Attempt, Call, CallId};
use party_core::event::Outcome;
use party_core::http::Request;
use party_core::ids::OperationId;
use party_core::operation::{OperationError, Work};
use party_core::room::Refusal;

use crate::node::{Node, Unavailable};
use crate::visits::Answer;

/// How long it is until a room that could not answer is asked once more, in milliseconds, and each time twice as long.
const ASK_AGAIN_MS: u64 = 50;
/// But never longer than this. The room that calls gives up at its operation's deadline.
const ASK_AGAIN_MS_MAX: u64 = 2_000;

/// Whom this asks, and what makes it one call; nothing if it is none, or of a room that is not durable.
pub(super) fn once(
    caller: &RoomAddress,
    operation: OperationId,
    work: &Work,
    attempt: Attempt,
) -> Option<(RoomAddress, Call)> {
    let Work::Call { party, room, once: Some(once), .. } = work else { return None };
    // It was checked when the turn began it.
    let callee = RoomAddress::new(caller.project(), party, room).ok()?;
    let id = CallId {
        party: caller.party().into(),
        room: caller.room().into(),
        incarnation: once.incarnation,
        operation,
    };
    Some((callee, Call { id, once: *once, attempt }))
}

/// Asks until there is an answer.
pub(super) async fn ask(node: &Node, callee: RoomAddress, mut call: Call, request: &Request) -> Outcome {
    let mut pause_ms = ASK_AGAIN_MS;
    loop {
        let is_first = call.attempt == Attempt::First;
        match node.call(callee.clone(), call.clone(), request.clone()).await {
            Ok(Answer::Response(response)) => return Outcome::Response(Box::new(response)),
            // The room refuses to stream what it must keep (`Turn::open_response`).
            Ok(Answer::Streamed(..) | Answer::Interrupted) => return Outcome::Interrupted,
            // The next host asks.
            Err(Unavailable::Ending) => return pending().await,
            // What was asked before may have been heard by a party that has gone since.
            Err(Unavailable::NoSuchParty) if !is_first => return Outcome::Interrupted,
            Err(Unavailable::NoSuchParty) => {
                return Outcome::Failed(OperationError::NoSuchParty(callee.party().to_owned()));
            }
            Err(Unavailable::Refused(Refusal::TooManyRequests { requests_max })) if is_first => {
                return Outcome::Failed(OperationError::Overloaded(requests_max));
            }
            Err(Unavailable::Lost) => call.attempt = Attempt::Again,
            Err(Unavailable::Refused(Refusal::Ending) | Unavailable::Arriving) => {}
            Err(error) if is_first => return Outcome::Failed(OperationError::Connect(error.to_string())),
            Err(_) => {}
        }
        let clock = node.clock();
        clock.sleep_until(clock.now().after_ms(pause_ms)).await;
        pause_ms = (pause_ms * 2).min(ASK_AGAIN_MS_MAX);
    }
}
