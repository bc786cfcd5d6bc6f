//! The alarm rings once, never early, also when the host was away; it is cleared while it rings, and a later `set` replaces
//! an earlier one.
//! covers: alarms.set, alarms.get, alarms.clear, guest.on-alarm, alarms.alarm-error.bad-time

use std::time::Duration;

use party::bindings::party::server::alarms;
use party::{Party, Reply, Request, Result, Room};
use test_facts::tell;

#[derive(Default)]
struct Fact {}

#[party::serve]
impl Party for Fact {
    fn on_request(&mut self, room: &Room, request: Request) -> Result<Reply> {
        let set = |ms| alarms::set((room.now() + Duration::from_millis(ms)).as_millis());
        match request.method.as_str() {
            "POST" => {
                tell((set(1), set(60_000), alarms::set(0), room.alarm()?.map(|at| at.since(room.now()))))
            }
            "PUT" => tell(alarms::set(1)),
            "DELETE" => tell((alarms::clear(), alarms::clear(), alarms::get())),
            _ => tell((room.storage().get::<u32>("rung")?, alarms::get())),
        }
    }

    fn on_alarm(&mut self, room: &Room) -> Result<()> {
        assert_eq!(room.alarm()?, None, "it is cleared while it rings");
        let rung = room.storage().get::<u32>("rung")?.unwrap_or_default();
        Ok(room.storage().put("rung", &(rung + 1))?)
    }
}
