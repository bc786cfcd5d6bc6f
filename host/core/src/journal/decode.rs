//! From bytes to a record. Nothing is believed: ids are below their bound, keys are in order, every byte is used.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::{
    FORMAT, FORMAT_WITHOUT_PROFILE, FORMAT_WITHOUT_WORK, Record, RecordError, RecordedTurn, STEPS_MAX,
    Settings, Step, Taken,
};
use crate::checkpoint::Checkpoint;
use crate::codec::http::{read_headers, read_request};
use crate::codec::{Malformed, Reader, calls, http, operations};
use crate::commit::KvChanges;
use crate::event::{Event, NewConnection, Outcome, ResumeReason, RoomsPage, StartReason};
use crate::http::Request;
use crate::ids::{ConnectionId, EventId, ID_MAX, OperationId, RequestId, Seed, StreamId, Timestamp};
use crate::limits::Limits;
use crate::message::{CLOSE_REASON_BYTES_MAX, CloseFrame, Message, Text};
use crate::profile::Profile;
use crate::stream::StreamEvent;

type Read<T> = Result<T, Malformed>;

pub(super) fn decode(bytes: &Bytes) -> Result<Record, RecordError> {
    let mut reader = Reader::new(bytes.clone());
    let found = reader.byte()?;
    if !(FORMAT_WITHOUT_WORK..=FORMAT).contains(&found) {
        return Err(RecordError::Format { found });
    }
    let count = reader.count("steps")?;
    if count > STEPS_MAX {
        return Err(Malformed::Field { field: "steps" }.into());
    }
    let mut steps = Vec::new();
    for _ in 0..count {
        let step = step(&mut reader, found)?;
        if matches!(steps.last(), Some(Step::Turn(_))) {
            // A turn ends its record, because it takes a commit.
            return Err(Malformed::Field { field: "steps" }.into());
        }
        steps.push(step);
    }
    reader.finish()?;
    Ok(Record { steps })
}

fn step(reader: &mut Reader, format: u8) -> Result<Step, RecordError> {
    Ok(match reader.byte()? {
        0 => {
            let checkpoint = Checkpoint::decode(&reader.bytes("room")?)?;
            if !checkpoint.image.is_empty() {
                return Err(Malformed::Field { field: "memory" }.into());
            }
            Step::Life(Box::new(checkpoint))
        }
        1 => Step::Settings(Box::new(settings(reader, format)?)),
        2 => Step::Resumed,
        3 => Step::Time(Timestamp(reader.number("time")?)),
        4 => Step::Unheard(taken(reader)?),
        5 => {
            let taken = taken(reader)?;
            Step::Dropped(taken, reader.flag("second try")?)
        }
        6 => Step::Turn(Box::new(turn(reader)?)),
        _ => return Err(Malformed::Field { field: "step's kind" }.into()),
    })
}

fn settings(reader: &mut Reader, format: u8) -> Result<Settings, RecordError> {
    let vars = reader.list("vars", |reader| Ok((reader.text("var's name")?, reader.text("var's value")?)))?;
    if !vars.is_sorted_by(|(one, _), (next, _)| one < next) {
        return Err(Malformed::Field { field: "vars" }.into());
    }
    let found = reader.count("limits")?;
    if found > Limits::WORDS {
        // Before they are read: there is no bound on what a later host knows.
        return Err(RecordError::NewerLimits { found, known: Limits::WORDS });
    }
    let mut words = Vec::with_capacity(found);
    for _ in 0..found {
        words.push(reader.number("limit")?);
    }
    let limits = Limits::of_words(&words).ok_or(Malformed::Field { field: "limits" })?;
    let profile = match format <= FORMAT_WITHOUT_PROFILE {
        true => Profile::PartyKit,
        false => profile(reader)?,
    };
    Ok(Settings { vars: BTreeMap::from_iter(vars), limits, profile })
}

fn profile(reader: &mut Reader) -> Read<Profile> {
    match reader.byte()? {
        0 => Ok(Profile::PartyKit),
        1 => Ok(Profile::PartyServer),
        _ => Err(Malformed::Field { field: "profile" }),
    }
}

fn turn(reader: &mut Reader) -> Read<RecordedTurn> {
    Ok(RecordedTurn {
        taken: taken(reader)?,
        event_id: EventId(id(reader, "event")?),
        next_operation: id(reader, "operation")?,
        storage_bytes: id(reader, "storage's size")?,
        seed: Seed(reader.array()?),
        writes: writes(reader)?,
        trace: reader.array()?,
    })
}

fn writes(reader: &mut Reader) -> Read<KvChanges> {
    let cleared = reader.flag("deletion")?;
    let entries = reader.list("writes", |reader| {
        let key = reader.bytes("key")?;
        Ok((key, reader.option("value", |reader| reader.bytes("value"))?))
    })?;
    if !entries.is_sorted_by(|(one, _), (next, _)| one < next) {
        return Err(Malformed::Field { field: "writes" });
    }
    Ok(KvChanges { cleared, entries: BTreeMap::from_iter(entries) })
}

