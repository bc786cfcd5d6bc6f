//! One client's HTTP connection, until it ends or becomes a WebSocket.
//!
//! hyper parses and keeps the connection alive; this task keeps time for it. There is one timeout for all that a
//! client can drag out between two requests (the head of the next one, idling, reading the last response): while
//! no request is being answered, either bytes of a response reach the client or the connection is cut.
//!
//! A client that sends no more may still be there: it has said all and waits for its answer, or it has gone, which TCP does
//! not tell apart. So hyper, which takes it for gone, is told of the end only when the answer is written, and who waits for a
//! room is waited with for a while. Of one that has more to say than anybody reads, the end is looked for where it stands
//! ([`stream`]).

mod stream;

use std::cell::{Cell, RefCell};
use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use hyper::Request;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::server::conn::http1;
use hyper::service::Service;
use hyper_util::rt::TokioIo;
use party_core::ids::Timestamp;
use party_node::connection::Ticket;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use self::stream::Stream;
use super::answer::answer;
use super::body::{BodyError, EdgeBody};
use super::count::Share;
use super::handshake::asks_for_websocket;
use super::limits::EdgeLimits;
use super::proxies::Peer;
use super::socket::Socket;
use super::watch::{Stage, Watched};
use super::worker::{Arrival, EdgeWorker};

/// How HTTP is spoken.
pub(crate) struct Protocol {
    builder: http1::Builder,
}

impl Protocol {
    pub(crate) fn new(limits: &EdgeLimits) -> Protocol {
        let mut builder = http1::Builder::new();
        builder
            .keep_alive(true)
            .max_header_size(limits.head_bytes_max)
            .max_buf_size(limits.head_bytes_max.max(HEAD_BYTES_LEAST))
            .max_headers(limits.headers_max)
            // This task keeps time by the node's clock, which tests move.
            .header_read_timeout(None)
            // PartyKit adds none, and it would be the machine's time.
            .auto_date_header(false);
        Protocol { builder }
    }
}

/// The smallest buffer that hyper takes, in bytes.
const HEAD_BYTES_LEAST: usize = 8_192;

/// What the connection's task and its requests tell each other.
pub(crate) struct Progress {
    /// A request is being answered.
    answering: Cell<bool>,
    /// Since when none is, and no byte has reached the client.
    waiting_since: Cell<Timestamp>,
    /// The client may still be sending what has been refused.
    refused: Cell<bool>,
    /// A request has come, or its head, and its response is not written yet.
    is_owed: Cell<bool>,
    /// All of a response has been taken that its room has written so far.
    awaits_room: Cell<bool>,
    /// A response is being made, or its body is not written yet.
    is_writing: Cell<bool>,
    /// When the client was found to send no more, while it was owed a response.
    ended_at: Cell<Option<Timestamp>>,
    /// When bytes of the client were last read.
    read_at: Cell<Timestamp>,
    /// Whether to look if the client has ended behind what nobody reads.
    looks: Cell<bool>,
    /// When that was found first.
    closed_at: Cell<Option<Timestamp>>,
    /// It is given up.
    has_gone: Cell<bool>,
    /// Who reads the body of the request, perhaps in another task, to be told of that.
    reader: Cell<Option<Waker>>,
    /// The right to attach the socket to a room, once a handshake has been accepted.
    ticket: RefCell<Option<Ticket>>,
}

impl Progress {
    /// Of a connection that begins now.
    pub(crate) fn new(now: Timestamp) -> Progress {
        Progress {
            answering: Cell::new(false),
            waiting_since: Cell::new(now),
            refused: Cell::new(false),
            is_owed: Cell::new(false),
            awaits_room: Cell::new(false),
            is_writing: Cell::new(false),
            ended_at: Cell::new(None),
            read_at: Cell::new(now),
            looks: Cell::new(false),
            closed_at: Cell::new(None),
            has_gone: Cell::new(false),
            reader: Cell::new(None),
            ticket: RefCell::new(None),
        }
    }

    /// The response that is being made completes a WebSocket's handshake.
    pub(crate) fn upgrade(&self, ticket: Ticket) {
        *self.ticket.borrow_mut() = Some(ticket);
    }

    /// The response that is being made refuses what is still being sent.
    pub(crate) fn refuse(&self) {
        self.refused.set(true);
    }

    /// Whether the client sends no more: what hyper has not given out by now will not come. If it may, whoever asks is woken when
    /// that changes.
    pub(crate) fn has_ended_for(&self, cx: &Context<'_>) -> bool {
        let has_ended = self.ended_at.get().is_some();
        if !has_ended {
            self.reader.set(Some(cx.waker().clone()));
        }
        has_ended
    }

    /// The client sends no more, or nothing that could be understood.
    pub(crate) fn ends(&self, now: Timestamp) {
        if self.ended_at.get().is_none() {
            self.ended_at.set(Some(now));
            if let Some(reader) = self.reader.take() {
                reader.wake();
            }
        }
    }
}

