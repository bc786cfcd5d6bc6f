//! What is part of the contract and not of this host says so by name, and the turn goes on: a room is not aborted or
//! destroyed yet.
//! covers: room.abort, room.destroy, room.room-error.not-yet

use party::bindings::party::server::room;
use party::{Party, Reply, Request, Result, Room};
use test_facts::tell;

#[derive(Default)]
struct Fact {}

#[party::serve]
impl Party for Fact {
    fn on_request(&mut self, _room: &Room, request: Request) -> Result<Reply> {
        if request.method == "POST" { tell(room::destroy()) } else { tell(room::abort("enough")) }
    }
}
