//! A socket that leads to no room has an instance of its own for as long as it is open, and neither a name nor anything that is kept. What
//! comes of it is heard although rooms hear of nothing.
//! covers: lobby.on-socket, guest.capabilities

use std::cell::{Cell, RefCell};

use party::bindings::exports::party::server::guest::{
    CloseFrameResult, Handlers, MessageResult, Outcome, Progress, RequestResult,
};
use party::bindings::party::server::lobby_answers::{Decision, decide};
use party::bindings::party::server::logging::{self, Level};
use party::bindings::party::server::types::{BodyParam, MessageParam, ResponseParam};
use party::bindings::party::server::{alarms, connections, events, operations, room, storage};
use test_facts::{Bare, Progressed, answer, failure};

thread_local! {
    static HEARD: Cell<u32> = const { Cell::new(0) };
    static PENDING: RefCell<Vec<u64>> = const { RefCell::new(Vec::new()) };
}

struct Fact;

test_facts::serve_bare!(Fact);

fn say(connection: u64, text: &str) {
    connections::send(connection, MessageParam::Text(text)).expect("it is here");
}

impl Bare for Fact {
    const HANDLERS: Handlers = Handlers::ON_REQUEST.union(Handlers::ON_SOCKET).union(Handlers::ON_COMPLETED);

    fn on_request(_: u64, id: u64, _: RequestResult) -> Progressed {
        answer(id, "in the room").expect("it waits for this");
        Ok(Progress::Done)
    }

    fn on_socket(event: u64, connection: u64, request: RequestResult) -> Progressed {
        let nothing = ResponseParam { status: 404, headers: &[], body: BodyParam::Bytes(b"nobody") };
        match request.uri.rsplit('/').next().unwrap_or_default() {
            "refuses" => connections::reject(connection, nothing).expect("it waits for this"),
            "fails" => return Err(failure("told to fail")),
            "traps" => panic!("told to trap"),
            "waits" => {
                say(connection, "welcome");
                operations::sleep(2_000).expect("it can sleep");
                PENDING.with_borrow_mut(|pending| pending.push(event));
                return Ok(Progress::Pending);
            }
            "is-kept" => {
                let kept = (storage::get(b"k"), storage::put(b"k", b"v"), alarms::set(1), room::destroy());
                say(connection, &format!("{kept:?} {:?}", decide(event, Decision::Respond(nothing))));
            }
            _ => {
                let (listed, id, life) =
                    (connections::list(None) == [connection], room::id(), room::incarnation());
                connections::accept(connection, &["tag"]).expect("it connects");
                let tagged = connections::list(Some("tag")) == [connection];
                let asked = format!("{} {}", request.method, request.uri);
                say(connection, &format!("{asked} {:?}", (listed, tagged, id, life, room::party())));
            }
        }
        Ok(Progress::Done)
    }

    fn on_message(event: u64, connection: u64, message: MessageResult) -> Progressed {
        HEARD.set(HEARD.get() + 1);
        let MessageResult::Text(text) = message else { return Err(failure("a text was expected")) };
        match text.as_str() {
            "trap" => panic!("told to trap"),
            "fail" => return Err(failure("told to fail")),
            "close" => connections::close(connection, None).expect("it is open"),
            "later" => {
                PENDING.with_borrow_mut(|pending| pending.push(event));
                return Ok(Progress::Pending);
            }
            "now" => PENDING.take().into_iter().for_each(|event| {
                events::settle(event, Ok(())).expect("it is pending");
            }),
            _ => {}
        }
        if text != "close" {
            say(connection, &format!("{} {text}", HEARD.get()));
        }
        Ok(Progress::Done)
    }

    fn on_completed(_: u64, _: u64, _: Outcome) -> Progressed {
        PENDING.take().into_iter().for_each(|event| {
            events::settle(event, Ok(())).expect("it is pending");
        });
        Ok(Progress::Done)
    }

    fn on_close(_: u64, connection: u64, frame: CloseFrameResult) -> Progressed {
        let told = format!("{} {} after {}", frame.code, frame.reason, HEARD.get());
        logging::log(Level::Info, told.as_bytes());
        assert!(connections::info(connection).is_some(), "it is known during its close");
        Ok(Progress::Done)
    }
}
