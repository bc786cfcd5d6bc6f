//! A party that announces that it takes sockets where no room is is served as if it did not: this host does not call it yet.
//! covers: lobby.on-socket, guest.capabilities

use party::bindings::exports::party::server::guest::{Handlers, MessageResult, Progress, RequestResult};
use test_facts::{Bare, Progressed, answer};

struct Fact;

test_facts::serve_bare!(Fact);

impl Bare for Fact {
    const HANDLERS: Handlers = Handlers::ON_REQUEST.union(Handlers::ON_SOCKET);

    fn on_request(_: u64, id: u64, _: RequestResult) -> Progressed {
        answer(id, "in the room").expect("it waits for this");
        Ok(Progress::Done)
    }

    fn on_message(_: u64, _: u64, _: MessageResult) -> Progressed {
        panic!("it was not announced")
    }

    fn in_the_lobby(_: u64, export: &str) -> Progressed {
        panic!("{export} was called")
    }
}
