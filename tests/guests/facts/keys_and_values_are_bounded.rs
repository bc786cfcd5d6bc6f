//! A key has at most 2,048 bytes and a value 131,106; what is larger is refused with the bound, and the turn goes on.
//! covers: storage.put, storage.get, storage.storage-error.key-too-large, storage.storage-error.value-too-large

use party::bindings::party::server::storage::{delete, get, put};
use party::{Party, Reply, Request, Result, Room};
use test_facts::tell;

#[derive(Default)]
struct Fact {}

#[party::serve]
impl Party for Fact {
    fn on_request(&mut self, _room: &Room, _request: Request) -> Result<Reply> {
        let (key, value) = (vec![b'k'; 2_049], vec![b'v'; 131_107]);
        let key_too_large = (put(&key, b""), get(&key), delete(&key));
        let value_too_large = put(b"", &value);
        tell((key_too_large, value_too_large, put(&key[1..], &value[1..]), put(b"", b"")))
    }
}
