//! A request is answered in its turn or in a later one, also when the room has slept between, and only once.
//! covers: responses.respond, responses.respond-error.unknown, guest.on-request

use std::cell::Cell;

use party::bindings::exports::party::server::guest::{Handlers, Progress, RequestResult};
use test_facts::{Bare, Progressed, answer};

thread_local! {
    static WAITS: Cell<u64> = const { Cell::new(0) };
}

struct Fact;

test_facts::serve_bare!(Fact);

impl Bare for Fact {
    const HANDLERS: Handlers = Handlers::ON_REQUEST;

    fn on_request(_: u64, id: u64, request: RequestResult) -> Progressed {
        if request.method == "GET" {
            WAITS.set(id);
            return Ok(Progress::Pending);
        }
        let answered = (answer(WAITS.get(), "late"), answer(WAITS.get(), "later"), answer(1 << 50, "nobody"));
        answer(id, &format!("{answered:?}")).expect("it waits for this");
        Ok(Progress::Done)
    }
}
