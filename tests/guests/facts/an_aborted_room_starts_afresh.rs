//! A room that aborts drops its turn and starts afresh from its storage; what waits for the event is answered with the reason.
//! covers: room.abort

use party::{Connection, Message, Party, Reply, Request, Response, Result, Room, StartReason};

#[derive(Default)]
struct Fact {
    started: Option<StartReason>,
    said: u32,
}

#[party::serve]
impl Party for Fact {
    fn on_start(&mut self, _room: &Room, reason: StartReason) -> Result<()> {
        self.started = Some(reason);
        Ok(())
    }

    fn on_connect(&mut self, room: &Room, connection: &Connection) -> Result<()> {
        if connection.info().is_some_and(|info| info.uri.contains("abort")) {
            room.abort("not you")?;
        }
        Ok(())
    }

    fn on_message(&mut self, room: &Room, _from: &Connection, message: Message) -> Result<()> {
        self.said += 1;
        room.storage().put("said", &self.said)?;
        if message.as_text() == Some("abort") {
            room.broadcast("never seen")?;
            room.abort("enough")?;
        }
        Ok(())
    }

    fn on_request(&mut self, room: &Room, request: Request) -> Result<Reply> {
        if request.method == "DELETE" {
            room.abort("that is not done")?;
        }
        let stored: u32 = room.storage().get("said")?.unwrap_or_default();
        Ok(Response::text(format!("{:?} {} {stored}", self.started, self.said)).into())
    }
}