/// Serves one client.
pub(crate) async fn serve(worker: Rc<EdgeWorker>, socket: Socket, peer: Peer, place: Share) {
    let now = worker.clock().now();
    let progress = Rc::new(Progress::new(now));
    let watched = worker.watch.add();
    watched.set_deadline(now.after_ms(worker.limits.head_ms_max));
    let io = TokioIo::new(Stream::new(socket, Rc::clone(&worker), Rc::clone(&progress)));
    let service = Requests { worker: Rc::clone(&worker), peer, progress: Rc::clone(&progress) };
    let mut connection = Box::new(worker.http.builder.serve_connection(io, service));
    let ended = poll_fn(|cx| {
        watched.register(cx);
        match watched.stage() {
            Stage::Serving => {}
            Stage::Draining => Pin::new(&mut *connection).graceful_shutdown(),
            Stage::Cut => return Poll::Ready(None),
        }
        if watched.take_due() && is_dragging(&worker, &progress, &watched) {
            return Poll::Ready(None);
        }
        let ended_before = progress.ended_at.get();
        let polled = Pin::new(&mut *connection).poll(cx);
        if progress.has_gone.get() {
            return Poll::Ready(None);
        }
        if let Some(at) = progress.ended_at.get().filter(|_| ended_before.is_none()) {
            watched.set_deadline(at.after_ms(worker.limits.half_open_ms_max));
        }
        polled.map(Some)
    })
    .await;
    let Some(ended) = ended else { return };
    if let Err(error) = &ended {
        tracing::debug!("a client's connection ended: {error}");
    }
    let parts = connection.into_parts();
    let (socket, owed) = parts.io.into_inner().into_parts();
    let ticket = progress.ticket.borrow_mut().take();
    match ticket {
        Some(ticket) => {
            // Not the buffer itself, of which even an empty rest would keep all for as long as the socket lives.
            let unread = Bytes::copy_from_slice(&parts.read_buf);
            let arrival = Arrival { unread, owed: owed.into(), place };
            worker.bring(socket, ticket, arrival);
        }
        None if ended.is_err() || progress.refused.get() => linger(&worker, socket, &watched).await,
        None => {}
    }
}

/// Whether the client has done nothing for too long. If not, sets the next time to ask.
fn is_dragging(worker: &EdgeWorker, progress: &Progress, watched: &Watched) -> bool {
    let (now, ms_max) = (worker.clock().now(), worker.limits.head_ms_max);
    let waits = progress.answering.get() || progress.awaits_room.get();
    let due = match (waits, progress.ended_at.get()) {
        (true, Some(at)) => at.after_ms(worker.limits.half_open_ms_max),
        // What a request may take is bounded where it is answered.
        (true, None) => {
            progress.looks.set(true);
            now.after_ms(ms_max)
        }
        (false, _) => progress.waiting_since.get().after_ms(ms_max),
    };
    watched.set_deadline(due);
    due <= now
}

/// Closes the sending half, and reads on for a while what the client sends: closing a socket with unread bytes resets
/// the connection, and the client would lose the response that says why.
async fn linger(worker: &EdgeWorker, mut socket: Socket, watched: &Watched) {
    // hyper has done so, but for what asked for a tunnel. A client that has gone misses nothing.
    let _ = socket.shutdown().await;
    watched.set_deadline(worker.clock().now().after_ms(worker.limits.close_ms_max));
    let mut ignored = vec![0; 16 << 10];
    poll_fn(|cx| {
        watched.register(cx);
        if watched.take_due() || watched.stage() == Stage::Cut {
            return Poll::Ready(());
        }
        let mut read = std::pin::pin!(socket.read(&mut ignored));
        match read.as_mut().poll(cx) {
            Poll::Ready(Ok(bytes)) if bytes > 0 => {
                cx.waker().wake_by_ref();
                Poll::Pending
            }
            Poll::Ready(_) => Poll::Ready(()),
            Poll::Pending => Poll::Pending,
        }
    })
    .await;
}

/// Answers the requests of one connection, one at a time.
struct Requests {
    worker: Rc<EdgeWorker>,
    peer: Peer,
    progress: Rc<Progress>,
}

impl Service<Request<Incoming>> for Requests {
    type Response = hyper::Response<Written>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<hyper::Response<Written>, Infallible>>>>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        let (worker, peer, progress) = (Rc::clone(&self.worker), self.peer, Rc::clone(&self.progress));
        // Noted here, because hyper reads on before it asks for the answer.
        let answering = Answering::new(&worker, &progress);
        // A WebSocket whose client sends nothing any more is of no use, so that one is not waited with.
        progress.is_owed.set(!asks_for_websocket(request.headers()));
        Box::pin(async move {
            let response = answer(&worker, &progress, peer, request).await;
            progress.is_writing.set(true);
            drop(answering);
            Ok(response.map(|body| Written { body, progress }))
        })
    }
}

/// While it lives, a request is being answered.
struct Answering {
    worker: Rc<EdgeWorker>,
    progress: Rc<Progress>,
}

impl Answering {
    fn new(worker: &Rc<EdgeWorker>, progress: &Rc<Progress>) -> Answering {
        progress.answering.set(true);
        Answering { worker: Rc::clone(worker), progress: Rc::clone(progress) }
    }
}

impl Drop for Answering {
    fn drop(&mut self) {
        self.progress.answering.set(false);
        self.progress.waiting_since.set(self.worker.clock().now());
    }
}

/// The body of a response, which notes when all of it has been taken to be written.
struct Written {
    body: EdgeBody,
    progress: Rc<Progress>,
}

impl Body for Written {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = self.get_mut();
        let polled = Pin::new(&mut this.body).poll_frame(cx);
        // Asked for while the client takes what it is given: what is missing is the room's.
        this.progress.awaits_room.set(polled.is_pending() && this.body.is_written_by_a_room());
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Written {
    fn drop(&mut self) {
        self.progress.is_writing.set(false);
        self.progress.awaits_room.set(false);
    }
}
