//! Fetches of rooms, on real sockets.
//!
//! Each request has a connection of its own, which ends with it. A connection that is kept for the next request can be closed by
//! its server just when that is sent; then nobody knows whether it was heard, and a fetch is to be sent once. What a kept one
//! would save is a handshake.
//!
//! A name is resolved, each of its addresses is judged, and one that may be is dialled: that very address, and for a redirect
//! all of it again ([`dial`]). What is dropped ends: no task, no socket and no share of what the host holds is left behind, but
//! for a lookup that the system does not give back ([`resolve`]).

mod arriving;
mod body;
mod dial;
mod redirect;
mod resolve;
mod roots;
mod socket;

use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use http_body_util::Full;
use hyper::client::conn::http1;
use hyper::header::{ACCEPT, HOST, HeaderName, HeaderValue, USER_AGENT};
use hyper_util::rt::TokioIo;
use party_core::http::{Header, Request, Response};
use party_core::operation::OperationError;
use party_core::outbound_policy::OutboundPolicy;
use party_node::clock::Clock;
use party_node::outbound::{Fetch, Outbound, Pieces, Socket, UnderWay};
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::{WebSocketStream, client_async_with_config};

use crate::edge::count::{Count, Share};
use crate::outbound::arriving::{Arriving, Link, driven};
use crate::outbound::dial::Stream;
pub use crate::outbound::redirect::Sending;
use crate::outbound::resolve::Resolver;
use crate::outbound::roots::Roots;
pub use crate::outbound::roots::RootsError;

/// Fetches under way and sockets of rooms' own on the whole host; beyond, one is `overloaded`.
pub const FETCHES_MAX: usize = 4_096;
/// Bodies of answers that are being read on the whole host, in bytes.
pub const FETCHED_BYTES_MAX: usize = 256 << 20;
/// The head of an answer, in bytes.
const HEAD_BYTES_MAX: usize = 64 << 10;
/// Headers of an answer.
const HEADERS_MAX: usize = 256;
/// What a server is told who asks, if the room does not say it.
const AGENT: &str = concat!("party-host/", env!("CARGO_PKG_VERSION"));

/// Headers that say how an answer came, and not what it is.
const OF_THE_WAY: [&str; 6] =
    ["connection", "keep-alive", "proxy-connection", "transfer-encoding", "trailer", "upgrade"];

/// How fetches are carried.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct OutboundOptions {
    /// Where they may go.
    pub policy: OutboundPolicy,
    /// A file with certificates, in PEM, that are trusted beside the system's.
    pub ca_file: Option<PathBuf>,
}

/// The network.
pub struct Network {
    shared: Arc<Shared>,
}

struct Shared {
    policy: OutboundPolicy,
    clock: Arc<dyn Clock>,
    resolver: Resolver,
    roots: Roots,
    under_way: Arc<Count>,
    bodies: Arc<Count>,
}

impl Network {
    /// Makes itself ready. Fails if the file with certificates is of no use; what the system trusts is read with the first
    /// fetch that needs it.
    pub fn new(options: OutboundOptions, clock: Arc<dyn Clock>) -> Result<Network, RootsError> {
        let OutboundOptions { policy, ca_file } = options;
        let shared = Shared {
            policy,
            clock,
            resolver: Resolver::default(),
            roots: Roots::new(ca_file)?,
            under_way: Count::new(FETCHES_MAX),
            bodies: Count::new(FETCHED_BYTES_MAX),
        };
        Ok(Network { shared: Arc::new(shared) })
    }
}

impl Outbound for Network {
    fn fetch(&self, fetch: Fetch) -> UnderWay {
        let shared = Arc::clone(&self.shared);
        Box::pin(async move {
            let _place = shared.place()?;
            let body_bytes_max = fetch.body_bytes_max;
            let exchange = async |sending: &Sending, follows: bool| {
                let (mut response, arriving) = shared.exchange(sending).await?;
                if !follows || redirect::next(&response).is_none() {
                    response.body = body::read(&shared.bodies, arriving, body_bytes_max).await?;
                }
                Ok((response, ()))
            };
            follow(fetch, exchange).await.map(|(response, ())| response)
        })
    }

    fn fetch_streamed(&self, fetch: Fetch) -> UnderWay<(Response, Box<dyn Pieces>)> {
        let shared = Arc::clone(&self.shared);
        Box::pin(async move {
            let place = shared.place()?;
            let exchange = async |sending: &Sending, _: bool| shared.exchange(sending).await;
            let (head, mut arriving) = follow(fetch, exchange).await?;
            arriving.place = Some(place);
            Ok((head, Box::new(arriving) as Box<dyn Pieces>))
        })
    }

    fn connect(&self, url: String, message_bytes_max: u32) -> UnderWay<Socket> {
        let shared = Arc::clone(&self.shared);
        Box::pin(async move {
            let place = shared.place()?;
            let wire = shared.open_socket(&url, message_bytes_max).await?;
            let (socket, driver) = Socket::pair();
            let clock = Arc::clone(&shared.clock);
            // It ends with the room's end of the socket.
            tokio::task::spawn_local(async move { socket::carry(wire, driver, &*clock, place).await });
            Ok(socket)
        })
    }
}

