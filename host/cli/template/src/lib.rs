//! A room in which everyone cheers together. Change it while `party-host dev` runs.

use party::{Connection, Message, Party, Reply, Request, Response, Result, Room, StartReason};

/// One value of this type is one room; its fields are the room's memory.
#[derive(Default)]
struct Cheering {
    cheers: u64,
}

#[party::serve]
impl Party for Cheering {
    /// The room starts: take up what it has stored.
    fn on_start(&mut self, room: &Room, _reason: StartReason) -> Result<()> {
        self.cheers = room.storage().get("cheers")?.unwrap_or(0);
        Ok(())
    }

    /// Someone comes: show them where we are.
    fn on_connect(&mut self, _room: &Room, connection: &Connection) -> Result<()> {
        connection.send(self.cheers.to_string())?;
        Ok(())
    }

    /// Someone has sent something: count it, store the count, and show it to everyone.
    fn on_message(&mut self, room: &Room, _from: &Connection, _message: Message) -> Result<()> {
        self.cheers += 1;
        room.storage().put("cheers", &self.cheers)?;
        room.broadcast(self.cheers.to_string())?;
        Ok(())
    }

    /// Someone asks over HTTP.
    fn on_request(&mut self, _room: &Room, _request: Request) -> Result<Reply> {
        Ok(Response::text(self.cheers.to_string()).into())
    }
}
