//! HTTP requests and responses, whole in memory, and a reply that may come later.

mod path;

use std::borrow::Cow;

use crate::bindings::party::server::types as wit;
use crate::error::{Error, Result};
use crate::room::Room;
use crate::stream::{Body, BodyWriter};
use crate::task::BoxFuture;
use crate::work::OperationError;

/// One HTTP header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// Lower case.
    pub name: Cow<'static, str>,
    /// Bytes as they came.
    pub value: Vec<u8>,
}

/// An HTTP request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// Upper case, as on the wire: `GET`.
    pub method: String,
    /// The full URL, always `http://`, with path and query as the client sent them, never decoded; or what the lobby has
    /// [put in its place](crate::Decision::proceed_as).
    pub uri: String,
    /// In the order in which they came.
    pub headers: Vec<Header>,
    /// Empty when there was none, or when it [waits](Self::reader).
    pub body: Vec<u8>,
    /// The request that has it, if the body waits.
    waiting: Option<u64>,
}

impl Request {
    /// A request with a body that has come along, as tests make one and lobbies that [send on another](crate::Decision::proceed_as).
    pub fn new(method: impl Into<String>, uri: impl Into<String>, body: impl Into<Vec<u8>>) -> Self {
        let (method, uri, body) = (method.into(), uri.into(), body.into());
        Self { method, uri, headers: Vec::new(), body, waiting: None }
    }

    /// With this header, its name in lower case, in place of all of that name.
    pub fn with_header(mut self, name: impl Into<String>, value: impl Into<Vec<u8>>) -> Self {
        let name = name.into().to_ascii_lowercase();
        self.headers.retain(|header| header.name != name);
        self.headers.push(Header { name: name.into(), value: value.into() });
        self
    }

    /// With this body, and none that waits.
    pub fn with_body(mut self, body: impl Into<Vec<u8>>) -> Self {
        (self.body, self.waiting) = (body.into(), None);
        self
    }

    /// A request that has come, `id` as its body is to be asked for.
    pub(crate) fn received(id: u64, request: wit::RequestResult) -> Result<Self> {
        let (body, waiting) = match request.body {
            wit::BodyResult::Bytes(bytes) => (bytes, None),
            wit::BodyResult::Waiting => (Vec::new(), Some(id)),
            wit::BodyResult::Streamed(_) => {
                return Err(Error::new("a body in pieces was not asked for").with_status(501));
            }
        };
        let headers = request.headers.into_iter().map(Header::from).collect();
        Ok(Self { method: request.method, uri: request.uri, headers, body, waiting })
    }

    /// What reads the body, piece by piece, whether it has come along or waits with its client.
    ///
    /// Under `#[party::serve(request_bodies)]` a body waits if it is larger than may come along (`limits.request_body_bytes_max`,
    /// 32 MiB), or nobody knows how large it is; [`body`](Self::body) is then empty. Without that argument it never waits, and one
    /// that is too large is refused with 413. A body that waits can be read until the request is answered, or the last of its answer
    /// is written; its client begins to send, if it waits for leave, when the first piece is asked for.
    ///
    /// ```no_run
    /// # use party::{Reply, Request, Response};
    /// # fn example(mut request: Request) -> Reply {
    /// let mut body = request.reader();
    /// Reply::later(async move |_room| {
    ///     let mut bytes = 0;
    ///     while let Some(piece) = body.next().await {
    ///         bytes += piece?.len();
    ///     }
    ///     Ok(Response::text(format!("{bytes} bytes\n")))
    /// })
    /// # }
    /// ```
    pub fn reader(&mut self) -> Body {
        match self.waiting.take() {
            Some(request) => Body::waiting(request),
            None => Body::whole(std::mem::take(&mut self.body)),
        }
    }

    /// Whether the body has not come along, and is to be read with a [`reader`](Self::reader).
    pub fn body_waits(&self) -> bool {
        self.waiting.is_some()
    }

