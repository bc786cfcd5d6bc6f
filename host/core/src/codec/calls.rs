//! Calls of durable rooms as checkpoints and records have them.

use crate::call::{Attempt, Call, CallId, Calls, Known, Once, State};
use crate::codec::{Malformed, Reader, Writer, http};
use crate::ids::{ID_MAX, Incarnation, OperationId, RequestId, Timestamp};

type Read<T> = Result<T, Malformed>;

pub(crate) fn once(writer: &mut Writer, once: &Once) {
    writer.raw(&once.incarnation.0.to_le_bytes());
    writer.number(once.begun.0);
    writer.number(once.until.0);
}

pub(crate) fn read_once(reader: &mut Reader) -> Read<Once> {
    Ok(Once {
        incarnation: Incarnation(u128::from_le_bytes(reader.array()?)),
        begun: Timestamp(reader.number("call's beginning")?),
        until: Timestamp(reader.number("call's end")?),
    })
}

pub(crate) fn call(writer: &mut Writer, call: &Call) {
    id(writer, &call.id);
    once(writer, &call.once);
    writer.byte((call.attempt == Attempt::Again).into());
}

pub(crate) fn read_call(reader: &mut Reader) -> Read<Call> {
    let (id, once) = (read_id(reader)?, read_once(reader)?);
    let attempt = if reader.flag("call's attempt")? { Attempt::Again } else { Attempt::First };
    Ok(Call { id, once, attempt })
}

fn id(writer: &mut Writer, id: &CallId) {
    writer.bytes(id.party.as_bytes());
    writer.bytes(id.room.as_bytes());
    writer.raw(&id.incarnation.0.to_le_bytes());
    writer.number(id.operation.0);
}

fn read_id(reader: &mut Reader) -> Read<CallId> {
    Ok(CallId {
        party: reader.text("caller's party")?.into(),
        room: reader.text("caller")?.into(),
        incarnation: Incarnation(u128::from_le_bytes(reader.array()?)),
        operation: OperationId(below(reader, "caller's operation")?),
    })
}

pub(crate) fn calls(writer: &mut Writer, calls: &Calls) {
    writer.option(calls.since(), |writer, since| writer.number(since.0));
    writer.number(calls.all().len() as u64);
    for (one, known) in calls.all() {
        id(writer, one);
        writer.number(known.until.0);
        match &known.state {
            State::Open(request) => {
                writer.byte(0);
                writer.number(request.0);
            }
            State::Answered(response) => {
                writer.byte(1);
                http::response(writer, response);
            }
        }
    }
}

pub(crate) fn read_calls(reader: &mut Reader) -> Read<Calls> {
    let since =
        reader.option("calls' beginning", |reader| reader.number("calls' beginning").map(Timestamp))?;
    let known = reader.list("calls", |reader| {
        let id = read_id(reader)?;
        let until = Timestamp(reader.number("call's end")?);
        let state = match reader.byte()? {
            0 => State::Open(RequestId(below(reader, "request")?)),
            1 => State::Answered(http::read_response(reader)?),
            _ => return Err(Malformed::Field { field: "call's state" }),
        };
        Ok((id, Known { until, state }))
    })?;
    let is_sorted = known.is_sorted_by(|(one, _), (next, _)| one < next);
    let calls = is_sorted.then(|| Calls::of(since, known)).flatten();
    calls.ok_or(Malformed::Field { field: "calls" })
}

/// A number that JavaScript can count to, as all ids are.
fn below(reader: &mut Reader, field: &'static str) -> Read<u64> {
    let id = reader.number(field)?;
    if id < ID_MAX { Ok(id) } else { Err(Malformed::Field { field }) }
}
