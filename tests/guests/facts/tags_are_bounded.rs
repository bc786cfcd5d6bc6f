//! A connection has at most 9 tags of 1 to 256 characters; a client that is refused its tags is still connecting.
//! covers: connections.accept, connections.connection-error.too-many-tags, connections.connection-error.bad-tag

use party::bindings::party::server::connections::accept;
use party::{Connection, Party, Result, Room};

#[derive(Default)]
struct Fact {}

#[party::serve]
impl Party for Fact {
    fn on_connect(&mut self, _room: &Room, connection: &Connection) -> Result<()> {
        let (id, longest) = (connection.id(), "é".repeat(256));
        let refused = (accept(id, &["tag"; 10]), accept(id, &[""]), accept(id, &[&format!("{longest}é")]));
        let accepted = accept(id, &[longest.as_str(); 9]);
        Ok(connection.send(format!("{refused:?} {accepted:?}"))?)
    }
}
