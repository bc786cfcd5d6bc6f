//! A quiz: who has begun has ten seconds. The bug: whoever connects again clears the table, and with it the clock.

use std::time::Duration;

use party::{Connection, Error, Message, Party, Result, Room, Task};
use test_planted::is_mended;

#[derive(Default)]
struct Quiz {
    clock: Option<Task>,
}

#[party::serve]
impl Party for Quiz {
    fn on_connect(&mut self, room: &Room, _connection: &Connection) -> Result<()> {
        if let Some(clock) = self.clock.take_if(|_| !is_mended(room)) {
            clock.cancel();
        }
        Ok(())
    }

    fn on_message(&mut self, room: &Room, _from: &Connection, _begin: Message) -> Result<()> {
        self.clock = Some(room.spawn(async |room| {
            room.sleep(Duration::from_secs(10)).await;
            room.broadcast("time is up")?;
            Ok::<(), Error>(())
        }));
        Ok(())
    }
}
