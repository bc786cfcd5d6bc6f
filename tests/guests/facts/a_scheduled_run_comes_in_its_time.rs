//! A scheduled run comes to the lobby of the main party at its time, never earlier, and may go on. Of those that a clock has passed
//! over, the last comes late.
//! covers: lobby.on-cron

use std::time::Duration;

use party::{Cron, Error, Lobby, Party, Reply, Request, Response, Result, Room, info};

#[derive(Default)]
struct Fact {}

#[party::serve]
impl Party for Fact {
    fn on_cron(lobby: &Lobby, cron: &Cron) -> Result<()> {
        let late_ms = lobby.now().as_millis() - cron.scheduled_at.as_millis();
        info!("{} ({}) of {}, {late_ms} ms late", cron.name, cron.expression, cron.scheduled_at.as_millis());
        match cron.name.as_str() {
            "fails" => return Err(Error::new("words")),
            "traps" => panic!("told to"),
            "long" => {
                lobby.settle_later(async |lobby| {
                    lobby.sleep(Duration::from_secs(90)).await;
                    info!("long is over");
                });
            }
            _ => {}
        }
        Ok(())
    }

    fn on_request(&mut self, _: &Room, _: Request) -> Result<Reply> {
        Ok(Response::status(204).into())
    }
}
