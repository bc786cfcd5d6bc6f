//! What becomes of one request: a room answers it, or an asset, or nobody; or it opens a WebSocket.

use std::rc::Rc;

use bytes::Bytes;
use hyper::body::Incoming;
use hyper::header::{CONNECTION, CONTENT_LENGTH, HeaderMap, HeaderValue, TRANSFER_ENCODING};
use hyper::http::request::Parts;
use hyper::{Method, Request};
use party_core::address::RoomAddress;
use party_core::event::{Handlers, NewConnection};
use party_core::http::{Header, Request as GuestRequest, Response};
use party_core::lobby::with_headers;
use party_core::profile;
use party_node::answer_body::Reply;
use party_node::connection::Connect;
use party_node::node::Unavailable;
use party_node::party::Party;

use super::body::{Collected, EdgeBody, collect, hold_more};
use super::exchange::{guest_headers, guest_uri, head_to_wire, to_wire};
use super::handshake;
use super::http::Progress;
use super::lobby;
use super::projects::EdgeProject;
use super::proxies::Peer;
use super::routes::{Route, route};
use super::target::written_as_url;
use super::upload;
use super::watch::Stage;
use super::worker::EdgeWorker;

/// Answers a request.
pub(crate) async fn answer(
    worker: &Rc<EdgeWorker>,
    progress: &Rc<Progress>,
    peer: Peer,
    request: Request<Incoming>,
) -> hyper::Response<EdgeBody> {
    let (mut parts, body) = request.into_parts();
    // A tunnel would leave HTTP behind.
    if parts.method == Method::CONNECT {
        return refuse(progress, Response::text(405, "this host is no proxy"), &parts.method);
    }
    if let Some(refusal) = unknown_coding(&parts.headers) {
        return refuse(progress, refusal, &parts.method);
    }
    parts.uri = match written_as_url(parts.uri) {
        Ok(uri) => uri,
        Err(refusal) => return refuse(progress, refusal, &parts.method),
    };
    let proxies = &worker.config().proxies;
    let client = proxies.client(peer, &parts.headers);
    if proxies.vouch(peer, client, &mut parts.headers) {
        worker.tell_of_disbelief(peer);
    }
    let project = match worker.take_request(client).and_then(|()| worker.projects().asked_for(&parts)) {
        Ok(project) => project,
        Err(refusal) if has_body(&parts) => return refuse(progress, refusal, &parts.method),
        Err(refusal) => return to_wire(refusal, &parts.method),
    };
    let has_party = |party: &str| worker.node().party(project.name(), party).is_some();
    let mut cors = None;
    let answered = match route(project.name(), parts.uri.path(), project.routing(), has_party) {
        Route::Room(address) => match project.allow_page(&parts.headers) {
            Err(refusal) => Err(refusal),
            // What a page may is asked before anything else, and is no affair of the room's.
            Ok(()) if parts.method == Method::OPTIONS && project.routing().cors.is_some() => {
                cors = project.routing().cors.as_ref();
                Err(Response { status: 200, headers: Vec::new(), body: Bytes::new() })
            }
            Ok(()) if handshake::asks_for_websocket(&parts.headers) => {
                connect(worker, progress, project, address, &parts).await.map(Reply::Whole)
            }
            Ok(()) => {
                cors = project.routing().cors.as_ref();
                ask(worker, progress, project, address, &parts, body).await
            }
        },
        Route::Refused(response) => Err(response),
        Route::Elsewhere => match elsewhere(worker, project, progress, &parts, body).await {
            Ok(Found::Asset(response)) if has_body(&parts) => return ended(progress, response),
            Ok(Found::Asset(response)) => return response,
            Ok(Found::Answer(response)) => Ok(Reply::Whole(response)),
            Err(refusal) => Err(refusal),
        },
    };
    let mut response = match answered {
        Err(refusal) if has_body(&parts) => refuse(progress, refusal, &parts.method),
        Ok(Reply::Whole(response)) | Err(response) => to_wire(response, &parts.method),
        // Whoever asks for the head alone waits for no body; the room hears that nobody does.
        Ok(Reply::Streamed(head, _)) if parts.method == Method::HEAD => head_to_wire(head),
        Ok(Reply::Streamed(head, body)) => head_to_wire(head).map(|_| EdgeBody::Written(body)),
    };
    if let Some(cors) = cors {
        cors.put_in(response.headers_mut());
    }
    response
}

