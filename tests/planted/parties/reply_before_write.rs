//! A notebook that answers at once and writes a little later, to write several notes together. The bug: whoever was told
//! that a note is kept may have been told a lie.

use std::time::Duration;

use party::{Error, Party, Reply, Request, Response, Result, Room, StartReason};
use test_planted::is_mended;

#[derive(Default)]
struct Notebook {
    notes: Vec<String>,
}

#[party::serve]
impl Party for Notebook {
    fn on_start(&mut self, room: &Room, _reason: StartReason) -> Result<()> {
        self.notes = room.storage().get("notes")?.unwrap_or_default();
        Ok(())
    }

    fn on_request(&mut self, room: &Room, request: Request) -> Result<Reply> {
        if request.method == "GET" {
            return Ok(Response::text(self.notes.join(", ")).into());
        }
        self.notes.push(request.text()?.to_owned());
        if is_mended(room) {
            room.storage().put("notes", &self.notes)?;
        } else {
            room.spawn(async |room| {
                room.sleep(Duration::from_secs(1)).await;
                room.with(|notebook: &mut Self| room.storage().put("notes", &notebook.notes))?;
                Ok::<(), Error>(())
            });
        }
        Ok(Response::text("kept").into())
    }
}
