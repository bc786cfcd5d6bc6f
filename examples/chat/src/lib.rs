//! A chat with a memory: what was said is stored, who is in is shown, and "is typing" ends by itself.
//!
//! The people are the connections. Their names are kept with the connections, so that a room that starts afresh
//! (after a crash, say) still knows who is in; what was said is kept in storage.

mod history;
mod protocol;

use std::collections::BTreeMap;
use std::time::Duration;

use history::History;
use party::{Close, Connection, Message, Party, Result, Room, StartReason, Task};
use protocol::{Said, ToClient, ToRoom};

/// How long "is typing" is shown after the last key.
const TYPING: Duration = Duration::from_secs(3);
/// Longer names are cut.
const NAME_CHARS_MAX: usize = 40;
/// Longer texts are cut.
const TEXT_CHARS_MAX: usize = 2_000;

#[derive(Default)]
struct Chat {
    people: BTreeMap<Connection, Person>,
    history: History,
}

struct Person {
    name: String,
    /// Ends "is typing"; none while the person does not type.
    typing: Option<Task>,
}

#[party::serve]
impl Party for Chat {
    fn on_start(&mut self, room: &Room, _reason: StartReason) -> Result<()> {
        self.history = History::load(room)?;
        for connection in room.connections() {
            if let Some(name) = connection.state()? {
                self.people.insert(connection, Person { name, typing: None });
            }
        }
        Ok(())
    }

    fn on_connect(&mut self, room: &Room, connection: &Connection) -> Result<()> {
        connection.accept(&[])?;
        connection.send(Message::from_json(&ToClient::History(self.history.all()))?)?;
        self.rename(room, connection, &format!("guest {connection}"))
    }

    fn on_message(&mut self, room: &Room, from: &Connection, message: Message) -> Result<()> {
        let Ok(message) = message.json() else {
            return Ok(from.close(1003, "this is no message of the chat")?);
        };
        match message {
            ToRoom::Name(name) => self.rename(room, from, &name),
            ToRoom::Say(text) => self.say(room, from, &text),
            ToRoom::Typing => self.type_on(room, from),
        }
    }

    fn on_close(&mut self, room: &Room, connection: &Connection, _close: Close) -> Result<()> {
        self.stop_typing(room, connection)?;
        self.people.remove(connection);
        self.show_people(room)
    }
}

impl Chat {
    fn rename(&mut self, room: &Room, connection: &Connection, name: &str) -> Result<()> {
        let name = cut(name, NAME_CHARS_MAX);
        if name.is_empty() {
            return Ok(());
        }
        self.stop_typing(room, connection)?;
        connection.set_state(&name)?;
        self.people.insert(*connection, Person { name, typing: None });
        self.show_people(room)
    }

    fn say(&mut self, room: &Room, from: &Connection, text: &str) -> Result<()> {
        let text = cut(text, TEXT_CHARS_MAX);
        let Some(person) = self.people.get(from).filter(|_| !text.is_empty()) else { return Ok(()) };
        let said = Said { name: person.name.clone(), text, at: room.now() };
        room.broadcast(Message::from_json(&ToClient::Said(&said))?)?;
        self.history.add(room, said)?;
        self.stop_typing(room, from)
    }

    /// Show that this person types, for a while from now.
    fn type_on(&mut self, room: &Room, connection: &Connection) -> Result<()> {
        let Some(person) = self.people.get_mut(connection) else { return Ok(()) };
        let connection = *connection;
        let end = room.spawn(async move |room| {
            room.sleep(TYPING).await;
            room.with(|chat: &mut Self| chat.stop_typing(&room, &connection))
        });
        match person.typing.replace(end) {
            Some(earlier) => {
                earlier.cancel();
                Ok(())
            }
            None => self.show_typing(room),
        }
    }

    fn stop_typing(&mut self, room: &Room, connection: &Connection) -> Result<()> {
        match self.people.get_mut(connection).and_then(|person| person.typing.take()) {
            Some(end) => {
                end.cancel();
                self.show_typing(room)
            }
            None => Ok(()),
        }
    }

    fn show_people(&self, room: &Room) -> Result<()> {
        let names = self.people.values().map(|person| person.name.as_str()).collect();
        room.broadcast(Message::from_json(&ToClient::People(names))?)?;
        Ok(())
    }

    fn show_typing(&self, room: &Room) -> Result<()> {
        let typing = self.people.values().filter(|person| person.typing.is_some());
        let names = typing.map(|person| person.name.as_str()).collect();
        room.broadcast(Message::from_json(&ToClient::Typing(names))?)?;
        Ok(())
    }
}

/// The text without space around it, and no longer than this.
fn cut(text: &str, chars_max: usize) -> String {
    text.trim().chars().take(chars_max).collect()
}

#[cfg(test)]
mod tests {
    use super::cut;

    #[test]
    fn a_text_is_trimmed_and_cut_between_characters() {
        assert_eq!(cut("  héllo ", 3), "hél");
        assert_eq!(cut(" \n", 3), "");
    }
}
