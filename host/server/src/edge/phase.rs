//! The life of a WebSocket in phases, and how its client ends it: a connection only goes on to a later one, and is bounded in time
//! in each but the first.

use party_core::message::CloseFrame;

use super::frames::Fault;

/// Where the connection is in its life.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Phase {
    /// Messages go both ways.
    Open,
    /// The client has closed, or broken the protocol. What it said before is before the room, whose answers still
    /// go out if the room gives them at once.
    Ending,
    /// Our close is sent or queued; the client's answer is awaited, messages are no longer taken.
    Closing,
    /// Our close follows a fault, or something has followed the client's. Nothing that comes has a meaning any more, but it is read, because unread bytes
    /// would make TCP reset the connection and the client lose the close.
    Discarding,
    /// The client's close has come; what is queued is still written.
    Finishing,
}

/// How the client has ended it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum End {
    /// By a close.
    Close(CloseFrame),
    /// By what the protocol does not allow.
    Fault(Fault),
}
