//! One WebSocket, for its whole life: a task on the thread of its room.
//!
//! Every wake does the same in the same order: take what the room has to say, write, read, keep time. Most wakes
//! are an echo's two halves, each one system call: bytes came (read, put into the room's mailbox), the room
//! answered (write). While the room's mailbox has no credit for this connection the socket is not read at all, so
//! that TCP holds the client back.
//!
//! An idle connection keeps no buffer: bytes are read into one that all connections of the thread share, and only
//! what cannot be taken at once is put aside.

use std::cell::RefCell;
use std::future::Future;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll};

use bytes::{Buf, Bytes};
use party_core::message::CloseFrame;
use party_core::profile::{CLOSE_BAD_TEXT, CLOSE_GOING_AWAY, CLOSE_PROTOCOL, CLOSE_TRY_LATER, too_large};
use party_node::connection::Connection;
use party_node::outbox::Outbound;
use tokio::io::{AsyncRead as _, AsyncWrite as _, ReadBuf};
use tokio::task::yield_now;

use super::count::Share;
use super::frames::{Fault, Frames, Received, encode, ping};
use super::phase::{End, Phase};
use super::pulse::{Beat, Pulse};
use super::socket::Socket;
use super::throttle::Throttle;
use super::watch::{Stage, Watched};
use super::worker::{Arrival, EdgeWorker};
use super::write_queue::WriteQueue;

/// The buffer that all connections of a thread read into, in bytes.
const READ_BYTES: usize = 64 << 10;
/// How many frames are taken in one wake before other tasks have their turn.
const FRAMES_PER_WAKE_MAX: usize = 64;
/// How many bytes are read in one wake before other tasks have their turn, and the last read's worth more.
const READ_BYTES_PER_WAKE_MAX: usize = 256 << 10;
/// How many of the host's own answers (control frames and auto-responses) may wait to be written before the socket is no
/// longer read: a client that asks for them and does not take them must not fill the memory.
const ANSWERS_WAITING_MAX: usize = 64;

thread_local! {
    static READ_BUFFER: RefCell<Box<[u8]>> = RefCell::new(vec![0; READ_BYTES].into_boxed_slice());
}

/// The socket is of no more use.
struct Gone;

/// The task.
pub(crate) struct WebSocket {
    worker: Rc<EdgeWorker>,
    socket: Socket,
    connection: Connection,
    frames: Frames,
    out: WriteQueue,
    /// What was written has left the host, as far as it can tell.
    is_flushed: bool,
    /// Bytes that were read and not yet taken.
    unread: Bytes,
    phase: Phase,
    /// What follows [`Phase::Ending`].
    end: Option<End>,
    /// The sending half is closed.
    finished: bool,
    pulse: Pulse,
    throttle: Throttle,
    watched: Watched,
    /// Its place among the host's connections, held as long as it lives.
    _place: Share,
}

impl WebSocket {
    /// A socket whose handshake is answered.
    pub(crate) fn new(
        worker: Rc<EdgeWorker>,
        socket: Socket,
        connection: Connection,
        arrival: Arrival,
    ) -> WebSocket {
        let Arrival { unread, owed, place } = arrival;
        let mut out = WriteQueue::default();
        if !owed.is_empty() {
            out.push_control(owed);
        }
        let limits = &worker.limits;
        let (pulse, first) =
            Pulse::new(worker.clock().now(), limits.ping_interval_ms, limits.ping_timeout_ms);
        let watched = worker.watch.add();
        watched.set_deadline(first);
        WebSocket {
            frames: Frames::new(connection.limits().message_in_bytes_max),
            throttle: Throttle::new(&worker.config().rates, worker.clock()),
            worker,
            socket,
            connection,
            out,
            is_flushed: false,
            unread,
            phase: Phase::Open,
            end: None,
            finished: false,
            pulse,
            watched,
            _place: place,
        }
    }

    fn step(&mut self, cx: &mut Context<'_>) -> Result<bool, Gone> {
        match self.watched.stage() {
            Stage::Serving => {}
            Stage::Draining if self.phase == Phase::Open => {
                self.close(Some(CloseFrame::new(CLOSE_GOING_AWAY, "the host is shutting down")));
            }
            Stage::Draining => {}
            Stage::Cut => return Err(Gone),
        }
        // Ready means only that what follows is worth doing; pending, that the task will be woken.
        while self.connection.poll_change(cx).is_ready() {}
        self.take_outbound();
        if let Some(end) = self.end.take() {
            self.end(end);
        }
        self.write(cx)?;
        self.throttle.begin(self.worker.clock());
        let more = self.read(cx)?;
        self.throttle.wait(self.worker.clock(), cx);
        if self.watched.take_due() {
            self.on_time()?;
        }
        self.write(cx)?;
        self.finish(cx)?;
        Ok(more)
    }

