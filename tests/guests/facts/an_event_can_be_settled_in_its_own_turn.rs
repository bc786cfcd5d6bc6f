//! An event can be settled before its export returns: then `pending` and `done` add nothing to that, and a failure that is
//! returned stands for it.
//! covers: events.settle, guest.on-request

use party::bindings::exports::party::server::guest::{Handlers, Progress, RequestResult};
use party::bindings::party::server::events;
use party::bindings::party::server::types::FailureParam;
use test_facts::{Bare, Progressed, answer, failure};

struct Fact;

test_facts::serve_bare!(Fact);

impl Bare for Fact {
    const HANDLERS: Handlers = Handlers::ON_REQUEST;

    fn on_request(event: u64, id: u64, request: RequestResult) -> Progressed {
        let path = request.uri.rsplit('/').next().unwrap_or_default().to_owned();
        let (settles, returns) = path.split_once('-').expect("both are told");
        let told = FailureParam { message: "settled so", stack: None, status: Some(409) };
        if settles == "ok" {
            answer(id, "answered").expect("it waits for this");
        }
        events::settle(event, if settles == "err" { Err(told) } else { Ok(()) }).expect("it goes on");
        match returns {
            "done" => Ok(Progress::Done),
            "pending" => Ok(Progress::Pending),
            _ => Err(failure("returned so")),
        }
    }
}
