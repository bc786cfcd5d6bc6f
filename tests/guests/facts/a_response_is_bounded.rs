//! A response that is too large, or that cannot stand in HTTP, is refused, and the request still waits.
//! covers: responses.respond, responses.respond-error.too-large, responses.respond-error.bad-response,
//! responses.respond-error.turn-full

use party::bindings::exports::party::server::guest::{Handlers, Progress, RequestResult};
use party::bindings::party::server::responses::respond;
use party::bindings::party::server::types::{BodyParam, HeaderParam, ResponseParam};
use test_facts::{Bare, Progressed, answer};

struct Fact;

test_facts::serve_bare!(Fact);

impl Bare for Fact {
    const HANDLERS: Handlers = Handlers::ON_REQUEST;

    fn on_request(_: u64, id: u64, request: RequestResult) -> Progressed {
        let respond = |status, name, value, bytes| {
            let headers = &[HeaderParam { name, value }];
            respond(id, ResponseParam { status, headers, body: BodyParam::Bytes(&vec![b'x'; bytes]) })
        };
        let refused = match request.method.as_str() {
            "GET" => [respond(199, "x", b"", 0), respond(600, "x", b"", 0)],
            "PUT" => [respond(200, "x y", b"", 0), respond(200, "x", b"a\r\nb", 0)],
            _ => [respond(200, "x", b"", 2_001), respond(200, "x", b"", 1_025)],
        };
        answer(id, &format!("{refused:?}")).expect("it still waits");
        Ok(Progress::Done)
    }
}
