//! One who asks: a connection, one request, one answer, within bounds of size and time.

use std::convert::Infallible;
use std::os::unix::net::UnixListener;
use std::rc::Rc;
use std::sync::Arc;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::header::CONTENT_TYPE;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use party_node::node::Node;
use tokio::net::UnixStream;
use tokio::sync::Semaphore;

use crate::accepting::Accepting;
use crate::admin::answer::{Answer, answer};
use crate::admin::shapes::Refusal;

/// How many may ask at once; others wait to be accepted.
const CONVERSATIONS_MAX: usize = 16;
/// How long a conversation may take, in milliseconds: as long as the largest file takes on a slow disk.
const CONVERSATION_MS_MAX: u64 = 300_000;
/// The head of a request, in bytes: a room's id, percent-encoded, twice.
const HEAD_BYTES_MAX: usize = 16 << 10;
/// Headers of a request.
const HEADERS_MAX: usize = 32;

/// What all conversations have in common.
pub(super) struct Desk {
    pub(super) node: Node,
    /// Whole rooms that are in memory on their way: one, because it may be large.
    pub(super) transfers: Semaphore,
}

/// Accepts for ever.
pub(super) async fn listen(node: Node, listener: UnixListener) {
    let listener = match tokio::net::UnixListener::from_std(listener) {
        Ok(listener) => listener,
        Err(error) => return tracing::error!("the admin socket answers nobody: {error}"),
    };
    let places = Arc::new(Semaphore::new(CONVERSATIONS_MAX));
    let desk = Rc::new(Desk { node, transfers: Semaphore::new(1) });
    let mut accepting = Accepting::new("who asks at the admin socket", Arc::clone(desk.node.clock()));
    loop {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
        let Some((stream, _)) = accepting.next(listener.accept()).await else { continue };
        let desk = Rc::clone(&desk);
        tokio::task::spawn_local(async move {
            converse(desk, stream).await;
            drop(place);
        });
    }
}

async fn converse(desk: Rc<Desk>, stream: UnixStream) {
    let clock = Rc::clone(&desk);
    let until = clock.node.clock().now().after_ms(CONVERSATION_MS_MAX);
    let service = service_fn(move |request| {
        let desk = Rc::clone(&desk);
        async move { Ok::<_, Infallible>(respond(&desk, request).await) }
    });
    let connection = http1::Builder::new()
        .keep_alive(false)
        .max_header_size(HEAD_BYTES_MAX)
        .max_buf_size(HEAD_BYTES_MAX)
        .max_headers(HEADERS_MAX)
        .header_read_timeout(None)
        .serve_connection(TokioIo::new(stream), service);
    tokio::select! {
        ended = connection => {
            if let Err(error) = ended {
                tracing::debug!("a conversation at the admin socket ended: {error}");
            }
        }
        () = clock.node.clock().sleep_until(until) => {}
    }
}

async fn respond(desk: &Desk, request: Request<Incoming>) -> Response<Full<Bytes>> {
    let (parts, body) = request.into_parts();
    let target = parts.uri;
    let answer = answer(desk, &parts.method, target.path(), target.query().unwrap_or(""), body).await;
    let (status, kind, bytes) = match answer {
        Ok(Answer::Json(bytes)) => (200, "application/json", bytes),
        Ok(Answer::Text(text)) => (200, "text/plain; version=0.0.4; charset=utf-8", text.into()),
        Ok(Answer::File(bytes)) => (200, "application/octet-stream", bytes),
        Err(refused) => {
            let refusal = Refusal::of(&refused.error);
            (refused.status, "application/json", serde_json::to_vec(&refusal).unwrap_or_default().into())
        }
    };
    let mut response = Response::new(Full::new(bytes));
    *response.status_mut() = status.try_into().expect("our own statuses are");
    response.headers_mut().insert(CONTENT_TYPE, kind.parse().expect("our own types are"));
    response
}
