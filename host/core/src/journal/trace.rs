//! A digest of what a turn has done, apart from its writes: everything that the world or the room's state learns of it.
//!
//! A turn that is taken again must leave the same trace; one that does not has seen something that was not recorded, and
//! nothing that it remembers can be believed.

use sha2::{Digest, Sha256};

use super::TRACE_BYTES;
use crate::auto_response::AutoResponse;
use crate::codec::http::response;
use crate::codec::{Writer, operations};
use crate::event::{Failure, Output, TurnEnd};
use crate::ids::{ConnectionId, Timestamp};
use crate::message::{CloseFrame, Message};
use crate::turn::{Changes, HoldsChange, SessionChange};

/// The trace of a turn that was kept.
pub(crate) fn trace(changes: &Changes, end: &TurnEnd) -> [u8; TRACE_BYTES] {
    let mut writer = Writer::default();
    match end {
        TurnEnd::Done => writer.byte(0),
        TurnEnd::Pending => writer.byte(1),
        TurnEnd::Failed(failure) => {
            writer.byte(2);
            self::failure(&mut writer, failure);
        }
        TurnEnd::Dropped(_) => writer.byte(3),
    }
    writer.number(changes.outputs.len() as u64);
    changes.outputs.iter().for_each(|one| output(&mut writer, one));
    writer.number(changes.sessions.len() as u64);
    for (ConnectionId(id), change) in &changes.sessions {
        writer.number(*id);
        session(&mut writer, change);
    }
    writer.option(changes.alarm, |writer, alarm| {
        writer.option(alarm, |writer, Timestamp(at)| writer.number(at));
    });
    writer.number(changes.started_ids);
    writer.number(changes.started.len() as u64);
    for (id, operation) in &changes.started {
        // What work it is stands in the outputs.
        writer.number(id.0);
        writer.number(operation.due().0);
    }
    writer.number(changes.cancelled.len() as u64);
    changes.cancelled.iter().for_each(|id| writer.number(id.0));
    writer.number(changes.settled.len() as u64);
    for (event, outcome) in &changes.settled {
        writer.number(event.0);
        writer.option(outcome.as_ref().err(), failure);
    }
    writer.option(changes.holds, |writer, HoldsChange { count, begins }| {
        writer.number(count.into());
        writer.byte(begins.into());
    });
    writer.option(changes.auto_response.as_ref(), |writer, pair| writer.option(pair.as_ref(), auto_response));
    let digest = Sha256::digest(writer.finish());
    std::array::from_fn(|index| digest[index])
}

fn failure(writer: &mut Writer, failure: &Failure) {
    writer.bytes(failure.message.as_bytes());
    writer.option(failure.status, |writer, status| writer.number(status.into()));
}

fn session(writer: &mut Writer, change: &SessionChange) {
    writer.option(change.accepted_with.as_ref(), |writer, tags| {
        writer.number(tags.len() as u64);
        tags.iter().for_each(|tag| writer.bytes(tag.as_bytes()));
    });
    writer.byte(change.rejected.into());
    writer.byte(change.closed.into());
    writer.option(change.attachment.as_ref(), |writer, bytes| writer.bytes(bytes));
}

fn output(writer: &mut Writer, output: &Output) {
    match output {
        Output::Accept(id) => numbered(writer, 0, id.0),
        Output::Read(id) => numbered(writer, 1, id.0),
        Output::Reject(id, response) => {
            numbered(writer, 2, id.0);
            self::response(writer, response);
        }
        Output::Send(id, message) => {
            numbered(writer, 3, id.0);
            self::message(writer, message);
        }
        Output::Broadcast(ids, message) => {
            numbered(writer, 4, ids.len() as u64);
            ids.iter().for_each(|id| writer.number(id.0));
            self::message(writer, message);
        }
        Output::Close(id, frame) => {
            numbered(writer, 5, id.0);
            writer.option(frame.as_ref(), |writer, CloseFrame { code, reason }| {
                numbered(writer, 0, (*code).into());
                writer.bytes(reason.as_bytes());
            });
        }
        Output::Respond(id, response) => {
            numbered(writer, 6, id.0);
            self::response(writer, response);
        }
        Output::AutoResponse(pair) => {
            writer.byte(7);
            writer.option(pair.as_ref(), auto_response);
        }
        Output::Begin(id, work, _) => {
            numbered(writer, 8, id.0);
            operations::work(writer, work);
        }
        Output::Forget(id) => numbered(writer, 9, id.0),
        Output::Interrupted(id) => numbered(writer, 10, id.0),
        Output::Open(request, stream, head) => {
            numbered(writer, 11, request.0);
            writer.number(stream.0);
            response(writer, head);
        }
        Output::Write(id, bytes) => {
            numbered(writer, 12, id.0);
            writer.bytes(bytes);
        }
        Output::ReadBody(request, stream) => {
            numbered(writer, 17, request.0);
            writer.number(stream.0);
        }
        Output::Finish(id) => numbered(writer, 13, id.0),
        Output::BreakOff(id) => numbered(writer, 14, id.0),
        Output::SendOn(id, message) => {
            numbered(writer, 15, id.0);
            self::message(writer, message);
        }
        Output::CloseOn(id, frame) => {
            numbered(writer, 16, id.0);
            writer.option(frame.as_ref(), |writer, CloseFrame { code, reason }| {
                numbered(writer, 0, (*code).into());
                writer.bytes(reason.as_bytes());
            });
        }
    }
}

fn auto_response(writer: &mut Writer, pair: &AutoResponse) {
    writer.bytes(pair.request.as_bytes());
    writer.bytes(pair.response.as_bytes());
}

fn numbered(writer: &mut Writer, kind: u8, number: u64) {
    writer.byte(kind);
    writer.number(number);
}

fn message(writer: &mut Writer, message: &Message) {
    writer.byte(matches!(message, Message::Binary(_)).into());
    writer.bytes(message.payload());
}
