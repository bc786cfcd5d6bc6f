//! A number that everyone in the room shares, over HTTP and over WebSocket alike.

use party::{Connection, Message, Party, Reply, Request, Response, Result, Room, StartReason};

/// The key of the number in storage.
const COUNT: &str = "count";

#[derive(Default)]
struct Counter {
    count: i64,
}

#[party::serve]
impl Party for Counter {
    fn on_start(&mut self, room: &Room, _reason: StartReason) -> Result<()> {
        self.count = room.storage().get(COUNT)?.unwrap_or(0);
        Ok(())
    }

    fn on_connect(&mut self, _room: &Room, connection: &Connection) -> Result<()> {
        connection.send(self.count.to_string())?;
        Ok(())
    }

    fn on_message(&mut self, room: &Room, _from: &Connection, message: Message) -> Result<()> {
        match message.as_text() {
            Some("+") => self.add(room, 1),
            Some("-") => self.add(room, -1),
            _ => Ok(()),
        }
    }

    fn on_request(&mut self, room: &Room, request: Request) -> Result<Reply> {
        match request.method.as_str() {
            "GET" => {}
            "POST" => self.add(room, 1)?,
            _ => return Ok(Response::status(405).with_header("allow", "GET, POST").into()),
        }
        Ok(Response::text(self.count.to_string()).into())
    }
}

impl Counter {
    /// Change the number, keep it, and show it to everyone.
    fn add(&mut self, room: &Room, change: i64) -> Result<()> {
        self.count = self.count.saturating_add(change);
        room.storage().put(COUNT, &self.count)?;
        room.broadcast(self.count.to_string())?;
        Ok(())
    }
}
