//! A guest that reads bodies gets the head of a request whose body is too large to come along, and reads that in turns of its own, until
//! its end. It is read once: what is asked for again brings an error, and never an end. Nothing is read when nobody waits for the answer
//! any more.
//! covers: streams.read-body

use std::cell::{Cell, RefCell};

use party::bindings::exports::party::server::guest::{Handlers, Progress, RequestResult, StreamEvent};
use party::bindings::party::server::types::BodyResult;
use party::bindings::party::server::{events, streams};
use test_facts::{Bare, Progressed, answer};

thread_local! {
    static READING: Cell<(u64, u64)> = const { Cell::new((0, 0)) };
    static SAID: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

fn say(what: String) {
    SAID.with_borrow_mut(|said| said.push(what));
}

struct Fact;

test_facts::serve_bare!(Fact);

impl Bare for Fact {
    const HANDLERS: Handlers =
        Handlers::ON_REQUEST.union(Handlers::ON_STREAM).union(Handlers::REQUEST_BODIES);

    fn on_request(event: u64, id: u64, request: RequestResult) -> Progressed {
        if let BodyResult::Bytes(bytes) = request.body {
            answer(id, &format!("{} bytes came along", bytes.len())).expect("it waits for this");
            say(format!("{:?}", streams::read_body(id)));
            return Ok(Progress::Done);
        }
        streams::read_body(id).expect("it waits with its client");
        say(format!("{:?}", streams::read_body(id)));
        READING.set((event, id));
        Ok(Progress::Pending)
    }

    fn on_stream(_: u64, what: StreamEvent) -> Progressed {
        match what {
            StreamEvent::Chunk(bytes) => say(format!("chunk {}", String::from_utf8_lossy(&bytes))),
            StreamEvent::End => {
                let (_, id) = READING.get();
                say(format!("end, and again: {}", streams::read_body(id).is_ok()));
            }
            other => {
                let (event, id) = READING.get();
                say(format!("{other:?}"));
                answer(id, &SAID.take().join(", ")).expect("it waits for this");
                events::settle(event, Ok(())).expect("it is pending");
            }
        }
        Ok(Progress::Done)
    }
}
