//! What the host does for a room, outside of it: the answer comes in a later turn.
//!
//! Every such operation is a future. It is begun when it is first polled, and to drop it is to have it forgotten. It may
//! sleep with the room. When the host is restarted in its midst, what changes nothing is done again; all else ends as
//! [`OperationError::Interrupted`].

use std::borrow::Cow;
use std::future::{Future, IntoFuture};
use std::pin::Pin;
use std::task::{Context, Poll};

use crate::bindings::exports::party::server::guest::Outcome;
use crate::bindings::party::server::operations as host;
use crate::bindings::party::server::types::OperationError as HostError;
use crate::http::{Header, Request, Response};
use crate::operation::{OperationId, cancel};
use crate::runtime;

/// Why an operation was not begun, or how it failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OperationError {
    /// The name does not resolve.
    #[error("the name does not resolve: {0}")]
    Dns(String),
    /// No connection could be made, or it broke; or what was to be read cannot be.
    #[error("{0}")]
    Connect(String),
    /// The TLS handshake failed.
    #[error("the TLS handshake failed: {0}")]
    Tls(String),
    /// Its time has passed.
    #[error("its time has passed")]
    Timeout,
    /// The host's rules forbid it.
    #[error("the host's rules forbid it: {0}")]
    RefusedByPolicy(String),
    /// The answer is larger than so many bytes.
    #[error("the answer is larger than {0} bytes")]
    TooLarge(u64),
    /// So many operations are open, and no more may be; or the callee takes no more.
    #[error("too many operations are open; the limit is {0}")]
    Overloaded(u32),
    /// So many streams are open, and a fetch in pieces or a socket would open one more.
    #[error("too many streams are open; the limit is {0}")]
    TooManyStreams(u32),
    /// The host or the room was restarted meanwhile.
    #[error("the host or the room was restarted meanwhile")]
    Interrupted,
    /// The turns that were to receive the outcome were dropped.
    #[error("the turns that were to receive the outcome were dropped")]
    Dropped,
    /// There is no party of that name.
    #[error("there is no party {0}")]
    NoSuchParty(String),
    /// What was asked for makes no sense.
    #[error("{0}")]
    Invalid(String),
    /// Outside of any room.
    #[error("only a room can ask for this")]
    NotInARoom,
}

impl From<HostError> for OperationError {
    fn from(error: HostError) -> Self {
        match error {
            HostError::Dns(text) => Self::Dns(text),
            HostError::Connect(text) => Self::Connect(text),
            HostError::Tls(text) => Self::Tls(text),
            HostError::Timeout => Self::Timeout,
            HostError::RefusedByPolicy(text) => Self::RefusedByPolicy(text),
            HostError::TooLarge(bytes_max) => Self::TooLarge(bytes_max),
            HostError::Overloaded(open_max) => Self::Overloaded(open_max),
            HostError::TooManyStreams(open_max) => Self::TooManyStreams(open_max),
            HostError::Interrupted => Self::Interrupted,
            HostError::Dropped => Self::Dropped,
            HostError::NoSuchParty(party) => Self::NoSuchParty(party),
            HostError::Invalid(text) => Self::Invalid(text),
            HostError::NotInARoom => Self::NotInARoom,
        }
    }
}

/// An operation from its beginning to its outcome.
pub(crate) struct Work<F> {
    begin: Option<F>,
    operation: Option<OperationId>,
}

impl<F: FnOnce() -> Result<u64, HostError> + Unpin> Work<F> {
    pub(crate) fn of(begin: F) -> Self {
        Self { begin: Some(begin), operation: None }
    }
}

impl<F: FnOnce() -> Result<u64, HostError> + Unpin> Future for Work<F> {
    type Output = Result<Outcome, OperationError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        if let Some(begin) = self.begin.take() {
            let operation = OperationId(begin()?);
            self.operation = Some(operation);
            runtime::operations().begin(operation, context.waker());
            return Poll::Pending;
        }
        let Some(operation) = self.operation else { panic!("an operation ends once") };
        let Poll::Ready(outcome) = runtime::operations().poll(operation, context.waker()) else {
            return Poll::Pending;
        };
        self.operation = None;
        Poll::Ready(match outcome {
            Outcome::Failed(error) => Err(error.into()),
            outcome => Ok(outcome),
        })
    }
}

impl<F> Drop for Work<F> {
    fn drop(&mut self) {
        cancel(self.operation);
    }
}

pub(crate) fn unexpected(outcome: &Outcome) -> OperationError {
    OperationError::Invalid(format!("the host answered something else: {outcome:?}"))
}

