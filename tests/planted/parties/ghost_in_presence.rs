//! Who is in. The bug: only who says goodbye is taken off the list.

use std::collections::BTreeMap;

use party::{Close, Connection, Party, Result, Room};
use test_planted::is_mended;

#[derive(Default)]
struct Presence {
    names: BTreeMap<Connection, String>,
}

#[party::serve]
impl Party for Presence {
    fn on_connect(&mut self, room: &Room, connection: &Connection) -> Result<()> {
        connection.accept(&[])?;
        self.names.insert(*connection, connection.info().map(|info| info.key).unwrap_or_default());
        self.show(room)
    }

    fn on_close(&mut self, room: &Room, connection: &Connection, close: Close) -> Result<()> {
        if close.was_clean || is_mended(room) {
            self.names.remove(connection);
        }
        self.show(room)
    }
}

impl Presence {
    fn show(&self, room: &Room) -> Result<()> {
        let names: Vec<&str> = self.names.values().map(String::as_str).collect();
        room.broadcast(names.join(" "))?;
        Ok(())
    }
}
