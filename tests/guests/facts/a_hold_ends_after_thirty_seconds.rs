//! A room that is held for longer than 30 s starts afresh.
//! covers: events.hold

use party::bindings::party::server::events;
use party::{Party, Reply, Request, Result, Room, StartReason};
use test_facts::tell;

#[derive(Default)]
struct Fact {
    started: Option<StartReason>,
}

#[party::serve]
impl Party for Fact {
    fn on_start(&mut self, _room: &Room, reason: StartReason) -> Result<()> {
        self.started = Some(reason);
        Ok(())
    }

    fn on_request(&mut self, _room: &Room, request: Request) -> Result<Reply> {
        if request.method == "POST" {
            events::hold()?;
        }
        tell(self.started)
    }
}
