//! A handler that fails is answered with its failure, and what it did is kept; of a turn that is dropped nothing is.
//! covers: guest.on-request, storage.put

use party::{Error, Party, Reply, Request, Result, Room};

#[derive(Default)]
struct Fact {}

#[party::serve]
impl Party for Fact {
    fn on_request(&mut self, room: &Room, request: Request) -> Result<Reply> {
        room.storage().put_bytes(request.path_in_room(), "1")?;
        room.broadcast(request.path_in_room())?;
        match request.path_in_room() {
            "/fails" => Err(Error::new("no").with_status(418)),
            "/fails-otherwise" => Err(Error::new("").with_status(199)),
            _ => panic!("the turn was told to"),
        }
    }
}
