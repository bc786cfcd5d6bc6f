//! A counter that is stored when its last client goes. The bug: a host that dies takes back what was counted since.

use party::{Close, Connection, Party, Reply, Request, Response, Result, Room, StartReason};
use test_planted::is_mended;

#[derive(Default)]
struct Counter {
    count: u32,
}

#[party::serve]
impl Party for Counter {
    fn on_start(&mut self, room: &Room, _reason: StartReason) -> Result<()> {
        self.count = room.storage().get("count")?.unwrap_or(0);
        Ok(())
    }

    fn on_request(&mut self, room: &Room, request: Request) -> Result<Reply> {
        if request.method == "POST" {
            self.count += 1;
            if is_mended(room) {
                room.storage().put("count", &self.count)?;
            }
        }
        Ok(Response::text(self.count.to_string()).into())
    }

    fn on_close(&mut self, room: &Room, _connection: &Connection, _close: Close) -> Result<()> {
        Ok(room.storage().put("count", &self.count)?)
    }
}
