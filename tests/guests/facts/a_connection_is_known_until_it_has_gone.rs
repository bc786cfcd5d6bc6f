//! What the client said when it came is known of a connection, with where it is in its life, until its `on-close` has ended.
//! covers: connections.info

use party::{Close, Connection, Message, Party, Result, Room};

#[derive(Default)]
struct Fact {
    closing: String,
}

fn known(connection: &Connection) -> String {
    let Some(info) = connection.info() else { return "unknown".into() };
    let hint =
        info.headers.iter().find(|header| header.name == "x-hint").map(|header| header.value.as_slice());
    let hint = String::from_utf8_lossy(hint.unwrap_or_default());
    format!("{:?} {} {} {hint} {:?}", info.ready_state, info.key, info.uri, info.tags)
}

#[party::serve]
impl Party for Fact {
    fn on_connect(&mut self, _room: &Room, connection: &Connection) -> Result<()> {
        Ok(connection.send(known(connection))?)
    }

    fn on_message(&mut self, _room: &Room, from: &Connection, _message: Message) -> Result<()> {
        from.send(known(from))?;
        from.close(1000, "")?;
        self.closing = format!("{}, {}", known(&Connection::from_id(1 << 50)), known(from));
        Ok(())
    }

    fn on_close(&mut self, _room: &Room, connection: &Connection, _close: Close) -> Result<()> {
        party::info!("{}, then {}", self.closing, known(connection));
        Ok(())
    }
}
