//! What can happen to a room, and what can come of it.

use std::sync::Arc;

use bytes::Bytes;

use crate::auto_response::AutoResponse;
use crate::call::Attempt;
use crate::http::{Header, Request, Response};
use crate::ids::{ConnectionId, OperationId, RequestId, StreamId, Timestamp};
use crate::message::{CloseFrame, Message};
use crate::operation::{OperationError, Work};
use crate::stream::StreamEvent;

/// Which handlers of a party are real: what `guest.capabilities` said.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Handlers(pub u32);

impl Handlers {
    /// `on-start`
    pub const ON_START: Handlers = Handlers(1 << 0);
    /// `on-resume`
    pub const ON_RESUME: Handlers = Handlers(1 << 1);
    /// `on-connect`
    pub const ON_CONNECT: Handlers = Handlers(1 << 2);
    /// `on-message`
    pub const ON_MESSAGE: Handlers = Handlers(1 << 3);
    /// `on-close`
    pub const ON_CLOSE: Handlers = Handlers(1 << 4);
    /// `on-error`
    pub const ON_ERROR: Handlers = Handlers(1 << 5);
    /// `on-request`
    pub const ON_REQUEST: Handlers = Handlers(1 << 6);
    /// `on-alarm`
    pub const ON_ALARM: Handlers = Handlers(1 << 7);
    /// `on-completed`
    pub const ON_COMPLETED: Handlers = Handlers(1 << 8);
    /// `on-stream`
    pub const ON_STREAM: Handlers = Handlers(1 << 9);
    /// `on-drain`
    pub const ON_DRAIN: Handlers = Handlers(1 << 10);
    /// `on-response-closed`
    pub const ON_RESPONSE_CLOSED: Handlers = Handlers(1 << 11);
    /// `lobby.before-connect`
    pub const BEFORE_CONNECT: Handlers = Handlers(1 << 12);
    /// `lobby.before-request`
    pub const BEFORE_REQUEST: Handlers = Handlers(1 << 13);
    /// `lobby.on-fetch`
    pub const ON_FETCH: Handlers = Handlers(1 << 14);
    /// `lobby.on-cron`
    pub const ON_CRON: Handlers = Handlers(1 << 16);
    /// `upgrade.save`
    pub const SAVE: Handlers = Handlers(1 << 17);
    /// `upgrade.restore`
    pub const RESTORE: Handlers = Handlers(1 << 18);
    /// No handler: `on-request` takes requests whose bodies wait.
    pub const REQUEST_BODIES: Handlers = Handlers(1 << 19);

    /// Whether all of `other` are among these.
    pub fn has(self, other: Handlers) -> bool {
        self.0 & other.0 == other.0
    }

    /// These and those.
    pub const fn with(self, other: Handlers) -> Handlers {
        Handlers(self.0 | other.0)
    }
}

/// Why a room starts from nothing but its storage.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum StartReason {
    /// It has never been, or nothing of it was kept by choice.
    New,
    /// Its memory was lost.
    Lost,
    /// The last attempt to start failed.
    FailedBefore,
}

/// Why a room finds itself somewhere else, with its memory.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ResumeReason {
    /// It is a copy of another room.
    Forked,
    /// It comes from a file.
    Imported,
}

/// A client that wants to connect.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NewConnection {
    /// What the client calls itself.
    pub key: String,
    /// The URL that it connected to.
    pub uri: String,
    /// The headers of its upgrade request.
    pub headers: Vec<Header>,
    /// When it came.
    pub opened_at: Timestamp,
}

/// How an operation ended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// The sleep is over.
    Slept,
    /// It was under way where the room was before; the room begins it anew, if it still wants it.
    Interrupted,
    /// The turns that were to receive the outcome were dropped.
    Dropped,
    /// A page of a list of rooms.
    Rooms(RoomsPage),
    /// A static asset as a client would get it; none: there is no such asset.
    Asset(Option<Box<Response>>),
    /// The answer of another room, or of whoever a fetch has asked.
    Response(Box<Response>),
    /// The head of what a fetch was answered; the body follows as the stream of that operation.
    Streamed(Box<Response>),
    /// A socket is open: the stream of that operation.
    Connected,
    /// It could not be done.
    Failed(OperationError),
}

