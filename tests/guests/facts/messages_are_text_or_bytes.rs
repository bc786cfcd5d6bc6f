//! A message is text or bytes, as it was sent, the empty one too; what a handler fails on costs the client nothing.
//! covers: guest.on-message

use party::{Connection, Error, Message, Party, Result, Room};

#[derive(Default)]
struct Fact {}

#[party::serve]
impl Party for Fact {
    fn on_message(&mut self, _room: &Room, from: &Connection, message: Message) -> Result<()> {
        from.send(format!("{message:?}"))?;
        if message.as_bytes() == b"fail" { Err(Error::new("told to")) } else { Ok(()) }
    }
}
