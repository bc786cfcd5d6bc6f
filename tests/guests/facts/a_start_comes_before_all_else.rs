//! A fresh start is told why, once, and everything else waits until that has settled; a wake is no start.
//! covers: guest.on-start, guest.start-reason.new, guest.start-reason.lost

use std::time::Duration;

use party::{Error, Party, Reply, Request, Result, Room, StartReason};
use test_facts::tell;

#[derive(Default)]
struct Fact {
    started: Vec<StartReason>,
}

#[party::serve]
impl Party for Fact {
    fn on_start(&mut self, room: &Room, reason: StartReason) -> Result<()> {
        self.started.push(reason);
        room.settle_later(async |room| {
            room.sleep(Duration::from_secs(20)).await;
            room.storage().put("started", &true)?;
            Ok::<(), Error>(())
        });
        Ok(())
    }

    fn on_request(&mut self, room: &Room, request: Request) -> Result<Reply> {
        if request.method == "DELETE" {
            panic!("told to");
        }
        tell((&self.started, room.storage().get::<bool>("started")?))
    }
}
