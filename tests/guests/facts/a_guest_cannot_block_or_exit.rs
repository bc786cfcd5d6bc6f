//! A wait for a clock and an exit end the turn as a trap does: time stands still inside a turn, and rooms end otherwise.
//! covers: wasi:io/poll, wasi:cli/exit

use std::time::Duration;

use party::{Party, Reply, Request, Response, Result, Room};

#[derive(Default)]
struct Fact {}

#[party::serve]
impl Party for Fact {
    fn on_request(&mut self, _room: &Room, request: Request) -> Result<Reply> {
        match request.path_in_room() {
            "/wait" => std::thread::sleep(Duration::from_millis(1)),
            "/exit" => std::process::exit(0),
            _ => {}
        }
        Ok(Response::text("here").into())
    }
}
