//! A client is let in when its `on-connect` has settled, or after 3.5 s; what it says then waits until it has. A failure
//! closes it.
//! covers: guest.on-connect

use std::time::Duration;

use party::{Connection, Error, Message, Party, Result, Room};

#[derive(Default)]
struct Fact {}

#[party::serve]
impl Party for Fact {
    fn on_connect(&mut self, room: &Room, connection: &Connection) -> Result<()> {
        let uri = connection.info().map(|info| info.uri).unwrap_or_default();
        let seconds: u64 = uri.split('?').nth(1).unwrap_or("0").parse()?;
        let connection = *connection;
        room.settle_later(async move |room| {
            room.sleep(Duration::from_secs(seconds)).await;
            connection.send("come in")?;
            if seconds.is_multiple_of(2) { Ok(()) } else { Err(Error::new("odd")) }
        });
        Ok(())
    }

    fn on_message(&mut self, _room: &Room, from: &Connection, message: Message) -> Result<()> {
        Ok(from.send(message)?)
    }
}
