//! A room that is a copy is told so before anything else, and its operations end as interrupted: they are another room's.
//! covers: guest.on-resume, guest.resume-reason.forked, guest.resume-reason.imported, guest.on-completed,
//! types.operation-error.interrupted

use std::cell::RefCell;

use party::bindings::exports::party::server::guest::{
    Handlers, Outcome, Progress, RequestResult, ResumeReason,
};
use party::bindings::party::server::operations;
use test_facts::{Bare, Progressed, answer};

thread_local! {
    static SEEN: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

struct Fact;

test_facts::serve_bare!(Fact);

impl Bare for Fact {
    const HANDLERS: Handlers = Handlers::ON_REQUEST.union(Handlers::ON_COMPLETED).union(Handlers::ON_RESUME);

    fn on_request(_: u64, id: u64, request: RequestResult) -> Progressed {
        if request.method == "POST" {
            operations::sleep(60_000).expect("there is room for one");
        }
        answer(id, &SEEN.with_borrow(|seen| seen.join(", "))).expect("it waits for this");
        Ok(Progress::Done)
    }

    fn on_completed(_: u64, _: u64, outcome: Outcome) -> Progressed {
        SEEN.with_borrow_mut(|seen| seen.push(format!("{outcome:?}")));
        Ok(Progress::Done)
    }

    fn on_resume(_: u64, reason: ResumeReason) -> Progressed {
        SEEN.with_borrow_mut(|seen| seen.push(format!("{reason:?}")));
        Ok(Progress::Done)
    }
}
