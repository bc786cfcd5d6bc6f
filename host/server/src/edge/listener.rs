//! Listening sockets and the clients that come to them.

use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener};
use std::rc::Rc;
use std::sync::Arc;

use socket2::{Domain, Protocol, Socket as RawSocket, Type};
use thiserror::Error;
use tokio::net::TcpStream;

use super::transport::Transport;
use super::worker::EdgeWorker;
use crate::accepting::Accepting;

/// How many clients may wait to be accepted; the system may allow fewer.
const BACKLOG: i32 = 1_024;
/// What a client is told that finds no place.
const NO_PLACE: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\ncontent-type: text/plain;charset=UTF-8\r\n\
    content-length: 38\r\nretry-after: 1\r\nconnection: close\r\n\r\nthe host has no place for a new client";

/// Why an address cannot be listened on.
#[derive(Debug, Error)]
pub enum ListenError {
    /// Something else listens there.
    #[error("{address} is in use\nhint: stop what listens there, or choose another port with --port")]
    InUse {
        /// The address.
        address: SocketAddr,
    },
    /// The port is reserved to others.
    #[error("{address} is not allowed to this user\nhint: choose a port of 1024 or more with --port")]
    NotAllowed {
        /// The address.
        address: SocketAddr,
    },
    /// Anything else.
    #[error(
        "{address} cannot be listened on\nhint: give an address of this machine with --host: 127.0.0.1, or 0.0.0.0 for all"
    )]
    Other {
        /// The address.
        address: SocketAddr,
        /// Why.
        #[source]
        error: io::Error,
    },
}

/// Listens on an address; with port 0, on any port that is free.
pub fn listen(address: SocketAddr) -> Result<TcpListener, ListenError> {
    open(address).map_err(|error| match error.kind() {
        io::ErrorKind::AddrInUse => ListenError::InUse { address },
        io::ErrorKind::PermissionDenied => ListenError::NotAllowed { address },
        _ => ListenError::Other { address, error },
    })
}

fn open(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = RawSocket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    // So that a restart need not wait for connections of the last run that linger. On Windows the option means
    // that others may take the port away, and is not needed.
    #[cfg(not(windows))]
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// Accepts clients for ever.
pub(crate) async fn accept(worker: Rc<EdgeWorker>, listener: TcpListener) {
    let listener = match tokio::net::TcpListener::from_std(listener) {
        Ok(listener) => listener,
        Err(error) => {
            tracing::error!("a worker cannot listen: {error}");
            return;
        }
    };
    let mut accepting = Accepting::new("clients", Arc::clone(worker.clock()));
    loop {
        if let Some((stream, from)) = accepting.next(listener.accept()).await {
            welcome(&worker, stream, from.ip());
        }
    }
}

fn welcome(worker: &Rc<EdgeWorker>, stream: TcpStream, address: IpAddr) {
    // Messages are small and each write is whole: waiting for more to send would only delay them.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!("a client left before it was served: {error}");
        return;
    }
    match worker.places().take(1) {
        Some(place) => worker.serve(Transport::Tcp(stream), address, place),
        None => {
            tracing::warn!(
                "a client is refused: {} are connected, which is the limit",
                worker.places().held()
            );
            // A fresh socket takes these few bytes at once; a client that has gone misses nothing. Over TLS nobody could read it.
            if worker.tls().is_none() {
                let _ = stream.try_write(NO_PLACE);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{ListenError, NO_PLACE, listen};

    #[test]
    fn a_port_in_use_is_told_with_what_to_do() {
        let first = listen("127.0.0.1:0".parse().unwrap()).unwrap();
        let error = listen(first.local_addr().unwrap()).unwrap_err();
        assert!(matches!(error, ListenError::InUse { .. }), "{error:?}");
        assert!(error.to_string().contains("is in use\nhint: "), "{error}");
    }

    #[test]
    fn the_refusal_is_a_whole_response() {
        let text = std::str::from_utf8(NO_PLACE).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(head.contains(&format!("content-length: {}\r\n", body.len())), "{}", body.len());
    }
}
