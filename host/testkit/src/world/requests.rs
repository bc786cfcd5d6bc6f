//! HTTP requests of a test, over in-memory sockets.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use anyhow::{Result, ensure};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper_util::rt::TokioIo;
use tokio::task::JoinHandle;

use crate::transcript::payload::{Content, escaped};
use crate::world::World;

/// A response to a request.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Response {
    /// The status.
    pub status: u16,
    /// The headers, by lower-case name.
    pub headers: BTreeMap<String, String>,
    /// The body; bytes that are not UTF-8 are replaced.
    pub body: String,
    /// The body as it came.
    pub bytes: Bytes,
}

/// Ends a task when it is dropped: a client that does not wait any more has gone.
struct Ends<T>(JoinHandle<T>);

impl<T> Drop for Ends<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// A header as a transcript has it, below what it belongs to.
pub(super) fn told_header(name: &str, value: &str) -> String {
    format!("  > {name}: {}", escaped(value))
}

impl World {
    /// Asks for a path, as `GET /parties/main/lobby`, with a body.
    pub async fn request(&self, method: &str, path: &str, body: &[u8]) -> Result<Response> {
        let asked = self.ask(method, path, body).await?;
        asked.await
    }

    /// Sends a request; gives back what will be its response. Time may pass before it is awaited.
    pub async fn ask(
        &self,
        method: &str,
        path: &str,
        body: &[u8],
    ) -> Result<impl Future<Output = Result<Response>> + use<>> {
        self.ask_with(method, path, &[], body).await
    }

    /// As [`World::ask`], with more headers.
    pub async fn ask_with(
        &self,
        method: &str,
        path: &str,
        headers: &[(String, String)],
        body: &[u8],
    ) -> Result<impl Future<Output = Result<Response>> + use<>> {
        let told = match body {
            [] => String::new(),
            body => format!(" {}", Content::of(body).written()),
        };
        let lines: Vec<String> = headers.iter().map(|(name, value)| told_header(name, value)).collect();
        let asked = self.host.story.ask(format!("{method} {}{told}", escaped(path)), &lines);
        let stream = TokioIo::new(self.dial().await?);
        let (mut sender, connection) =
            self.host.during(hyper::client::conn::http1::handshake(stream)).await?;
        // The client's half of the connection is a task of the test's side, driven while the host is.
        let connection = Ends(self.host.spawn(connection));
        let mut request = hyper::Request::builder().method(method).uri(self.as_routed(path));
        if !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("host")) {
            request = request.header("host", "world");
        }
        for (name, value) in headers {
            request = request.header(name, value);
        }
        let request = request.body(Full::new(Bytes::copy_from_slice(body)))?;
        let response = sender.send_request(request);
        self.settle().await;
        let host = Rc::clone(&self.host);
        Ok(async move {
            let read = async {
                let response = response.await?;
                let status = response.status().as_u16();
                let text = |value: &hyper::header::HeaderValue| {
                    String::from_utf8_lossy(value.as_bytes()).into_owned()
                };
                let headers =
                    response.headers().iter().map(|(name, value)| (name.to_string(), text(value))).collect();
                let body = response.into_body().collect().await?.to_bytes();
                let text = String::from_utf8_lossy(&body).into_owned();
                anyhow::Ok(Response { status, headers, body: text, bytes: body })
            };
            // The test's own time moves only when everything waits: then there will be no answer.
            let response = host.during(tokio::time::timeout(Duration::from_millis(1), read)).await;
            drop((sender, connection));
            let response =
                response.unwrap_or_else(|_| anyhow::bail!("no answer when everything was quiet"))?;
            let body = match response.bytes.is_empty() {
                true => String::new(),
                false => format!(" {}", Content::of(&response.bytes).written()),
            };
            host.story.answer(asked, &format!("{}{body}", response.status));
            Ok(response)
        })
    }

    /// Asks for a path and expects this status and body.
    pub async fn expect(&self, method: &str, path: &str, body: &[u8], status: u16, text: &str) -> Result<()> {
        let response = self.request(method, path, body).await?;
        ensure!(
            (response.status, response.body.as_str()) == (status, text),
            "{method} {path}: expected {status} {text:?}, received {} {:?}",
            response.status,
            response.body
        );
        Ok(())
    }
}
