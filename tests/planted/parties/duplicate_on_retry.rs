//! A subscription that is charged when the alarm rings. The bug: what a handler that fails has done is kept, and the alarm
//! rings again.

use std::time::Duration;

use party::{Error, Party, Reply, Request, Response, Result, Room};
use test_planted::is_mended;

#[derive(Default)]
struct Subscription {
    is_down: bool,
}

#[party::serve]
impl Party for Subscription {
    fn on_request(&mut self, room: &Room, request: Request) -> Result<Reply> {
        if request.method == "POST" {
            self.is_down = true;
            room.set_alarm(room.now() + Duration::from_secs(60))?;
        }
        Ok(Response::text(room.storage().get::<u32>("charged")?.unwrap_or(0).to_string()).into())
    }

    fn on_alarm(&mut self, room: &Room) -> Result<()> {
        let charged = room.storage().get::<u32>("charged")?.unwrap_or(0);
        if is_mended(room) {
            self.send_receipt()?;
        }
        room.storage().put("charged", &(charged + 1))?;
        self.send_receipt()
    }
}

impl Subscription {
    /// Fails at first, as such things do.
    fn send_receipt(&mut self) -> Result<()> {
        if std::mem::take(&mut self.is_down) { Err(Error::new("the post office is closed")) } else { Ok(()) }
    }
}
