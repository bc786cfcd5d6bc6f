//! A client that crosses a limit is told of with `on-error`, and its `on-close` follows.
//! covers: guest.on-error, guest.on-close

use party::{Close, Connection, Message, Party, Result, Room};

#[derive(Default)]
struct Fact {}

#[party::serve]
impl Party for Fact {
    fn on_message(&mut self, _room: &Room, from: &Connection, message: Message) -> Result<()> {
        Ok(from.send(message.as_bytes().len().to_string())?)
    }

    fn on_error(&mut self, room: &Room, connection: &Connection, error: &str) -> Result<()> {
        let is_known = connection.info().is_some();
        room.broadcast(format!("{error}, {is_known}"))?;
        Ok(())
    }

    fn on_close(&mut self, room: &Room, _connection: &Connection, close: Close) -> Result<()> {
        room.broadcast(format!("{} {}", close.code, close.was_clean))?;
        Ok(())
    }
}
