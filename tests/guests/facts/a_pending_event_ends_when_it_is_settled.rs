//! An event whose export has returned `pending` goes on until it is settled, once, in a later turn.
//! covers: events.settle, events.event-error.not-pending, guest.on-request, guest.capabilities

use std::cell::Cell;

use party::bindings::exports::party::server::guest::{Handlers, Progress, RequestResult};
use party::bindings::party::server::events;
use party::bindings::party::server::types::FailureParam;
use test_facts::{Bare, Progressed, answer};

thread_local! {
    static WAITS: Cell<u64> = const { Cell::new(0) };
}

struct Fact;

test_facts::serve_bare!(Fact);

impl Bare for Fact {
    const HANDLERS: Handlers = Handlers::ON_REQUEST;

    fn on_request(event: u64, id: u64, request: RequestResult) -> Progressed {
        if request.method == "GET" {
            WAITS.set(event);
            return Ok(Progress::Pending);
        }
        let failure = FailureParam { message: "told so", stack: None, status: Some(409) };
        let outcome = if request.method == "PUT" { Ok(()) } else { Err(failure) };
        let settled = (events::settle(WAITS.get(), outcome), events::settle(WAITS.get(), Ok(())));
        answer(id, &format!("{settled:?} {:?}", events::settle(1 << 50, Ok(())))).expect("it waits for this");
        Ok(Progress::Done)
    }
}
