//! Checkpoints come back as they were written, and nothing else comes back as one.

use std::collections::BTreeSet;
use std::sync::Arc;

use bytes::Bytes;

use super::{Checkpoint, CheckpointError, FORMAT, FORMAT_WITHOUT_STREAMS, SleepingEvent};
use crate::alarm::AlarmClock;
use crate::auto_response::AutoResponse;
use crate::call::{CallId, Calls, Known, State};
use crate::codec::Malformed;
use crate::commit::{Alarm, ComponentDigest};
use crate::event::NewConnection;
use crate::http::{Header, Response};
use crate::ids::{
    CommitSeq, ConnectionId, EventId, ID_MAX, Incarnation, OperationId, RequestId, StreamId, Timestamp,
};
use crate::limits::AUTO_RESPONSE_CHARS_CEILING;
use crate::message::CloseFrame;
use crate::operation::{Operation, Work};
use crate::session::{ReadyState, Session, Sessions};
use crate::stream::{Stream, Streams};
use crate::turn::Subject;

/// Something that is done for it outside.
fn rooms() -> Operation {
    let (party, prefix, after) = ("main".into(), "lobby-".into(), Some("lobby-ß".into()));
    let work = Work::Rooms { party, prefix, after, limit: 1_000 };
    Operation::Work { work: Arc::new(work), until: Timestamp(1_700_000_030_000) }
}

/// A room that sleeps with one of everything.
fn full() -> Checkpoint {
    let mut sessions = Sessions::new();
    for (id, ready_state) in [
        (7, ReadyState::Connecting),
        (8, ReadyState::Open),
        (9, ReadyState::Closing),
        (300, ReadyState::Closed),
    ] {
        let mut session = Session::connecting(NewConnection {
            key: "key".into(),
            uri: "http://host/parties/main/room?a=b".into(),
            headers: vec![Header { name: "x-name".into(), value: Bytes::from_static(b"\xff value") }],
            opened_at: Timestamp(1_000),
        });
        session.tags = vec!["blue".into(), "großes ß".into()];
        session.attachment = Bytes::from_static(b"\x00\x01\x02");
        session.ready_state = ready_state;
        session.accepted = id != 7;
        session.gone = (id == 7).then(|| (CloseFrame::new(4_001, "bye"), true));
        sessions.insert(ConnectionId(id), Box::new(session));
    }
    let subjects = [
        Subject::Start,
        Subject::Connect(ConnectionId(7)),
        Subject::Message(ConnectionId(8)),
        Subject::Close(ConnectionId(300)),
        Subject::Error(ConnectionId(9)),
        Subject::Request(RequestId(40)),
        Subject::ResponseClosed,
        Subject::Alarm,
        Subject::Completed,
        Subject::Resume,
        Subject::Stream(StreamId(6)),
        Subject::Drain,
    ];
    let pending = subjects.into_iter().enumerate().map(|(index, subject)| SleepingEvent {
        id: EventId(100 + index as u64),
        subject,
        deadline: (index % 2 == 0).then_some((Timestamp(9_000 + index as u64), 30_000)),
    });
    Checkpoint {
        component: ComponentDigest([3; 32]),
        seq: CommitSeq(u64::MAX),
        incarnation: Incarnation(u128::MAX - 1),
        image: Bytes::from(vec![5; 300]),
        resumes: None,
        is_starting: true,
        last_now: Timestamp(1_700_000_000_000),
        sessions,
        requests: BTreeSet::from([RequestId(40), RequestId(41)]),
        streams: streams(),
        calls: calls(),
        operations: vec![
            (OperationId(5), Operation::Sleep { due: Timestamp::NEVER }),
            (OperationId(6), Operation::Sleep { due: Timestamp(0) }),
            (OperationId(7), rooms()),
        ],
        pending: pending.collect(),
        alarm: AlarmClock::of_parts(
            Some(Alarm { at: Timestamp(77), attempts: 0 }),
            Some(Alarm { at: Timestamp(70), attempts: 6 }),
        ),
        holds: 2,
        hold_until: Timestamp(2_000),
        auto_response: Some(AutoResponse { request: "ping".into(), response: "großes ß".into() }),
    }
}