impl Outcome {
    /// Whether somebody outside has answered so; else the room itself, or its host, has ended its waiting.
    pub(crate) fn is_of_who_was_asked(&self) -> bool {
        match self {
            Outcome::Rooms(_)
            | Outcome::Asset(_)
            | Outcome::Response(_)
            | Outcome::Streamed(_)
            | Outcome::Connected => true,
            Outcome::Failed(error) => *error != OperationError::Timeout,
            Outcome::Slept | Outcome::Interrupted | Outcome::Dropped => false,
        }
    }

    /// Whether a stream begins with it.
    pub(crate) fn begins_a_stream(&self) -> bool {
        matches!(self, Outcome::Streamed(_) | Outcome::Connected)
    }

    /// Bytes that it holds, about.
    pub fn bytes(&self) -> u64 {
        match self {
            Outcome::Rooms(page) => page.rooms.iter().map(|id| id.len() as u64).sum(),
            Outcome::Asset(asset) => asset.as_ref().map_or(0, |asset| asset.bytes()),
            Outcome::Response(response) | Outcome::Streamed(response) => response.bytes(),
            Outcome::Slept
            | Outcome::Interrupted
            | Outcome::Dropped
            | Outcome::Connected
            | Outcome::Failed(_) => 0,
        }
    }
}

/// A page of a list of rooms.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct RoomsPage {
    /// Their ids, in order.
    pub rooms: Vec<String>,
    /// Where to go on, if that was not all.
    pub next: Option<String>,
}

/// What the guest is called with.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Event {
    /// The room starts.
    Start(StartReason),
    /// The room goes on somewhere else; closes of its sessions and ends of its operations follow.
    Resume(ResumeReason),
    /// A client wants to connect; its session is in the turn.
    Connect(ConnectionId),
    /// A message came.
    Message(ConnectionId, Message),
    /// An accepted connection has gone.
    Close(ConnectionId, CloseFrame, bool),
    /// A client broke the protocol or a limit.
    Error(ConnectionId, String),
    /// A request came.
    Request(RequestId, Box<Request>),
    /// The client of a request that is not answered has gone, or of an answer that is not finished.
    ResponseClosed(RequestId),
    /// The alarm rings.
    Alarm,
    /// An operation has ended.
    Completed(OperationId, Outcome),
    /// A stream brings something.
    Stream(StreamId, StreamEvent),
    /// The other side of a stream has taken so many bytes more of what was written.
    Drain(StreamId, u64),
}

impl Event {
    /// The name of the export that takes it, for logs.
    pub fn name(&self) -> &'static str {
        match self {
            Event::Start(_) => "on-start",
            Event::Resume(_) => "on-resume",
            Event::Connect(_) => "on-connect",
            Event::Message(..) => "on-message",
            Event::Close(..) => "on-close",
            Event::Error(..) => "on-error",
            Event::Request(..) => "on-request",
            Event::ResponseClosed(_) => "on-response-closed",
            Event::Alarm => "on-alarm",
            Event::Completed(..) => "on-completed",
            Event::Stream(..) => "on-stream",
            Event::Drain(..) => "on-drain",
        }
    }
}

/// An error that the guest caught.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Failure {
    /// For people.
    pub message: String,
    /// Where it happened.
    pub stack: Option<String>,
    /// The status to answer with instead of 500.
    pub status: Option<u16>,
}

/// Why a turn was dropped.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum DropCause {
    /// The guest trapped; the text says how and where.
    Trap(String),
    /// The turn used up its fuel.
    Fuel {
        /// The bound.
        fuel_max: u64,
    },
    /// The turn used up its CPU time.
    Deadline {
        /// The bound, in milliseconds.
        deadline_ms: u64,
    },
    /// The store could not be read.
    Storage(String),
    /// The instance could not be made.
    Instantiation(String),
    /// The system did not give memory that the room may have: chance, that says nothing of the guest.
    NoMemory(String),
    /// The guest has given this life of the room up, and said why.
    Aborted(String),
    /// More events than the bound have not settled.
    PendingEvents {
        /// The bound.
        pending_max: u32,
    },
}

