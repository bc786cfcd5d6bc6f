//! A room opens a WebSocket to another, which sees a client with the URL and the headers that it was given: frames go both ways, also
//! while both sleep, until one of them closes it. The one that has opened it hears the code.
//! covers: operations.connect, streams.send, streams.close, streams.stream-error.bad-close-code, guest.on-stream

use std::cell::{Cell, RefCell};

use party::bindings::exports::party::server::guest::{
    Handlers, MessageResult, Outcome, Progress, RequestResult, StreamEvent,
};
use party::bindings::party::server::operations::{ConnectTarget, RoomTarget, connect};
use party::bindings::party::server::types::{CloseFrameParam, HeaderParam, MessageParam};
use party::bindings::party::server::{connections, streams};
use test_facts::{Bare, Progressed, answer};

thread_local! {
    static SAID: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
    static SOCKET: Cell<u64> = const { Cell::new(0) };
}

fn say(what: String) {
    SAID.with_borrow_mut(|said| said.push(what));
}

const TO: RoomTarget<'_> = RoomTarget {
    party: "main",
    room: "other",
    uri: "/below?_pk=me&x",
    headers: &[HeaderParam { name: "x-own", value: b"1" }],
};

struct Fact;

test_facts::serve_bare!(Fact);

fn close(code: u16) -> Result<(), streams::StreamError> {
    streams::close(SOCKET.get(), Some(CloseFrameParam { code, reason: "enough" }))
}

impl Bare for Fact {
    const HANDLERS: Handlers = Handlers::ON_REQUEST
        .union(Handlers::ON_MESSAGE)
        .union(Handlers::ON_COMPLETED)
        .union(Handlers::ON_STREAM);

    fn on_request(_: u64, id: u64, request: RequestResult) -> Progressed {
        if request.uri.ends_with("/said") {
            answer(id, &SAID.take().join(", ")).expect("it waits for an answer");
            return Ok(Progress::Done);
        }
        let told = match request.method.as_str() {
            "GET" => format!("{:?}", connect(ConnectTarget::Room(TO)).is_ok()),
            "PUT" => format!("{:?}", streams::send(SOCKET.get(), MessageParam::Text("hello"))),
            _ => format!("{:?}", (close(1_002), close(4_000), close(4_000))),
        };
        answer(id, &told).expect("it waits for an answer");
        Ok(Progress::Done)
    }

    fn on_message(_: u64, connection: u64, message: MessageResult) -> Progressed {
        let info = connections::info(connection).expect("it is open");
        let names: Vec<String> = info.headers.into_iter().map(|header| header.name).collect();
        say(format!("heard {message:?} of {} at {} with {names:?}", info.key, info.uri));
        connections::send(connection, MessageParam::Binary(b"\x01")).expect("it is open");
        Ok(Progress::Done)
    }

    fn on_completed(_: u64, operation: u64, outcome: Outcome) -> Progressed {
        let Outcome::Connected(socket) = outcome else { panic!("{outcome:?}") };
        SOCKET.set(socket);
        say(format!("connected {}", socket == operation));
        Ok(Progress::Done)
    }

    fn on_stream(_: u64, what: StreamEvent) -> Progressed {
        say(format!("{what:?}"));
        Ok(Progress::Done)
    }
}