/// One of each kind, with the ends of what they hold.
fn streams() -> Streams {
    let mut streams = Streams::default();
    for (id, stream) in [
        (8, Stream::Answer { request: RequestId(ID_MAX - 1), credit: i64::MIN }),
        (9, Stream::Answer { request: RequestId(42), credit: 262_144 }),
        (10, Stream::Body),
        (11, Stream::Socket { credit: -1, is_closing: false }),
        (ID_MAX - 1, Stream::Socket { credit: i64::MAX, is_closing: true }),
    ] {
        streams.insert(StreamId(id), stream);
    }
    streams
}

/// One that waits as request 41, and one that was answered.
fn calls() -> Calls {
    let known = [("ß", State::Open(RequestId(41))), ("z", State::Answered(Response::text(418, "a teapot")))];
    let known = known.into_iter().map(|(room, state)| {
        let (incarnation, operation) = (Incarnation(u128::MAX), OperationId(ID_MAX - 1));
        let id = CallId { party: "main".into(), room: room.into(), incarnation, operation };
        (id, Known { until: Timestamp::NEVER, state })
    });
    let mut known: Vec<_> = known.collect();
    known.reverse();
    Calls::of(Some(Timestamp(3)), known).unwrap()
}

/// Its caller would never have an answer.
#[test]
fn a_call_that_waits_as_no_request_is_refused() {
    let mut checkpoint = full();
    checkpoint.requests.remove(&RequestId(41));
    let field = "calls";
    assert_eq!(Checkpoint::decode(&checkpoint.encode().unwrap()), Err(Malformed::Field { field }.into()));
}

/// The answer to one request is no other's, and what has been opened is open no more.
#[test]
fn a_stream_that_belongs_to_nothing_is_refused() {
    let refused = |stream: Stream, id: u64, field: &'static str| {
        let mut checkpoint = full();
        checkpoint.streams.insert(StreamId(id), stream);
        let decoded = Checkpoint::decode(&checkpoint.encode().unwrap());
        assert_eq!(decoded, Err(Malformed::Field { field }.into()));
    };
    refused(Stream::Body, 7, "streams");
    refused(Stream::Answer { request: RequestId(40), credit: 0 }, 12, "streams");
    refused(Stream::Answer { request: RequestId(42), credit: 0 }, 12, "stream's request");
    refused(Stream::Body, ID_MAX, "stream");
}

/// Byte by byte, as docs/checkpoint-format.md says.
#[test]
fn streams_are_written_as_they_are_told_of() {
    let mut checkpoint = full();
    checkpoint.calls = Calls::default();
    checkpoint.requests.clear();
    checkpoint.streams = Streams::default();
    for (id, stream) in [
        (8, Stream::Answer { request: RequestId(4), credit: 300 }),
        (9, Stream::Body),
        (10, Stream::Socket { credit: 0, is_closing: false }),
        (11, Stream::Socket { credit: -3, is_closing: true }),
    ] {
        checkpoint.streams.insert(StreamId(id), stream);
    }
    let bytes = checkpoint.encode().unwrap();
    // No request; four streams: 300 is 600, 0 is 0, -3 is 5; and no calls.
    let expected = [0, 4, 8, 0, 4, 0xd8, 0x04, 9, 1, 10, 2, 0, 11, 3, 5, 0, 0];
    assert!(bytes.windows(expected.len()).any(|found| found == expected), "{bytes:?}");
    assert_eq!(Checkpoint::decode(&bytes), Ok(checkpoint));
}

#[test]
fn what_was_written_is_read() {
    let checkpoint = full();
    assert_eq!(Checkpoint::decode(&checkpoint.encode().unwrap()), Ok(checkpoint));
}

#[test]
fn a_quiet_room_takes_few_bytes_beside_its_memory() {
    let mut checkpoint = full();
    checkpoint.sessions.clear();
    checkpoint.requests.clear();
    checkpoint.streams = Streams::default();
    checkpoint.calls = Calls::default();
    checkpoint.operations.clear();
    checkpoint.pending.clear();
    checkpoint.alarm = AlarmClock::default();
    checkpoint.auto_response = None;
    checkpoint.image = Bytes::new();
    assert!(checkpoint.encode().unwrap().len() <= 96, "{}", checkpoint.encode().unwrap().len());
    assert_eq!(Checkpoint::decode(&checkpoint.encode().unwrap()), Ok(checkpoint));
}

