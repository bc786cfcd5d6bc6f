//! Many keys are read and set in one call; if one of them is refused, none is set.
//! covers: storage.get-many, storage.put-many, storage.storage-error.too-many

use party::bindings::party::server::storage::{get_many, put_many};
use party::{Party, Reply, Request, Result, Room};
use test_facts::tell;

#[derive(Default)]
struct Fact {}

#[party::serve]
impl Party for Fact {
    fn on_request(&mut self, _room: &Room, _request: Request) -> Result<Reply> {
        let key: &[u8] = b"b";
        let put = put_many(&[(b"b", b"1"), (b"a", b"2"), (b"b", b"3")]);
        let refused = put_many(&[(b"b", b"4"), (b"c", b"5"), (&[0; 2_049], b"6")]);
        let too_many = (put_many(&[(key, key); 1_001]), get_many(&[key; 1_001]).is_err());
        tell((put, refused, too_many, get_many(&[b"a", b"b", b"c", b"a"])))
    }
}
