//! From a checkpoint to bytes.

use bytes::Bytes;

use super::{Checkpoint, FORMAT, MAGIC, SleepingEvent};
use crate::alarm::AlarmClock;
use crate::auto_response::AutoResponse;
use crate::call::{CallId, Known, State};
use crate::codec::{Writer, calls, operations};
use crate::commit::Alarm;
use crate::event::ResumeReason;
use crate::ids::{ConnectionId, EventId, OperationId, RequestId, StreamId, Timestamp};
use crate::large::NoMemory;
use crate::operation::{Operation, Work};
use crate::session::{ReadyState, Session};
use crate::stream::{Stream, Streams};
use crate::turn::Subject;

/// What a session, an operation or an event takes at most beside what it holds of bytes, and what all the rest takes.
const OVERHEAD_BYTES: usize = 128;

pub(super) fn encode(checkpoint: &Checkpoint) -> Result<Bytes, NoMemory> {
    Ok(write(checkpoint, Writer::of(bytes_max(checkpoint))?))
}

/// The room with which a life begins: it has no image.
pub(crate) fn encode_life(checkpoint: &Checkpoint) -> Bytes {
    write(checkpoint, Writer::default())
}

/// A little more than the checkpoint takes.
fn bytes_max(checkpoint: &Checkpoint) -> usize {
    let of_session = |session: &Session| {
        let headers =
            session.headers.iter().map(|header| header.name.len() + header.value.len() + OVERHEAD_BYTES);
        let tags = session.tags.iter().map(|tag| tag.len() + OVERHEAD_BYTES);
        let reason = session.gone.as_ref().map_or(0, |(frame, _)| frame.reason.len());
        let texts = session.key.len() + session.uri.len() + session.attachment.len() + reason;
        texts + headers.sum::<usize>() + tags.sum::<usize>() + OVERHEAD_BYTES
    };
    let sessions: usize = checkpoint.sessions.values().map(|session| of_session(session)).sum();
    let of_operation = |operation: &Operation| match operation {
        Operation::Sleep { .. } => OVERHEAD_BYTES,
        Operation::Work { work, .. } => {
            let headers = match &**work {
                Work::Call { request, .. } | Work::Fetch { request, .. } => request.headers.len(),
                Work::Rooms { .. } | Work::Asset { .. } | Work::Connect { .. } => 0,
            };
            work.bytes() as usize + (headers + 1) * OVERHEAD_BYTES
        }
    };
    let operations: usize = checkpoint.operations.iter().map(|(_, operation)| of_operation(operation)).sum();
    let of_call = |(id, known): (&CallId, &Known)| {
        let answer = match &known.state {
            State::Open(_) => 0,
            State::Answered(response) => response.bytes() as usize + response.headers.len() * OVERHEAD_BYTES,
        };
        id.party.len() + id.room.len() + answer + OVERHEAD_BYTES
    };
    let calls: usize = checkpoint.calls.all().iter().map(of_call).sum();
    let others = checkpoint.pending.len() + checkpoint.requests.len() + checkpoint.streams.len() + 4;
    let pair = checkpoint.auto_response.as_ref();
    let pair = pair.map_or(0, |pair| pair.request.as_bytes().len() + pair.response.as_bytes().len());
    checkpoint.image.len() + calls + sessions + operations + others * OVERHEAD_BYTES + pair
}

