//! From bytes to a checkpoint. Nothing is believed: ids are in order and below their bound, every byte is used.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;

use super::{
    Checkpoint, CheckpointError, FORMAT, FORMAT_WITHOUT_STREAMS, FORMAT_WITHOUT_WORK, MAGIC, SleepingEvent,
};
use crate::alarm::AlarmClock;
use crate::auto_response::AutoResponse;
use crate::call::Calls;
use crate::codec::{Malformed, Reader, calls, operations};
use crate::commit::{Alarm, ComponentDigest};
use crate::event::ResumeReason;
use crate::http::Header;
use crate::ids::{
    CommitSeq, ConnectionId, EventId, ID_MAX, Incarnation, OperationId, RequestId, StreamId, Timestamp,
};
use crate::limits::AUTO_RESPONSE_CHARS_CEILING;
use crate::message::{CLOSE_REASON_BYTES_MAX, CloseFrame, Text};
use crate::operation::Operation;
use crate::session::{ReadyState, Session, Sessions};
use crate::stream::{Stream, Streams};
use crate::turn::Subject;

type Read<T> = Result<T, Malformed>;

pub(super) fn decode(bytes: &Bytes) -> Result<Checkpoint, CheckpointError> {
    let mut reader = Reader::new(bytes.clone());
    if reader.array().ok() != Some(MAGIC) {
        return Err(CheckpointError::NotACheckpoint);
    }
    let found = u16::from_le_bytes(reader.array()?);
    let (has_work, has_streams) = (found >= FORMAT_WITHOUT_STREAMS, found == FORMAT);
    if !(FORMAT_WITHOUT_WORK..=FORMAT).contains(&found) {
        return Err(CheckpointError::Format { found });
    }
    let component = ComponentDigest(reader.array()?);
    let incarnation = Incarnation(u128::from_le_bytes(reader.array()?));
    let seq = CommitSeq(reader.number("commit number")?);
    let start = reader.byte()?;
    let resumes = match start >> 1 {
        0 => None,
        1 => Some(ResumeReason::Forked),
        2 => Some(ResumeReason::Imported),
        _ => return Err(Malformed::Field { field: "start" }.into()),
    };
    let is_starting = start & 1 == 1;
    let last_now = Timestamp(reader.number("time")?);
    let holds = small(&mut reader, "holds")?;
    let hold_until = Timestamp(reader.number("hold's end")?);
    let alarm = alarm_clock(&mut reader)?;
    let operations = in_order(&mut reader, "operations", |reader| {
        let id = id(reader, "operation")?;
        let operation = match has_work {
            true => operations::read_operation(reader)?,
            false => Operation::Sleep { due: Timestamp(reader.number("sleep's end")?) },
        };
        Ok((OperationId(id), operation))
    })?;
    let pending = reader.list("pending events", sleeping_event)?;
    if !pending.is_sorted_by(|one, next| one.id < next.id) {
        return Err(Malformed::Field { field: "pending events" }.into());
    }
    let requests = in_order(&mut reader, "requests", |reader| Ok((RequestId(id(reader, "request")?), ())))?;
    let streams = if has_streams { streams(&mut reader)? } else { Streams::default() };
    // An operation that opens one ends with it, and so does the request that one answers.
    if streams.all().any(|(id, _)| operations.contains_key(&id.operation()))
        || streams.answered().any(|request| requests.contains_key(&request))
    {
        return Err(Malformed::Field { field: "streams" }.into());
    }
    let calls = if has_work { calls::read_calls(&mut reader)? } else { Calls::default() };
    if !calls.open().all(|request| requests.contains_key(&request)) {
        return Err(Malformed::Field { field: "calls" }.into());
    }
    let auto_response = reader.option("auto-response", |reader| {
        let request = short_text(reader, "auto-response's request")?;
        Ok(AutoResponse { request, response: short_text(reader, "auto-response")? })
    })?;
    let sessions = in_order(&mut reader, "sessions", |reader| {
        let id = id(reader, "connection")?;
        Ok((ConnectionId(id), Box::new(session(reader)?)))
    })?;
    let image = reader.bytes("memory")?;
    reader.finish()?;
    Ok(Checkpoint {
        component,
        seq,
        incarnation,
        image,
        resumes,
        is_starting,
        last_now,
        sessions: Sessions::from_iter(sessions),
        calls,
        requests: BTreeSet::from_iter(requests.into_keys()),
        streams,
        operations: operations.into_iter().collect(),
        pending,
        alarm,
        holds,
        hold_until,
        auto_response,
    })
}

fn id(reader: &mut Reader, field: &'static str) -> Read<u64> {
    let id = reader.number(field)?;
    if id < ID_MAX { Ok(id) } else { Err(Malformed::Field { field }) }
}

fn small(reader: &mut Reader, field: &'static str) -> Read<u32> {
    u32::try_from(reader.number(field)?).map_err(|_| Malformed::Field { field })
}

/// A text of an auto-response. Clients can ask for it as often as they like, so its bound holds wherever it comes from.
fn short_text(reader: &mut Reader, field: &'static str) -> Read<Text> {
    let text = reader.text(field)?;
    match text.chars().count() <= AUTO_RESPONSE_CHARS_CEILING as usize {
        true => Ok(text.into()),
        false => Err(Malformed::Field { field }),
    }
}

