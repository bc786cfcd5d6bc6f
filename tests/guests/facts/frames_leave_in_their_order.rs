//! Frames to one connection leave in the order in which they were sent, across turns and sleep; to one that is gone or
//! closing nothing is sent.
//! covers: connections.send, connections.connection-error.unknown, connections.connection-error.closed

use std::time::Duration;

use party::bindings::party::server::connections;
use party::bindings::party::server::types::MessageParam;
use party::{Connection, Error, Message, Party, Result, Room};

#[derive(Default)]
struct Fact {}

#[party::serve]
impl Party for Fact {
    fn on_message(&mut self, room: &Room, from: &Connection, _message: Message) -> Result<()> {
        let from = *from;
        room.spawn(async move |room| {
            from.send("2")?;
            room.sleep(Duration::from_secs(30)).await;
            from.send("3")?;
            from.close(1000, "")?;
            let sent = connections::send(from.id(), MessageParam::Text("4"));
            let nobody = connections::send(1 << 50, MessageParam::Text("5"));
            party::info!("{sent:?} {nobody:?}");
            Ok::<(), Error>(())
        });
        from.send("1")?;
        Ok(from.send([0, 255])?)
    }
}
