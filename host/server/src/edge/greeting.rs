//! The beginning of a client's connection: with a certificate, TLS is spoken before anything else, and says which HTTP follows.
//!
//! Handshakes cost processor time and memory before anybody has said who they are, so how many are under way is bounded,
//! and how long each may take.

use std::future::poll_fn;
use std::pin::pin;
use std::rc::Rc;
use std::task::Poll;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::count::Share;
use super::proxies::Peer;
use super::socket::Socket;
use super::transport::Transport;
use super::watch::Stage;
use super::worker::EdgeWorker;
use super::{http, http2};
use crate::tls::{HTTP_2, Tls};

/// The first byte of a TLS connection (RFC 8446, 5.1).
const HANDSHAKE: [u8; 1] = [22];
/// What a client is told that does not speak TLS.
const NOT_TLS: &[u8] = b"HTTP/1.1 400 Bad Request\r\ncontent-type: text/plain;charset=UTF-8\r\n\
    content-length: 50\r\nconnection: close\r\n\r\nthis port speaks TLS: use https:// and wss:// here";

/// Serves a client, once it has spoken TLS if the host does.
pub(crate) async fn greet(worker: Rc<EdgeWorker>, transport: Transport, peer: Peer, place: Share) {
    let Some(tls) = worker.tls() else {
        return http::serve(worker, Socket::Plain(transport), peer, place).await;
    };
    let Some((socket, is_http_2)) = shake_hands(&worker, tls, transport).await else { return };
    let peer = Peer { is_secure: true, ..peer };
    match is_http_2 {
        true => Box::pin(http2::serve(worker, socket, peer, place)).await,
        false => http::serve(worker, socket, peer, place).await,
    }
}

/// The socket behind the handshake, and whether HTTP/2 follows; `None` if there is none in time.
async fn shake_hands(worker: &EdgeWorker, tls: &Tls, transport: Transport) -> Option<(Socket, bool)> {
    let Some(_under_way) = worker.handshakes().take(1) else {
        tracing::debug!("a client is closed: {} TLS handshakes are under way", worker.handshakes().held());
        return None;
    };
    let watched = worker.watch.add();
    watched.set_deadline(worker.clock().now().after_ms(worker.limits.handshake_ms_max));
    let mut shaking = pin!(accept(tls, transport));
    let shaken = poll_fn(|cx| {
        watched.register(cx);
        if watched.take_due() || watched.stage() != Stage::Serving {
            return Poll::Ready(None);
        }
        shaking.as_mut().poll(cx)
    });
    shaken.await
}

async fn accept(tls: &Tls, mut transport: Transport) -> Option<(Socket, bool)> {
    // Looked at by ourselves, because TLS would say in its own way that it is not spoken.
    let mut first = [0];
    transport.read_exact(&mut first).await.ok()?;
    if first != HANDSHAKE {
        refuse(transport).await;
        return None;
    }
    let accepting = tls.acceptor().accept_with(transport, |connection| {
        // Memory takes all that is written.
        let _ = connection.read_tls(&mut &first[..]);
    });
    match accepting.await {
        Ok(stream) => {
            let is_http_2 = stream.get_ref().1.alpn_protocol() == Some(HTTP_2);
            Some((Socket::Tls(Box::new(stream)), is_http_2))
        }
        Err(error) => {
            tracing::debug!("a TLS handshake has failed: {error}");
            None
        }
    }
}

/// Tells a client that does not speak TLS, and reads on what it sends: closing a socket with unread bytes resets the connection,
/// and the client would lose the answer.
async fn refuse(mut transport: Transport) {
    if transport.write_all(NOT_TLS).await.is_ok() && transport.shutdown().await.is_ok() {
        let mut ignored = [0; 4_096];
        while transport.read(&mut ignored).await.is_ok_and(|bytes| bytes > 0) {}
    }
}

#[cfg(test)]
mod tests {
    use super::NOT_TLS;

    #[test]
    fn the_refusal_is_a_whole_response() {
        let text = std::str::from_utf8(NOT_TLS).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(head.contains(&format!("content-length: {}\r\n", body.len())), "{}", body.len());
    }
}
