//! A lobby event is decided once, and with what can be sent.
//! covers: lobby-answers.decide-error.not-pending, lobby-answers.decide-error.too-large,
//! lobby-answers.decide-error.bad-decision

use party::bindings::exports::party::server::guest::{Handlers, Progress, RequestResult};
use party::bindings::party::server::lobby_answers::{Decision, decide};
use party::bindings::party::server::types::{BodyParam, HeaderParam, ResponseParam};
use test_facts::{Bare, Progressed, failure};

struct Fact;

test_facts::serve_bare!(Fact);

fn text(status: u16, text: &str) -> Decision<'_> {
    Decision::Respond(ResponseParam { status, headers: &[], body: BodyParam::Bytes(text.as_bytes()) })
}

impl Bare for Fact {
    const HANDLERS: Handlers = Handlers::ON_FETCH;

    fn on_fetch(event: u64, _: RequestResult) -> Progressed {
        let large = vec![b'x'; 65_536];
        let headers = [HeaderParam { name: "x-large", value: &large }];
        let split = [HeaderParam { name: "x", value: b"a\r\nb" }];
        let refused = [
            decide(event + 1, text(200, "of another")),
            decide(event, Decision::Proceed(&headers)),
            decide(event, Decision::Proceed(&split)),
            decide(event, text(101, "switch")),
        ];
        decide(event, text(200, &format!("{refused:?}"))).map_err(|error| failure(&format!("{error:?}")))?;
        // That this is refused can only be told by failing, which whoever has been answered does not hear.
        match decide(event, text(200, "again")) {
            Ok(()) => Err(failure("it was decided twice")),
            Err(_) => Ok(Progress::Done),
        }
    }
}
