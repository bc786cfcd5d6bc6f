//! What streams bring in records, and what is written to them in traces.

use bytes::Bytes;

use super::taken;
use crate::event::{Event, Outcome, Output, TurnEnd};
use crate::http::Response;
use crate::ids::{OperationId, RequestId, StreamId, Timestamp};
use crate::journal::{FORMAT, Record, Step, Taken, trace};
use crate::message::{CloseFrame, Message};
use crate::stream::StreamEvent;
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
