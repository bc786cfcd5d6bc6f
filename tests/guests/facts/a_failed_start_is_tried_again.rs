//! A start that fails answers the event that it was for, and the next event tries again.
//! covers: guest.on-start, guest.start-reason.failed-before

use party::{Error, Party, Reply, Request, Result, Room, StartReason};
use test_facts::tell;

#[derive(Default)]
struct Fact {
    started: Option<StartReason>,
}

#[party::serve]
impl Party for Fact {
    fn on_start(&mut self, room: &Room, reason: StartReason) -> Result<()> {
        let tries = room.storage().get::<u32>("tries")?.unwrap_or(0) + 1;
        room.storage().put("tries", &tries)?;
        self.started = Some(reason);
        match tries {
            1 => Err(Error::new("not ready").with_status(503)),
            2 => Err(Error::new("not ready either")),
            _ => Ok(()),
        }
    }

    fn on_request(&mut self, _room: &Room, _request: Request) -> Result<Reply> {
        tell(self.started)
    }
}
