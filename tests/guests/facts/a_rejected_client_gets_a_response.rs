//! A connecting client can be answered with a response of status 300 to 599 instead of a socket; nobody hears of it again.
//! covers: connections.reject, connections.connection-error.bad-response, connections.connection-error.not-connecting

use party::bindings::party::server::connections;
use party::bindings::party::server::types::{BodyParam, HeaderParam, ResponseParam};
use party::{Close, Connection, Party, Result, Room};

#[derive(Default)]
struct Fact {}

#[party::serve]
impl Party for Fact {
    fn on_connect(&mut self, room: &Room, connection: &Connection) -> Result<()> {
        let header = [HeaderParam { name: "x-why", value: b"it is full" }];
        let reject = |status, body| {
            connections::reject(connection.id(), ResponseParam { status, headers: &header, body })
        };
        let refused = (reject(299, BodyParam::Bytes(b"")), reject(400, BodyParam::Streamed(1)));
        let rejected = reject(403, BodyParam::Bytes(b"not you"));
        let again = reject(403, BodyParam::Bytes(b"not you"));
        party::info!("{refused:?} {rejected:?} {again:?} {}", room.connections().len());
        Ok(())
    }

    fn on_close(&mut self, _room: &Room, _connection: &Connection, _close: Close) -> Result<()> {
        panic!("a client that was never in has gone")
    }
}
