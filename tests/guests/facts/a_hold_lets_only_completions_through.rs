//! Between `hold` and `release` only completions reach the room; what else comes waits, in its order.
//! covers: events.hold, events.release, events.event-error.not-held

use std::time::Duration;

use party::bindings::party::server::events;
use party::{Connection, Error, Message, Party, Reply, Request, Result, Room};
use test_facts::tell;

#[derive(Default)]
struct Fact {
    is_over: bool,
}

#[party::serve]
impl Party for Fact {
    fn on_message(&mut self, room: &Room, _from: &Connection, _message: Message) -> Result<()> {
        let hold = room.hold()?;
        room.spawn(async move |room| {
            room.sleep(Duration::from_secs(20)).await;
            room.with(|fact: &mut Self| fact.is_over = true);
            drop(hold);
            Ok::<(), Error>(())
        });
        Ok(())
    }

    fn on_request(&mut self, _room: &Room, _request: Request) -> Result<Reply> {
        tell((self.is_over, events::release()))
    }
}
