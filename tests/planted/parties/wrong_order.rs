//! A list of what was said, in the order of its keys. The bug: as text, 10 comes before 2.

use party::{Party, Reply, Request, Response, Result, Room};
use test_planted::is_mended;

#[derive(Default)]
struct List {
    said: u32,
}

#[party::serve]
impl Party for List {
    fn on_request(&mut self, room: &Room, request: Request) -> Result<Reply> {
        if request.method == "POST" {
            self.said += 1;
            let key = if is_mended(room) { format!("{:010}", self.said) } else { self.said.to_string() };
            room.storage().put(&key, &request.text()?)?;
        }
        let said = room.storage().list("").entries::<String>()?;
        let said: Vec<String> = said.into_iter().map(|entry| entry.value).collect();
        Ok(Response::text(said.join(" ")).into())
    }
}
