//! Deleting says whether there was such a key, or how many there were.
//! covers: storage.delete, storage.delete-many, storage.storage-error.too-many

use party::bindings::party::server::storage::{delete, delete_many, get, put_many};
use party::{Party, Reply, Request, Result, Room};
use test_facts::tell;

#[derive(Default)]
struct Fact {}

#[party::serve]
impl Party for Fact {
    fn on_request(&mut self, _room: &Room, request: Request) -> Result<Reply> {
        if request.method == "POST" {
            return tell(put_many(&[(b"a", b""), (b"b", b""), (b"c", b""), (b"d", b"")]));
        }
        let one = (delete(b"a"), delete(b"a"), get(b"a"));
        tell((one, delete_many(&[b"b", b"a", b"c", b"b"]), delete_many(&[b"d".as_slice(); 1_001])))
    }
}