#[test]
fn the_next_due_time_is_the_earliest_of_all() {
    let mut checkpoint = full();
    checkpoint.streams = Streams::default();
    assert_eq!(checkpoint.next_due(), Some(Timestamp(0)));
    checkpoint.operations = vec![(OperationId(7), rooms())];
    checkpoint.holds = 0;
    checkpoint.pending.clear();
    assert_eq!(checkpoint.next_due(), Some(checkpoint.last_now), "at once, to be begun again");
    checkpoint = full();
    checkpoint.operations.clear();
    (checkpoint.holds, checkpoint.pending) = (0, Vec::new());
    assert_eq!(
        checkpoint.next_due(),
        Some(checkpoint.last_now),
        "at once, to be told that its streams are gone"
    );
    checkpoint = full();
    checkpoint.operations.clear();
    checkpoint.streams = Streams::default();
    assert_eq!(checkpoint.next_due(), Some(Timestamp(2_000)), "the hold");
    checkpoint.holds = 0;
    assert_eq!(checkpoint.next_due(), Some(Timestamp(9_000)), "an event that is pending");
    checkpoint.pending.clear();
    assert_eq!(checkpoint.next_due(), None);
}

#[test]
fn every_cut_is_noticed() {
    let whole = full().encode().unwrap();
    for end in 0..whole.len() {
        assert!(Checkpoint::decode(&whole.slice(..end)).is_err(), "{end}");
    }
    let longer = Bytes::from([&whole[..], b"x"].concat());
    assert_eq!(Checkpoint::decode(&longer), Err(Malformed::Length.into()));
}

#[test]
fn no_wrong_byte_makes_it_panic_and_what_is_read_can_be_written() {
    let whole = full().encode().unwrap();
    for at in 0..whole.len() {
        for flip in [0x01, 0x80, 0xff] {
            let mut damaged = whole.to_vec();
            damaged[at] ^= flip;
            let damaged = Bytes::from(damaged);
            if let Ok(checkpoint) = Checkpoint::decode(&damaged) {
                if damaged[4..6] != FORMAT.to_le_bytes() {
                    assert_eq!(Checkpoint::decode(&checkpoint.encode().unwrap()), Ok(checkpoint));
                    continue;
                }
                assert_eq!(checkpoint.encode().unwrap(), damaged, "one checkpoint has one form: byte {at}");
            }
        }
    }
}

#[test]
fn what_is_no_checkpoint_or_of_another_format_is_named() {
    assert_eq!(Checkpoint::decode(&Bytes::new()), Err(CheckpointError::NotACheckpoint));
    assert_eq!(Checkpoint::decode(&Bytes::from_static(b"PK\x03\x04")), Err(CheckpointError::NotACheckpoint));
    for found in [0, 1, FORMAT + 1, u16::MAX] {
        let mut other = full().encode().unwrap().to_vec();
        other[4..6].copy_from_slice(&found.to_le_bytes());
        let error = Checkpoint::decode(&other.into()).unwrap_err();
        let text = format!("the checkpoint has format {found}; this host reads formats 2 to 4");
        assert_eq!((&error, error.to_string()), (&CheckpointError::Format { found }, text));
    }
}

#[test]
fn an_auto_response_is_bounded_wherever_it_comes_from() {
    let mut checkpoint = full();
    let mut decoded = |chars: usize| {
        let (request, response) = ("ping".into(), "ß".repeat(chars).into());
        checkpoint.auto_response = Some(AutoResponse { request, response });
        Checkpoint::decode(&checkpoint.encode().unwrap()).map(|decoded| decoded == checkpoint)
    };
    assert_eq!(decoded(AUTO_RESPONSE_CHARS_CEILING as usize), Ok(true));
    let field = "auto-response";
    assert_eq!(decoded(AUTO_RESPONSE_CHARS_CEILING as usize + 1), Err(Malformed::Field { field }.into()));
}

#[test]
fn a_count_is_not_believed_before_its_bytes_are_seen() {
    let mut bytes = full().encode().unwrap().to_vec();
    // After the fixed part: commit number, start, time, holds, hold's end, alarms; the rest says a billion operations.
    bytes.truncate(4 + 2 + 32 + 16);
    bytes.extend([1, 0, 0, 0, 0, 0, 0, 0x80, 0x94, 0xeb, 0xdc, 0x03]);
    assert_eq!(Checkpoint::decode(&bytes.into()), Err(Malformed::Length.into()));
}

