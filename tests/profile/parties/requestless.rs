//! A party that answers no requests.

use party::{Connection, Message, Party, Result, Room};

#[derive(Default)]
struct Requestless;

#[party::serve]
impl Party for Requestless {
    fn on_message(&mut self, _: &Room, from: &Connection, message: Message) -> Result<()> {
        Ok(from.send(message)?)
    }
}
