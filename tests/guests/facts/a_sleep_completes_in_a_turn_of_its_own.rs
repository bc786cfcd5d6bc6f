//! A sleep has an id at once and ends with one completion, in a turn of its own, never early: also if the room has slept or
//! the host was away.
//! covers: operations.sleep, guest.on-completed

use std::cell::RefCell;

use party::bindings::exports::party::server::guest::{Handlers, Outcome, Progress, RequestResult};
use party::bindings::party::server::{operations, room};
use test_facts::{Bare, Progressed, answer};

thread_local! {
    static SEEN: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

struct Fact;

test_facts::serve_bare!(Fact);

impl Bare for Fact {
    const HANDLERS: Handlers = Handlers::ON_REQUEST.union(Handlers::ON_COMPLETED);

    fn on_request(_: u64, id: u64, request: RequestResult) -> Progressed {
        if request.method == "POST" {
            let started = [1_500, 0].map(operations::sleep);
            answer(id, &format!("{started:?}")).expect("it waits for this");
        } else {
            answer(id, &SEEN.with_borrow(|seen| seen.join(", "))).expect("it waits for this");
        }
        Ok(Progress::Done)
    }

    fn on_completed(_: u64, operation: u64, outcome: Outcome) -> Progressed {
        SEEN.with_borrow_mut(|seen| seen.push(format!("{operation} {outcome:?} at {}", room::now())));
        Ok(Progress::Done)
    }
}