    /// Give it to `with` as imports take it.
    pub(crate) fn lend<T>(&self, with: impl FnOnce(wit::RequestParam<'_>) -> T) -> T {
        let headers = lent(&self.headers);
        let body = match self.waiting {
            Some(_) if self.body.is_empty() => wit::BodyParam::Waiting,
            _ => wit::BodyParam::Bytes(&self.body),
        };
        with(wit::RequestParam { method: &self.method, uri: &self.uri, headers: &headers, body })
    }

    /// The value of a header, given in lower case; the first if there are several.
    pub fn header(&self, name: &str) -> Option<&[u8]> {
        self.headers.iter().find(|header| header.name == name).map(|header| header.value.as_slice())
    }

    /// The body as text, unless it is not UTF-8.
    pub fn text(&self) -> Result<&str, std::str::Utf8Error> {
        str::from_utf8(&self.body)
    }

    /// The value that the body is in JSON. An error says what was read, the wanted type and serde's words.
    #[cfg(feature = "json")]
    pub fn json<'a, T: serde::Deserialize<'a>>(&'a self) -> Result<T, crate::JsonError> {
        crate::json::from_bytes("the body", &self.body)
    }
}

/// An HTTP response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    /// 200 to 599.
    pub status: u16,
    /// In the order in which they are sent.
    pub headers: Vec<Header>,
    /// The whole body.
    pub body: Vec<u8>,
}

impl Response {
    /// No headers, no body.
    pub const fn status(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: Vec::new() }
    }

    /// Status 200 with these bytes of this content type.
    pub fn bytes(content_type: &'static str, body: impl Into<Vec<u8>>) -> Self {
        let mut response = Self::status(200).with_header("content-type", content_type);
        response.body = body.into();
        response
    }

    /// Status 200 with plain text.
    pub fn text(text: impl Into<String>) -> Self {
        Self::bytes("text/plain; charset=utf-8", text.into())
    }

    /// Status 200 with a page.
    pub fn html(page: impl Into<String>) -> Self {
        Self::bytes("text/html; charset=utf-8", page.into())
    }

    /// Status 200 with `value` in JSON. Fails if `value` has no JSON form (a map whose keys are no text).
    #[cfg(feature = "json")]
    pub fn json<T: serde::Serialize + ?Sized>(value: &T) -> Result<Self, crate::JsonError> {
        Ok(Self::bytes("application/json", crate::json::to_text(value)?))
    }

    /// The same response with this status.
    #[must_use]
    pub fn with_status(mut self, status: u16) -> Self {
        self.status = status;
        self
    }

    /// The same response with one more header, its name in lower case.
    #[must_use]
    pub fn with_header(mut self, name: impl Into<Cow<'static, str>>, value: impl Into<Vec<u8>>) -> Self {
        self.headers.push(Header { name: name.into(), value: value.into() });
        self
    }

    /// The value of a header, given in lower case; the first if there are several.
    pub fn header(&self, name: &str) -> Option<&[u8]> {
        self.headers.iter().find(|header| header.name == name).map(|header| header.value.as_slice())
    }

    /// The body as text, unless it is not UTF-8.
    pub fn body_text(&self) -> Result<&str, std::str::Utf8Error> {
        str::from_utf8(&self.body)
    }

    /// The value that the body is in JSON. An error says what was read, the wanted type and serde's words.
    #[cfg(feature = "json")]
    pub fn body_json<'a, T: serde::Deserialize<'a>>(&'a self) -> Result<T, crate::JsonError> {
        crate::json::from_bytes("the body", &self.body)
    }

    /// Give it to `with` as imports take it.
    pub(crate) fn lend<T>(&self, with: impl FnOnce(wit::ResponseParam<'_>) -> T) -> T {
        let headers = lent(&self.headers);
        with(wit::ResponseParam {
            status: self.status,
            headers: &headers,
            body: wit::BodyParam::Bytes(&self.body),
        })
    }
}

impl Response {
    /// Give its status and headers to `with` as imports take them.
    pub(crate) fn lend_head<T>(&self, with: impl FnOnce(u16, &[wit::HeaderParam<'_>]) -> T) -> T {
        with(self.status, &lent(&self.headers))
    }
}

pub(crate) fn lent(headers: &[Header]) -> Vec<wit::HeaderParam<'_>> {
    headers.iter().map(|header| wit::HeaderParam { name: &header.name, value: &header.value }).collect()
}

/// The answer to a request: a response, or a task that will make one.
#[must_use = "a reply is sent when `on_request` returns it"]
pub struct Reply(pub(crate) Answer);

pub(crate) enum Answer {
    Now(Response),
    Later(BoxFuture<Result<Response>>),
    InPieces(Response, WriteBody),
}

type WriteBody = Box<dyn FnOnce(BodyWriter) -> BoxFuture<Result<()>>>;

impl Reply {
    /// Answer when `task` has ended, in this turn or a later one, with its response or its error. The host waits
    /// 30 s unless told otherwise.
    pub fn later<F>(task: F) -> Self
    where
        F: AsyncFnOnce(Room) -> Result<Response> + 'static,
    {
        Self(Answer::Later(Box::pin(async move { task(Room::new()).await })))
    }

