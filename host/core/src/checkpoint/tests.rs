//! Checkpoints come back as they were written, and nothing else comes back as one.

use std::collections::BTreeSet;

use bytes::Bytes;

use super::{Checkpoint, CheckpointError, FORMAT, SleepingEvent};
use crate::alarm::AlarmClock;
use crate::auto_response::AutoResponse;
use crate::codec::Malformed;
use crate::commit::{Alarm, ComponentDigest};
use crate::event::NewConnection;
use crate::http::Header;
use crate::ids::{CommitSeq, ConnectionId, EventId, Incarnation, OperationId, RequestId, Timestamp};
use crate::limits::AUTO_RESPONSE_CHARS_CEILING;
use crate::message::CloseFrame;
use crate::operation::Operation;
use crate::session::{ReadyState, Session, Sessions};
use crate::turn::Subject;

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
        operations: vec![
            (OperationId(5), Operation::Sleep { due: Timestamp::NEVER }),
            (OperationId(6), Operation::Sleep { due: Timestamp(0) }),
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
    assert_eq!(checkpoint.next_due(), Some(Timestamp(0)));
    checkpoint.operations.clear();
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
                assert_eq!(checkpoint.encode().unwrap(), damaged, "one checkpoint has one form: byte {at}");
            }
        }
    }
}

#[test]
fn what_is_no_checkpoint_or_of_another_format_is_named() {
    assert_eq!(Checkpoint::decode(&Bytes::new()), Err(CheckpointError::NotACheckpoint));
    assert_eq!(Checkpoint::decode(&Bytes::from_static(b"PK\x03\x04")), Err(CheckpointError::NotACheckpoint));
    for found in [1, FORMAT + 1] {
        let mut other = full().encode().unwrap().to_vec();
        other[4..6].copy_from_slice(&found.to_le_bytes());
        let error = Checkpoint::decode(&other.into()).unwrap_err();
        let text = format!("the checkpoint has format {found}; this host reads format 2");
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
