//! While an instance says what it can do there is no room: no vars, and the same chance for everybody.
//! covers: guest.capabilities

use std::cell::RefCell;

use party::bindings::exports::party::server::guest::{Handlers, Progress, RequestResult};
use party::bindings::party::server::{random, room};
use test_facts::{Bare, Progressed, answer};

thread_local! {
    static SEEN: RefCell<String> = const { RefCell::new(String::new()) };
}

struct Fact;

test_facts::serve_bare!(Fact);

impl Bare for Fact {
    const HANDLERS: Handlers = Handlers::ON_REQUEST;

    fn in_the_prologue() {
        SEEN.set(format!("{:?} {:?}", room::vars(), random::bytes(4)));
    }

    fn on_request(_: u64, id: u64, _: RequestResult) -> Progressed {
        answer(id, &SEEN.with_borrow(String::clone)).expect("it waits for this");
        Ok(Progress::Done)
    }
}
