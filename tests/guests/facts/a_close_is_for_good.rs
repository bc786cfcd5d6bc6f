//! A connection that is closed leaves the list at once, and its `on-close` follows; only codes that may stand in a frame are
//! sent, and a reason is cut at 123 bytes.
//! covers: connections.close, connections.connection-error.bad-close-code, connections.connection-error.closed

use party::bindings::party::server::connections::close;
use party::bindings::party::server::types::CloseFrameParam;
use party::{Close, Connection, Message, Party, Result, Room};

#[derive(Default)]
struct Fact {}

#[party::serve]
impl Party for Fact {
    fn on_message(&mut self, room: &Room, from: &Connection, message: Message) -> Result<()> {
        if message.as_bytes().is_empty() {
            return Ok(close(from.id(), None)?);
        }
        let reason = "é".repeat(100);
        let bad = [1002, 1004, 1005, 1006, 1015, 2999, 5000]
            .map(|code| close(from.id(), Some(CloseFrameParam { code, reason: "" })));
        let closed = close(from.id(), Some(CloseFrameParam { code: 4999, reason: &reason }));
        party::info!("{bad:?} {closed:?} {:?} {}", close(from.id(), None), room.connections().len());
        Ok(())
    }

    fn on_close(&mut self, _room: &Room, _connection: &Connection, close: Close) -> Result<()> {
        party::info!("{} {} {}", close.code, close.reason.len(), close.was_clean);
        Ok(())
    }
}
