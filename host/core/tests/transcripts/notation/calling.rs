//! What was asked for and its answer; calls of durable rooms, as a transcript says them:
//!
//! ```text
//! called a GET / body -> r   the call a comes as request r; once more, if it has come before
//! called a gone              its caller has the answer for good, or waits no more
//! ```

use bytes::Bytes;
use party_core::call::{Attempt, Call, CallId, Once};
use party_core::event::{Outcome, RoomsPage};
use party_core::http::{Request, Response};
use party_core::ids::{Incarnation, OperationId};

use super::Stage;

/// How long after its beginning a call is asked again.
const UNTIL_MS: u64 = 35_000;

impl Stage {
    /// `o a b`; what another room has said: `o 200 hello`; an asset: `o asset 200 hello`, `o asset none`
    pub(super) fn answer(&mut self, step: &str) {
        let (name, rest) = step.split_once(' ').unwrap_or((step, ""));
        let id = self.names.operations[name];
        let head = |status: &str| {
            let status = status.parse().expect("a status");
            Response { status, headers: Vec::new(), body: Bytes::new() }
        };
        if let Some(asset) = rest.strip_prefix("asset ") {
            let body = asset.strip_prefix("200 ").map(|body| Bytes::copy_from_slice(body.as_bytes()));
            let asset = body.map(|body| Box::new(Response { status: 200, headers: Vec::new(), body }));
            return self.room().answered(id, Outcome::Asset(asset));
        }
        match rest.split_once(' ') {
            Some(("streams", status)) => {
                return self.room().answered(id, Outcome::Streamed(Box::new(head(status))));
            }
            _ if rest == "connected" => return self.room().answered(id, Outcome::Connected),
            Some(_) | None => {}
        }
        let (status, body) = rest.split_once(' ').unwrap_or((rest, ""));
        if let Ok(status) = status.parse() {
            let answer =
                Response { status, headers: Vec::new(), body: Bytes::copy_from_slice(body.as_bytes()) };
            return self.room().answered(id, Outcome::Response(Box::new(answer)));
        }
        let rooms = rest.split_whitespace().map(str::to_owned);
        let page = RoomsPage { rooms: rooms.collect(), next: None };
        self.room().answered(id, Outcome::Rooms(page));
    }

    pub(super) fn called(&mut self, step: &str) {
        let (name, rest) = step.split_once(' ').expect("the name of a call, and what comes of it");
        if rest == "gone" {
            let id = self.names.calls[name].id.clone();
            return self.room().call_gone(&id);
        }
        let call = match self.names.calls.get(name) {
            Some(before) => Call { attempt: Attempt::Again, ..before.clone() },
            None => self.new_call(name),
        };
        self.names.calls.insert(name.to_owned(), call.clone());
        let (asked, request) = rest.split_once("-> ").expect("the name of a request");
        let body = asked.strip_prefix("GET /").expect("a path").trim();
        let (method, uri) = ("GET".into(), "http://rooms.internal/parties/party/room".into());
        let (body, now) = (Bytes::copy_from_slice(body.as_bytes()), self.now);
        match self.room().call(
            call,
            Request { method, uri, headers: Vec::new(), body, body_waits: false },
            now,
        ) {
            Ok(id) => self.names.name_request(request, id),
            Err(refusal) => self.show(format!("refused {request}: {refusal}")),
        }
    }

    fn new_call(&self, name: &str) -> Call {
        let (incarnation, begun) = (Incarnation(9), self.now);
        let operation = OperationId(self.names.calls.len() as u64 + 1);
        let id = CallId { party: "callers".into(), room: name.into(), incarnation, operation };
        let once = Once { incarnation, begun, until: begun.after_ms(UNTIL_MS) };
        Call { id, once, attempt: Attempt::First }
    }
}
