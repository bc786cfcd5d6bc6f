//! From a URL to a connection: what is judged is what is dialled.

use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::{fmt, io};

use party_core::operation::OperationError;
use party_core::outbound_policy::OutboundPolicy;
use party_node::clock::Clock;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use url::Host;

use crate::outbound::redirect::Sending;
use crate::outbound::resolve::Resolver;
use crate::outbound::roots::Roots;
use crate::outbound::told;

/// How long one address is given to take a connection, in milliseconds; then the next one of the name is tried.
pub(super) const CONNECT_MS_MAX: u64 = 10_000;

/// A connection to a server.
pub(super) enum Stream {
    Plain(TcpStream),
    Secret(Box<TlsStream<TcpStream>>),
}

/// Connects to where a request is to be sent, if it may go there.
pub(super) async fn dial(
    sending: &Sending,
    policy: &OutboundPolicy,
    resolver: &Resolver,
    roots: &Roots,
    clock: &dyn Clock,
) -> Result<Stream, OperationError> {
    let (host, port) = (sending.host(), sending.port());
    let addresses: Vec<IpAddr> = match host {
        Host::Domain(name) => resolver.resolve(name).await?,
        Host::Ipv4(address) => vec![address.into()],
        Host::Ipv6(address) => vec![address.into()],
    };
    // Brackets are the URL's.
    let name = match host {
        Host::Domain(name) => name.to_owned(),
        Host::Ipv4(address) => address.to_string(),
        Host::Ipv6(address) => address.to_string(),
    };
    let mut refused = None;
    let mut allowed = Vec::new();
    for address in addresses {
        match policy.judge(&name, port, address) {
            Ok(()) => allowed.push(SocketAddr::new(address, port)),
            Err(why) => _ = refused.get_or_insert(why),
        }
    }
    if let (Some(why), true) = (refused, allowed.is_empty()) {
        return Err(OperationError::RefusedByPolicy(why.to_string()));
    }
    let socket = connect(&allowed, &format!("{host}:{port}"), clock).await?;
    if !sending.is_secret() {
        return Ok(Stream::Plain(socket));
    }
    let failed =
        |error: &dyn std::error::Error| OperationError::Tls(format!("{host}:{port}: {}", told(error)));
    let connector = TlsConnector::from(roots.config().await?);
    let server = ServerName::try_from(name).map_err(|error| failed(&error))?;
    let stream = connector.connect(server, socket).await.map_err(|error| failed(&error))?;
    Ok(Stream::Secret(Box::new(stream)))
}

/// Connects to the first of some addresses that takes it.
async fn connect(
    addresses: &[SocketAddr],
    whom: &impl fmt::Display,
    clock: &dyn Clock,
) -> Result<TcpStream, OperationError> {
    let mut failure = "it has no address".to_owned();
    for address in addresses {
        let due = clock.sleep_until_ticks(clock.ticks().after_ms(CONNECT_MS_MAX));
        let connected = tokio::select! {
            biased;
            connected = TcpStream::connect(address) => connected,
            () = due => Err(io::Error::new(io::ErrorKind::TimedOut, "it does not answer")),
        };
        match connected.and_then(|socket| socket.set_nodelay(true).map(|()| socket)) {
            Ok(socket) => return Ok(socket),
            Err(error) => failure = told(&error),
        }
    }
    Err(OperationError::Connect(format!("{whom}: {failure}")))
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Stream::Plain(stream) => Pin::new(stream).poll_read(cx, buffer),
            Stream::Secret(stream) => Pin::new(stream).poll_read(cx, buffer),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Stream::Plain(stream) => Pin::new(stream).poll_write(cx, bytes),
            Stream::Secret(stream) => Pin::new(stream).poll_write(cx, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Stream::Plain(stream) => Pin::new(stream).poll_flush(cx),
            Stream::Secret(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Stream::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Stream::Secret(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}
