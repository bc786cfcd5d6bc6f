//! Shouting. The bug: an empty message has no first letter.

use party::{Connection, Message, Party, Result, Room};
use test_planted::is_mended;

#[derive(Default)]
struct Shouting {}

#[party::serve]
impl Party for Shouting {
    fn on_message(&mut self, room: &Room, from: &Connection, message: Message) -> Result<()> {
        let text = message.as_text().unwrap_or_default();
        if text.is_empty() && is_mended(room) {
            return Ok(from.send("say something")?);
        }
        let (first, rest) = text.split_at(1);
        Ok(from.send(first.to_uppercase() + rest)?)
    }
}
