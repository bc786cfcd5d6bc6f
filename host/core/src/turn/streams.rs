//! Writing to streams, and ending them.

use bytes::Bytes;
use thiserror::Error;

use crate::event::Output;
use crate::http::{Header, Response};
use crate::ids::{RequestId, StreamId};
use crate::message::{CloseFrame, Message};
use crate::operation::Operation;
use crate::stream::Stream;
use crate::turn::Turn;

/// Statuses whose answers have no body (RFC 9110, 15.3.5, 15.3.6 and 15.4.5).
const WITHOUT_BODY: [u16; 3] = [204, 205, 304];

/// What is decided about a stream in a turn.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct StreamChange {
    /// It was opened in this turn.
    pub(crate) opened: Option<Stream>,
    /// Credit that was used up.
    pub(crate) spent: i64,
    /// The guest has closed the socket.
    pub(crate) closed: bool,
    /// The room knows it no more.
    pub(crate) ended: bool,
}

/// Why a command about a stream was refused.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
pub enum StreamError {
    /// There is no such request or stream, or it has ended.
    #[error("there is no such stream, or it has ended")]
    Unknown,
    /// The other side has not taken what was written.
    #[error("the other side has not taken what was written")]
    NoCredit,
    /// Larger than so many bytes.
    #[error("the limit is {0} bytes")]
    TooLarge(u64),
    /// Too many streams are open.
    #[error("the limit for open streams is {0}")]
    Overloaded(u32),
    /// The turn has sent too much.
    #[error("a turn can send {0} bytes")]
    TurnFull(u64),
    /// The close code may not be sent.
    #[error("close code {0} may not be sent")]
    BadCloseCode(u16),
    /// It makes no sense; the text says why.
    #[error("{0}")]
    Invalid(String),
}

fn not_for(stream: &Stream, what: &str) -> StreamError {
    StreamError::Invalid(format!("the stream is {}, and {what}", stream.name()))
}

impl Turn {
    /// Open streams, with this turn's changes.
    pub fn open_streams(&self) -> usize {
        let changes = self.changes.streams.values();
        let (mut opened, mut ended) = (0, 0);
        for change in changes {
            opened += usize::from(change.opened.is_some());
            ended += usize::from(change.ended);
        }
        self.state.streams.len() + opened - ended
    }

    /// The same, and those that its open operations may come to: they are bounded together.
    pub(crate) fn streams_to_be(&self) -> usize {
        let known = self.state.operations.all().filter(|(id, _)| !self.changes.cancelled.contains(id));
        let started = self.changes.started.iter().map(|(id, operation)| (*id, operation));
        let is_one = |operation: &Operation| match operation {
            Operation::Work { work, .. } => work.opens_a_stream(),
            Operation::Sleep { .. } => false,
        };
        self.open_streams() + known.chain(started).filter(|(_, operation)| is_one(operation)).count()
    }

    /// This stream as the turn sees it, if it is open.
    fn stream(&self, id: StreamId) -> Result<Stream, StreamError> {
        let change = self.changes.streams.get(&id).copied().unwrap_or_default();
        let known = change.opened.or_else(|| self.state.streams.get(id).copied());
        let mut stream = known.filter(|_| !change.ended).ok_or(StreamError::Unknown)?;
        if let Some(credit) = stream.credit_mut() {
            *credit -= change.spent;
        }
        match &mut stream {
            Stream::Socket { is_closing, .. } => *is_closing |= change.closed,
            Stream::Answer { .. } | Stream::Body | Stream::Upload { .. } => {}
        }
        Ok(stream)
    }

    /// Bytes that may be written to a stream now; 0 when the other side must first take some.
    pub fn stream_credit(&self, id: StreamId) -> Result<u64, StreamError> {
        let mut stream = self.stream(id)?;
        match stream.credit_mut() {
            Some(credit) => Ok(u64::try_from(*credit).unwrap_or(0)),
            None => Err(not_for(&stream, "cannot be written to")),
        }
    }

    /// Answers a request with a body that follows.
    pub fn open_response(
        &mut self,
        request: RequestId,
        status: u16,
        headers: Vec<Header>,
    ) -> Result<StreamId, StreamError> {
        if !self.state.requests.contains(&request) || self.changes.answered.contains(&request) {
            return Err(StreamError::Unknown);
        }
        if self.state.answered_whole.contains(&request) {
            return Err(StreamError::Invalid(
                "a call of a durable room is answered whole: its answer is kept until the caller has it"
                    .into(),
            ));
        }
        let open_max = self.config.limits.streams_open_max;
        if self.streams_to_be() >= open_max as usize {
            return Err(StreamError::Overloaded(open_max));
        }
        let head = Response { status, headers, body: Bytes::new() };
        if let Some(fault) = head.fault(200) {
            return Err(StreamError::Invalid(fault));
        }
        if WITHOUT_BODY.contains(&status) {
            return Err(StreamError::Invalid(format!("an answer with status {status} has no body")));
        }
        self.spend_output(1, head.bytes()).map_err(StreamError::TurnFull)?;
        let id = self.next_operation().stream();
        self.changes.started_ids += 1;
        self.changes.answered.insert(request);
        let opened = Stream::Answer { request, credit: i64::from(self.config.limits.stream_credit_bytes) };
        self.changes.streams.entry(id).or_default().opened = Some(opened);
        self.changes.outputs.push(Output::Open(request, id, head));
        Ok(id)
    }

