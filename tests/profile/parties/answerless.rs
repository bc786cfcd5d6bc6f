//! A party that takes requests and does not answer them.

use party::bindings::exports::party::server::guest::{Handlers, Progress, RequestResult};
use test_facts::{Bare, Progressed};

struct Answerless;

test_facts::serve_bare!(Answerless);

impl Bare for Answerless {
    const HANDLERS: Handlers = Handlers::ON_REQUEST;

    fn on_request(_: u64, _: u64, _: RequestResult) -> Progressed {
        Ok(Progress::Done)
    }
}
