//! An echo. The bug: it takes for granted that what comes is text, and everybody's room ends when it is not.

use party::{Connection, Message, Party, Result, Room};
use test_planted::is_mended;

#[derive(Default)]
struct Echo {
    echoed: u32,
}

#[party::serve]
impl Party for Echo {
    fn on_message(&mut self, room: &Room, from: &Connection, message: Message) -> Result<()> {
        let text = match message.as_text() {
            None if is_mended(room) => return Ok(from.close(1003, "text only")?),
            text => text.expect("clients send text"),
        };
        self.echoed += 1;
        Ok(from.send(format!("{} {text}", self.echoed))?)
    }
}