    /// Queues what the room has to say.
    fn take_outbound(&mut self) {
        while let Some(outbound) = self.connection.next_outbound() {
            match (outbound, self.phase) {
                (Outbound::Frame(outgoing), Phase::Open | Phase::Ending) => {
                    let payload = outgoing.message().len();
                    self.out.push_message(outgoing.wire(encode), payload);
                }
                (Outbound::Answer(outgoing), Phase::Open | Phase::Ending) => {
                    let payload = outgoing.message().len();
                    self.out.push_answer(outgoing.wire(encode), payload);
                }
                (Outbound::Close(frame), Phase::Open) => self.close(frame),
                // Whoever closes has said all.
                (Outbound::Frame(_) | Outbound::Answer(_) | Outbound::Close(_), _) => {}
            }
        }
    }

    /// Begins to close. What is queued still goes out, if the client takes it in time.
    fn close(&mut self, frame: Option<CloseFrame>) {
        self.frames.close(frame.as_ref(), &mut self.out);
        self.enter(Phase::Closing);
    }

    /// Every phase but the first is bounded in time.
    fn enter(&mut self, phase: Phase) {
        self.phase = phase;
        self.watched.set_deadline(self.worker.clock().now().after_ms(self.worker.limits.close_ms_max));
    }

    fn write(&mut self, cx: &mut Context<'_>) -> Result<(), Gone> {
        while !self.out.is_empty() {
            match self.out.poll_write(&mut self.socket, cx) {
                Poll::Ready(Ok(bytes)) if bytes > 0 => {
                    let payload = self.out.advance(bytes);
                    self.is_flushed = false;
                    self.connection.written(payload);
                }
                Poll::Ready(_) => return Err(Gone),
                Poll::Pending => return Ok(()),
            }
        }
        if !self.is_flushed {
            match Pin::new(&mut self.socket).poll_flush(cx) {
                Poll::Ready(flushed) => self.is_flushed = flushed.map(|()| true).map_err(|_| Gone)?,
                Poll::Pending => {}
            }
        }
        Ok(())
    }

    /// Reads until the socket has nothing, or this wake has had its share: then there may be more.
    fn read(&mut self, cx: &mut Context<'_>) -> Result<bool, Gone> {
        let (mut frames_left, mut bytes) = (FRAMES_PER_WAKE_MAX, 0);
        loop {
            // An end is told in the next wake: by then the room, which was woken before us, has had its turn.
            if frames_left == 0 || bytes >= READ_BYTES_PER_WAKE_MAX || self.end.is_some() {
                return Ok(true);
            }
            if !self.wants_bytes() {
                return Ok(false);
            }
            if !self.unread.is_empty() {
                let unread = std::mem::take(&mut self.unread);
                let mut rest = &unread[..];
                self.take_frames(&mut rest, &mut frames_left)?;
                self.unread = unread.slice_ref(rest);
                continue;
            }
            let read = READ_BUFFER.with_borrow_mut(|buffer| {
                let mut buffer = ReadBuf::new(buffer);
                match Pin::new(&mut self.socket).poll_read(cx, &mut buffer) {
                    Poll::Ready(Ok(())) if !buffer.filled().is_empty() => {
                        self.pulse.heard();
                        self.throttle.read(buffer.filled().len());
                        bytes += buffer.filled().len();
                        let mut rest = buffer.filled();
                        self.take_frames(&mut rest, &mut frames_left)?;
                        if !rest.is_empty() {
                            self.unread = Bytes::copy_from_slice(rest);
                        }
                        Ok(true)
                    }
                    Poll::Ready(_) => Err(Gone),
                    Poll::Pending => Ok(false),
                }
            })?;
            if !read {
                return Ok(false);
            }
        }
    }

    /// Whether bytes of the client are of any use now.
    fn wants_bytes(&self) -> bool {
        match self.phase {
            Phase::Open => self.may_read() && self.out.answers() < ANSWERS_WAITING_MAX,
            Phase::Closing => self.out.answers() < ANSWERS_WAITING_MAX,
            Phase::Discarding => true,
            Phase::Ending | Phase::Finishing => false,
        }
    }

    /// Whether the room has credit for it, and it is not over its rate.
    fn may_read(&self) -> bool {
        self.connection.may_read() && !self.throttle.is_pausing()
    }

    /// Takes frames while they are wanted, as they are when this is called. What is left in `input` is to be kept.
    fn take_frames(&mut self, input: &mut &[u8], frames_left: &mut usize) -> Result<(), Gone> {
        loop {
            if self.phase == Phase::Discarding {
                input.advance(input.len());
                return Ok(());
            }
            match self.frames.next(input, &mut self.out) {
                Ok(None) => return Ok(()),
                Ok(Some(received)) => self.take(received),
                Err(fault) => self.fail(fault)?,
            }
            *frames_left -= 1;
            // Asked in this order because most reads are one whole frame.
            if input.is_empty() || *frames_left == 0 || !self.wants_bytes() {
                return Ok(());
            }
        }
    }

