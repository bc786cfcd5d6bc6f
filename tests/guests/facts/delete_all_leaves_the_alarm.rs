//! `delete-all` deletes every key, those of this turn too, and leaves the alarm.
//! covers: storage.delete-all, alarms.get

use std::time::Duration;

use party::{Party, Reply, Request, Result, Room};
use test_facts::tell;

#[derive(Default)]
struct Fact {}

#[party::serve]
impl Party for Fact {
    fn on_request(&mut self, room: &Room, request: Request) -> Result<Reply> {
        let storage = room.storage();
        if request.method == "POST" {
            room.set_alarm(room.now() + Duration::from_secs(60))?;
            storage.put_bytes("before", "1")?;
            return tell(storage.list("").keys()?.len());
        }
        storage.put_bytes("now", "2")?;
        storage.delete_all()?;
        let none = storage.list("").keys()?.len();
        storage.put_bytes("after", "3")?;
        tell((none, storage.list("").keys()?.len(), room.usage().storage_bytes, room.alarm()?.is_some()))
    }
}
