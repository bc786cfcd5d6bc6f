//! A message to a client has a bound, and so has what one turn sends, in messages and in bytes; what fits is sent.
//! covers: connections.send, connections.broadcast, connections.connection-error.too-large,
//! connections.connection-error.turn-full

use party::bindings::party::server::connections::{broadcast, send};
use party::bindings::party::server::types::MessageParam;
use party::{Connection, Message, Party, Result, Room};

#[derive(Default)]
struct Fact {}

#[party::serve]
impl Party for Fact {
    fn on_message(&mut self, _room: &Room, from: &Connection, message: Message) -> Result<()> {
        let text = "x".repeat(message.as_text().unwrap_or_default().parse()?);
        let sent = [(); 4].map(|()| send(from.id(), MessageParam::Text(&text)));
        party::info!("{sent:?} {:?}", broadcast(MessageParam::Text(&text), &[], None));
        Ok(())
    }
}
