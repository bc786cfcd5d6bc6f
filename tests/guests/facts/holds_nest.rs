//! Holds nest, 64 deep: the room is held until each of them is released.
//! covers: events.hold, events.release, events.event-error.too-deep, events.event-error.not-held

use party::bindings::party::server::events;
use party::{Party, Reply, Request, Result, Room};
use test_facts::tell;

#[derive(Default)]
struct Fact {}

#[party::serve]
impl Party for Fact {
    fn on_request(&mut self, _room: &Room, _request: Request) -> Result<Reply> {
        let held = (0..64).all(|_| events::hold().is_ok());
        let one_more = events::hold();
        let released = (0..64).all(|_| events::release().is_ok());
        tell((held, one_more, released, events::release()))
    }
}
