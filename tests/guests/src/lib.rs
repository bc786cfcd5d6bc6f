//! The probe: a party that does, for better or worse, what its clients say.
//!
//! A message is a word and what it is about: `put key value`, `sleep 1000 good morning`, `trap`. Every word is one
//! fact that a test asks for; an unknown word fails, so a test cannot pass by a slip of the pen.

mod dice;
mod hostile;
mod ledger;
mod requests;
mod streams;
mod words;

use std::hint::black_box;
use std::time::Duration;

use party::{
    Close, Connection, Error, Message, Party, Reply, Request, Response, Result, ResumeReason, Room,
    StartReason,
};

/// What the room keeps in plain variables.
#[derive(Default)]
struct Probe {
    said: u64,
    started: Option<StartReason>,
    resumed: Option<ResumeReason>,
    closes: u64,
    slept: u64,
    added: u64,
    /// What came of the last piece of an answer.
    written: String,
    hold: Option<party::Hold>,
    sleeping: Option<party::Task>,
    hoard: Vec<u8>,
    ledger: ledger::Ledger,
    dice: dice::Dice,
}

#[party::serve(request_bodies)]
impl Party for Probe {
    fn on_start(&mut self, room: &Room, reason: StartReason) -> Result<()> {
        self.started = Some(reason);
        self.open_ledger(room)?;
        self.roll_if_dice(room, "start")?;
        let id = room.id();
        if id.starts_with("start-traps") {
            panic!("the start was told to trap");
        }
        if id.starts_with("start-fails") && reason != StartReason::FailedBefore {
            return Err(Error::new("the start was told to fail"));
        }
        if id.starts_with("start-slowly") {
            room.settle_later(async |room| {
                room.sleep(Duration::from_secs(1)).await;
                Ok::<(), Error>(())
            });
        }
        if id.starts_with("start-forever") {
            room.settle_later(async |_| {
                std::future::pending::<()>().await;
                Ok::<(), Error>(())
            });
        }
        Ok(())
    }

    fn on_resume(&mut self, _: &Room, reason: ResumeReason) -> Result<()> {
        self.resumed = Some(reason);
        self.closes = 0;
        Ok(())
    }

    fn on_connect(&mut self, room: &Room, connection: &Connection) -> Result<()> {
        self.ledger_client(connection, true);
        self.roll_if_dice(room, "connect")?;
        let info = connection.info().ok_or_else(|| Error::new("a connecting client is known"))?;
        let query = info.uri.split_once('?').map_or("", |(_, query)| query).to_owned();
        let value = |name: &str| {
            query
                .split('&')
                .filter_map(|pair| pair.split_once('='))
                .find(|(key, _)| *key == name)
                .map(|(_, v)| v)
        };
        if let Some(tag) = value("tag") {
            connection.accept(&[tag])?;
        }
        if let Some(status) = value("reject") {
            connection.reject(&Response::text("not you").with_status(status.parse()?))?;
        }
        if value("trap").is_some() {
            panic!("on_connect was told to trap");
        }
        if let Some(code) = value("close") {
            connection.close(code.parse()?, "at once")?;
        }
        if let Some(message) = value("fail") {
            return Err(Error::new(message));
        }
        if let Some(ms) = value("wait") {
            let (ms, connection) = (ms.parse()?, *connection);
            connection.send("before")?;
            room.settle_later(async move |room| {
                room.sleep(Duration::from_millis(ms)).await;
                connection.send("after")?;
                Ok::<(), Error>(())
            });
        }
        Ok(())
    }

    fn on_message(&mut self, room: &Room, from: &Connection, message: Message) -> Result<()> {
        self.said += 1;
        match message.as_text() {
            Some(text) => {
                let text = text.to_owned();
                self.do_as_told(room, from, &text)
            }
            None => Ok(from.send(message)?),
        }
    }

    fn on_close(&mut self, room: &Room, connection: &Connection, close: Close) -> Result<()> {
        self.closes += 1;
        self.ledger_client(connection, false);
        self.roll_if_dice(room, "close")?;
        let clean = if close.was_clean { "clean" } else { "lost" };
        room.broadcast(format!("{connection} closed {} {} {clean}", close.code, close.reason))?;
        Ok(())
    }

    fn on_error(&mut self, room: &Room, connection: &Connection, error: &str) -> Result<()> {
        if room.id().starts_with("slow") {
            (0..20_000_000u64).for_each(|turn| _ = black_box(turn));
            connection.send("slow")?;
        }
        room.everyone().except(&[*connection]).send(format!("error {error}"))?;
        Ok(())
    }

    fn on_request(&mut self, room: &Room, request: Request) -> Result<Reply> {
        self.said += 1;
        self.answer(room, request)
    }

    fn on_alarm(&mut self, room: &Room) -> Result<()> {
        self.roll_if_dice(room, "alarm")?;
        let rung = room.storage().get::<u64>("rung")?.unwrap_or(0) + 1;
        room.storage().put("rung", &rung)?;
        // When it has rung, and what the room is called meanwhile.
        room.storage()
            .put_bytes(format!("ring {rung}"), format!("{} {}", room.id(), room.now().as_millis()))?;
        room.broadcast(format!("alarm {rung} at {}", room.now().as_millis()))?;
        let fails = room.storage().get::<u64>("alarm fails")?.unwrap_or(0);
        if rung <= fails {
            return Err(Error::new("the alarm was told to fail"));
        }
        Ok(())
    }
}
