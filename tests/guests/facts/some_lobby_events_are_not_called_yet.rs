//! A party that announces sockets where no room is, and scheduled runs, is served as if it had neither: this host calls them
//! not yet.
//! covers: lobby.on-socket, lobby.on-cron, guest.capabilities

use party::bindings::exports::party::server::guest::{Handlers, MessageResult, Progress, RequestResult};
use test_facts::{Bare, Progressed, answer};

struct Fact;

test_facts::serve_bare!(Fact);

impl Bare for Fact {
    const HANDLERS: Handlers = Handlers::ON_REQUEST.union(Handlers::ON_SOCKET).union(Handlers::ON_CRON);

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
