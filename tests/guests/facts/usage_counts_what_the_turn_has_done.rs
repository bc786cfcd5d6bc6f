//! What the room uses is counted with what this turn has done so far, against the bounds that hold.
//! covers: room.usage

use std::time::Duration;

use party::{Error, Party, Reply, Request, Result, Room};
use test_facts::tell;

#[derive(Default)]
struct Fact {
    large: Vec<u8>,
}

#[party::serve]
impl Party for Fact {
    fn on_request(&mut self, room: &Room, _request: Request) -> Result<Reply> {
        let before = room.usage();
        room.storage().put_bytes("key", [0; 97])?;
        self.large = vec![1; 1 << 20];
        for connection in room.connections() {
            connection.close(4000, "")?;
        }
        room.spawn(async |room| {
            room.sleep(Duration::from_secs(60)).await;
            Ok::<(), Error>(())
        });
        let now = room.usage();
        let bounds = (now.memory_bytes_max, now.storage_bytes_max);
        let is_larger = now.memory_bytes > before.memory_bytes + (1 << 20) - 1;
        tell((
            bounds,
            is_larger,
            before.storage_bytes,
            now.storage_bytes,
            before.connections,
            now.connections,
            now.operations,
        ))
    }
}
