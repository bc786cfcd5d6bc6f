//! Who carries what rooms ask of the world outside of the host. The node knows no network: whoever starts it gives it one.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use party_core::http::{Request, Response};
use party_core::message::{CloseFrame, Message};
use party_core::operation::OperationError;
use tokio::sync::mpsc;

/// A request of a room to the world outside, as it is to be carried out.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Fetch {
    /// With its full URL, `https://` or `http://`.
    pub request: Request,
    /// How many redirects to follow; the one after them is the answer.
    pub redirects_max: u32,
    /// The largest body of an answer, in bytes; one that is larger is [`OperationError::TooLarge`]. One that is streamed has no
    /// bound.
    pub body_bytes_max: u64,
}

/// Something under way. To drop it is to give it up: nothing of it may go on.
pub type UnderWay<T = Response> = Pin<Box<dyn Future<Output = Result<T, OperationError>>>>;

/// A body that arrives in pieces. To drop it is to give it up.
pub trait Pieces {
    /// The next piece, which is not empty; `None` behind the last; an error where it breaks off, which is the last, too.
    fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, String>>>;
}

/// The next piece of a body.
pub(crate) async fn next_piece(pieces: &mut dyn Pieces) -> Option<Result<Bytes, String>> {
    poll_fn(|cx| pieces.poll_piece(cx)).await
}

/// What a room does with a socket of its own.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ToSocket {
    /// Send a message.
    Send(Message),
    /// Close it; without a frame, without a code.
    Close(Option<CloseFrame>),
}

/// What comes of a socket of a room's own.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum FromSocket {
    /// A message.
    Message(Message),
    /// It has been closed, by whichever side: the last word.
    Closed(CloseFrame),
    /// It broke; the text says why: the last word, too.
    Broke(String),
}

/// The room's end of a socket that is open. To drop it is to give it up: the other side sees that it was lost.
pub struct Socket {
    /// What the room does. As much as may be written ahead is bounded by the room.
    pub to: mpsc::UnboundedSender<ToSocket>,
    /// What comes; while the room takes nothing, nothing is read.
    pub from: mpsc::Receiver<FromSocket>,
    /// Bytes of messages that the other side has taken; one without a byte counts as one.
    pub taken: mpsc::UnboundedReceiver<u64>,
}

/// The other end, for who carries it.
pub struct SocketDriver {
    /// What the room does; `None` when it has given the socket up.
    pub to: mpsc::UnboundedReceiver<ToSocket>,
    /// What comes.
    pub from: mpsc::Sender<FromSocket>,
    /// Bytes of messages that the other side has taken.
    pub taken: mpsc::UnboundedSender<u64>,
}

impl Socket {
    /// Both ends.
    pub fn pair() -> (Socket, SocketDriver) {
        let ((to, to_driver), (taken_driver, taken)) = (mpsc::unbounded_channel(), mpsc::unbounded_channel());
        let (from_driver, from) = mpsc::channel(1);
        (Socket { to, from, taken }, SocketDriver { to: to_driver, from: from_driver, taken: taken_driver })
    }
}

/// Sends requests to where they are addressed, or says why not. It alone judges whether they may go there. It is asked on the
/// worker of the room, by a task that ends at the operation's deadline.
pub trait Outbound: Send + Sync {
    /// Sends a request once, and reads what is answered.
    fn fetch(&self, fetch: Fetch) -> UnderWay;

    /// Sends a request once; the answer has its head, and its body is still to be read.
    fn fetch_streamed(&self, fetch: Fetch) -> UnderWay<(Response, Box<dyn Pieces>)>;

    /// Opens a WebSocket, whose messages have at most so many bytes.
    fn connect(&self, url: String, message_bytes_max: u32) -> UnderWay<Socket>;
}

/// A host without a network: whatever is asked for cannot be had.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoNetwork;

fn none<T: 'static>() -> UnderWay<T> {
    Box::pin(async { Err(OperationError::Connect("this host has no network".into())) })
}

impl Outbound for NoNetwork {
    fn fetch(&self, _fetch: Fetch) -> UnderWay {
        none()
    }

    fn fetch_streamed(&self, _fetch: Fetch) -> UnderWay<(Response, Box<dyn Pieces>)> {
        none()
    }

    fn connect(&self, _url: String, _message_bytes_max: u32) -> UnderWay<Socket> {
        none()
    }
}
