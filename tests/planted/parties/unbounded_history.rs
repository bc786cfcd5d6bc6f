//! The last three things that were said. The bug: only what is shown is cut, what is stored grows for ever.

use party::{Party, Reply, Request, Response, Result, Room};
use test_planted::is_mended;

/// So many are remembered.
const SHOWN: usize = 3;

#[derive(Default)]
struct History {
    said: usize,
}

#[party::serve]
impl Party for History {
    fn on_request(&mut self, room: &Room, request: Request) -> Result<Reply> {
        if request.method == "POST" {
            self.said += 1;
            room.storage().put(&format!("{:010}", self.said), &request.text()?)?;
            if is_mended(room) && self.said > SHOWN {
                room.storage().delete(&format!("{:010}", self.said - SHOWN))?;
            }
        }
        let said = room.storage().list("").reverse().limit(SHOWN).entries::<String>()?;
        let said: Vec<String> = said.into_iter().map(|entry| entry.value).collect();
        Ok(Response::text(said.join(" ")).into())
    }
}
