//! Answers that come in pieces, as a client reads them.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use anyhow::{Result, bail};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
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
    connection: JoinHandle<hyper::Result<()>>,
    _sender: hyper::client::conn::http1::SendRequest<Full<Bytes>>,
}

impl World {
    /// Asks for a path, and reads the head of the answer; fails if there is none when everything is quiet.
    pub async fn read(&self, method: &str, path: &str, body: &[u8]) -> Result<Reading> {
        let stream = TokioIo::new(self.dial().await?);
        let (mut sender, connection) =
            self.host.during(hyper::client::conn::http1::handshake(stream)).await?;
        let connection = self.host.spawn(connection);
        let request = hyper::Request::builder().method(method).uri(path).header("host", "world");
        let answering = sender.send_request(request.body(Full::new(Bytes::copy_from_slice(body)))?);
        self.settle().await;
        let answer = self.host.during(tokio::time::timeout(Duration::from_millis(1), answering)).await;
        let Ok(answer) = answer else { bail!("{method} {path}: no head when everything was quiet") };
        let (head, body) = answer?.into_parts();
        let text =
            |value: &hyper::header::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
        let headers = head.headers.iter().map(|(name, value)| (name.to_string(), text(value))).collect();
        let (status, host) = (head.status.as_u16(), Rc::clone(&self.host));
        Ok(Reading { status, headers, body, is_whole: false, host, connection, _sender: sender })
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

    /// Whether all of the body has been read.
    pub fn is_whole(&self) -> bool {
        self.is_whole
    }

    async fn frame(&mut self) -> Option<Result<hyper::body::Frame<Bytes>, hyper::Error>> {
        let (host, body) = (Rc::clone(&self.host), &mut self.body);
        // The test's own time moves only when everything waits: then nothing more has come.
        let frame = host.during(tokio::time::timeout(Duration::from_millis(1), body.frame())).await;
        self.is_whole |= matches!(frame, Ok(None));
        frame.ok().flatten()
    }
}

impl Drop for Reading {
    fn drop(&mut self) {
        self.connection.abort();
    }
}