/// What a host wrote whose rooms could only sleep, byte by byte.
fn of_format_2() -> Vec<u8> {
    let mut bytes = b"PHCP\x02\x00".to_vec();
    bytes.extend([3; 32]);
    bytes.extend([9; 16]);
    // Commit 5, on-start has not settled, the room's time is 100; one hold until 2,000.
    bytes.extend([5, 1, 100, 1, 0xd0, 0x0f]);
    // The alarm is set for 77 and has failed twice; none rings.
    bytes.extend([1, 77, 2, 0]);
    // Operations 5, which never ends, and 6, which ends at 44.
    bytes.extend([2, 5, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01, 6, 44]);
    // Event 7, on-request 40, overdue at 90 after 60; request 40; neither auto-response nor session; a memory.
    bytes.extend([1, 7, 5, 40, 1, 90, 60, 1, 40, 0, 0, 3, b'm', b'e', b'm']);
    bytes
}

#[test]
fn what_a_host_before_wrote_is_read_and_written_as_today() {
    let expected = Checkpoint {
        component: ComponentDigest([3; 32]),
        seq: CommitSeq(5),
        incarnation: Incarnation(u128::from_le_bytes([9; 16])),
        image: Bytes::from_static(b"mem"),
        resumes: None,
        is_starting: true,
        last_now: Timestamp(100),
        sessions: Sessions::new(),
        requests: BTreeSet::from([RequestId(40)]),
        streams: Streams::default(),
        calls: Calls::default(),
        operations: vec![
            (OperationId(5), Operation::Sleep { due: Timestamp::NEVER }),
            (OperationId(6), Operation::Sleep { due: Timestamp(44) }),
        ],
        pending: vec![SleepingEvent {
            id: EventId(7),
            subject: Subject::Request(RequestId(40)),
            deadline: Some((Timestamp(90), 60)),
        }],
        alarm: AlarmClock::of_parts(Some(Alarm { at: Timestamp(77), attempts: 2 }), None),
        holds: 1,
        hold_until: Timestamp(2_000),
        auto_response: None,
    };
    let found = Checkpoint::decode(&of_format_2().into());
    assert_eq!(found.as_ref(), Ok(&expected));
    assert_eq!(expected.encode().unwrap()[4..6], FORMAT.to_le_bytes());
    assert_eq!(Checkpoint::decode(&expected.encode().unwrap()), Ok(expected));
}

#[test]
fn what_a_host_before_wrote_is_read_whole_or_not_at_all() {
    let whole = Bytes::from(of_format_2());
    for end in 0..whole.len() {
        assert!(Checkpoint::decode(&whole.slice(..end)).is_err(), "{end}");
    }
    for (at, byte) in (6..whole.len()).flat_map(|at| (0..=u8::MAX).map(move |byte| (at, byte))) {
        let mut damaged = whole.to_vec();
        damaged[at] = byte;
        if let Ok(checkpoint) = Checkpoint::decode(&damaged.into()) {
            assert!(checkpoint.operations.iter().all(|(_, it)| matches!(it, Operation::Sleep { .. })));
            assert_eq!(
                Checkpoint::decode(&checkpoint.encode().unwrap()),
                Ok(checkpoint),
                "byte {at} is {byte}"
            );
        }
    }
}

/// A checkpoint of format 3 is one of format 4 without its list of streams.
#[test]
fn what_a_host_wrote_that_knew_of_no_streams_is_read_and_written_as_today() {
    let expected = Checkpoint { streams: Streams::default(), ..full() };
    let today = expected.encode().unwrap();
    // Requests 40 and 41, no streams, and since when it knows of calls.
    let list = [2, 40, 41, 0, 1, 3];
    let at = today.windows(list.len()).position(|found| found == list).unwrap() + 3;
    let mut before = today.to_vec();
    before.remove(at);
    before[4..6].copy_from_slice(&FORMAT_WITHOUT_STREAMS.to_le_bytes());
    let before = Bytes::from(before);
    assert_eq!(Checkpoint::decode(&before).as_ref(), Ok(&expected));
    for end in 0..before.len() {
        assert!(Checkpoint::decode(&before.slice(..end)).is_err(), "{end}");
    }
    for bit in 6 * 8..before.len() * 8 {
        let mut damaged = before.to_vec();
        damaged[bit / 8] ^= 1 << (bit % 8);
        if let Ok(checkpoint) = Checkpoint::decode(&damaged.into()) {
            assert!(checkpoint.streams.is_empty());
            assert_eq!(Checkpoint::decode(&checkpoint.encode().unwrap()), Ok(checkpoint), "bit {bit}");
        }
    }
}
