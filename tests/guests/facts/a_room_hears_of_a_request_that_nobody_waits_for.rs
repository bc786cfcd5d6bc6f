//! A room that still owes a response hears when nobody waits for it any more: a durable room after the host has died.
//! covers: guest.on-response-closed

use std::cell::RefCell;

use party::bindings::exports::party::server::guest::{Handlers, Progress, RequestResult};
use test_facts::{Bare, Progressed, answer};

thread_local! {
    static SEEN: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

struct Fact;

test_facts::serve_bare!(Fact);

impl Bare for Fact {
    const HANDLERS: Handlers = Handlers::ON_REQUEST.union(Handlers::ON_RESPONSE_CLOSED);

    fn on_request(_: u64, id: u64, request: RequestResult) -> Progressed {
        if request.method == "GET" {
            SEEN.with_borrow_mut(|seen| seen.push(format!("{id} waits")));
            return Ok(Progress::Pending);
        }
        answer(id, &SEEN.with_borrow(|seen| seen.join(", "))).expect("it waits for this");
        Ok(Progress::Done)
    }

    fn on_response_closed(_: u64, id: u64) -> Progressed {
        let is_answerable = answer(id, "too late").is_ok();
        SEEN.with_borrow_mut(|seen| seen.push(format!("{id} has gone, {is_answerable}")));
        Ok(Progress::Done)
    }
}