impl std::fmt::Display for DropCause {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            DropCause::Trap(text) => write!(f, "the guest trapped: {text}"),
            DropCause::Fuel { fuel_max } => {
                write!(
                    f,
                    "the turn used all of its {fuel_max} fuel (limits.turn_fuel_max); does it loop for ever?"
                )
            }
            DropCause::Deadline { deadline_ms } => {
                write!(f, "the turn ran for its {deadline_ms} ms of CPU (limits.turn_deadline_ms)")
            }
            DropCause::Storage(text) | DropCause::NoMemory(text) => write!(f, "{text}"),
            DropCause::Instantiation(text) => write!(f, "no instance could be made: {text}"),
            DropCause::Aborted(reason) => write!(f, "the room aborted: {reason}"),
            DropCause::PendingEvents { pending_max } => {
                write!(f, "more than {pending_max} events have not settled")
            }
        }
    }
}

/// How a turn ended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum TurnEnd {
    /// The export returned `done`.
    Done,
    /// The export returned `pending`.
    Pending,
    /// The export returned a failure. The turn commits all the same.
    Failed(Failure),
    /// The guest did not return. The turn leaves no trace.
    Dropped(DropCause),
}

/// What leaves a room, in this order, once all that it depends on is durable.
///
/// A connection's handshake is answered once, by `Accept` or by `Reject`. Messages and a close can come before
/// it: they wait for `Accept`, and go with `Reject`. A connection that has gone may still be named; that is
/// nothing. So may a stream that has ended, or is of another process, and it may be broken off or forgotten more than once.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Output {
    /// Answer the client's handshake with 101.
    Accept(ConnectionId),
    /// Begin to read what the client sends.
    Read(ConnectionId),
    /// Answer the handshake with this instead. The connection ends with it.
    Reject(ConnectionId, Response),
    /// Send a message.
    Send(ConnectionId, Message),
    /// Send a message to all of these, in ascending order of id.
    Broadcast(Vec<ConnectionId>, Message),
    /// Close a connection; without a frame, without a code.
    Close(ConnectionId, Option<CloseFrame>),
    /// Answer a request.
    Respond(RequestId, Response),
    /// Answer a request with this head; its body follows as this stream.
    Open(RequestId, StreamId, Response),
    /// The next bytes of an answer's body.
    Write(StreamId, Bytes),
    /// Bring the body of this request, as this stream.
    ReadBody(RequestId, StreamId),
    /// That was all of an answer's body.
    Finish(StreamId),
    /// An answer's body breaks off: its client must see that it is not whole.
    BreakOff(StreamId),
    /// Send a message through a socket of the room's own.
    SendOn(StreamId, Message),
    /// Close a socket of the room's own; without a frame, without a code.
    CloseOn(StreamId, Option<CloseFrame>),
    /// What became of this call of a durable room, which asks once more, is not known: it may have been heard.
    Interrupted(RequestId),
    /// From now on answer this text of any client by yourself, instead of an earlier one; or none.
    AutoResponse(Option<AutoResponse>),
    /// Do this for the room, and tell it what came of it ([`Room::answered`](crate::room::Room::answered)).
    Begin(OperationId, Arc<Work>, Attempt),
    /// The room does not wait for that any more; or it has what it waited for and will not ask for it again.
    Forget(OperationId),
}

impl Output {
    /// Bytes of its message, body or texts; a broadcast counts once.
    pub fn payload_bytes(&self) -> u64 {
        match self {
            Output::Send(_, message) | Output::Broadcast(_, message) => message.len() as u64,
            Output::Reject(_, response) | Output::Respond(_, response) => response.body.len() as u64,
            Output::AutoResponse(pair) => pair.as_ref().map_or(0, |pair| pair.bytes() as u64),
            Output::Begin(_, work, _) => work.bytes(),
            Output::Open(_, _, head) => head.bytes(),
            Output::Write(_, bytes) => bytes.len() as u64,
            Output::SendOn(_, message) => message.len() as u64,
            Output::Accept(_)
            | Output::ReadBody(..)
            | Output::Finish(_)
            | Output::BreakOff(_)
            | Output::CloseOn(..)
            | Output::Read(_)
            | Output::Close(..)
            | Output::Forget(_)
            | Output::Interrupted(_) => 0,
        }
    }
}

/// A line that the guest logged.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LogLine {
    /// How loud.
    pub level: LogLevel,
    /// What.
    pub text: Bytes,
}

/// How loud a log line is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum LogLevel {
    /// Of interest to who looks for a fault step by step.
    Trace,
    /// Of interest to who looks for a fault.
    Debug,
    /// Of interest.
    Info,
    /// Something is not as it should be.
    Warn,
    /// Something failed.
    Error,
}
