//! Bodies in pieces, as a client sends and reads them.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use anyhow::{Result, bail};
use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::{Body, Frame, Incoming};
use hyper_util::rt::TokioIo;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::host::Host;
use crate::world::World;

/// An answer of which the head has come. To drop it is to go away.
pub struct Reading {
    /// The status.
    pub status: u16,
    /// The headers, by lower-case name.
    pub headers: BTreeMap<String, String>,
    body: Incoming,
    is_whole: bool,
    host: Rc<Host>,
    pieces: Option<mpsc::UnboundedSender<Bytes>>,
    _connection: Connection,
}

/// Ends with who holds it.
struct Connection {
    task: JoinHandle<hyper::Result<()>>,
    sender: Sender,
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.task.abort();
    }
}

type Sender = hyper::client::conn::http1::SendRequest<Pieces>;

impl World {
    /// Asks for a path, and reads the head of the answer; fails if there is none when everything is quiet.
    pub async fn read(&self, method: &str, path: &str, body: &[u8]) -> Result<Reading> {
        let length = body.len().to_string();
        let mut asking = self.upload(method, path, &[("content-length", &length)]).await?;
        if !body.is_empty() {
            asking.send(body).await;
        }
        asking.finish();
        asking.answer().await
    }

    /// Sends the head of a request, whose body follows in pieces: in chunks, unless a header says how long it is.
    pub async fn upload(&self, method: &str, path: &str, headers: &[(&str, &str)]) -> Result<Uploading> {
        let stream = TokioIo::new(self.dial().await?);
        let (sender, connection) = self.host.during(hyper::client::conn::http1::handshake(stream)).await?;
        let mut connection = Connection { task: self.host.spawn(connection), sender };
        let mut request = hyper::Request::builder().method(method).uri(path).header("host", "world");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let (pieces, body) = mpsc::unbounded_channel();
        let taken = Rc::new(Cell::new(0));
        let answering =
            connection.sender.send_request(request.body(Pieces { pieces: body, taken: Rc::clone(&taken) })?);
        self.settle().await;
        let (about, host) = (format!("{method} {path}"), Rc::clone(&self.host));
        let answering = Box::pin(answering);
        Ok(Uploading { about, pieces: Some(pieces), taken, answering, host, connection })
    }
}

/// A body that is given piece by piece.
struct Pieces {
    pieces: mpsc::UnboundedReceiver<Bytes>,
    taken: Rc<Cell<usize>>,
}

impl Body for Pieces {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let piece = self.pieces.poll_recv(cx);
        if let Poll::Ready(Some(piece)) = &piece {
            self.taken.set(self.taken.get() + piece.len());
        }
        piece.map(|piece| piece.map(|piece| Ok(Frame::data(piece))))
    }
}

/// A request whose body is being sent. To drop it is to go away.
pub struct Uploading {
    about: String,
    pieces: Option<mpsc::UnboundedSender<Bytes>>,
    taken: Rc<Cell<usize>>,
    answering: Pin<Box<dyn Future<Output = hyper::Result<hyper::Response<Incoming>>>>>,
    host: Rc<Host>,
    connection: Connection,
}

impl Uploading {
    /// Sends another piece, as soon as the host takes it.
    pub async fn send(&self, piece: &[u8]) {
        if let Some(pieces) = &self.pieces {
            // A host that takes no more has answered, or cut the client off: the answer says which.
            let _ = pieces.send(Bytes::copy_from_slice(piece));
        }
        self.host.settle().await;
    }

    /// Bytes that have been sent, or stand in the socket's buffers.
    pub fn taken(&self) -> usize {
        self.taken.get()
    }

    /// That was all.
    pub fn finish(&mut self) {
        self.pieces = None;
    }

    /// Reads the head of the answer; fails if there is none when everything is quiet.
    pub async fn answer(mut self) -> Result<Reading> {
        self.host.settle().await;
        let answering = tokio::time::timeout(Duration::from_millis(1), &mut self.answering);
        let Ok(answer) = self.host.during(answering).await else {
            bail!("{}: no head when everything was quiet", self.about)
        };
        let (head, body) = answer?.into_parts();
        let text =
            |value: &hyper::header::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
        let headers = head.headers.iter().map(|(name, value)| (name.to_string(), text(value))).collect();
        let Uploading { host, connection, pieces, .. } = self;
        let status = head.status.as_u16();
        Ok(Reading { status, headers, body, is_whole: false, host, pieces, _connection: connection })
    }
}

impl Reading {
    /// What has come of the body since the last look; nothing if nothing has. An error says that it broke off.
    pub async fn arrived(&mut self) -> Result<Vec<u8>> {
        self.host.settle().await;
        let mut arrived = Vec::new();
        while let Some(frame) = self.frame().await {
            if let Ok(data) = frame?.into_data() {
                arrived.extend_from_slice(&data);
            }
            self.host.settle().await;
        }
        Ok(arrived)
    }

    /// Sends more of the body of the request, if that goes on.
    pub async fn send(&self, piece: &[u8]) {
        if let Some(pieces) = &self.pieces {
            // A host that takes no more has cut the client off, which the answer says.
            let _ = pieces.send(Bytes::copy_from_slice(piece));
        }
        self.host.settle().await;
    }

    /// That was all of the body of the request.
    pub fn finish(&mut self) {
        self.pieces = None;
    }

    /// Whether all of the body has been read.
    pub fn is_whole(&self) -> bool {
        self.is_whole
    }

    async fn frame(&mut self) -> Option<Result<Frame<Bytes>, hyper::Error>> {
        let (host, body) = (Rc::clone(&self.host), &mut self.body);
        // The test's own time moves only when everything waits: then nothing more has come.
        let frame = host.during(tokio::time::timeout(Duration::from_millis(1), body.frame())).await;
        self.is_whole |= matches!(frame, Ok(None));
        frame.ok().flatten()
    }
}
