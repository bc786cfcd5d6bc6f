//! A version is given what the one before has saved, before anything else and instead of a start; it cannot be given back to
//! one that restores nothing.
//! covers: upgrade.restore

use party::{Connection, Message, Party, Reply, Request, Response, Result, Room, StartReason};

#[derive(Default)]
struct Fact {
    count: u32,
    begun: Vec<String>,
}

#[party::serve]
impl Party for Fact {
    fn on_start(&mut self, _room: &Room, reason: StartReason) -> Result<()> {
        self.begun.push(format!("{reason:?}"));
        Ok(())
    }

    fn on_message(&mut self, _room: &Room, from: &Connection, _message: Message) -> Result<()> {
        Ok(from.send(self.begun.join(" "))?)
    }

    fn on_request(&mut self, _room: &Room, _request: Request) -> Result<Reply> {
        self.count += 1;
        Ok(Response::text(format!("new {} {}", self.count, self.begun.join(" "))).into())
    }

    fn restore(&mut self, room: &Room, saved: &[u8]) -> Result<()> {
        self.count = party::decode(saved)?;
        self.begun.push(format!("restored with {} key", room.storage().list("").keys()?.len()));
        room.broadcast("restored")?;
        Ok(())
    }
}
