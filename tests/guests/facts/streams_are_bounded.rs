//! So many streams are open in a room at a time, and one turn writes so much; what is no head, no bytes or of another kind is
//! refused. An answer that its room breaks off is not whole.
//! covers: streams.break-off, streams.stream-error.overloaded, streams.stream-error.turn-full, streams.stream-error.invalid,
//! types.operation-error.too-many-streams

use std::cell::Cell;

use party::bindings::exports::party::server::guest::{Handlers, Progress, RequestResult};
use party::bindings::party::server::operations::{ConnectTarget, connect};
use party::bindings::party::server::streams;
use party::bindings::party::server::types::MessageParam;
use test_facts::{Bare, Progressed, answer};

thread_local! {
    static OPEN: Cell<u64> = const { Cell::new(0) };
}

struct Fact;

test_facts::serve_bare!(Fact);

impl Bare for Fact {
    const HANDLERS: Handlers = Handlers::ON_REQUEST;

    fn on_request(_: u64, id: u64, request: RequestResult) -> Progressed {
        let stream = OPEN.get();
        let told = match request.uri.rsplit('/').next() {
            Some("open") => {
                let no_body = streams::open_response(id, 204, &[]);
                OPEN.set(streams::open_response(id, 200, &[]).expect("it waits for an answer"));
                eprintln!("{no_body:?}");
                return Ok(Progress::Done);
            }
            Some("one-more") => format!("{:?}", streams::open_response(id, 200, &[])),
            Some("socket") => format!("{:?}", connect(ConnectTarget::Url("wss://a.test/"))),
            Some("message") => format!("{:?}", streams::send(stream, MessageParam::Text("hello"))),
            Some("much") => format!("{:?}", (0..4).map(|_| streams::write(stream, &[b'x'; 3_000])).last()),
            _ => format!("{:?}", (streams::break_off(stream), streams::break_off(stream))),
        };
        answer(id, &told).expect("it waits for an answer");
        Ok(Progress::Done)
    }
}
