//! Bodies: those that clients send, collected within bounds, and those that they get.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use party_core::http::Response;
use party_core::ids::Timestamp;
use party_core::large;
use party_node::answer_body::{AnswerBody, BrokeOff};
use party_node::clock::Clock;

use super::count::Share;
use super::http::Progress;
use super::worker::EdgeWorker;
use crate::assets::file::{FileBody, FileError};

/// The body of a response.
pub(crate) enum EdgeBody {
    /// These bytes.
    Whole(Bytes),
    /// Nothing, but a length as if there were something: the answer to HEAD.
    Announced(u64),
    /// A file.
    File(FileBody),
    /// What a room writes, as it does.
    Written(AnswerBody),
}

/// Why a body ends before its end: the client sees that it is not whole.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BodyError {
    /// The file is not what it was.
    #[error(transparent)]
    File(#[from] FileError),
    /// The room, or its host, has given the answer up.
    #[error("the room did not finish its answer")]
    BrokeOff,
}

impl EdgeBody {
    /// Whether its end, if that has not come, is the room's to say, and not the client's to wait for.
    pub(crate) fn is_written_by_a_room(&self) -> bool {
        matches!(self, EdgeBody::Written(_))
    }
}

impl Body for EdgeBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match self.get_mut() {
            EdgeBody::Whole(bytes) if bytes.is_empty() => Poll::Ready(None),
            EdgeBody::Whole(bytes) => Poll::Ready(Some(Ok(Frame::data(std::mem::take(bytes))))),
            EdgeBody::Announced(_) => Poll::Ready(None),
            EdgeBody::File(file) => {
                let chunk = file.poll_chunk(cx);
                chunk.map(|chunk| chunk.map(|chunk| chunk.map(Frame::data).map_err(BodyError::File)))
            }
            EdgeBody::Written(body) => {
                let piece = body.poll_piece(cx);
                piece.map(|piece| {
                    piece.map(|piece| piece.map(Frame::data).map_err(|BrokeOff| BodyError::BrokeOff))
                })
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            EdgeBody::Whole(bytes) => bytes.is_empty(),
            EdgeBody::Announced(_) => false,
            EdgeBody::File(file) => file.left() == 0,
            EdgeBody::Written(_) => false,
        }
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(match self {
            EdgeBody::Written(_) => return SizeHint::default(),
            EdgeBody::Whole(bytes) => bytes.len() as u64,
            EdgeBody::Announced(bytes) => *bytes,
            EdgeBody::File(file) => file.left(),
        })
    }
}

/// A request's body, and its part of what the host holds.
pub(crate) struct Collected {
    pub(crate) bytes: Bytes,
    pub(crate) share: Option<Share>,
}

/// Collects a request's body, or says how to answer instead.
pub(crate) async fn collect(
    worker: &EdgeWorker,
    progress: &Progress,
    body: Incoming,
    bytes_max: u32,
) -> Result<Collected, Response> {
    if body.is_end_stream() {
        return Ok(Collected { bytes: Bytes::new(), share: None });
    }
    let announced = body.size_hint().lower();
    if announced > u64::from(bytes_max) {
        return Err(Response::text(413, format!("the body is {announced} bytes; the limit is {bytes_max}")));
    }
    let ms_max = worker.limits.body_ms_max;
    let due = worker.clock().now().after_ms(ms_max);
    let collecting = collect_within(worker, progress, body, bytes_max as usize);
    match before(worker.clock(), due, collecting).await {
        Some(collected) => collected,
        None => Err(Response::text(408, format!("the body has not come within {ms_max} ms"))),
    }
}

async fn collect_within(
    worker: &EdgeWorker,
    progress: &Progress,
    mut body: Incoming,
    bytes_max: usize,
) -> Result<Collected, Response> {
    let Some(mut share) = worker.bodies().take(0) else { return Err(no_room()) };
    let (mut first, mut rest) = (Bytes::new(), Vec::new());
    let broken = |why: String| Response::text(400, why);
    while let Some(frame) = next_frame(progress, &mut body).await.map_err(broken)? {
        let Ok(data) = frame.into_data() else { continue };
        if first.len() + rest.len() + data.len() > bytes_max {
            return Err(Response::text(
                413,
                format!("the body is larger than the limit of {bytes_max} bytes"),
            ));
        }
        if !share.grow(data.len()) {
            return Err(no_room());
        }
        // Most bodies come in one piece and need no copy.
        if first.is_empty() && rest.is_empty() {
            first = data;
            continue;
        }
        if let Err(refused) = large::reserve_ahead(&mut rest, first.len() + data.len()) {
            return Err(Response::text(503, refused.to_string()));
        }
        rest.extend_from_slice(&std::mem::take(&mut first));
        rest.extend_from_slice(&data);
    }
    let bytes = if rest.is_empty() { first } else { rest.into() };
    Ok(Collected { bytes, share: Some(share) })
}

/// The next frame; `None` behind the last. hyper is not told that the client has ended (`super::http`).
pub(crate) async fn next_frame(
    progress: &Progress,
    body: &mut Incoming,
) -> Result<Option<Frame<Bytes>>, String> {
    let mut frame = body.frame();
    let frame = poll_fn(|cx| match Pin::new(&mut frame).poll(cx) {
        Poll::Pending if progress.has_ended_for(cx) => Poll::Ready(Err("the body has no end".into())),
        polled => polled.map(Ok),
    });
    let frame = frame.await.and_then(|frame| frame.transpose().map_err(|error| error.to_string()));
    frame.map_err(|error| format!("the body is broken: {error}"))
}

/// Holds more bytes of a request than have come, for one that stands in its place; or says how to answer instead.
pub(crate) fn hold_more(
    worker: &EdgeWorker,
    share: &mut Option<Share>,
    bytes: usize,
) -> Result<(), Response> {
    let holds = match share {
        Some(share) => share.grow(bytes),
        None => {
            *share = worker.bodies().take(bytes);
            share.is_some()
        }
    };
    holds.then_some(()).ok_or_else(no_room)
}

fn no_room() -> Response {
    Response::text(503, "the host holds as many request bodies as it may")
}

/// What a future gives before some time; `None` if the time comes first. The clock is only asked to wait if the
/// future is not ready at once.
pub(crate) async fn before<F: Future>(
    clock: &Arc<dyn Clock>,
    due: Timestamp,
    future: F,
) -> Option<F::Output> {
    let mut future = pin!(future);
    let mut sleep = None;
    poll_fn(|cx| {
        if let Poll::Ready(output) = future.as_mut().poll(cx) {
            return Poll::Ready(Some(output));
        }
        let sleep = sleep.get_or_insert_with(|| clock.sleep_until(due));
        sleep.as_mut().poll(cx).map(|()| None)
    })
    .await
}
