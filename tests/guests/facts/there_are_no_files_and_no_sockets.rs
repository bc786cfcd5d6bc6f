//! There is no file, no directory and no argument for a guest, and no network: each is an error that it can handle.
//! covers: wasi:filesystem/preopens, wasi:cli/environment

use party::{Party, Reply, Request, Result, Room};
use test_facts::tell;

#[derive(Default)]
struct Fact {}

#[party::serve]
impl Party for Fact {
    fn on_request(&mut self, _room: &Room, _request: Request) -> Result<Reply> {
        let file = std::fs::read("/etc/passwd").map_err(|error| error.kind());
        let directory = std::fs::create_dir("here").map_err(|error| error.kind());
        tell((file, directory, std::env::args().count(), std::env::current_dir().is_ok()))
    }
}
