//! The host answers a text by itself, without waking the room, in this life of the room only.
//! covers: connections.set-auto-response, connections.connection-error.too-large

use party::bindings::party::server::connections::set_auto_response;
use party::{Connection, Message, Party, Result, Room};

#[derive(Default)]
struct Fact {}

#[party::serve]
impl Party for Fact {
    fn on_message(&mut self, _room: &Room, from: &Connection, message: Message) -> Result<()> {
        match message.as_text() {
            Some("set") => {
                let (longest, longer) = ("é".repeat(2_048), "é".repeat(2_049));
                let bounds =
                    (set_auto_response(Some((&longest, ""))), set_auto_response(Some(("", &longer))));
                from.send(format!("{bounds:?} {:?}", set_auto_response(Some(("ping", "pong")))))?;
            }
            Some("end") => set_auto_response(None)?,
            Some("drop") => panic!("the turn was told to"),
            _ => from.send("a message like others")?,
        }
        Ok(())
    }
}
