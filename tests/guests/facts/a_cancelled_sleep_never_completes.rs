//! An operation that is cancelled has no completion; what is not open cannot be cancelled.
//! covers: operations.cancel, operations.sleep

use party::bindings::exports::party::server::guest::{Handlers, Outcome, Progress, RequestResult};
use party::bindings::party::server::operations::{cancel, sleep};
use test_facts::{Bare, Progressed, answer};

struct Fact;

test_facts::serve_bare!(Fact);

impl Bare for Fact {
    const HANDLERS: Handlers = Handlers::ON_REQUEST.union(Handlers::ON_COMPLETED);

    fn on_request(_: u64, id: u64, request: RequestResult) -> Progressed {
        let named = request.uri.rsplit('/').next().and_then(|name| name.parse::<u64>().ok());
        let text = match named {
            Some(operation) => format!("{} {}", cancel(operation), cancel(operation)),
            None => {
                let started = sleep(60_000).expect("there is room for one");
                let at_once = sleep(60_000).map(|operation| (cancel(operation), cancel(operation)));
                format!("{started} {at_once:?} {}", cancel(1 << 50))
            }
        };
        answer(id, &text).expect("it waits for this");
        Ok(Progress::Done)
    }

    fn on_completed(_: u64, _: u64, _: Outcome) -> Progressed {
        panic!("it was cancelled")
    }
}
