//! Up to 16,384 bytes are kept with a connection, also while the room sleeps, and not when a turn is dropped.
//! covers: connections.attachment, connections.set-attachment, connections.connection-error.too-large,
//! connections.connection-error.unknown

use party::bindings::party::server::connections::{attachment, set_attachment};
use party::{Connection, Message, Party, Result, Room};

#[derive(Default)]
struct Fact {}

#[party::serve]
impl Party for Fact {
    fn on_message(&mut self, _room: &Room, from: &Connection, message: Message) -> Result<()> {
        let before = attachment(from.id());
        set_attachment(from.id(), message.as_bytes())?;
        if message.as_bytes() == b"drop" {
            panic!("the turn was told to");
        }
        let too_large = set_attachment(from.id(), &[0; 16_385]);
        from.send(format!("{before:?} {:?} {too_large:?}", attachment(from.id())))?;
        party::info!("{:?} {:?}", attachment(1 << 50), set_attachment(1 << 50, &[]));
        Ok(())
    }
}
