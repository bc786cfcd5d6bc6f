//! In a durable room a completion whose turn is dropped is tried once more, and then ends as dropped.
//! covers: guest.on-completed, types.operation-error.dropped

use std::cell::RefCell;

use party::bindings::exports::party::server::guest::{Handlers, Outcome, Progress, RequestResult};
use party::bindings::party::server::operations;
use test_facts::{Bare, Progressed, answer};

thread_local! {
    static SEEN: RefCell<String> = const { RefCell::new(String::new()) };
}

struct Fact;

test_facts::serve_bare!(Fact);

impl Bare for Fact {
    const HANDLERS: Handlers = Handlers::ON_REQUEST.union(Handlers::ON_COMPLETED);

    fn on_request(_: u64, id: u64, request: RequestResult) -> Progressed {
        if request.method == "POST" {
            operations::sleep(60_000).expect("there is room for one");
        }
        answer(id, &SEEN.with_borrow(String::clone)).expect("it waits for this");
        Ok(Progress::Done)
    }

    fn on_completed(_: u64, _: u64, outcome: Outcome) -> Progressed {
        assert!(!matches!(outcome, Outcome::Slept), "the turn was told to be dropped");
        SEEN.set(format!("{outcome:?}"));
        Ok(Progress::Done)
    }
}
