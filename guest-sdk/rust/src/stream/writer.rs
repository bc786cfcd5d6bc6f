//! The body of an answer, written in pieces.

use std::cell::Cell;
use std::future::poll_fn;
use std::rc::Rc;
use std::task::Poll;

use crate::bindings::party::server::streams as host;
use crate::error::Result;
use crate::http::Response;
use crate::logging::{Level, log};
use crate::runtime;
use crate::stream::StreamError;
use crate::task::{self, BoxFuture};

/// Bytes that are written at a time. Less than the host takes in one piece, whatever it was told.
const PIECE_BYTES: usize = 32 << 10;

/// The body of an answer; given by [`Reply::streamed`](crate::Reply::streamed). To drop it without [`finish`](Self::finish) is to let
/// the body break off: its client sees that it is not whole.
#[derive(Debug)]
pub struct BodyWriter {
    stream: u64,
    is_over: bool,
    /// Whether its client had gone when it was let go of.
    was_gone: Rc<Cell<bool>>,
}

impl BodyWriter {
    /// Answers a request with a head, its body being what is in it already and what follows.
    pub(crate) fn open(request: u64, head: &Response) -> Result<Self, StreamError> {
        let stream = head.lend_head(|status, headers| host::open_response(request, status, headers))?;
        runtime::streams().hold_answer(request, stream);
        Ok(Self { stream, is_over: false, was_gone: Rc::default() })
    }

    /// Writes the body with a task. One that fails because its client has gone did all there was to do.
    pub(crate) fn write_with(self, task: impl FnOnce(Self) -> BoxFuture<Result<()>> + 'static) {
        let was_gone = Rc::clone(&self.was_gone);
        task::spawn(async move |_| match task(self).await {
            Err(error) if was_gone.get() && error.downcast_ref() == Some(&StreamError::Ended) => {
                log(Level::Debug, format_args!("an answer is not finished: its client has gone"));
                Ok(())
            }
            ended => ended,
        });
    }

    /// Write bytes, as soon as the client has taken enough of what was written before. [`StreamError::Ended`] says that it has gone.
    pub async fn write(&mut self, bytes: impl AsRef<[u8]>) -> Result<(), StreamError> {
        for piece in bytes.as_ref().chunks(PIECE_BYTES) {
            poll_fn(|context| match host::write(self.stream, piece) {
                Err(host::StreamError::NoCredit) if self.is_gone() => Poll::Ready(Err(StreamError::Ended)),
                Err(host::StreamError::NoCredit) => {
                    runtime::streams().wait_for_credit(self.stream, context.waker());
                    Poll::Pending
                }
                written => Poll::Ready(written.map_err(StreamError::from)),
            })
            .await?;
        }
        Ok(())
    }

    /// Whether its client has gone, so that nobody reads what is written.
    pub fn is_gone(&self) -> bool {
        runtime::streams().is_gone(self.stream)
    }

    /// Waits until its client has gone.
    pub async fn gone(&self) {
        poll_fn(|context| match self.is_gone() {
            true => Poll::Ready(()),
            false => {
                runtime::streams().wait_for_credit(self.stream, context.waker());
                Poll::Pending
            }
        })
        .await;
    }

    /// That was all of it.
    pub fn finish(mut self) -> Result<(), StreamError> {
        self.is_over = true;
        Ok(host::finish(self.stream)?)
    }
}

impl Drop for BodyWriter {
    fn drop(&mut self) {
        self.was_gone.set(self.is_gone());
        runtime::streams().let_go(self.stream);
        if !self.is_over {
            // Its client may have gone.
            let _ = host::break_off(self.stream);
        }
    }
}
