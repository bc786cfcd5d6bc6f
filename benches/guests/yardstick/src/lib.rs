//! The party that the load tool drives, under six names; the bare native server does the same without wasm, but for `calls`.
//!
//! | party | does |
//! |---|---|
//! | `echo` | sends each message back to its sender |
//! | `broadcast` | sends each message to everyone, its sender included |
//! | `counter` | `POST` adds one to a stored number and answers it, `GET` answers it |
//! | `tally` | as `counter`, but the number is a variable and nothing else: for rooms that are durable |
//! | `calls` | as `tally`, and before it answers a `POST` it calls 50 times, one after the other, eight rooms of `tally` in turns |
//! | `hello` | answers every request with `hello`, echoes messages, stores nothing |

use party::{Connection, Error, Message, Party, Reply, Request, Response, Result, Room, StartReason};

/// The key of the number in storage.
const COUNT: &str = "count";

/// How often a `POST` to `calls` calls another room, and how many others there are.
const CALLS: u64 = 50;
const CALLED: u64 = 8;

/// Which of the six this room is.
#[derive(Default, Clone, Copy)]
enum Kind {
    #[default]
    Hello,
    Echo,
    Broadcast,
    Counter,
    Tally,
    Calls,
}

#[derive(Default)]
struct Yardstick {
    kind: Kind,
    count: u64,
}

#[party::serve]
impl Party for Yardstick {
    fn on_start(&mut self, room: &Room, _reason: StartReason) -> Result<()> {
        self.kind = match room.party().as_str() {
            "hello" => Kind::Hello,
            "echo" => Kind::Echo,
            "broadcast" => Kind::Broadcast,
            "counter" => Kind::Counter,
            "tally" => Kind::Tally,
            "calls" => Kind::Calls,
            other => return Err(Error::new(format!("the yardstick has no party `{other}`"))),
        };
        if let Kind::Counter = self.kind {
            self.count = room.storage().get(COUNT)?.unwrap_or(0);
        }
        Ok(())
    }

    fn on_message(&mut self, room: &Room, from: &Connection, message: Message) -> Result<()> {
        match self.kind {
            Kind::Hello | Kind::Echo => from.send(message)?,
            Kind::Broadcast => {
                room.broadcast(message)?;
            }
            Kind::Counter | Kind::Tally | Kind::Calls => {}
        }
        Ok(())
    }

    fn on_request(&mut self, room: &Room, request: Request) -> Result<Reply> {
        let answer = match (self.kind, request.method.as_str()) {
            (Kind::Hello, _) => "hello".to_owned(),
            (Kind::Calls, "POST") => return Ok(calls()),
            (Kind::Counter | Kind::Tally | Kind::Calls, "GET") => self.count.to_string(),
            (Kind::Counter, "POST") => {
                self.count += 1;
                room.storage().put(COUNT, &self.count)?;
                self.count.to_string()
            }
            (Kind::Tally, "POST") => {
                self.count += 1;
                self.count.to_string()
            }
            (Kind::Counter | Kind::Tally | Kind::Calls, _) => return Ok(Response::status(405).into()),
            (Kind::Echo | Kind::Broadcast, _) => return Ok(Response::status(404).into()),
        };
        Ok(Response::text(answer).into())
    }
}

/// Calls others, and counts one.
fn calls() -> Reply {
    Reply::later(async |room| {
        for call in 0..CALLS {
            let callee = format!("{}-{}", room.id(), call % CALLED);
            let answer = room.call("tally", &callee).method("POST").await?;
            if answer.status != 200 {
                return Err(Error::new(format!("{callee} answered {}", answer.status)));
            }
        }
        let count = room.with(|this: &mut Yardstick| {
            this.count += 1;
            this.count
        });
        Ok(Response::text(count.to_string()))
    })
}
