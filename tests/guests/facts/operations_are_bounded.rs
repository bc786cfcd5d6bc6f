//! At most 10,000 operations are open in a room; one more is refused with the bound, until one has ended.
//! covers: operations.sleep, types.operation-error.overloaded

use party::bindings::party::server::operations::{cancel, sleep};
use party::{Party, Reply, Request, Result, Room};
use test_facts::tell;

#[derive(Default)]
struct Fact {}

#[party::serve]
impl Party for Fact {
    fn on_request(&mut self, room: &Room, _request: Request) -> Result<Reply> {
        let (first, open) = (sleep(1_000), room.usage().operations);
        let started = (1..10_000).filter_map(|_| sleep(60_000).ok()).count();
        let one_more = sleep(0);
        let cancelled = first.is_ok_and(cancel);
        tell((open, started, one_more, cancelled, sleep(60_000).is_ok()))
    }
}
