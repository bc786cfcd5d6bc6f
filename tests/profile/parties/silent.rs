//! A party that has nothing to say to connections.

use party::{Party, Reply, Request, Response, Result, Room};

#[derive(Default)]
struct Silent;

#[party::serve]
impl Party for Silent {
    fn on_request(&mut self, _: &Room, _: Request) -> Result<Reply> {
        Ok(Response::bytes("text/plain;charset=UTF-8", "silent").into())
    }
}
