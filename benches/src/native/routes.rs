//! Paths to parties, and the WebSocket handshake.
//!
//! What must hold: only here is a path split and a header read. The handshake is checked as RFC 6455, section 4.2.1
//! says, and is done by hand because the socket below is wanted, not a stream of messages.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, Request, State};
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

use super::committer::Committer;
use super::connection::Connection;
use super::rooms::{Delivery, Room, Rooms};

/// What a party does, by its name in the path.
#[derive(Clone, Copy, Debug)]
enum Party {
    Echo,
    Broadcast,
    Counter,
    Hello,
}

impl Party {
    fn parse(name: &str) -> Option<Party> {
        match name {
            "echo" => Some(Party::Echo),
            "broadcast" => Some(Party::Broadcast),
            "counter" => Some(Party::Counter),
            "hello" => Some(Party::Hello),
            _ => None,
        }
    }
}

#[derive(Clone, Debug)]
struct Server {
    rooms: Arc<Rooms>,
    committer: Committer,
}

/// All that the server answers.
pub(super) fn router(rooms: Arc<Rooms>, committer: Committer) -> Router {
    Router::new().route("/parties/{party}/{room}", any(answer)).with_state(Server { rooms, committer })
}

async fn answer(
    State(server): State<Server>,
    Path((party, room)): Path<(String, String)>,
    request: Request,
) -> Response {
    let Some(kind) = Party::parse(&party) else {
        return (StatusCode::NOT_FOUND, format!("Party {party} not found")).into_response();
    };
    let upgrade = request.headers().contains_key(header::UPGRADE);
    match (kind, upgrade) {
        (Party::Counter, true) => (StatusCode::NOT_FOUND, "this party has no sockets").into_response(),
        (Party::Counter, false) => count(&server.committer, request.method(), room).await,
        (Party::Echo | Party::Broadcast | Party::Hello, upgrade) => {
            let Some(room) = server.rooms.enter(&party, &room) else {
                return (StatusCode::SERVICE_UNAVAILABLE, "too many rooms").into_response();
            };
            match (kind, upgrade) {
                (Party::Broadcast, true) => open_socket(request, room, Delivery::Room),
                (Party::Echo | Party::Hello | Party::Counter, true) => {
                    open_socket(request, room, Delivery::Sender)
                }
                (Party::Echo | Party::Broadcast | Party::Counter | Party::Hello, false) => {
                    "hello".into_response()
                }
            }
        }
    }
}

async fn count(committer: &Committer, method: &Method, room: String) -> Response {
    let number = match *method {
        Method::POST => committer.increment(room).await,
        Method::GET => committer.read(&room),
        _ => return StatusCode::METHOD_NOT_ALLOWED.into_response(),
    };
    match number {
        Ok(number) => number.to_string().into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}

fn open_socket(mut request: Request, room: Arc<Room>, delivery: Delivery) -> Response {
    let Some(accept) = accept_key(request.method(), request.headers()) else {
        return (StatusCode::BAD_REQUEST, "not a websocket handshake").into_response();
    };
    let upgrade = hyper::upgrade::on(&mut request);
    tokio::spawn(async move {
        // Whoever leaves before the 101 is written has left nothing behind.
        let Ok(upgraded) = upgrade.await else { return };
        let Ok(parts) = upgraded.downcast::<TokioIo<TcpStream>>() else {
            unreachable!("every connection is served over a plain TCP stream");
        };
        Connection::open(parts.io.into_inner(), parts.read_buf.to_vec(), room, delivery).await.run().await;
    });
    Response::builder()
        .status(StatusCode::SWITCHING_PROTOCOLS)
        .header(header::CONNECTION, "upgrade")
        .header(header::UPGRADE, "websocket")
        .header(header::SEC_WEBSOCKET_ACCEPT, accept)
        .body(Body::empty())
        .expect("all headers are valid")
}

fn accept_key(method: &Method, headers: &HeaderMap) -> Option<String> {
    let has = |name, wanted: &str| {
        headers
            .get(name)
            .and_then(|value| value.to_str().ok())
            .is_some_and(|value| value.split(',').any(|part| part.trim().eq_ignore_ascii_case(wanted)))
    };
    let asked_well = method == Method::GET
        && has(header::CONNECTION, "upgrade")
        && has(header::UPGRADE, "websocket")
        && has(header::SEC_WEBSOCKET_VERSION, "13");
    let key = headers.get(header::SEC_WEBSOCKET_KEY)?;
    asked_well.then(|| derive_accept_key(key.as_bytes()))
}