    /// Begins to read the body of a request, while its client waits for the answer or for the rest of it. Once.
    pub fn read_body(&mut self, request: RequestId) -> Result<StreamId, StreamError> {
        if !self.awaits_answer(request) {
            return Err(StreamError::Unknown);
        }
        let is_read = |stream: &Stream| matches!(stream, Stream::Upload { request: one } if *one == request);
        let opened = self.changes.streams.values().filter_map(|change| change.opened.as_ref());
        if self.state.streams.all().map(|(_, stream)| stream).chain(opened).any(is_read) {
            return Err(StreamError::Invalid("the body of this request is being read".into()));
        }
        let open_max = self.config.limits.streams_open_max;
        if self.streams_to_be() >= open_max as usize {
            return Err(StreamError::Overloaded(open_max));
        }
        let id = self.next_operation().stream();
        self.changes.started_ids += 1;
        self.changes.streams.entry(id).or_default().opened = Some(Stream::Upload { request });
        self.changes.outputs.push(Output::ReadBody(request, id));
        Ok(id)
    }

    /// Whether a client waits for the answer to this request, or for the rest of it.
    fn awaits_answer(&self, request: RequestId) -> bool {
        let is_open = self.state.requests.contains(&request) && !self.changes.answered.contains(&request);
        let has_ended = |id: &StreamId| self.changes.streams.get(id).is_some_and(|change| change.ended);
        let known = self.state.streams.answer_to(request);
        let opened = self.changes.streams.iter().find_map(|(id, change)| match change.opened {
            Some(Stream::Answer { request: one, .. }) if one == request => Some(*id),
            Some(_) | None => None,
        });
        is_open || known.or(opened).is_some_and(|id| !has_ended(&id))
    }

    /// Writes bytes of an answer's body.
    pub fn write(&mut self, id: StreamId, bytes: Bytes) -> Result<(), StreamError> {
        match self.stream(id)? {
            Stream::Answer { credit, .. } => self.spend_credit(id, credit, bytes.len())?,
            other => return Err(not_for(&other, "takes no bytes")),
        }
        if !bytes.is_empty() {
            self.changes.outputs.push(Output::Write(id, bytes));
        }
        Ok(())
    }

    /// Sends a message through a socket of the room's own.
    pub fn send_on(&mut self, id: StreamId, message: Message) -> Result<(), StreamError> {
        match self.stream(id)? {
            Stream::Socket { is_closing: true, .. } => return Err(StreamError::Unknown),
            // One without a byte waits in a queue, too.
            Stream::Socket { credit, .. } => self.spend_credit(id, credit, message.len().max(1))?,
            other => return Err(not_for(&other, "takes no messages")),
        }
        self.changes.outputs.push(Output::SendOn(id, message));
        Ok(())
    }

    /// One write of any size up to the bound fits as long as there is credit at all.
    fn spend_credit(&mut self, id: StreamId, credit: i64, bytes: usize) -> Result<(), StreamError> {
        let bytes_max = self.config.limits.stream_credit_bytes;
        if bytes > bytes_max as usize {
            return Err(StreamError::TooLarge(bytes_max.into()));
        }
        if credit <= 0 {
            return Err(StreamError::NoCredit);
        }
        self.spend_output(1, bytes as u64).map_err(StreamError::TurnFull)?;
        self.changes.streams.entry(id).or_default().spent += bytes as i64;
        Ok(())
    }

    /// Nothing more is written to an answer; nothing more is wanted of a body that arrives; a socket is closed without a code.
    pub fn finish(&mut self, id: StreamId) -> Result<(), StreamError> {
        let output = match self.stream(id)? {
            Stream::Answer { .. } => Output::Finish(id),
            Stream::Body | Stream::Upload { .. } => Output::Forget(id.operation()),
            Stream::Socket { .. } => return self.close_on(id, None),
        };
        self.changes.streams.entry(id).or_default().ended = true;
        self.changes.outputs.push(output);
        Ok(())
    }

    /// Nothing more is written to an answer, which is not whole.
    pub fn break_off(&mut self, id: StreamId) -> Result<(), StreamError> {
        match self.stream(id)? {
            Stream::Answer { .. } => {}
            other => return Err(not_for(&other, "does not break off: finish or close it")),
        }
        self.changes.streams.entry(id).or_default().ended = true;
        self.changes.outputs.push(Output::BreakOff(id));
        Ok(())
    }

    /// Closes a socket of the room's own; what it still brings comes before its end does.
    pub fn close_on(&mut self, id: StreamId, frame: Option<CloseFrame>) -> Result<(), StreamError> {
        match self.stream(id)? {
            Stream::Socket { is_closing: true, .. } => return Err(StreamError::Unknown),
            Stream::Socket { .. } => {}
            other => return Err(not_for(&other, "is not closed with a frame")),
        }
        if let Some(frame) = &frame
            && !CloseFrame::may_be_given(frame.code)
        {
            return Err(StreamError::BadCloseCode(frame.code));
        }
        self.changes.streams.entry(id).or_default().closed = true;
        self.changes.outputs.push(Output::CloseOn(id, frame));
        Ok(())
    }

    /// Streams are of the version that knows them: the next one finds none. What this one has written comes before their end.
    pub(crate) fn hand_streams_over(&mut self) {
        let opened = self.changes.streams.iter().filter_map(|(id, change)| Some((*id, change.opened?)));
        let all: Vec<(StreamId, Stream)> =
            self.state.streams.all().map(|(id, stream)| (id, *stream)).chain(opened).collect();
        for (id, stream) in all {
            if !std::mem::replace(&mut self.changes.streams.entry(id).or_default().ended, true) {
                self.changes.outputs.push(match stream {
                    Stream::Answer { .. } => Output::BreakOff(id),
                    Stream::Body | Stream::Upload { .. } | Stream::Socket { .. } => {
                        Output::Forget(id.operation())
                    }
                });
            }
        }
    }
}
