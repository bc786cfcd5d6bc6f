//! What the lobby of a party says of those who come: before they reach a room, and where there is none.

use std::sync::Arc;

use hyper::body::Incoming;
use hyper::http::request::Parts;
use party_core::event::{Handlers, NewConnection};
use party_core::http::{Request, Response};
use party_core::lobby::{CronRun, LobbyEvent, Verdict, with_headers};
use party_core::profile;
use party_core::query;
use party_node::cron::{CRON_NAME_BYTES_MAX, Schedule};
use party_node::party::Party;

use super::answer::{knocking, told};
use super::body::{Collected, collect};
use super::exchange::{guest_headers, guest_uri};
use super::handshake::asks_for_websocket;
use super::http::Progress;
use super::projects::EdgeProject;
use super::worker::EdgeWorker;
use crate::config::MAIN_PARTY;

/// Where scheduled runs are begun by hand.
const SCHEDULED: &str = "/__scheduled__";

/// A request as it goes on to its room; or what the lobby answers instead.
pub(crate) async fn before_request(
    worker: &EdgeWorker,
    party: &Arc<Party>,
    room: &str,
    mut request: Request,
) -> Result<Request, Response> {
    if party.handlers.has(Handlers::BEFORE_REQUEST) {
        let event = LobbyEvent::BeforeRequest(room.into(), Box::new(request.clone()));
        match ask(worker, party, event).await? {
            Verdict::Proceed(changes) => request.headers = with_headers(request.headers, changes),
            Verdict::ProceedAs(other) => request = *other,
            Verdict::Respond(_) | Verdict::Pass => {}
        }
    }
    Ok(request)
}

/// A client as it goes on to its room; or what the lobby answers instead.
pub(crate) async fn before_connect(
    worker: &EdgeWorker,
    party: &Arc<Party>,
    room: &str,
    mut new: NewConnection,
) -> Result<NewConnection, Response> {
    if party.handlers.has(Handlers::BEFORE_CONNECT) {
        let request = Request {
            method: "GET".into(),
            uri: new.uri.clone(),
            headers: new.headers.clone(),
            body: Default::default(),
            body_waits: false,
        };
        let event = LobbyEvent::BeforeConnect(room.into(), Box::new(request));
        match ask(worker, party, event).await? {
            Verdict::Proceed(changes) => new.headers = with_headers(new.headers, changes),
            Verdict::ProceedAs(other) => {
                // It is called what is said there, as if it had come so.
                let named = profile::client_key(other.query());
                new.key = named.unwrap_or_else(|| worker.node().client_id(party.profile));
                (new.uri, new.headers) = (other.uri, other.headers);
            }
            Verdict::Respond(_) | Verdict::Pass => {}
        }
    }
    Ok(new)
}

/// What a client is answered that asks for a WebSocket where no room is, if the party `main` takes such. Whoever does not has a
/// request like any other there, as on PartyKit. An error is a refusal by the host itself.
pub(crate) async fn socket(
    worker: &EdgeWorker,
    project: &EdgeProject,
    progress: &Progress,
    parts: &Parts,
) -> Result<Option<Response>, Response> {
    if !asks_for_websocket(&parts.headers) {
        return Ok(None);
    }
    let party = worker.node().party(project.name(), MAIN_PARTY);
    let party = party.filter(|party| party.handlers.has(Handlers::ON_SOCKET));
    let Some(party) = party else { return Ok(None) };
    project.allow_page(&parts.headers)?;
    let (switch, new) = knocking(worker, parts, &party, guest_headers(&parts.headers))?;
    Ok(Some(told(progress, switch, worker.node().connect_outside(&party, new).await)))
}

/// What the lobby of a project's party `main` answers to a URL that is no room and no asset, if it answers it. An error is a refusal by
/// the host itself, before the whole body has come.
pub(crate) async fn fetch(
    worker: &EdgeWorker,
    project: &EdgeProject,
    progress: &Progress,
    parts: &Parts,
    body: Incoming,
) -> Result<Option<Response>, Response> {
    let party = worker
        .node()
        .party(project.name(), MAIN_PARTY)
        .filter(|party| party.handlers.has(Handlers::ON_FETCH));
    let Some(party) = party else { return Ok(None) };
    project.allow_page(&parts.headers)?;
    let uri = guest_uri(parts)?;
    let Collected { bytes, share } =
        collect(worker, progress, body, party.limits.request_body_bytes_max).await?;
    let request = Request {
        method: parts.method.as_str().into(),
        uri,
        headers: guest_headers(&parts.headers),
        body: bytes,
        body_waits: false,
    };
    let asked = ask(worker, &party, LobbyEvent::Fetch(Box::new(request))).await;
    drop(share);
    Ok(asked.err())
}

/// What comes of a scheduled run that somebody begins by hand, where that can be: in development, if there is anybody to run it.
/// One that the project does not have is run too, as on PartyKit. An error is a refusal by the host itself.
pub(crate) async fn scheduled(
    worker: &EdgeWorker,
    project: &EdgeProject,
    parts: &Parts,
) -> Result<Option<Response>, Response> {
    let node = worker.node();
    let is_asked = worker.runs_by_hand() && parts.uri.path() == SCHEDULED;
    if !is_asked || node.takes_scheduled_runs(&project.project).is_none() {
        return Ok(None);
    }
    project.allow_page(&parts.headers)?;
    let name = query::value(parts.uri.query(), "cron").filter(|name| name.len() <= CRON_NAME_BYTES_MAX);
    let Some(name) = name else {
        let say =
            format!("name a scheduled run, with at most {CRON_NAME_BYTES_MAX} bytes: {SCHEDULED}?cron=NAME");
        return Err(Response::text(400, say));
    };
    let schedule = project.project.crons.iter().find(|schedule| schedule.name() == name);
    let expression = schedule.map_or("* * * * *", Schedule::expression).to_owned();
    let ran = Response::text(200, format!("ran cron {name}: {expression}"));
    let run = CronRun { name, expression, scheduled_at: node.clock().now() };
    Ok(node.run_scheduled(&project.project, run).await.map(|verdict| match verdict {
        Ok(Verdict::Respond(response)) => response,
        Ok(Verdict::Proceed(_) | Verdict::ProceedAs(_) | Verdict::Pass) => ran,
        Err(refusal) => Response::text(503, refusal.to_string()),
    }))
}

/// Asks. An error is what the client is answered.
async fn ask(worker: &EdgeWorker, party: &Arc<Party>, event: LobbyEvent) -> Result<Verdict, Response> {
    match worker.node().ask_lobby(party, event).await {
        Ok(Verdict::Respond(response)) => Err(response),
        Ok(verdict) => Ok(verdict),
        Err(refusal) => Err(Response::text(503, refusal.to_string())),
    }
}
