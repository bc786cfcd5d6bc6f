//! Inside a room there is nothing for `decide` to decide.
//! covers: lobby-answers.decide, lobby-answers.decide-error.not-in-the-lobby

use party::bindings::party::server::lobby_answers::{Decision, decide};
use party::{Party, Reply, Request, Result, Room};
use test_facts::tell;

#[derive(Default)]
struct Fact {}

#[party::serve]
impl Party for Fact {
    fn on_request(&mut self, _room: &Room, _request: Request) -> Result<Reply> {
        tell(decide(1, Decision::Proceed(&[])))
    }
}
