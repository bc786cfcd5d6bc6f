//! A room that destroys itself has never been: what the turn said leaves, everyone is turned away, and the next event finds
//! nothing of it, also after a crash.
//! covers: room.destroy

use std::time::Duration;

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

    fn on_message(&mut self, room: &Room, _from: &Connection, message: Message) -> Result<()> {
        self.said += 1;
        room.storage().put("said", &self.said)?;
        room.set_alarm(room.now() + Duration::from_secs(60))?;
        if message.as_text() == Some("destroy") {
            room.destroy()?;
            // It is its last turn, but a turn.
            room.broadcast("farewell")?;
            room.storage().put("late", &1u8)?;
        }
        Ok(())
    }

    fn on_alarm(&mut self, room: &Room) -> Result<()> {
        room.broadcast("the alarm rang")?;
        Ok(())
    }

    fn on_request(&mut self, room: &Room, request: Request) -> Result<Reply> {
        if request.method == "DELETE" {
            room.destroy()?;
            return Ok(Response::text("gone").into());
        }
        let stored: Option<u32> = room.storage().get("said")?;
        let late: Option<u8> = room.storage().get("late")?;
        let alarm = room.alarm()?.is_some();
        Ok(Response::text(format!("{:?} {} {stored:?} {late:?} {alarm}", self.started, self.said)).into())
    }
}
