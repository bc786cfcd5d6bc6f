//! What the old version saves is what the new one restores, in one turn that keeps clients and storage.
//! covers: upgrade.save

use party::{Party, Reply, Request, Response, Result, Room};

#[derive(Default)]
struct Fact {
    count: u32,
}

#[party::serve]
impl Party for Fact {
    fn on_request(&mut self, _room: &Room, _request: Request) -> Result<Reply> {
        self.count += 1;
        Ok(Response::text(format!("old {}", self.count)).into())
    }

    fn save(&mut self, room: &Room) -> Result<Vec<u8>> {
        room.storage().put_bytes("saved", "1")?;
        room.broadcast("saved")?;
        Ok(party::encode(&self.count)?)
    }
}