fn taken(reader: &mut Reader) -> Read<Taken> {
    let now = Timestamp(reader.number("time")?);
    let kind = reader.byte()?;
    let event = event(reader, kind)?;
    let arriving = match event {
        Event::Connect(_) => Some(Box::new(arriving(reader)?)),
        _ => None,
    };
    let call = if kind == 10 { Some(Box::new(calls::read_call(reader)?)) } else { None };
    Ok(Taken { event, arriving, call, now })
}

fn event(reader: &mut Reader, kind: u8) -> Read<Event> {
    Ok(match kind {
        0 => Event::Start(match reader.byte()? {
            0 => StartReason::New,
            1 => StartReason::Lost,
            2 => StartReason::FailedBefore,
            _ => return Err(Malformed::Field { field: "reason to start" }),
        }),
        1 => Event::Connect(connection(reader)?),
        2 => {
            let connection = connection(reader)?;
            let is_binary = reader.flag("message's kind")?;
            let payload = reader.bytes("message")?;
            Event::Message(connection, message(is_binary, payload)?)
        }
        3 => {
            let connection = connection(reader)?;
            Event::Close(connection, close_frame(reader)?, reader.flag("close")?)
        }
        4 => Event::Error(connection(reader)?, reader.text("error")?),
        5 | 10 | 13 => {
            let id = RequestId(id(reader, "request")?);
            let request = Request { body_waits: kind == 13, ..read_request(reader)? };
            Event::Request(id, Box::new(request))
        }
        6 => Event::ResponseClosed(RequestId(id(reader, "request")?)),
        7 => Event::Alarm,
        8 => {
            let operation = OperationId(id(reader, "operation")?);
            Event::Completed(operation, outcome(reader)?)
        }
        9 => Event::Resume(match reader.byte()? {
            0 => ResumeReason::Forked,
            1 => ResumeReason::Imported,
            _ => return Err(Malformed::Field { field: "reason to resume" }),
        }),
        11 => Event::Stream(stream(reader)?, stream_event(reader)?),
        12 => Event::Drain(stream(reader)?, reader.number("bytes taken")?),
        _ => return Err(Malformed::Field { field: "event's kind" }),
    })
}

fn stream_event(reader: &mut Reader) -> Read<StreamEvent> {
    Ok(match reader.byte()? {
        // Copied, or it would keep the whole record in memory.
        0 => StreamEvent::Chunk(Bytes::copy_from_slice(&reader.bytes("chunk")?)),
        kind @ (1 | 2) => StreamEvent::Message(message(kind == 2, reader.bytes("message")?)?),
        3 => StreamEvent::End,
        4 => StreamEvent::Closed(close_frame(reader)?),
        5 => StreamEvent::Error(reader.text("error")?),
        _ => return Err(Malformed::Field { field: "stream's event" }),
    })
}

fn close_frame(reader: &mut Reader) -> Read<CloseFrame> {
    let code = u16::try_from(reader.number("close code")?);
    let code = code.map_err(|_| Malformed::Field { field: "close code" })?;
    let reason = reader.text("close reason")?;
    if reason.len() > CLOSE_REASON_BYTES_MAX {
        return Err(Malformed::Field { field: "close reason" });
    }
    Ok(CloseFrame::new(code, reason))
}

fn stream(reader: &mut Reader) -> Read<StreamId> {
    Ok(StreamId(id(reader, "stream")?))
}

fn outcome(reader: &mut Reader) -> Read<Outcome> {
    Ok(match reader.byte()? {
        0 => Outcome::Slept,
        1 => Outcome::Interrupted,
        2 => Outcome::Dropped,
        3 => Outcome::Rooms(RoomsPage {
            rooms: reader.list("rooms", |reader| reader.text("room"))?,
            next: reader.option("next room", |reader| reader.text("next room"))?,
        }),
        4 => Outcome::Failed(operations::read_error(reader)?),
        5 => Outcome::Response(Box::new(http::read_response(reader)?)),
        8 => Outcome::Streamed(Box::new(http::read_response(reader)?)),
        9 => Outcome::Connected,
        6 => Outcome::Asset(reader.option("asset", |reader| http::read_response(reader).map(Box::new))?),
        _ => return Err(Malformed::Field { field: "outcome" }),
    })
}

fn message(is_binary: bool, payload: Bytes) -> Read<Message> {
    match is_binary {
        true => Ok(Message::Binary(payload)),
        false => {
            let text = Text::from_utf8(payload).map_err(|_| Malformed::Field { field: "message" })?;
            Ok(Message::Text(text))
        }
    }
}

fn arriving(reader: &mut Reader) -> Read<(NewConnection, bool)> {
    let new = NewConnection {
        key: reader.text("connection's key")?,
        uri: reader.text("connection's uri")?,
        headers: read_headers(reader)?,
        opened_at: Timestamp(reader.number("connection's beginning")?),
    };
    Ok((new, reader.flag("connection's upgrade")?))
}

fn connection(reader: &mut Reader) -> Read<ConnectionId> {
    Ok(ConnectionId(id(reader, "connection")?))
}

/// A number that JavaScript can count to, as all ids are and every size is.
fn id(reader: &mut Reader, field: &'static str) -> Read<u64> {
    let id = reader.number(field)?;
    if id < ID_MAX { Ok(id) } else { Err(Malformed::Field { field }) }
}
