//! What a turn has put is read by it at once, and by every later turn, whatever becomes of the host.
//! covers: storage.get, storage.put

use party::{Party, Reply, Request, Result, Room};
use test_facts::tell;

#[derive(Default)]
struct Fact {}

#[party::serve]
impl Party for Fact {
    fn on_request(&mut self, room: &Room, request: Request) -> Result<Reply> {
        let before = room.storage().get_bytes("key")?;
        room.storage().put_bytes("key", &request.body)?;
        tell((before, room.storage().get_bytes("key")?))
    }
}