/// Carries a fetch out, with redirects, by someone who sends one request and reads its answer: `exchange` is also told whether a
/// redirect would be followed, of which the body is then of no interest. For the network, and for what stands in its place in a
/// test.
pub async fn follow<B>(
    fetch: Fetch,
    exchange: impl AsyncFn(&Sending, bool) -> Result<(Response, B), OperationError>,
) -> Result<(Response, B), OperationError> {
    let Fetch { request, redirects_max, .. } = fetch;
    let (mut sending, mut left) = (Sending::new(request)?, redirects_max);
    loop {
        let (response, body) = exchange(&sending, left > 0).await?;
        match redirect::next(&response) {
            Some(location) if left > 0 => sending = sending.redirected(response.status, &location)?,
            Some(_) | None => return Ok((response, body)),
        }
        left -= 1;
    }
}

impl Shared {
    /// A place among what is under way.
    fn place(&self) -> Result<Share, OperationError> {
        self.under_way.take(1).ok_or(OperationError::Overloaded(FETCHES_MAX as u32))
    }

    /// Sends one request and reads the head of its answer.
    async fn exchange(&self, sending: &Sending) -> Result<(Response, Arriving), OperationError> {
        let stream = self.dial(sending).await?;
        let request = request_of(sending)?;
        let mut builder = http1::Builder::new();
        // The buffer alone would let a head of about its own size through.
        builder.max_buf_size(HEAD_BYTES_MAX).max_header_size(HEAD_BYTES_MAX).max_headers(HEADERS_MAX);
        let (mut sender, connection) =
            builder.handshake::<_, Full<Bytes>>(TokioIo::new(stream)).await.map_err(broke)?;
        let sent = sender.send_request(request);
        let mut link = Link::new(connection, sender);
        let (head, body) = driven(&mut link, sent).await.map_err(broke)?.into_parts();
        let status = head.status.as_u16();
        if !(200..=599).contains(&status) {
            return Err(OperationError::Connect(format!("the server answered with status {status}")));
        }
        let headers = head.headers.iter().filter(|(name, _)| !OF_THE_WAY.contains(&name.as_str()));
        let headers = headers.map(|(name, value)| Header {
            name: name.as_str().to_owned(),
            // Copied, or it would keep all that was read with it.
            value: Bytes::copy_from_slice(value.as_bytes()),
        });
        let response = Response { status, headers: headers.collect(), body: Bytes::new() };
        Ok((response, Arriving { body, link, place: None }))
    }

    /// Opens a WebSocket.
    async fn open_socket(
        &self,
        url: &str,
        message_bytes_max: u32,
    ) -> Result<WebSocketStream<Stream>, OperationError> {
        // `ws` is as `http`, and `wss` as `https` (RFC 6455, 3): what is judged and dialled is the same.
        let tail = url.get("ws".len()..).unwrap_or_default();
        let asked = Request {
            method: "GET".into(),
            uri: format!("http{tail}"),
            headers: Vec::new(),
            body: Bytes::new(),
            body_waits: false,
        };
        let stream = self.dial(&Sending::new(asked)?).await?;
        let mut request = url.into_client_request().map_err(|error| refused(&error))?;
        request.headers_mut().insert(USER_AGENT, HeaderValue::from_static(AGENT));
        let bytes_max = Some(message_bytes_max as usize);
        let config = WebSocketConfig::default().max_message_size(bytes_max).max_frame_size(bytes_max);
        let (wire, _) =
            client_async_with_config(request, stream, Some(config)).await.map_err(|error| refused(&error))?;
        Ok(wire)
    }

    async fn dial(&self, sending: &Sending) -> Result<Stream, OperationError> {
        dial::dial(sending, &self.policy, &self.resolver, &self.roots, &*self.clock).await
    }
}

/// As it stands on the wire.
fn request_of(sending: &Sending) -> Result<hyper::Request<Full<Bytes>>, OperationError> {
    let invalid = |what: &str| OperationError::Connect(format!("the {what} cannot be sent"));
    let mut request = hyper::Request::builder()
        .method(sending.method())
        .uri(sending.target())
        .body(Full::new(sending.body().clone()))
        .map_err(|_| invalid("URL"))?;
    let headers = request.headers_mut();
    let host = HeaderValue::try_from(sending.authority()).map_err(|_| invalid("name of the host"))?;
    headers.insert(HOST, host);
    headers.insert(hyper::header::CONNECTION, HeaderValue::from_static("close"));
    for Header { name, value } in sending.headers() {
        let name = HeaderName::try_from(name.as_str()).map_err(|_| invalid("name of a header"))?;
        let value =
            HeaderValue::from_maybe_shared(value.clone()).map_err(|_| invalid("value of a header"))?;
        headers.append(name, value);
    }
    for (name, value) in [(ACCEPT, "*/*"), (USER_AGENT, AGENT)] {
        if !headers.contains_key(&name) {
            headers.insert(name, HeaderValue::from_static(value));
        }
    }
    Ok(request)
}

/// No WebSocket came of it.
fn refused(error: &tokio_tungstenite::tungstenite::Error) -> OperationError {
    OperationError::Connect(format!("no WebSocket: {}", told(error)))
}

/// The connection did not hold, or what came on it was no HTTP.
fn broke(error: hyper::Error) -> OperationError {
    if error.is_parse_too_large() {
        return OperationError::TooLarge(HEAD_BYTES_MAX as u64);
    }
    OperationError::Connect(format!("the connection broke: {}", told(&error)))
}

/// An error with its causes.
fn told(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        if !text.ends_with(&more) {
            text = format!("{text}: {more}");
        }
        cause = error.source();
    }
    text
}