/// What there is where no room is.
enum Found {
    Asset(hyper::Response<EdgeBody>),
    Answer(Response),
}

/// A URL that is no room: a socket, an asset, what the lobby answers, or nothing. An error is a refusal by the host itself, or says that
/// there is nothing, before the whole body has come.
async fn elsewhere(
    worker: &EdgeWorker,
    project: &EdgeProject,
    progress: &Progress,
    parts: &Parts,
    body: Incoming,
) -> Result<Found, Response> {
    if let Some(response) = lobby::socket(worker, project, progress, parts).await? {
        return Ok(Found::Answer(response));
    }
    if let Some(assets) = project.assets()
        && let Some(asset) = assets.answer(parts).await
    {
        return Ok(Found::Asset(asset));
    }
    if let Some(response) = lobby::scheduled(worker, project, parts).await? {
        return Ok(Found::Answer(response));
    }
    if let Some(response) = lobby::fetch(worker, project, progress, parts, body).await? {
        return Ok(Found::Answer(response));
    }
    let page = match project.assets() {
        Some(assets) => assets.page_of_nothing(parts).await,
        None => None,
    };
    page.map(Found::Asset).ok_or_else(|| project.routing().profile.not_found())
}

/// A refusal of something that is still being sent: the connection can carry nothing else.
fn refuse(progress: &Progress, refusal: Response, method: &Method) -> hyper::Response<EdgeBody> {
    ended(progress, to_wire(refusal, method))
}

/// An answer behind which the connection ends, because nobody reads what is still being sent.
fn ended(progress: &Progress, mut response: hyper::Response<EdgeBody>) -> hyper::Response<EdgeBody> {
    progress.refuse();
    response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    response
}

/// Whether the client sends a body.
fn has_body(parts: &Parts) -> bool {
    parts.headers.contains_key(CONTENT_LENGTH) || parts.headers.contains_key(TRANSFER_ENCODING)
}

/// RFC 9112, 6.1: a body that is chunked and nothing else is understood, as hyper reads it; what else was done to it, such as
/// `gzip, chunked`, would be left for the guest to find out.
fn unknown_coding(headers: &HeaderMap) -> Option<Response> {
    let mut codings = headers.get_all(TRANSFER_ENCODING).iter();
    let (first, second) = (codings.next()?, codings.next());
    let is_chunked = second.is_none() && first.as_bytes().trim_ascii().eq_ignore_ascii_case(b"chunked");
    (!is_chunked).then(|| Response::text(501, "the only transfer-encoding that is understood is \"chunked\""))
}