fn write(checkpoint: &Checkpoint, mut writer: Writer) -> Bytes {
    writer.raw(&MAGIC);
    writer.raw(&FORMAT.to_le_bytes());
    writer.raw(&checkpoint.component.0);
    writer.raw(&checkpoint.incarnation.0.to_le_bytes());
    writer.number(checkpoint.seq.0);
    let resumes = match checkpoint.resumes {
        None => 0,
        Some(ResumeReason::Forked) => 2,
        Some(ResumeReason::Imported) => 4,
    };
    writer.byte(resumes + u8::from(checkpoint.is_starting));
    writer.number(checkpoint.last_now.0);
    writer.number(checkpoint.holds.into());
    writer.number(checkpoint.hold_until.0);
    alarm_clock(&mut writer, &checkpoint.alarm);
    writer.number(checkpoint.operations.len() as u64);
    for (OperationId(id), operation) in &checkpoint.operations {
        writer.number(*id);
        operations::operation(&mut writer, operation);
    }
    writer.number(checkpoint.pending.len() as u64);
    for event in &checkpoint.pending {
        sleeping_event(&mut writer, event);
    }
    writer.number(checkpoint.requests.len() as u64);
    for RequestId(id) in &checkpoint.requests {
        writer.number(*id);
    }
    streams(&mut writer, &checkpoint.streams);
    calls::calls(&mut writer, &checkpoint.calls);
    writer.option(checkpoint.auto_response.as_ref(), |writer, AutoResponse { request, response }| {
        writer.bytes(request.as_bytes());
        writer.bytes(response.as_bytes());
    });
    writer.number(checkpoint.sessions.len() as u64);
    for (ConnectionId(id), held) in &checkpoint.sessions {
        writer.number(*id);
        session(&mut writer, held);
    }
    writer.bytes(&checkpoint.image);
    writer.finish()
}

fn streams(writer: &mut Writer, streams: &Streams) {
    writer.number(streams.len() as u64);
    for (StreamId(id), stream) in streams.all() {
        writer.number(id);
        match stream {
            Stream::Answer { request, credit } => {
                writer.byte(0);
                writer.number(request.0);
                writer.signed(*credit);
            }
            Stream::Body => writer.byte(1),
            Stream::Upload { request } => {
                writer.byte(4);
                writer.number(request.0);
            }
            Stream::Socket { credit, is_closing } => {
                writer.byte(if *is_closing { 3 } else { 2 });
                writer.signed(*credit);
            }
        }
    }
}

fn alarm_clock(writer: &mut Writer, clock: &AlarmClock) {
    for alarm in clock.parts() {
        writer.byte(alarm.is_some().into());
        if let Some(Alarm { at, attempts }) = alarm {
            writer.number(at.0);
            writer.number(attempts.into());
        }
    }
}

fn sleeping_event(writer: &mut Writer, event: &SleepingEvent) {
    let EventId(id) = event.id;
    writer.number(id);
    let (kind, about) = match event.subject {
        Subject::Start => (0, None),
        Subject::Connect(ConnectionId(id)) => (1, Some(id)),
        Subject::Message(ConnectionId(id)) => (2, Some(id)),
        Subject::Close(ConnectionId(id)) => (3, Some(id)),
        Subject::Error(ConnectionId(id)) => (4, Some(id)),
        Subject::Request(RequestId(id)) => (5, Some(id)),
        Subject::ResponseClosed => (6, None),
        Subject::Alarm => (7, None),
        Subject::Completed => (8, None),
        Subject::Resume => (9, None),
        Subject::Stream(StreamId(0)) => (10, None),
        Subject::Stream(StreamId(id)) => (12, Some(id)),
        Subject::Drain => (11, None),
    };
    writer.byte(kind);
    if let Some(id) = about {
        writer.number(id);
    }
    writer.byte(event.deadline.is_some().into());
    if let Some((Timestamp(at), ms)) = event.deadline {
        writer.number(at);
        writer.number(ms);
    }
}

fn session(writer: &mut Writer, session: &Session) {
    writer.bytes(session.key.as_bytes());
    writer.bytes(session.uri.as_bytes());
    writer.number(session.headers.len() as u64);
    for header in &session.headers {
        writer.bytes(header.name.as_bytes());
        writer.bytes(&header.value);
    }
    writer.number(session.opened_at.0);
    writer.number(session.tags.len() as u64);
    for tag in &session.tags {
        writer.bytes(tag.as_bytes());
    }
    writer.bytes(&session.attachment);
    writer.byte(match session.ready_state {
        ReadyState::Connecting => 0,
        ReadyState::Open => 1,
        ReadyState::Closing => 2,
        ReadyState::Closed => 3,
    });
    writer.byte(session.accepted.into());
    writer.byte(session.upgraded.into());
    writer.byte(session.connect_ended.into());
    writer.byte(session.gone.is_some().into());
    if let Some((frame, was_clean)) = &session.gone {
        writer.number(frame.code.into());
        writer.bytes(frame.reason.as_bytes());
        writer.byte((*was_clean).into());
    }
}
