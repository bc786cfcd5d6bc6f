//! A party that is many versions of itself.
//!
//! What a version is called and how it fails is written in its component as a text ([`MARK`]), which tests replace with
//! another of the same length: so the many versions of a test are built once. What is asked of it over HTTP is answered with
//! its name first, so that nobody takes one version for another.

use std::hint::black_box;
use std::time::Duration;

use party::{Connection, Error, Message, Party, Reply, Request, Response, Result, Room, StartReason};

/// `version=NAME start=HOW save=HOW restore=HOW`, each one character.
static MARK: [u8; 40] = *b"<<version=1 start=o save=o restore=o>>  ";
const VERSION_AT: usize = 10;
const START_AT: usize = 18;
const SAVE_AT: usize = 25;
const RESTORE_AT: usize = 35;

/// What the mark says at a place; the compiler must not know.
fn mark(at: usize) -> char {
    char::from(black_box(&MARK)[at])
}

/// What the room keeps in plain variables.
#[derive(Default)]
struct Versioned {
    count: u64,
    /// How it began: `started`, or who saved it.
    begun: String,
}

/// What one version tells the next.
type Saved = (u64, String);

impl Versioned {
    fn told(&mut self) -> String {
        self.count += 1;
        format!("{} {} {}", mark(VERSION_AT), self.count, self.begun)
    }
}

/// Fails in the way that the mark says.
fn go_wrong(how: char, what: &str) -> Result<()> {
    match how {
        'f' => Err(Error::new(format!("{what} was told to fail"))),
        't' => panic!("{what} was told to trap"),
        'l' => loop {
            black_box(());
        },
        _ => Ok(()),
    }
}

#[party::serve]
impl Party for Versioned {
    fn on_start(&mut self, room: &Room, reason: StartReason) -> Result<()> {
        self.begun = format!("{reason:?}");
        match mark(START_AT) {
            'w' => {
                room.settle_later(async |room| {
                    room.sleep(Duration::from_secs(5)).await;
                    room.storage().put("waited", &1u8)?;
                    Ok::<(), Error>(())
                });
                Ok(())
            }
            'n' => {
                room.settle_later(async |_| {
                    std::future::pending::<()>().await;
                    Ok::<(), Error>(())
                });
                Ok(())
            }
            how => go_wrong(how, "the start"),
        }
    }

    fn on_message(&mut self, room: &Room, from: &Connection, message: Message) -> Result<()> {
        let text = message.as_text().unwrap_or_default().to_owned();
        match text.split_once(' ').unwrap_or((&text, "")) {
            ("remember", what) => from.set_attachment(what.as_bytes())?,
            ("recall", _) => from.send(String::from_utf8_lossy(&from.attachment()?).into_owned())?,
            ("put", what) => room.storage().put("put", &what.to_owned())?,
            ("get", key) => from.send(room.storage().get::<String>(key)?.unwrap_or_default())?,
            ("who", _) => from.send(room.connections().len().to_string())?,
            ("sleep", ms) => {
                let (ms, from) = (ms.parse()?, *from);
                room.spawn(async move |room| {
                    room.sleep(Duration::from_millis(ms)).await;
                    from.send(format!("{} slept", mark(VERSION_AT)))?;
                    Ok::<(), Error>(())
                });
            }
            ("tick", _) => {
                room.spawn(async |room| {
                    while black_box(true) {
                        room.sleep(Duration::from_millis(700)).await;
                    }
                });
            }
            _ => from.send(self.told())?,
        }
        Ok(())
    }

    fn on_request(&mut self, _: &Room, request: Request) -> Result<Reply> {
        match request.path_in_room() {
            "/later" => {
                let ms = request.query().unwrap_or_default().parse()?;
                Ok(Reply::later(async move |room| {
                    room.sleep(Duration::from_millis(ms)).await;
                    Ok(Response::text(format!("{} later", mark(VERSION_AT))))
                }))
            }
            "/large" => {
                // More than a commit carries itself, and nothing that can be compressed.
                let noise = (1..=100_000u64).map(|n| {
                    let mixed = n.wrapping_mul(0x9e37_79b9_7f4a_7c15);
                    ((mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9) >> 56) as u8
                });
                self.begun = noise.map(|byte| char::from(byte % 94 + 33)).collect();
                Ok(Response::text("large").into())
            }
            "/length" => Ok(Response::text(format!("{} {}", mark(VERSION_AT), self.begun.len())).into()),
            _ => Ok(Response::text(self.told()).into()),
        }
    }

    fn on_alarm(&mut self, room: &Room) -> Result<()> {
        room.broadcast(format!("{} alarm", mark(VERSION_AT)))?;
        Ok(())
    }

    fn save(&mut self, room: &Room) -> Result<Vec<u8>> {
        let saved: Saved = (std::mem::take(&mut self.count), std::mem::take(&mut self.begun));
        room.storage().put("saved by", &mark(VERSION_AT).to_string())?;
        go_wrong(mark(SAVE_AT), "save")?;
        Ok(party::encode(&saved)?)
    }

    fn restore(&mut self, room: &Room, saved: &[u8]) -> Result<()> {
        let (count, begun): Saved = party::decode(saved)?;
        self.count = count;
        self.begun = if begun.len() < 100 { format!("{begun}+{}", mark(VERSION_AT)) } else { begun };
        room.storage().put("restored by", &mark(VERSION_AT).to_string())?;
        match mark(RESTORE_AT) {
            's' => {
                let begun_at = room.now();
                room.spawn(async move |room| {
                    room.sleep_until(begun_at + Duration::from_secs(60)).await;
                    room.broadcast(format!("{} goes on", mark(VERSION_AT)))?;
                    Ok::<(), Error>(())
                });
                room.broadcast("restored")?;
                Ok(())
            }
            how => go_wrong(how, "restore"),
        }
    }
}
