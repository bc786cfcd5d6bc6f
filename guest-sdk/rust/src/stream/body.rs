//! A body that arrives in pieces.

use std::future::poll_fn;
use std::task::Poll;

use crate::bindings::exports::party::server::guest::StreamEvent;
use crate::bindings::party::server::streams;
use crate::bindings::party::server::types::{BodyResult, ResponseResult};
use crate::http::Header;
use crate::runtime;
use crate::stream::{StreamError, give_up};
use crate::work::OperationError;

/// What a fetch was answered, while its body arrives; made by [`Fetch::streamed`](crate::Fetch::streamed).
#[derive(Debug)]
pub struct Streamed {
    /// 200 to 599.
    pub status: u16,
    /// In the order in which they came.
    pub headers: Vec<Header>,
    /// What follows.
    pub body: Body,
}

impl Streamed {
    /// The value of a header, given in lower case; the first if there are several.
    pub fn header(&self, name: &str) -> Option<&[u8]> {
        self.headers.iter().find(|header| header.name == name).map(|header| header.value.as_slice())
    }
}

impl TryFrom<ResponseResult> for Streamed {
    type Error = OperationError;

    fn try_from(head: ResponseResult) -> Result<Self, OperationError> {
        let BodyResult::Streamed(stream) = head.body else {
            return Err(OperationError::Invalid("the host gave a whole body".to_owned()));
        };
        let headers = head.headers.into_iter().map(Header::from).collect();
        Ok(Self { status: head.status, headers, body: Body(State::open(stream)) })
    }
}

/// A body that arrives in pieces: what a fetch was answered, or of a request ([`Request::reader`](crate::Request::reader)). To
/// drop it is to want no more of it.
#[derive(Debug)]
pub struct Body(State);

#[derive(Debug)]
enum State {
    /// It has come along.
    Whole(Vec<u8>),
    /// It is with the client of this request, and nothing of it was asked for.
    Waiting(u64),
    /// It arrives as this stream.
    Open(u64),
    Ended,
}

impl State {
    fn open(stream: u64) -> Self {
        runtime::streams().hold(stream);
        Self::Open(stream)
    }
}

impl Body {
    pub(crate) fn whole(bytes: Vec<u8>) -> Self {
        Self(State::Whole(bytes))
    }

    pub(crate) fn waiting(request: u64) -> Self {
        Self(State::Waiting(request))
    }

    /// The stream that brings it, from now on if need be.
    fn stream(&mut self) -> Result<u64, OperationError> {
        match self.0 {
            State::Open(stream) => Ok(stream),
            State::Waiting(request) => match streams::read_body(request) {
                Ok(stream) => {
                    self.0 = State::open(stream);
                    Ok(stream)
                }
                Err(error) => {
                    self.0 = State::Ended;
                    Err(match StreamError::from(error) {
                        StreamError::Ended => OperationError::Connect(
                            "the request is answered, or its client has gone".to_owned(),
                        ),
                        StreamError::Overloaded(open_max) => OperationError::Overloaded(open_max),
                        other => OperationError::Invalid(other.to_string()),
                    })
                }
            },
            State::Whole(_) | State::Ended => unreachable!("neither is read from a stream"),
        }
    }

    /// All of it, if that is at most so many bytes; [`OperationError::TooLarge`] if it is more, and nothing follows.
    pub async fn collect(&mut self, bytes_max: usize) -> Result<Vec<u8>, OperationError> {
        let mut whole = Vec::new();
        while let Some(piece) = self.next().await {
            whole.extend_from_slice(&piece?);
            if whole.len() > bytes_max {
                self.end();
                return Err(OperationError::TooLarge(bytes_max as u64));
            }
        }
        Ok(whole)
    }

    /// The next bytes, as they have come, in pieces of any size; nothing behind the last. [`OperationError::Connect`] says that it
    /// broke off, which it also does when the host is restarted.
    pub async fn next(&mut self) -> Option<Result<Vec<u8>, OperationError>> {
        match &mut self.0 {
            State::Ended => return None,
            State::Whole(bytes) => {
                let bytes = std::mem::take(bytes);
                self.0 = State::Ended;
                return Some(bytes).filter(|bytes| !bytes.is_empty()).map(Ok);
            }
            State::Waiting(_) | State::Open(_) => {}
        }
        let stream = match self.stream() {
            Ok(stream) => stream,
            Err(error) => return Some(Err(error)),
        };
        let what = poll_fn(|context| match runtime::streams().next(stream, context.waker()) {
            Some(what) => Poll::Ready(what),
            None => Poll::Pending,
        });
        match what.await {
            StreamEvent::Chunk(bytes) => Some(Ok(bytes)),
            StreamEvent::End => {
                self.let_go();
                None
            }
            StreamEvent::Error(why) => {
                self.let_go();
                Some(Err(OperationError::Connect(why)))
            }
            other @ (StreamEvent::Message(_) | StreamEvent::Closed(_)) => {
                self.end();
                Some(Err(OperationError::Invalid(format!("a body brought something else: {other:?}"))))
            }
        }
    }

    /// No more of it is wanted.
    fn end(&mut self) {
        if let Some(stream) = self.let_go() {
            give_up(stream);
        }
    }

    /// It is over. The stream that brought it, if one did.
    fn let_go(&mut self) -> Option<u64> {
        match std::mem::replace(&mut self.0, State::Ended) {
            State::Open(stream) => {
                runtime::streams().let_go(stream);
                Some(stream)
            }
            State::Whole(_) | State::Waiting(_) | State::Ended => None,
        }
    }

    /// The next line, without its end (a line feed, or a carriage return before it), as text; what is not UTF-8 in it is replaced.
    /// `rest` keeps what has come of the line after it. Lines of server-sent events and of JSON in lines are read so. One of more than
    /// a mebibyte is [`OperationError::TooLarge`], and nothing follows.
    pub async fn next_line(&mut self, rest: &mut Vec<u8>) -> Option<Result<String, OperationError>> {
        loop {
            if let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = rest.drain(..=end).collect();
                return Some(Ok(text_of(&line[..end])));
            }
            if rest.len() > LINE_BYTES_MAX {
                self.end();
                return Some(Err(OperationError::TooLarge(LINE_BYTES_MAX as u64)));
            }
            match self.next().await {
                Some(Ok(bytes)) => rest.extend_from_slice(&bytes),
                Some(Err(error)) => return Some(Err(error)),
                None if rest.is_empty() => return None,
                None => return Some(Ok(text_of(&std::mem::take(rest)))),
            }
        }
    }
}

/// A line that is read, in bytes.
const LINE_BYTES_MAX: usize = 1 << 20;

fn text_of(line: &[u8]) -> String {
    String::from_utf8_lossy(line.strip_suffix(b"\r").unwrap_or(line)).into_owned()
}

impl Drop for Body {
    fn drop(&mut self) {
        self.end();
    }
}
