//! A broadcast goes to every accepted connection that is not closing, except the listed ones, and says to how many.
//! covers: connections.broadcast

use party::{Connection, Message, Party, Result, Room};

#[derive(Default)]
struct Fact {}

#[party::serve]
impl Party for Fact {
    fn on_connect(&mut self, room: &Room, connection: &Connection) -> Result<()> {
        room.broadcast("somebody comes")?;
        connection.accept(&[])?;
        room.broadcast("somebody is here")?;
        Ok(())
    }

    fn on_message(&mut self, room: &Room, from: &Connection, message: Message) -> Result<()> {
        let others = room.everyone().except(&[*from]).send(message)?;
        from.send(format!("to {others}"))?;
        from.close(1000, "")?;
        room.broadcast("somebody goes")?;
        Ok(())
    }
}
