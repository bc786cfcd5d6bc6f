//! A request whose event ends without a response is answered 500, in PartyKit's words, and so is one whose room has no
//! `on-request`.
//! covers: guest.on-request, responses.respond-error.unknown

use party::bindings::exports::party::server::guest::{Handlers, Progress, RequestResult};
use test_facts::{Bare, Progressed, answer};

struct Fact;

test_facts::serve_bare!(Fact);

impl Bare for Fact {
    const HANDLERS: Handlers = Handlers::ON_REQUEST;

    fn on_request(_: u64, id: u64, request: RequestResult) -> Progressed {
        if request.method == "PUT" {
            let given = answer(id + 1, "to nobody");
            assert!(given.is_err(), "there is no such request yet");
        }
        Ok(Progress::Done)
    }
}
