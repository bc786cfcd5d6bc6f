//! Servers that say what a test has written, and keep what they were told; and the client.

use std::future::Future;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use party_core::http::{Header, Request, Response};
use party_core::operation::OperationError;
use party_core::outbound_policy::OutboundPolicy;
use party_node::clock::SystemClock;
use party_node::outbound::{Fetch, Outbound};
use party_server::outbound::{Network, OutboundOptions};
use rcgen::generate_simple_self_signed;
use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::LocalSet;
use tokio_rustls::TlsAcceptor;

/// What a server does on each connection, one after the other, and on the last for all that follow.
#[derive(Clone, Debug)]
pub(crate) enum Says {
    /// This, when it has read a request; then it closes.
    This(String),
    /// This, and then nothing more until it is told to go on; then the rest, and it closes.
    Half(String, String),
    /// Nothing, and it does not close.
    Nothing,
    /// This without a request, and it closes.
    AtOnce(&'static str),
}

/// A server of a test.
pub(crate) struct Server {
    pub(crate) port: u16,
    /// Each request that it has read, head and body.
    requests: mpsc::UnboundedReceiver<String>,
    /// A connection has ended.
    ended: mpsc::UnboundedReceiver<()>,
    go_on: mpsc::UnboundedSender<()>,
}

/// Runs a test with a network.
pub(crate) fn check(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("there is one");
    runtime.block_on(LocalSet::new().run_until(test));
}

/// A response with a body, as it stands on the wire.
pub(crate) fn ok(body: &str) -> Says {
    answer("200 OK", "", body)
}

/// One with this status and these headers, each with its end of line.
pub(crate) fn answer(status: &str, headers: &str, body: &str) -> Says {
    Says::This(format!("HTTP/1.1 {status}\r\n{headers}content-length: {}\r\n\r\n{body}", body.len()))
}

impl Server {
    pub(crate) async fn start(says: Vec<Says>) -> Server {
        Server::start_with(says, None).await
    }

    /// One that speaks TLS, as `localhost`; what is to trust it is written to this file.
    pub(crate) async fn start_secret(says: Vec<Says>, ca_file: &Path) -> Server {
        let made = generate_simple_self_signed(vec!["localhost".to_owned()]).expect("it is made");
        std::fs::write(ca_file, made.cert.pem()).expect("it is written");
        let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).expect("it is a key");
        let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("there are some")
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], key)
            .expect("they fit");
        Server::start_with(says, Some(TlsAcceptor::from(Arc::new(config)))).await
    }

    async fn start_with(says: Vec<Says>, secret: Option<TlsAcceptor>) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        let port = listener.local_addr().expect("it has one").port();
        let (asked, requests) = mpsc::unbounded_channel();
        let (end, ended) = mpsc::unbounded_channel();
        let (go_on, mut goes_on) = mpsc::unbounded_channel();
        tokio::task::spawn_local(async move {
            let mut says = says.into_iter().peekable();
            while let Some(now) = says.next() {
                let is_last = says.peek().is_none();
                loop {
                    let Ok((socket, _)) = listener.accept().await else { return };
                    match &secret {
                        None => talk(socket, &now, &asked, &mut goes_on).await,
                        Some(acceptor) => {
                            // Whoever does not trust it goes.
                            if let Ok(socket) = acceptor.accept(socket).await {
                                talk(socket, &now, &asked, &mut goes_on).await;
                            }
                        }
                    }
                    // A test that has ended does not look.
                    let _ = end.send(());
                    if !is_last {
                        break;
                    }
                }
            }
        });
        Server { port, requests, ended, go_on }
    }

    /// The next request.
    pub(crate) async fn request(&mut self) -> String {
        self.requests.recv().await.expect("it is there for the whole test")
    }

    /// Waits until a connection has ended.
    pub(crate) async fn connection_ended(&mut self) {
        self.ended.recv().await.expect("it is there for the whole test");
    }

    /// Says the second half.
    pub(crate) fn go_on(&self) {
        self.go_on.send(()).expect("it is there for the whole test");
    }

    /// Whether nobody has asked it anything.
    pub(crate) fn was_left_alone(&mut self) -> bool {
        self.requests.try_recv().is_err() && self.ended.try_recv().is_err()
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }
}

