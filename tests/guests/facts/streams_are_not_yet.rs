//! Streams are refused by name, and neither of their events comes, though both are announced; the request can be answered.
//! covers: streams.open-response, streams.write, streams.finish, streams.stream-error.not-yet, guest.on-stream,
//! guest.on-drain, responses.respond-error.bad-response

use party::bindings::exports::party::server::guest::{Handlers, Progress, RequestResult};
use party::bindings::party::server::types::{BodyParam, ResponseParam};
use party::bindings::party::server::{responses, streams};
use test_facts::{Bare, Progressed, answer};

struct Fact;

test_facts::serve_bare!(Fact);

impl Bare for Fact {
    const HANDLERS: Handlers = Handlers::ON_REQUEST.union(Handlers::ON_STREAM).union(Handlers::ON_DRAIN);

    fn on_request(_: u64, id: u64, request: RequestResult) -> Progressed {
        let streamed = ResponseParam { status: 200, headers: &[], body: BodyParam::Streamed(1) };
        let text = match request.method.as_str() {
            "GET" => format!("{:?}", streams::open_response(id, 200, &[])),
            "PUT" => format!("{:?}", streams::write(1, b"bytes")),
            "DELETE" => format!("{:?}", streams::finish(1)),
            _ => format!("{:?}", responses::respond(id, streamed)),
        };
        answer(id, &text).expect("it still waits");
        Ok(Progress::Done)
    }
}