/// Asks a room. An error is a refusal by the host itself, before the whole body has come.
async fn ask(
    worker: &Rc<EdgeWorker>,
    progress: &Rc<Progress>,
    project: &EdgeProject,
    address: RoomAddress,
    parts: &Parts,
    body: Incoming,
) -> Result<Reply, Response> {
    let Some(party) = worker.node().party(address.project(), address.party()) else {
        return Err(project.routing().profile.party_not_found(address.party()));
    };
    let words = party.profile;
    let asks_first = words.asks_the_lobby_first() && party.handlers.has(Handlers::BEFORE_REQUEST);
    let answers = party.handlers.has(Handlers::ON_REQUEST);
    if !answers && !asks_first {
        // The room need not even be woken.
        return Err(words.no_on_request());
    }
    let uri = guest_uri(parts)?;
    let bytes_max = party.limits.request_body_bytes_max;
    let reads_bodies = party.handlers.has(Handlers::REQUEST_BODIES);
    let (collected, waiting) = match reads_bodies && upload::waits(&body, bytes_max) {
        true => (Collected { bytes: Bytes::new(), share: None }, Some(body)),
        false => (collect(worker, progress, body, bytes_max).await?, None),
    };
    let Collected { bytes, mut share } = collected;
    let held = bytes.len();
    let request = GuestRequest {
        method: parts.method.as_str().into(),
        uri,
        headers: headers_in_room(parts, &party),
        body: bytes,
        body_waits: waiting.is_some(),
    };
    let asked = lobby::before_request(worker, &party, address.room(), request).await;
    let may_go_on = asked.and_then(|request| match request.body.len().saturating_sub(held) {
        0 => Ok(request),
        more => hold_more(worker, &mut share, more).map(|()| request),
    });
    let request = match may_go_on {
        Ok(request) => request,
        // Nobody reads what is still to come.
        Err(answer) if waiting.is_some() => return Err(answer),
        Err(answer) => return Ok(Reply::Whole(answer)),
    };
    if !answers {
        // Nobody reads what is still to come.
        return if waiting.is_some() {
            Err(words.no_on_request())
        } else {
            Ok(Reply::Whole(words.no_on_request()))
        };
    }
    // One that another has taken the place of is read away.
    let waiting = waiting.map(|body| upload::keep(worker, progress, body)).filter(|_| request.body_waits);
    let answered = worker.node().request_with(address, request, waiting).await;
    drop(share);
    Ok(answered.unwrap_or_else(|error| Reply::Whole(Response::text(503, error.to_string()))))
}

/// The headers of whoever asks for a room, as its lobby and then the room see them.
fn headers_in_room(parts: &Parts, party: &Party) -> Vec<Header> {
    let namespace = party.profile.namespace(&party.name);
    with_headers(guest_headers(&parts.headers), namespace.into_iter().collect())
}

/// Opens a WebSocket: the 101 waits until the room has accepted the client.
async fn connect(
    worker: &EdgeWorker,
    progress: &Progress,
    project: &EdgeProject,
    address: RoomAddress,
    parts: &Parts,
) -> Result<Response, Response> {
    let node = worker.node();
    let Some(party) = node.party(address.project(), address.party()) else {
        return Err(project.routing().profile.party_not_found(address.party()));
    };
    let (switch, new) = knocking(worker, parts, &party, headers_in_room(parts, &party))?;
    let new = lobby::before_connect(worker, &party, address.room(), new).await?;
    Ok(told(progress, switch, node.connect(address, new).await))
}

/// A client that asks for a WebSocket, and what completes its handshake.
pub(super) fn knocking(
    worker: &EdgeWorker,
    parts: &Parts,
    party: &Party,
    headers: Vec<Header>,
) -> Result<(Response, NewConnection), Response> {
    let switch = handshake::check(parts)?;
    let uri = guest_uri(parts)?;
    if worker.watch.stage() != Stage::Serving {
        return Err(Response::text(503, "the host is shutting down"));
    }
    let node = worker.node();
    let named = profile::client_key(parts.uri.query());
    let new = NewConnection {
        key: named.unwrap_or_else(|| node.client_id(party.profile)),
        uri,
        headers,
        opened_at: node.clock().now(),
    };
    Ok((switch, new))
}

/// What a client is answered that asked for a WebSocket. If it was accepted, its socket moves on.
pub(super) fn told(
    progress: &Progress,
    switch: Response,
    connected: Result<Connect, Unavailable>,
) -> Response {
    match connected {
        Ok(Connect::Accepted(ticket)) => {
            progress.upgrade(ticket);
            switch
        }
        Ok(Connect::Rejected(response)) => response,
        Err(error) => Response::text(503, error.to_string()),
    }
}
