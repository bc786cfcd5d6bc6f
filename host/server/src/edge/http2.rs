//! One client's HTTP/2 connection: many requests at a time, over TLS.
//!
//! hyper keeps the streams, whose number, headers and resets are bounded; this task keeps time for it. The rule is that of
//! HTTP/1.1 (`super::http`): while no request is being answered, a client takes what it is given, or the connection is cut. What
//! counts is what is taken of answers, and not any bytes: pings would keep an idle connection for ever.
//!
//! A WebSocket is opened with HTTP/1.1: browsers offer nothing else where they open one.

use std::cell::Cell;
use std::convert::Infallible;
use std::future::poll_fn;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::header::{CONNECTION, CONTENT_LENGTH, COOKIE, HOST, HeaderMap, HeaderValue};
use hyper::rt::Executor;
use hyper::server::conn::http2;
use hyper::service::Service;
use hyper::{Method, Request};
use hyper_util::rt::TokioIo;
use party_core::http::Response;
use party_core::ids::Timestamp;

use super::answer::answer;
use super::body::{BodyError, EdgeBody};
use super::count::Share;
use super::exchange::to_wire;
use super::http::Progress;
use super::limits::EdgeLimits;
use super::proxies::Peer;
use super::socket::Socket;
use super::watch::{Stage, Watched};
use super::worker::EdgeWorker;

/// Requests of one connection that are answered at a time; a client waits with more. As other servers have it, and what
/// browsers need.
const STREAMS_MAX: u32 = 100;
/// Streams that a client has reset before they were looked at; with more, the connection ends (CVE-2023-44487).
const RESETS_MAX: usize = 20;
/// Resets of the host's own for what a client does wrong; with more, the connection ends.
const FAULTS_MAX: usize = 100;
/// Bytes of a request body that may be sent ahead.
const STREAM_WINDOW_BYTES: u32 = 64 << 10;
/// The same of all bodies of a connection: those that their rooms do not read must not hold up the others.
const CONNECTION_WINDOW_BYTES: u32 = STREAMS_MAX * STREAM_WINDOW_BYTES;
/// Bytes of an answer that are handed over at a time.
const CHUNK_BYTES: usize = 64 << 10;

/// How HTTP/2 is spoken.
pub(crate) struct Protocol {
    builder: http2::Builder<OnThisThread>,
}

impl Protocol {
    pub(crate) fn new(limits: &EdgeLimits) -> Protocol {
        let mut builder = http2::Builder::new(OnThisThread);
        builder
            .max_concurrent_streams(STREAMS_MAX)
            .max_pending_accept_reset_streams(RESETS_MAX)
            .max_local_error_reset_streams(FAULTS_MAX)
            .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
            .initial_stream_window_size(STREAM_WINDOW_BYTES)
            .max_send_buf_size(CHUNK_BYTES)
            .max_header_list_size(u32::try_from(limits.head_bytes_max).unwrap_or(u32::MAX))
            // PartyKit adds none, and it would be the machine's time.
            .auto_date_header(false);
        Protocol { builder }
    }
}

/// Runs the streams of a connection where it runs itself.
#[derive(Clone, Copy)]
struct OnThisThread;

impl<F: Future<Output = ()> + 'static> Executor<F> for OnThisThread {
    fn execute(&self, future: F) {
        tokio::task::spawn_local(future);
    }
}

/// What the connection's task and its requests tell each other.
struct Streams {
    /// Requests that are being answered.
    answering: Cell<usize>,
    /// When a request last came or was answered, or something of an answer was taken.
    moved_at: Cell<Timestamp>,
}

/// Serves one client.
pub(crate) async fn serve(worker: Rc<EdgeWorker>, socket: Socket, peer: Peer, _place: Share) {
    let now = worker.clock().now();
    let streams = Rc::new(Streams { answering: Cell::new(0), moved_at: Cell::new(now) });
    let watched = worker.watch.add();
    watched.set_deadline(now.after_ms(worker.limits.head_ms_max));
    let service = Requests { worker: Rc::clone(&worker), peer, streams: Rc::clone(&streams) };
    let mut connection = Box::pin(worker.http2.builder.serve_connection(TokioIo::new(socket), service));
    let mut is_last_call = false;
    let ended = poll_fn(|cx| {
        watched.register(cx);
        match watched.stage() {
            Stage::Serving => {}
            Stage::Draining => connection.as_mut().graceful_shutdown(),
            Stage::Cut => return Poll::Ready(None),
        }
        if watched.take_due() && is_dragging(&worker, &streams, &watched) {
            if std::mem::replace(&mut is_last_call, true) {
                return Poll::Ready(None);
            }
            // So that what the client sends at this moment is not lost without a word.
            connection.as_mut().graceful_shutdown();
            watched.set_deadline(worker.clock().now().after_ms(worker.limits.close_ms_max));
        }
        connection.as_mut().poll(cx).map(Some)
    });
    if let Some(Err(error)) = ended.await {
        tracing::debug!("a client's connection ended: {error}");
    }
}

/// Whether the client has done nothing for too long. If not, sets the next time to ask.
fn is_dragging(worker: &EdgeWorker, streams: &Streams, watched: &Watched) -> bool {
    let (now, ms_max) = (worker.clock().now(), worker.limits.head_ms_max);
    let due = match streams.answering.get() {
        0 => streams.moved_at.get().after_ms(ms_max),
        // What a request may take is bounded where it is answered.
        _ => now.after_ms(ms_max),
    };
    watched.set_deadline(due);
    due <= now
}

