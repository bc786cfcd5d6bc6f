//! The other side: asking a running host. What it answers is bounded and believed as little as any input.

use std::path::Path;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body_util::{BodyExt, Full};
use hyper::Request;
use hyper::body::{Body, Incoming};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde::de::DeserializeOwned;
use thiserror::Error;
use tokio::net::UnixStream;

use crate::admin::place::{Place, PlaceError};
use crate::admin::shapes::Refusal;

/// The largest JSON that is taken, in bytes: a page of a thousand rooms with the longest names.
const JSON_BYTES_MAX: u64 = 16 << 20;
/// How long a host may take to answer. It may have to write or read the largest room.
const ANSWER_MAX: Duration = Duration::from_secs(300);

/// Why there is no answer.
#[derive(Debug, Error)]
pub enum AskError {
    /// The socket cannot be used.
    #[error(transparent)]
    Place(#[from] PlaceError),
    /// The host refuses.
    #[error("{error}{}", hint.as_ref().map(|hint| format!("\nhint: {hint}")).unwrap_or_default())]
    Refused {
        /// The HTTP status.
        status: u16,
        /// What is wrong.
        error: String,
        /// What to do.
        hint: Option<String>,
    },
    /// The host ended, or the connection to it did.
    #[error(
        "the host ended before it had answered: {why}\nhint: ask again; its log says whether it was stopped or has died"
    )]
    Ended {
        /// What was seen of it.
        why: String,
    },
    /// The host said what no host says.
    #[error("the host did not answer in order: {why}\nhint: is it another version of party-host?")]
    Broken {
        /// What went wrong.
        why: String,
    },
    /// The host did not answer in time.
    #[error("the host did not answer within {} s", ANSWER_MAX.as_secs())]
    Late,
}

fn broken(why: impl ToString) -> AskError {
    AskError::Broken { why: why.to_string() }
}

fn ended(why: impl ToString) -> AskError {
    AskError::Ended { why: why.to_string() }
}

/// A host that runs on a data directory.
#[derive(Debug)]
pub struct RunningHost {
    place: Place,
}

impl RunningHost {
    /// The host of a data directory, `None` if none listens.
    pub fn find(data: &Path) -> Result<Option<RunningHost>, AskError> {
        if !data.is_dir() {
            return Ok(None);
        }
        let place = Place::of(data)?;
        Ok(place.connect()?.map(|_| RunningHost { place }))
    }

    /// Asks for JSON.
    pub async fn json<T: DeserializeOwned>(&self, method: &str, target: &str) -> Result<T, AskError> {
        let bytes = self.ask(method, target, Bytes::new(), JSON_BYTES_MAX).await?;
        serde_json::from_slice(&bytes).map_err(broken)
    }

    /// Asks for a file of at most so many bytes.
    pub async fn file(&self, target: &str, bytes_max: u64) -> Result<Bytes, AskError> {
        self.ask("GET", target, Bytes::new(), bytes_max).await
    }

    /// Sends a file and reads what becomes of it.
    pub async fn send<T: DeserializeOwned>(&self, target: &str, file: Bytes) -> Result<T, AskError> {
        let bytes = self.ask("POST", target, file, JSON_BYTES_MAX).await?;
        serde_json::from_slice(&bytes).map_err(broken)
    }

    async fn ask(&self, method: &str, target: &str, body: Bytes, bytes_max: u64) -> Result<Bytes, AskError> {
        let asked = tokio::time::timeout(ANSWER_MAX, self.converse(method, target, body, bytes_max));
        asked.await.unwrap_or(Err(AskError::Late))
    }

    async fn converse(
        &self,
        method: &str,
        target: &str,
        body: Bytes,
        bytes_max: u64,
    ) -> Result<Bytes, AskError> {
        let stream = self.place.connect()?.ok_or_else(|| ended("nobody listens any more"))?;
        stream.set_nonblocking(true).map_err(ended)?;
        let stream = UnixStream::from_std(stream).map_err(ended)?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(ended)?;
        let request = Request::builder().method(method).uri(target).header("host", "admin");
        let request = request.body(Full::new(body)).map_err(broken)?;
        let exchange = async {
            let response = sender.send_request(request).await.map_err(out_of_order)?;
            let status = response.status().as_u16();
            let is_ok = status == 200;
            let bytes = collect(response.into_body(), if is_ok { bytes_max } else { JSON_BYTES_MAX }).await?;
            if is_ok {
                return Ok(bytes);
            }
            let Refusal { error, hint } = serde_json::from_slice(&bytes)
                .map_err(|_| broken(format!("status {status} without a reason")))?;
            Err(AskError::Refused { status, error, hint })
        };
        tokio::pin!(exchange);
        tokio::select! {
            biased;
            answer = &mut exchange => answer,
            // Once it has ended, whatever came is in the hands of the exchange.
            end = connection => match (exchange.await, end) {
                (Err(AskError::Ended { .. }), Err(error)) => Err(out_of_order(error)),
                (answer, _) => answer,
            },
        }
    }
}

/// What hyper could not read is no host's answer; anything else that happens to a connection is its end.
fn out_of_order(error: hyper::Error) -> AskError {
    if error.is_parse() { broken(error) } else { ended(error) }
}

async fn collect(mut body: Incoming, bytes_max: u64) -> Result<Bytes, AskError> {
    let too_large = || broken(format!("it is more than {bytes_max} bytes"));
    if body.size_hint().lower() > bytes_max {
        return Err(too_large());
    }
    let mut bytes = BytesMut::new();
    while let Some(frame) = body.frame().await {
        if let Ok(data) = frame.map_err(out_of_order)?.into_data() {
            bytes.extend_from_slice(&data);
        }
        if bytes.len() as u64 > bytes_max {
            return Err(too_large());
        }
    }
    Ok(bytes.freeze())
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::os::unix::net::UnixListener;
    use std::thread;

    use super::{AskError, RunningHost};
    use crate::admin::place::SOCKET_FILE;

    /// What is made of it when whoever listens reads a question, answers this and is gone.
    fn asked(answer: &'static [u8]) -> AskError {
        let data = tempfile::tempdir().expect("the system has a place");
        let listener = UnixListener::bind(data.path().join(SOCKET_FILE)).expect("it is free");
        let host = RunningHost::find(data.path()).expect("it is there").expect("it listens");
        thread::scope(|scope| {
            scope.spawn(|| {
                // The first only looks whether anybody listens.
                drop(listener.accept().expect("somebody looks"));
                let (mut stream, _) = listener.accept().expect("somebody asks");
                let _question = stream.read(&mut [0; 4_096]).expect("it is read");
                stream.write_all(answer).expect("it is taken");
            });
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            let answer = runtime.expect("it is made").block_on(host.json::<u64>("GET", "/"));
            answer.expect_err("it is no answer")
        })
    }

    #[test]
    fn a_host_that_dies_is_told_from_one_that_says_what_none_says() {
        for unfinished in
            [&b""[..], b"HTTP/1.1 200 OK\r\ncontent-le", b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n12"]
        {
            let error = asked(unfinished);
            assert!(matches!(error, AskError::Ended { .. }), "{error:?}");
        }
        for foreign in [&b"SSH-2.0\r\n\r\n"[..], b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}"] {
            let error = asked(foreign);
            assert!(matches!(error, AskError::Broken { .. }), "{error:?}");
        }
    }
}
