//! A room with a code at its door. The bug: a copy of the room has the code of the room that it is a copy of, so whoever
//! may enter the one may enter the other.

use party::{Party, Reply, Request, Response, Result, ResumeReason, Room, StartReason};
use test_planted::is_mended;

#[derive(Default)]
struct Door {
    code: u64,
}

#[party::serve]
impl Party for Door {
    fn on_start(&mut self, room: &Room, _reason: StartReason) -> Result<()> {
        self.code = room.random_u64();
        Ok(())
    }

    fn on_resume(&mut self, room: &Room, _reason: ResumeReason) -> Result<()> {
        if is_mended(room) {
            self.code = room.random_u64();
        }
        Ok(())
    }

    fn on_request(&mut self, _room: &Room, request: Request) -> Result<Reply> {
        let code = self.code.to_string();
        Ok(match request.query() {
            None => Response::text(code),
            Some(given) if given == code => Response::text("come in"),
            Some(_) => Response::text("no").with_status(403),
        }
        .into())
    }
}