/// Entries whose keys only grow.
fn in_order<K: Ord + Copy, V>(
    reader: &mut Reader,
    field: &'static str,
    read: impl FnMut(&mut Reader) -> Read<(K, V)>,
) -> Read<BTreeMap<K, V>> {
    let list = reader.list(field, read)?;
    if !list.is_sorted_by(|(one, _), (next, _)| one < next) {
        return Err(Malformed::Field { field });
    }
    Ok(list.into_iter().collect())
}

fn streams(reader: &mut Reader) -> Read<Streams> {
    let all = in_order(reader, "streams", |reader| {
        let id_of_stream = StreamId(id(reader, "stream")?);
        let stream = match reader.byte()? {
            0 => {
                let request = RequestId(id(reader, "request")?);
                Stream::Answer { request, credit: reader.signed("credit")? }
            }
            1 => Stream::Body,
            4 => Stream::Upload { request: RequestId(id(reader, "request")?) },
            kind @ (2 | 3) => Stream::Socket { credit: reader.signed("credit")?, is_closing: kind == 3 },
            _ => return Err(Malformed::Field { field: "stream's kind" }),
        };
        Ok((id_of_stream, stream))
    })?;
    let mut streams = Streams::default();
    for (id, stream) in all {
        if let Stream::Answer { request, .. } = stream
            && streams.answer_to(request).is_some()
        {
            return Err(Malformed::Field { field: "stream's request" });
        }
        streams.insert(id, stream);
    }
    Ok(streams)
}

fn alarm_clock(reader: &mut Reader) -> Read<AlarmClock> {
    let mut alarm = || {
        reader.option("alarm", |reader| {
            let at = Timestamp(reader.number("alarm's time")?);
            Ok(Alarm { at, attempts: small(reader, "alarm's attempts")? })
        })
    };
    let (scheduled, firing) = (alarm()?, alarm()?);
    Ok(AlarmClock::of_parts(scheduled, firing))
}

fn sleeping_event(reader: &mut Reader) -> Read<SleepingEvent> {
    let id_of_event = EventId(id(reader, "event")?);
    let subject = match reader.byte()? {
        0 => Subject::Start,
        1 => Subject::Connect(ConnectionId(id(reader, "connection")?)),
        2 => Subject::Message(ConnectionId(id(reader, "connection")?)),
        3 => Subject::Close(ConnectionId(id(reader, "connection")?)),
        4 => Subject::Error(ConnectionId(id(reader, "connection")?)),
        5 => Subject::Request(RequestId(id(reader, "request")?)),
        6 => Subject::ResponseClosed,
        7 => Subject::Alarm,
        8 => Subject::Completed,
        9 => Subject::Resume,
        // Written before it was noted of which.
        10 => Subject::Stream(StreamId(0)),
        11 => Subject::Drain,
        12 => match id(reader, "stream")? {
            0 => return Err(Malformed::Field { field: "stream" }),
            id => Subject::Stream(StreamId(id)),
        },
        _ => return Err(Malformed::Field { field: "event's kind" }),
    };
    let deadline = reader.option("event's deadline", |reader| {
        Ok((Timestamp(reader.number("event's deadline")?), reader.number("event's bound")?))
    })?;
    Ok(SleepingEvent { id: id_of_event, subject, deadline })
}

fn session(reader: &mut Reader) -> Read<Session> {
    let key = reader.text("connection's key")?;
    let uri = reader.text("connection's uri")?;
    let headers = reader.list("connection's headers", |reader| {
        let name = reader.text("header's name")?;
        Ok(Header { name, value: Bytes::copy_from_slice(&reader.bytes("header's value")?) })
    })?;
    let opened_at = Timestamp(reader.number("connection's beginning")?);
    let tags = reader.list("connection's tags", |reader| reader.text("tag"))?;
    // Copied, or it would keep the whole checkpoint in memory.
    let attachment = Bytes::copy_from_slice(&reader.bytes("attachment")?);
    let ready_state = match reader.byte()? {
        0 => ReadyState::Connecting,
        1 => ReadyState::Open,
        2 => ReadyState::Closing,
        3 => ReadyState::Closed,
        _ => return Err(Malformed::Field { field: "connection's state" }),
    };
    let accepted = reader.flag("connection's acceptance")?;
    let upgraded = reader.flag("connection's upgrade")?;
    let connect_ended = reader.flag("connection's on-connect")?;
    let gone = reader.option("connection's end", |reader| {
        let code = u16::try_from(reader.number("close code")?);
        let code = code.map_err(|_| Malformed::Field { field: "close code" })?;
        let reason = reader.text("close reason")?;
        if reason.len() > CLOSE_REASON_BYTES_MAX {
            return Err(Malformed::Field { field: "close reason" });
        }
        Ok((CloseFrame::new(code, reason), reader.flag("connection's end")?))
    })?;
    Ok(Session {
        key,
        uri,
        headers,
        opened_at,
        tags,
        attachment,
        ready_state,
        accepted,
        upgraded,
        connect_ended,
        gone,
    })
}