async fn talk(
    mut socket: impl AsyncRead + AsyncWrite + Unpin,
    says: &Says,
    asked: &mpsc::UnboundedSender<String>,
    goes_on: &mut mpsc::UnboundedReceiver<()>,
) {
    if let Says::AtOnce(text) = says {
        // Whoever has gone already does not hear it.
        let _ = socket.write_all(text.as_bytes()).await;
        return;
    }
    let Some(request) = read(&mut socket).await else { return };
    let _ = asked.send(request);
    let told = match says {
        Says::This(text) => socket.write_all(text.as_bytes()).await,
        Says::Half(first, rest) => {
            let first = socket.write_all(first.as_bytes()).await;
            let _ = socket.flush().await;
            tokio::select! {
                _ = goes_on.recv() => first.and(socket.write_all(rest.as_bytes()).await),
                // Whoever is asked hears that the other has gone.
                _ = socket.read_u8() => return,
            }
        }
        Says::Nothing => socket.read_u8().await.map(drop),
        Says::AtOnce(_) => Ok(()),
    };
    if told.is_ok() {
        let _ = socket.shutdown().await;
    }
}

/// A head, and a body if it says how long that is.
async fn read(socket: &mut (impl AsyncRead + Unpin)) -> Option<String> {
    let mut text = Vec::new();
    loop {
        if let Some(head) = text.windows(4).position(|end| end == b"\r\n\r\n") {
            let told = String::from_utf8_lossy(&text[..head]).to_lowercase();
            let length = told.lines().find_map(|line| line.strip_prefix("content-length: "));
            let length: usize = length.map_or(0, |length| length.parse().expect("a number"));
            if text.len() >= head + 4 + length {
                return Some(String::from_utf8_lossy(&text).into_owned());
            }
        }
        let mut more = [0; 4_096];
        match socket.read(&mut more).await {
            Ok(0) | Err(_) => return None,
            Ok(count) => text.extend_from_slice(&more[..count]),
        }
    }
}

/// A client that may go where these say.
pub(crate) fn network(allow: &[&str], ca_file: Option<&Path>) -> Network {
    let allow = allow.iter().map(|rule| rule.parse().expect("it is one")).collect();
    let options =
        OutboundOptions { policy: OutboundPolicy { allow }, ca_file: ca_file.map(Path::to_path_buf) };
    Network::new(options, Arc::new(SystemClock)).expect("its certificates are")
}

/// A client that may go anywhere on this machine.
pub(crate) fn at_home() -> Network {
    network(&["127.0.0.0/8", "::1"], None)
}

/// What is sent, by `METHOD URL`.
pub(crate) fn request(line: &str, headers: &[(&str, &str)], body: &str) -> Request {
    let (method, uri) = line.split_once(' ').expect("a method and a URL");
    let header = |(name, value): &(&str, &str)| Header {
        name: (*name).to_owned(),
        value: Bytes::copy_from_slice(value.as_bytes()),
    };
    Request {
        method: method.into(),
        uri: uri.into(),
        headers: headers.iter().map(header).collect(),
        body: Bytes::copy_from_slice(body.as_bytes()),
        body_waits: false,
    }
}

/// Fetches, with at most three redirects and a body of at most 1,000 bytes.
pub(crate) async fn fetch(network: &Network, request: Request) -> Result<Response, OperationError> {
    network.fetch(Fetch { request, redirects_max: 3, body_bytes_max: 1_000 }).await
}

/// The same, without anything but a URL: status and body, or what failed.
pub(crate) async fn get(network: &Network, url: &str) -> Result<String, OperationError> {
    let response = fetch(network, request(&format!("GET {url}"), &[], "")).await?;
    Ok(format!("{} {}", response.status, String::from_utf8_lossy(&response.body)))
}
