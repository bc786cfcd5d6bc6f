//! A room knows the project, the party and its own id, which stands as it does in the URL.
//! covers: room.project, room.party, room.id

use party::{Party, Reply, Request, Result, Room};
use test_facts::tell;

#[derive(Default)]
struct Fact {}

#[party::serve]
impl Party for Fact {
    fn on_request(&mut self, room: &Room, _request: Request) -> Result<Reply> {
        tell((room.project(), room.party(), room.id()))
    }
}
