//! What a room cannot do yet on this host is refused by name, and leaves no operation open.
//! covers: operations.asset, types.operation-error.not-yet

use party::bindings::party::server::operations;
use party::{Party, Reply, Request, Result, Room};
use test_facts::tell;

#[derive(Default)]
struct Fact {}

#[party::serve]
impl Party for Fact {
    fn on_request(&mut self, room: &Room, _request: Request) -> Result<Reply> {
        tell((operations::asset("/index.html"), room.usage().operations))
    }
}
