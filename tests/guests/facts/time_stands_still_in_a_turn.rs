//! Inside a turn time stands still, for the contract and for the language's clocks, and both go on together from turn to turn.
//! covers: room.now, wasi:clocks/wall-clock, wasi:clocks/monotonic-clock

use std::hint::black_box;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use party::{Party, Reply, Request, Result, Room, Timestamp};
use test_facts::tell;

#[derive(Default)]
struct Fact {
    first: Option<(Timestamp, Instant)>,
}

#[party::serve]
impl Party for Fact {
    fn on_request(&mut self, room: &Room, _request: Request) -> Result<Reply> {
        let (now, instant) = (room.now(), Instant::now());
        (0..100_000u64).for_each(|turn| {
            black_box(turn);
        });
        let is_still = room.now() == now && instant.elapsed().is_zero();
        let wall = SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis() == now.as_millis().into();
        let (first, begun) = *self.first.get_or_insert((now, instant));
        tell((is_still, wall, now.since(first), instant.duration_since(begun)))
    }
}
