//! An answer is written in pieces, over turns and sleep, as far as its client takes them; one write of any size up to the bound
//! fits while there is any credit. Finished, it is no stream any more.
//! covers: streams.open-response, streams.write, streams.credit, streams.finish, guest.on-drain, streams.stream-error.unknown,
//! streams.stream-error.no-credit, streams.stream-error.too-large

use std::cell::RefCell;

use party::bindings::exports::party::server::guest::{Handlers, Progress, RequestResult};
use party::bindings::party::server::streams;
use test_facts::{Bare, Progressed, answer};

thread_local! {
    static SAID: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

fn say(what: String) {
    SAID.with_borrow_mut(|said| said.push(what));
}

struct Fact;

test_facts::serve_bare!(Fact);

impl Bare for Fact {
    const HANDLERS: Handlers = Handlers::ON_REQUEST.union(Handlers::ON_DRAIN);

    fn on_request(_: u64, id: u64, request: RequestResult) -> Progressed {
        if request.method == "POST" {
            answer(id, &SAID.take().join(", ")).expect("it waits for this");
            return Ok(Progress::Done);
        }
        let stream = streams::open_response(id, 200, &[]).expect("it waits for an answer");
        say(format!("{:?}", streams::credit(stream)));
        say(format!("{:?}", streams::write(stream, b"one small thing, ")));
        say(format!("{:?}", streams::write(stream, b"most that is written")));
        say(format!("{:?} {:?}", streams::write(stream, b"."), streams::credit(stream)));
        say(format!("{:?}", streams::write(stream, &[b'x'; 25])));
        Ok(Progress::Done)
    }

    fn on_drain(stream: u64, credit: u64) -> Progressed {
        let written = (streams::write(stream, b" at once"), streams::finish(stream), streams::finish(stream));
        say(format!("{credit}: {written:?}"));
        Ok(Progress::Done)
    }
}