    fn take(&mut self, received: Received) {
        self.throttle.took();
        match (received, self.phase) {
            (Received::Message(message), Phase::Open) => match self.connection.answers(&message) {
                true => self.take_outbound(),
                false => self.connection.message(message),
            },
            (Received::Message(_) | Received::Control, _) => {}
            (Received::Close(frame), Phase::Open) => {
                self.end = Some(End::Close(frame));
                self.phase = Phase::Ending;
            }
            (Received::Close(frame), _) => {
                self.connection.closed(frame, true);
                self.enter(Phase::Finishing);
            }
        }
    }

    /// The client broke the protocol or a limit. Whoever is closing already is not told any more.
    fn fail(&mut self, fault: Fault) -> Result<(), Gone> {
        if self.phase != Phase::Open {
            return Err(Gone);
        }
        self.connection.broken(fault.to_string());
        self.end = Some(End::Fault(fault));
        self.phase = Phase::Ending;
        Ok(())
    }

    /// Answers the client's close, or closes after its fault; the room is told.
    fn end(&mut self, end: End) {
        match end {
            End::Close(frame) => {
                self.frames.close(Some(&frame), &mut self.out);
                self.connection.closed(frame, true);
                self.enter(Phase::Finishing);
            }
            End::Fault(fault) => {
                let frame = match fault {
                    Fault::TooLarge { bytes, bytes_max } => too_large(bytes, bytes_max),
                    Fault::NoMemory(_) => CloseFrame::new(CLOSE_TRY_LATER, fault.to_string()),
                    Fault::BadText => CloseFrame::new(CLOSE_BAD_TEXT, fault.to_string()),
                    Fault::Protocol(_) => CloseFrame::new(CLOSE_PROTOCOL, fault.to_string()),
                };
                self.frames.close(Some(&frame), &mut self.out);
                self.connection.closed(frame, false);
                self.enter(Phase::Discarding);
            }
        }
    }

    fn on_time(&mut self) -> Result<(), Gone> {
        match self.phase {
            Phase::Open => {}
            Phase::Ending => return Ok(()),
            Phase::Closing | Phase::Discarding | Phase::Finishing => return Err(Gone),
        }
        // A client that we do not read cannot be heard.
        let listening = self.may_read();
        let (beat, next) = self.pulse.beat(self.worker.clock().now(), listening);
        match beat {
            Beat::Wait => {}
            Beat::Ping => self.out.push_control(ping()),
            Beat::Dead => return Err(Gone),
        }
        self.watched.set_deadline(next);
        Ok(())
    }

    /// Whether the client has sent something behind its close, which has no meaning.
    fn has_more_come(&mut self, cx: &mut Context<'_>) -> Result<bool, Gone> {
        if !std::mem::take(&mut self.unread).is_empty() {
            return Ok(true);
        }
        let (mut byte, socket) = ([0], Pin::new(&mut self.socket));
        let mut buffer = ReadBuf::new(&mut byte);
        match socket.poll_read(cx, &mut buffer) {
            Poll::Ready(Ok(())) if !buffer.filled().is_empty() => Ok(true),
            Poll::Ready(_) => Err(Gone),
            Poll::Pending => Ok(false),
        }
    }

    /// When all is written, says so to the client, or ends.
    fn finish(&mut self, cx: &mut Context<'_>) -> Result<(), Gone> {
        if !self.out.is_empty() || !self.is_flushed {
            return Ok(());
        }
        match self.phase {
            Phase::Open | Phase::Ending | Phase::Closing => Ok(()),
            Phase::Finishing => {
                if !self.has_more_come(cx)? {
                    return Err(Gone);
                }
                self.enter(Phase::Discarding);
                cx.waker().wake_by_ref();
                Ok(())
            }
            Phase::Discarding if self.finished => Ok(()),
            Phase::Discarding => match Pin::new(&mut self.socket).poll_shutdown(cx) {
                Poll::Ready(Ok(())) => {
                    self.finished = true;
                    Ok(())
                }
                Poll::Ready(Err(_)) => Err(Gone),
                Poll::Pending => Ok(()),
            },
        }
    }
}

impl Future for WebSocket {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.get_mut();
        this.watched.register(cx);
        match this.step(cx) {
            Ok(more) => {
                if more {
                    // Behind what the runtime finds meanwhile: woken at once, we would keep it from looking.
                    return pin!(yield_now()).poll(cx);
                }
                Poll::Pending
            }
            Err(Gone) => {
                // Only the first report counts, so this is for whoever has not said goodbye.
                this.connection.closed(CloseFrame::lost(), false);
                Poll::Ready(())
            }
        }
    }
}
