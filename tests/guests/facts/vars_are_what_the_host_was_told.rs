//! The party's vars are read by name, or all of them in order of name, and are the environment of the language.
//! covers: room.var, room.vars, wasi:cli/environment

use party::{Party, Reply, Request, Result, Room};
use test_facts::tell;

#[derive(Default)]
struct Fact {}

#[party::serve]
impl Party for Fact {
    fn on_request(&mut self, room: &Room, _request: Request) -> Result<Reply> {
        let environment: Vec<_> = std::env::vars().collect();
        tell((room.var("A"), room.var("NONE"), room.vars(), environment == room.vars()))
    }
}