    /// Answer with this head now, and with a body that `task` writes, in this turn or later ones: server-sent events, what a model
    /// says as it says it, a file that is made on the way. The body of `head` must be empty. A task that fails, or lets go of the
    /// writer without finishing, breaks the body off. There is no deadline.
    ///
    /// ```no_run
    /// # use party::{BodyWriter, Reply, Response, Room};
    /// # use std::time::Duration;
    /// # fn example() -> Reply {
    /// let head = Response::status(200).with_header("content-type", "text/event-stream");
    /// Reply::streamed(head, async |room, mut body| {
    ///     for second in 1..=3 {
    ///         room.sleep(Duration::from_secs(1)).await;
    ///         body.write(format!("data: {second}\n\n")).await?;
    ///     }
    ///     body.finish()?;
    ///     Ok(())
    /// })
    /// # }
    /// ```
    pub fn streamed<F>(head: Response, task: F) -> Self
    where
        F: AsyncFnOnce(Room, BodyWriter) -> Result<()> + 'static,
    {
        Self(Answer::InPieces(
            head,
            Box::new(move |body| Box::pin(async move { task(Room::new(), body).await })),
        ))
    }
}

impl From<Response> for Reply {
    fn from(response: Response) -> Self {
        Self(Answer::Now(response))
    }
}

impl From<wit::HeaderResult> for Header {
    fn from(header: wit::HeaderResult) -> Self {
        Self { name: header.name.into(), value: header.value }
    }
}

impl TryFrom<wit::ResponseResult> for Response {
    type Error = OperationError;

    fn try_from(response: wit::ResponseResult) -> Result<Self, OperationError> {
        let body = match response.body {
            wit::BodyResult::Bytes(bytes) => bytes,
            wit::BodyResult::Streamed(_) | wit::BodyResult::Waiting => {
                return Err(OperationError::Invalid("a body in pieces was not asked for".to_owned()));
            }
        };
        let headers = response.headers.into_iter().map(Header::from).collect();
        Ok(Self { status: response.status, headers, body })
    }
}

#[cfg(test)]
mod tests {
    use super::{Header, Request, Response};

    fn request(uri: &str) -> Request {
        Request::new("GET", uri, "")
    }

    #[test]
    fn a_url_is_taken_apart() {
        let cases = [
            ("http://h/parties/main/r", "/parties/main/r", "/", None),
            ("http://h/parties/main/r/", "/parties/main/r/", "/", None),
            ("http://h/parties/main/r/a/b?x=/1", "/parties/main/r/a/b", "/a/b", Some("x=/1")),
            ("http://h/party/r/a?", "/party/r/a", "/a", Some("")),
            ("http://h/party/r?x", "/party/r", "/", Some("x")),
            ("http://h", "/", "/", None),
            ("/party/r/a%2Fb", "/party/r/a%2Fb", "/a%2Fb", None),
        ];
        for (uri, path, in_room, query) in cases {
            let request = request(uri);
            assert_eq!(
                (request.path(), request.path_in_room(), request.query()),
                (path, in_room, query),
                "{uri}"
            );
        }
    }

    #[test]
    fn a_room_is_found_behind_any_prefix() {
        let in_room = |party: &str, path: &str| {
            let header = Header { name: "x-partykit-namespace".into(), value: party.into() };
            let request = Request { headers: vec![header], ..request(&format!("http://h{path}")) };
            request.path_in_room().to_owned()
        };
        for (path, expected) in [
            ("/parties/chat/r", "/"),
            ("/parties/chat/r/", "/"),
            ("/parties//chat///r//a/b?x", "//a/b"),
            ("//parties/chat/r/a", "/a"),
            ("/api/v1/chat/r/a/b", "/a/b"),
            ("/api/chat/chat/chat", "/chat"),
        ] {
            assert_eq!(in_room("chat", path), expected, "{path}");
        }
        // What a client of the classic profile says of it moves nothing.
        for (party, path) in
            [("a", "/parties/main/r/a/b/c"), ("a", "/party/r/a/b/c"), ("main", "/parties/main/r/a/b/c")]
        {
            assert_eq!(in_room(party, path), "/a/b/c", "{party} {path}");
        }
    }

    #[test]
    fn a_response_crosses_the_contract_whole() {
        let response = Response::text("hi").with_status(201).with_header("x-a", "1");
        response.lend(|lent| {
            assert_eq!(lent.status, 201);
            let headers: Vec<_> = lent.headers.iter().map(|header| (header.name, header.value)).collect();
            assert_eq!(headers, [("content-type", &b"text/plain; charset=utf-8"[..]), ("x-a", &b"1"[..])]);
        });
    }
}
