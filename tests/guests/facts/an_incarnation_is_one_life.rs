//! The incarnation stays while the room's memory does, and is another one after a fresh start.
//! covers: room.incarnation

use party::{Party, Reply, Request, Response, Result, Room};

#[derive(Default)]
struct Fact {}

#[party::serve]
impl Party for Fact {
    fn on_request(&mut self, room: &Room, request: Request) -> Result<Reply> {
        if request.method == "POST" {
            panic!("the room was told to lose its memory");
        }
        let (now, before) = (room.incarnation(), room.storage().get::<String>("life")?);
        room.storage().put("life", &now)?;
        let is_one = now.len() == 32 && now.bytes().all(|c| matches!(c, b'0'..=b'9' | b'a'..=b'f'));
        Ok(Response::text(format!("{is_one} {}", if before == Some(now) { "the same" } else { "another" }))
            .into())
    }
}
