//! A fetch has the head of its answer when that has come, and the body in turns of its own, until its end. One of which no more is
//! wanted brings nothing more.
//! covers: operations.fetch, streams.finish, guest.on-stream

use std::cell::{Cell, RefCell};

use party::bindings::exports::party::server::guest::{
    Handlers, Outcome, Progress, RequestResult, StreamEvent,
};
use party::bindings::party::server::operations::{FetchOptions, fetch};
use party::bindings::party::server::streams;
use party::bindings::party::server::types::{BodyParam, BodyResult, RequestParam};
use test_facts::{Bare, Progressed, answer};

thread_local! {
    static SAID: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
    static ENOUGH: Cell<bool> = const { Cell::new(false) };
}

fn say(what: String) {
    SAID.with_borrow_mut(|said| said.push(what));
}

struct Fact;

test_facts::serve_bare!(Fact);

impl Bare for Fact {
    const HANDLERS: Handlers = Handlers::ON_REQUEST.union(Handlers::ON_COMPLETED).union(Handlers::ON_STREAM);

    fn on_request(_: u64, id: u64, request: RequestResult) -> Progressed {
        if request.uri.ends_with("/said") {
            answer(id, &SAID.take().join(", ")).expect("it waits for an answer");
            return Ok(Progress::Done);
        }
        let asked =
            RequestParam { method: "GET", uri: "https://a.test/", headers: &[], body: BodyParam::Bytes(&[]) };
        let options = FetchOptions { timeout_ms: 0, redirects_max: 0, stream_response: true, resend: false };
        ENOUGH.set(request.method == "PUT");
        answer(id, &format!("{}", fetch(asked, options).is_ok())).expect("it waits for an answer");
        Ok(Progress::Done)
    }

    fn on_completed(_: u64, operation: u64, outcome: Outcome) -> Progressed {
        let Outcome::Response(head) = outcome else { panic!("{outcome:?}") };
        let BodyResult::Streamed(stream) = head.body else { panic!("{head:?}") };
        say(format!("head {} {}", head.status, stream == operation));
        if ENOUGH.get() {
            say(format!("{:?}", (streams::finish(stream), streams::finish(stream))));
        }
        Ok(Progress::Done)
    }

    fn on_stream(_: u64, what: StreamEvent) -> Progressed {
        match what {
            StreamEvent::Chunk(bytes) => say(format!("chunk {}", String::from_utf8_lossy(&bytes))),
            other => say(format!("{other:?}")),
        }
        Ok(Progress::Done)
    }
}
