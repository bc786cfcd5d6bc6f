//! What streams bring in records, and what is written to them in traces.

use std::sync::Arc;

use bytes::Bytes;

use super::{config, taken, turn};
use crate::event::{Event, Handlers, Outcome, Output, TurnEnd};
use crate::http::Response;
use crate::ids::{CommitSeq, OperationId, RequestId, StreamId, Timestamp};
use crate::journal::{FORMAT, Record, Step, Taken, trace};
use crate::message::{CloseFrame, Message};
use crate::room::{Replay, ReplayError, Room, RoomConfig};
use crate::stream::{Stream, StreamEvent};
use crate::turn::Changes;

/// Byte by byte, as docs/journal-format.md says.
#[test]
fn what_streams_bring_is_written_as_it_is_told_of() {
    let head = Response { status: 200, headers: Vec::new(), body: Bytes::new() };
    for (event, expected) in [
        (Event::Stream(StreamId(9), StreamEvent::Chunk("ab".into())), &[11, 9, 0, 2, b'a', b'b'][..]),
        (Event::Stream(StreamId(9), StreamEvent::Message(Message::text("a"))), &[11, 9, 1, 1, b'a']),
        (Event::Stream(StreamId(9), StreamEvent::Message(Message::Binary("a".into()))), &[11, 9, 2, 1, b'a']),
        (Event::Stream(StreamId(9), StreamEvent::End), &[11, 9, 3]),
        (
            Event::Stream(StreamId(9), StreamEvent::Closed(CloseFrame::new(1_000, "a"))),
            &[11, 9, 4, 0xe8, 7, 1, b'a'],
        ),
        (Event::Stream(StreamId(9), StreamEvent::Error("a".into())), &[11, 9, 5, 1, b'a']),
        (Event::Drain(StreamId(9), 300), &[12, 9, 0xac, 2]),
        (Event::Completed(OperationId(9), Outcome::Streamed(head.into())), &[8, 9, 8, 0xc8, 1, 0, 0]),
        (Event::Completed(OperationId(9), Outcome::Connected), &[8, 9, 9]),
    ] {
        let record = Record { steps: vec![Step::Unheard(Taken { now: Timestamp(5), ..taken(event) })] };
        assert_eq!(record.encode()[..], [&[FORMAT, 1, 4, 5], expected].concat());
    }
}

/// What leaves a turn for a stream is a part of what it did.
#[test]
fn turns_that_write_otherwise_leave_other_traces() {
    let head = |status| Response { status, headers: Vec::new(), body: Bytes::new() };
    let (one, other) = (StreamId(4), StreamId(5));
    let outputs = [
        Output::Open(RequestId(4), one, head(200)),
        Output::Open(RequestId(5), one, head(200)),
        Output::Open(RequestId(4), other, head(200)),
        Output::Open(RequestId(4), one, head(201)),
        Output::Write(one, "a".into()),
        Output::Write(one, "b".into()),
        Output::Write(other, "a".into()),
        Output::Finish(one),
        Output::Finish(other),
        Output::BreakOff(one),
        Output::SendOn(one, Message::text("a")),
        Output::SendOn(one, Message::Binary("a".into())),
        Output::CloseOn(one, None),
        Output::CloseOn(one, Some(CloseFrame::new(1_000, "a"))),
        Output::CloseOn(one, Some(CloseFrame::new(1_001, "a"))),
        Output::CloseOn(one, Some(CloseFrame::new(1_000, "b"))),
    ];
    let traces =
        outputs.map(|output| trace(&Changes { outputs: vec![output], ..Changes::default() }, &TurnEnd::Done));
    for (index, one) in traces.iter().enumerate() {
        assert!(!traces[..index].contains(one), "the trace of {index}");
    }
}

/// The guest would open a stream under the id of another, which no room survives.
#[test]
fn a_turn_that_would_give_a_stream_s_id_out_again_does_not_fit() {
    let with = |id: u64| {
        let config = Arc::new(RoomConfig { handlers: Handlers(u32::MAX), ..config() });
        let mut checkpoint = Room::new(Arc::clone(&config), None).as_checkpoint(Bytes::new());
        checkpoint.streams.insert(StreamId(id), Stream::Body);
        // Its first operation would be 5.
        let event = Event::Stream(StreamId(id), StreamEvent::Chunk("a".into()));
        let record = Record { steps: vec![turn(event)] };
        let mut past = Replay::new(config, Some(checkpoint));
        past.take(CommitSeq(2), &record.encode()).map(|turn| turn.is_some())
    };
    assert_eq!(with(4), Ok(true));
    let unfit = ReplayError::Unfit { seq: CommitSeq(2), event: "on-stream" };
    assert_eq!(with(5), Err(unfit));
}
