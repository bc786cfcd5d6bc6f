//! What a room keeps has a bound, and so has what one turn writes; what is refused changes nothing, and what fits is kept.
//! covers: storage.put, storage.put-many, storage.storage-error.quota-exceeded, storage.storage-error.turn-full

use party::bindings::party::server::storage::{delete, put, put_many};
use party::{Party, Reply, Request, Result, Room};
use test_facts::tell;

#[derive(Default)]
struct Fact {}

#[party::serve]
impl Party for Fact {
    fn on_request(&mut self, _room: &Room, request: Request) -> Result<Reply> {
        if request.method == "PUT" {
            return tell([1_000, 23, 22].map(|bytes| put(b"a", &vec![0; bytes])));
        }
        let filled = put(b"a", &[0; 49]);
        tell((
            filled,
            put(b"b", &[0; 0]),
            put_many(&[(b"c", b""), (b"d", &[0; 999])]),
            delete(b"a"),
            put(b"c", b"1"),
        ))
    }
}
