//! An alarm whose handler fails, or whose turn is dropped, rings again after 2 s, 4 s and so on up to 64 s, then never.
//! covers: guest.on-alarm, alarms.set

use party::{Error, Party, Reply, Request, Result, Room};
use test_facts::tell;

#[derive(Default)]
struct Fact {}

#[party::serve]
impl Party for Fact {
    fn on_request(&mut self, room: &Room, request: Request) -> Result<Reply> {
        if request.method == "POST" {
            room.set_alarm(room.now())?;
        }
        tell((room.storage().get::<Vec<u64>>("rung")?, room.alarm()?.map(|at| at.since(room.now()))))
    }

    fn on_alarm(&mut self, room: &Room) -> Result<()> {
        let mut rung: Vec<u64> = room.storage().get("rung")?.unwrap_or_default();
        rung.push(room.now().as_millis() / 1_000);
        room.storage().put("rung", &rung)?;
        Err(Error::new("not now"))
    }
}