/// Rooms in a page unless told otherwise.
const ROOMS_PER_PAGE: u32 = 100;

/// A page of the rooms of a party; made by [`Room::rooms`](crate::Room::rooms).
#[derive(Debug, Clone)]
#[must_use = "nothing is listed until it is awaited"]
pub struct ListRooms {
    party: String,
    prefix: String,
    after: Option<String>,
    limit: u32,
}

/// Rooms of a party, as [`ListRooms`] finds them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RoomsPage {
    /// Their ids as they stand in the URL, in order.
    pub rooms: Vec<String>,
    /// What to give [`ListRooms::after`] to go on. There may be a next page also behind one that is not full.
    pub next: Option<String>,
}

impl ListRooms {
    pub(crate) fn of(party: &str) -> Self {
        Self { party: party.to_owned(), prefix: String::new(), after: None, limit: ROOMS_PER_PAGE }
    }

    /// Only rooms whose ids begin so.
    pub fn prefix(mut self, prefix: &str) -> Self {
        self.prefix = prefix.to_owned();
        self
    }

    /// Only rooms that come after this one: the `next` of the page before.
    pub fn after(mut self, room: &str) -> Self {
        self.after = Some(room.to_owned());
        self
    }

    /// At most so many, 1 to 1,000; 100 if nothing is said.
    pub fn limit(mut self, rooms: u32) -> Self {
        self.limit = rooms;
        self
    }
}

impl IntoFuture for ListRooms {
    type Output = Result<RoomsPage, OperationError>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output>>>;

    fn into_future(self) -> Self::IntoFuture {
        let begin = move || host::rooms(&self.party, &self.prefix, self.after.as_deref(), self.limit);
        Box::pin(async move {
            match Work::of(begin).await? {
                Outcome::Rooms(page) => Ok(RoomsPage { rooms: page.rooms, next: page.next }),
                other => Err(unexpected(&other)),
            }
        })
    }
}

/// A static asset of the project; made by [`Room::asset`](crate::Room::asset).
#[derive(Debug, Clone)]
#[must_use = "nothing is read until it is awaited"]
pub struct Asset {
    path: String,
}

impl Asset {
    pub(crate) fn at(path: &str) -> Self {
        Self { path: path.to_owned() }
    }
}

impl IntoFuture for Asset {
    type Output = Result<Option<Response>, OperationError>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output>>>;

    fn into_future(self) -> Self::IntoFuture {
        let begin = move || host::asset(&self.path);
        Box::pin(async move {
            match Work::of(begin).await? {
                Outcome::Asset(asset) => asset.map(Response::try_from).transpose(),
                other => Err(unexpected(&other)),
            }
        })
    }
}

/// A request to another room; made by [`Room::call`](crate::Room::call).
#[derive(Debug, Clone)]
#[must_use = "nobody is called until it is awaited"]
pub struct Call {
    party: String,
    room: String,
    request: Request,
}

impl Call {
    pub(crate) fn to(party: &str, room: &str) -> Self {
        let request = Request::new("GET", "", "");
        Self { party: party.to_owned(), room: room.to_owned(), request }
    }

    /// Another method than `GET`, in upper case.
    pub fn method(mut self, method: &str) -> Self {
        self.request.method = method.to_owned();
        self
    }

    /// What follows the room's own URL: `/scores?top=10`.
    pub fn path(mut self, path: &str) -> Self {
        self.request.uri = path.to_owned();
        self
    }

    /// One more header, its name in lower case.
    pub fn header(mut self, name: impl Into<Cow<'static, str>>, value: impl Into<Vec<u8>>) -> Self {
        self.request.headers.push(Header { name: name.into(), value: value.into() });
        self
    }

    /// The body.
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.request.body = body.into();
        self
    }

    /// The body, as `value` in JSON. Fails if `value` has no JSON form (a map whose keys are no text).
    #[cfg(feature = "json")]
    pub fn json<T: serde::Serialize + ?Sized>(self, value: &T) -> Result<Self, crate::JsonError> {
        Ok(self.header("content-type", "application/json").body(crate::json::to_text(value)?))
    }
}

impl IntoFuture for Call {
    type Output = Result<Response, OperationError>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output>>>;

    fn into_future(self) -> Self::IntoFuture {
        let begin = move || self.request.lend(|request| host::call(&self.party, &self.room, request));
        Box::pin(async move {
            match Work::of(begin).await? {
                Outcome::Response(response) => Response::try_from(response),
                other => Err(unexpected(&other)),
            }
        })
    }
}
