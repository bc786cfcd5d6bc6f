//! Chance is drawn from the turn's seed: other bytes in every turn, the same when the turn is taken again; at most 65,536 at
//! once.
//! covers: random.bytes, wasi:random/insecure-seed

use std::collections::HashSet;
use std::hash::{BuildHasher, RandomState};

use party::{Party, Reply, Request, Result, Room};
use test_facts::tell;

#[derive(Default)]
struct Fact {
    drawn: Vec<u64>,
}

#[party::serve]
impl Party for Fact {
    fn on_request(&mut self, room: &Room, request: Request) -> Result<Reply> {
        if request.method == "POST" {
            self.drawn.push(room.random_u64());
            self.drawn.push(RandomState::new().hash_one(1));
        }
        let all: HashSet<u64> = self.drawn.iter().copied().collect();
        let lengths = [0, 65_536, u32::MAX].map(|count| room.random_bytes(count).len());
        let sum = self.drawn.iter().fold(0, |sum: u64, drawn| sum.rotate_left(1) ^ drawn);
        tell((all.len() == self.drawn.len(), lengths, sum))
    }
}