/// Answers the requests of one connection.
struct Requests {
    worker: Rc<EdgeWorker>,
    peer: Peer,
    streams: Rc<Streams>,
}

impl Service<Request<Incoming>> for Requests {
    type Response = hyper::Response<Taken>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<hyper::Response<Taken>, Infallible>>>>;

    fn call(&self, mut request: Request<Incoming>) -> Self::Future {
        let (worker, peer) = (Rc::clone(&self.worker), self.peer);
        let mut answering = Answering::new(&worker, &self.streams);
        Box::pin(async move {
            let is_head = request.method() == Method::HEAD;
            let mut response = match as_http_1(&mut request, worker.limits.headers_max) {
                Ok(()) => {
                    let progress = Rc::new(Progress::new(worker.clock().now()));
                    answer(&worker, &progress, peer, request).await
                }
                Err(refusal) => to_wire(refusal, request.method()),
            };
            // A stream ends by itself.
            response.headers_mut().remove(CONNECTION);
            if is_head {
                without_body(&mut response);
            }
            answering.is_taken();
            Ok(response.map(|body| Taken { body, rest: Bytes::new(), answering }))
        })
    }
}

/// Makes of a request what it would be with HTTP/1.1, as a room knows it. An error is its refusal.
fn as_http_1(request: &mut Request<Incoming>, headers_max: usize) -> Result<(), Response> {
    if let Some(authority) = request.uri().authority() {
        let host = HeaderValue::from_str(authority.as_str());
        let host = host.map_err(|_| Response::text(400, "the authority is no host"))?;
        request.headers_mut().insert(HOST, host);
    }
    join_cookies(request.headers_mut());
    match request.headers().len() {
        count if count <= headers_max => Ok(()),
        count => Err(Response::text(431, format!("there are {count} headers; the limit is {headers_max}"))),
    }
}

/// RFC 9113, 8.2.3: cookies may come in many headers, which are one.
fn join_cookies(headers: &mut HeaderMap) {
    let values: Vec<&[u8]> = headers.get_all(COOKIE).iter().map(HeaderValue::as_bytes).collect();
    if values.len() > 1
        && let Ok(joined) = HeaderValue::from_bytes(&values.join(&b"; "[..]))
    {
        headers.insert(COOKIE, joined);
    }
}

/// hyper leaves the bodies of answers to HEAD out with HTTP/1.1 only.
fn without_body(response: &mut hyper::Response<EdgeBody>) {
    if let Some(length) = response.body().size_hint().exact() {
        response.headers_mut().entry(CONTENT_LENGTH).or_insert_with(|| length.into());
    }
    *response.body_mut() = EdgeBody::Whole(Bytes::new());
}

/// While it lives, a request is being answered.
struct Answering {
    worker: Rc<EdgeWorker>,
    streams: Rc<Streams>,
    /// The answer is there, and is being taken.
    is_answered: bool,
    awaits_room: bool,
}

impl Answering {
    fn new(worker: &Rc<EdgeWorker>, streams: &Rc<Streams>) -> Answering {
        streams.answering.set(streams.answering.get() + 1);
        let answering = Answering {
            worker: Rc::clone(worker),
            streams: Rc::clone(streams),
            is_answered: false,
            awaits_room: false,
        };
        answering.moves();
        answering
    }

    /// All of the answer has been taken that its room has written so far, or not any more: meanwhile it is not the client that is
    /// waited for.
    fn awaits_room(&mut self, awaits: bool) {
        let answering = self.streams.answering.get();
        match (std::mem::replace(&mut self.awaits_room, awaits), awaits) {
            (false, true) => self.streams.answering.set(answering + 1),
            (true, false) => self.streams.answering.set(answering - 1),
            (true, true) | (false, false) => {}
        }
    }

    fn moves(&self) {
        self.streams.moved_at.set(self.worker.clock().now());
    }

    /// The answer is there: from now on it is the client's part to take it.
    fn is_taken(&mut self) {
        if !std::mem::replace(&mut self.is_answered, true) {
            self.streams.answering.set(self.streams.answering.get() - 1);
        }
        self.moves();
    }
}

impl Drop for Answering {
    fn drop(&mut self) {
        self.awaits_room(false);
        self.is_taken();
    }
}

/// The body of an answer, in pieces, which notes when each is taken.
struct Taken {
    body: EdgeBody,
    rest: Bytes,
    answering: Answering,
}

impl Body for Taken {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = self.get_mut();
        this.answering.moves();
        if this.rest.is_empty() {
            match Pin::new(&mut this.body).poll_frame(cx) {
                Poll::Ready(Some(Ok(frame))) => match frame.into_data() {
                    Ok(data) => this.rest = data,
                    Err(frame) => return Poll::Ready(Some(Ok(frame))),
                },
                other => {
                    let waits = other.is_pending() && this.body.is_written_by_a_room();
                    this.answering.awaits_room(waits);
                    return other;
                }
            }
        }
        this.answering.awaits_room(false);
        let chunk = this.rest.split_to(this.rest.len().min(CHUNK_BYTES));
        Poll::Ready(Some(Ok(Frame::data(chunk))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let rest = self.rest.len() as u64;
        self.body.size_hint().exact().map_or_else(SizeHint::default, |left| SizeHint::with_exact(rest + left))
    }
}
