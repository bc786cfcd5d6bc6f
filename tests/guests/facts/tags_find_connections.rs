//! A client is accepted under tags, once; lists and broadcasts find it by them, also after the room has slept.
//! covers: connections.accept, connections.list, connections.broadcast, connections.connection-error.not-connecting,
//! connections.connection-error.unknown

use party::bindings::party::server::connections;
use party::{Connection, Party, Reply, Request, Result, Room};
use test_facts::tell;

#[derive(Default)]
struct Fact {}

#[party::serve]
impl Party for Fact {
    fn on_connect(&mut self, room: &Room, connection: &Connection) -> Result<()> {
        let listed_before = room.connections().contains(connection);
        let key = connection.info().map(|info| info.key).unwrap_or_default();
        let accepted = connections::accept(connection.id(), &[&key, "all"]);
        let again = connections::accept(connection.id(), &[]);
        let nobody = connections::accept(1 << 50, &[]);
        let listed = room.connections_tagged(&key).contains(connection);
        Ok(connection.send(format!("{listed_before} {accepted:?} {again:?} {nobody:?} {listed}"))?)
    }

    fn on_request(&mut self, room: &Room, _request: Request) -> Result<Reply> {
        let to = |tag| room.everyone().tagged(tag).send(tag);
        tell((to("all"), to("bob"), to("nobody"), connections::list(Some("alice")).len()))
    }
}
