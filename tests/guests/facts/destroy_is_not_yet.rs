//! What is part of the contract and not of this host says so by name, and the turn goes on: a room is not destroyed yet.
//! covers: room.destroy, room.room-error.not-yet

use party::bindings::party::server::room;
use party::{Party, Reply, Request, Result, Room};
use test_facts::tell;

#[derive(Default)]
struct Fact {}

#[party::serve]
impl Party for Fact {
    fn on_request(&mut self, _room: &Room, _request: Request) -> Result<Reply> {
        tell(room::destroy())
    }
}
