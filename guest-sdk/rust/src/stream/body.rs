//! A body that arrives in pieces.

use std::future::poll_fn;
use std::task::Poll;

use crate::bindings::exports::party::server::guest::StreamEvent;
use crate::bindings::party::server::types::{BodyResult, ResponseResult};
use crate::http::Header;
use crate::runtime;
use crate::stream::give_up;
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
        runtime::streams().hold(stream);
        let headers = head.headers.into_iter().map(Header::from).collect();
        Ok(Self { status: head.status, headers, body: Body { stream, has_ended: false } })
    }
}

/// A body that arrives in pieces. To drop it is to want no more of it.
#[derive(Debug)]
pub struct Body {
    stream: u64,
    has_ended: bool,
}

impl Body {
    /// The next bytes, as they have come, in pieces of any size; nothing behind the last. [`OperationError::Connect`] says that it
    /// broke off, which it also does when the host is restarted.
    pub async fn next(&mut self) -> Option<Result<Vec<u8>, OperationError>> {
        if self.has_ended {
            return None;
        }
        let what = poll_fn(|context| match runtime::streams().next(self.stream, context.waker()) {
            Some(what) => Poll::Ready(what),
            None => Poll::Pending,
        });
        match what.await {
            StreamEvent::Chunk(bytes) => Some(Ok(bytes)),
            StreamEvent::End => {
                self.has_ended = true;
                None
            }
            StreamEvent::Error(why) => {
                self.has_ended = true;
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
        if !std::mem::replace(&mut self.has_ended, true) {
            give_up(self.stream);
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
        runtime::streams().let_go(self.stream);
        self.end();
    }
}
