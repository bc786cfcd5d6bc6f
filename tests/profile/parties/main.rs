//! What the party of the tables does. `../partykit/main.ts` is the same for PartyKit, and `../partyserver/party.js` for
//! partyserver, word for word.

#[path = "main/asking.rs"]
mod asking;
#[path = "main/keeping.rs"]
mod keeping;

use std::time::Duration;

use party::{
    Close, Connection, Error, Message, Party, ReadyState, Reply, Request, Response, Result, Room, Sender,
    StartReason, Timestamp, oneshot,
};

/// What has come of the room itself.
struct Born(Vec<&'static str>);

impl Default for Born {
    fn default() -> Self {
        Self(vec!["made"])
    }
}

/// What the room keeps in plain variables.
#[derive(Default)]
struct Main {
    /// What has happened in the room, in order.
    told: Vec<String>,
    /// Who waits until something has happened.
    waiting: Vec<(String, Sender<()>)>,
    /// What goes on when it is told to.
    gates: Vec<Sender<()>>,
    /// How connections have gone.
    closes: Vec<String>,
    born: Born,
    /// What takes memory.
    kept: Vec<Vec<u8>>,
    /// How often the alarm is to fail yet.
    fails: u32,
    /// When it has rung last.
    rang: Option<Timestamp>,
}

impl Main {
    fn tell(&mut self, line: impl Into<String>) {
        let line = line.into();
        let (come, waiting) =
            self.waiting.drain(..).partition(|(word, _): &(String, _)| line.starts_with(word.as_str()));
        self.waiting = waiting;
        self.told.push(line);
        for (_, come) in come {
            // Whoever does not wait any more is not waited for.
            let _ = come.send(());
        }
    }
}

/// The value of a key in a query, as it stands there.
fn value<'a>(query: &'a str, key: &str) -> Option<&'a str> {
    let mut pairs = query.split('&').map(|pair| pair.split_once('=').unwrap_or((pair, "")));
    pairs.find_map(|(name, value)| (name == key).then_some(value))
}

/// A value of a query as a form means it.
fn decoded(value: &str) -> String {
    let (mut bytes, mut rest) = (Vec::new(), value.as_bytes());
    while let Some((&first, after)) = rest.split_first() {
        let hex = after.get(..2).and_then(|hex| std::str::from_utf8(hex).ok());
        let byte = hex.filter(|_| first == b'%').and_then(|hex| u8::from_str_radix(hex, 16).ok());
        bytes.push(byte.unwrap_or(if first == b'+' { b' ' } else { first }));
        rest = if byte.is_some() { &after[2..] } else { after };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn names(headers: &[party::Header]) -> String {
    let mut names: Vec<&str> = headers.iter().map(|header| &*header.name).collect();
    names.sort_unstable();
    names.join(" ")
}

/// Whether an alarm is set.
fn alarm(room: &Room) -> Result<&'static str> {
    Ok(if room.alarm()?.is_some() { "set" } else { "none" })
}

/// All values of a header, as a browser puts them together.
fn header(headers: &[party::Header], name: &str) -> String {
    let of_name = headers.iter().filter(|header| header.name == name);
    let found: Vec<_> = of_name.map(|header| String::from_utf8_lossy(&header.value)).collect();
    if found.is_empty() { "null".into() } else { found.join(", ") }
}

/// A text, of the type that a `Response` in TypeScript gives it.
fn text(words: impl Into<String>) -> Response {
    Response::bytes("text/plain;charset=UTF-8", words.into())
}

fn keys(connections: &[Connection]) -> String {
    let keys: Vec<String> = connections.iter().filter_map(Connection::info).map(|info| info.key).collect();
    keys.join(" ")
}

/// The newest client that is called so.
fn one(room: &Room, key: &str) -> Result<Connection> {
    let of_key = |one: &Connection| one.info().is_some_and(|info| info.key == key);
    room.connections().into_iter().rfind(of_key).ok_or_else(|| Error::new("nobody is called so"))
}

fn attempted<E>(result: Result<(), E>) -> &'static str {
    if result.is_ok() { "done" } else { "refused" }
}

/// As the standard of browsers counts.
fn ready_state(connection: &Connection) -> u8 {
    match connection.info().map(|info| info.ready_state) {
        Some(ReadyState::Connecting) => 0,
        Some(ReadyState::Open) => 1,
        Some(ReadyState::Closing) => 2,
        Some(ReadyState::Closed) | None => 3,
    }
}

#[party::serve]
impl Party for Main {
    fn on_start(&mut self, room: &Room, reason: StartReason) -> Result<()> {
        self.tell("start");
        self.born.0.push("started");
        if room.id().starts_with("start-") {
            let starts = room.storage().get::<u32>("starts")?.unwrap_or(0) + 1;
            room.storage().put("starts", &starts)?;
        }
        if room.id().starts_with("start-fails-") && reason != StartReason::FailedBefore {
            return Err(Error::new("told to fail"));
        }
        if room.id().starts_with("start-takes-") {
            room.settle_later(async |room| {
                room.sleep(Duration::from_millis(300)).await;
                room.with(|main: &mut Main| main.tell("started"));
            });
        }
        Ok(())
    }

    fn on_connect(&mut self, room: &Room, connection: &Connection) -> Result<()> {
        let info = connection.info().ok_or_else(|| Error::new("a connecting client is known"))?;
        let query = info.uri.split_once('?').map_or("", |(_, query)| query);
        let tags: Vec<String> = if let Some(count) = value(query, "tags") {
            (0..count.parse::<u32>()?).map(|index| format!("t{index}")).collect()
        } else if let Some(chars) = value(query, "tag-chars") {
            vec!["x".repeat(chars.parse()?)]
        } else {
            query.split('&').filter_map(|pair| pair.strip_prefix("tag=")).map(decoded).collect()
        };
        if let Some(kept) = value(query, "early") {
            self.tell("tags");
            connection.set_attachment(kept.as_bytes())?;
        }
        if let Some(message) = value(query, "tags-fail") {
            return Err(Error::new(decoded(message)));
        }
        connection.accept(&tags.iter().map(String::as_str).collect::<Vec<_>>())?;
        self.tell("connect");
        if value(query, "early").is_some() {
            connection.send(String::from_utf8_lossy(&connection.attachment()?).into_owned())?;
        }
        if let Some(text) = value(query, "say") {
            connection.send(decoded(text))?;
        }
        if value(query, "url").is_some() {
            connection.send(info.uri.as_str())?;
        }
        if let Some(name) = value(query, "header") {
            connection.send(header(&info.headers, name))?;
        }
        if value(query, "headers").is_some() {
            connection.send(names(&info.headers))?;
        }
        if value(query, "waits").is_some() {
            let (open, gate) = oneshot();
            self.gates.push(open);
            room.settle_later(async move |room| {
                gate.await?;
                room.with(|main: &mut Main| main.tell("connected"));
                Ok::<(), Error>(())
            });
        }
        if value(query, "closes").is_some() {
            connection.close(4000, "at once")?;
        }
        if let Some(message) = value(query, "fails") {
            return Err(Error::new(decoded(message)));
        }
        if let Some(count) = value(query, "fails-long") {
            return Err(Error::new("é".repeat(count.parse()?)));
        }
        Ok(())
    }

    fn on_message(&mut self, room: &Room, from: &Connection, message: Message) -> Result<()> {
        let Some(text) = message.as_text() else {
            self.tell(format!("message of {} bytes", message.as_bytes().len()));
            return Ok(from.send(message)?);
        };
        let (word, about) = text.split_once(' ').unwrap_or((text, ""));
        let (first, rest) = about.split_once(' ').unwrap_or((about, ""));
        self.tell(format!("message {}", word.get(..20).unwrap_or(word)));
        match word {
            "echo" => from.send(about)?,
            "id" => from.send(from.info().map(|info| info.key).unwrap_or_default())?,
            "uri" => from.send(from.info().map(|info| info.uri).unwrap_or_default())?,
            "state-of-socket" => from.send(ready_state(from).to_string())?,
            "fail" => return Err(Error::new(about)),
            // There is no close without a code.
            "close" if about.is_empty() => from.close(1000, "")?,
            "close" => from.close(first.parse()?, rest)?,
            "try-close" => {
                let closed = from.close(first.parse()?, rest);
                // Whoever is closed hears no more.
                let _ = from.send(attempted(closed));
            }
            "close-long" => from.close(4000, &"x".repeat(about.parse()?))?,
            "close-then-send" => {
                from.close(4000, "enough")?;
                from.send("never seen")?;
            }
            "large" => from.send("x".repeat(about.parse()?))?,
            "all" => drop(room.broadcast(about)?),
            "others" => drop(room.everyone().except(&[*from]).send(about)?),
            "tagged" => drop(room.everyone().tagged(first).send(rest)?),
            "who" => from.send(keys(&room.connections()))?,
            "one" => one(room, first)?.send(rest)?,
            "put-out" => {
                one(room, first)?.close(4000, "out")?;
                room.broadcast(rest)?;
            }
            "remember" => {
                let kept = from.set_attachment("x".repeat(about.parse()?).as_bytes());
                from.send(attempted(kept))?;
            }
            "recall" => from.send(from.attachment()?.len().to_string())?,
            _ => {}
        }
        Ok(())
    }

    fn on_close(&mut self, room: &Room, connection: &Connection, close: Close) -> Result<()> {
        let reason = if close.reason.is_empty() { "-" } else { &close.reason };
        let how = if close.was_clean { "clean" } else { "not clean" };
        self.closes.push(format!("{} {reason} {how}", close.code));
        let listed = if room.connections().contains(connection) { "listed" } else { "not listed" };
        self.tell(format!("close {} {listed}", ready_state(connection)));
        Ok(())
    }

    fn on_error(&mut self, _: &Room, _: &Connection, error: &str) -> Result<()> {
        self.tell(format!("error {error}"));
        Ok(())
    }

    fn on_request(&mut self, room: &Room, request: Request) -> Result<Reply> {
        let path = request.path_in_room().trim_start_matches('/');
        let about = decoded(request.query().unwrap_or_default());
        let storage = room.storage();
        if let Some(answer) = keeping::answer(room, path, &about, request.query().unwrap_or_default())? {
            return Ok(text(answer).into());
        }
        if let Some(reply) = asking::reply(path, &about, &request)? {
            return Ok(reply);
        }
        Ok(match path {
            "log" if about.is_empty() || self.told.iter().any(|line| line.starts_with(&about)) => {
                text(self.told.join(", ")).into()
            }
            "log" => {
                let (come, waits) = oneshot();
                self.waiting.push((about, come));
                Reply::later(async move |room| {
                    waits.await?;
                    Ok(text(room.with(|main: &mut Main| main.told.join(", "))))
                })
            }
            "closes" => text(self.closes.join(", ")).into(),
            "release" => {
                for open in self.gates.drain(..) {
                    // Whoever does not wait any more is not waited for.
                    let _ = open.send(());
                }
                text("done").into()
            }
            "request" => text(format!("{} {}", request.method, request.uri)).into(),
            "header" => text(header(&request.headers, &about)).into(),
            "headers" => text(names(&request.headers)).into(),
            "body" => text(request.text()?).into(),
            "size" => text(request.body.len().to_string()).into(),
            "bytes" => Response { status: 200, headers: Vec::new(), body: vec![0, 1, 2, 255] }.into(),
            "status" => Response::status(about.parse()?).into(),
            "with-headers" => Response::status(200)
                .with_header("x-one", "1")
                .with_header("content-type", "application/json")
                .with_header("set-cookie", "a=1")
                .with_header("set-cookie", "b=2")
                .into(),
            "own-cors" => {
                Response::status(200).with_header("access-control-allow-origin", "https://own.example").into()
            }
            "fail" => return Err(Error::new(about)),
            "fail-with" => return Err(Error::new("told to fail").with_status(about.parse()?)),
            "all" => {
                room.broadcast(about)?;
                text("done").into()
            }
            "who" => text(keys(&room.connections())).into(),
            "alarm" => {
                room.set_alarm(room.now() + Duration::from_millis(about.parse()?))?;
                text("done").into()
            }
            // There is no time before all others.
            "alarm-at" => match about.parse() {
                Ok(at) => text(attempted(room.set_alarm(Timestamp::from_millis(at)))).into(),
                Err(_) => text("refused").into(),
            },
            "alarm-fails" => {
                self.fails = about.parse()?;
                text("done").into()
            }
            "alarm-when" => text(alarm(room)?).into(),
            "no-alarm" => {
                room.clear_alarm()?;
                text("done").into()
            }
            "born" => text(format!("{}", self.born.0.join(", "))).into(),
            "version" => text("this is version 1").into(),
            "var" => match room.var(&about) {
                Some(var) => text(format!("string {var:?}")).into(),
                None => text("undefined undefined").into(),
            },
            "memory" => {
                self.kept.push(vec![1; about.parse::<usize>()? << 20]);
                text("done").into()
            }
            "answer-of" => text("x".repeat(about.parse()?)).into(),
            "block" => Reply::later(async |room| {
                let hold = room.hold()?;
                room.with(|main: &mut Main| main.tell("block"));
                room.sleep(Duration::from_millis(300)).await;
                room.with(|main: &mut Main| main.tell("unblock"));
                drop(hold);
                Ok(text("done"))
            }),
            "block-fails" => match room.abort(&about)? {},
            "starts" => text(storage.get::<u32>("starts")?.unwrap_or(0).to_string()).into(),
            "count" => {
                let count = storage.get::<u64>("count")?.unwrap_or(0) + 1;
                storage.put("count", &count)?;
                text(count.to_string()).into()
            }
            path => text(format!("{} {} {path}", room.party(), room.id())).into(),
        })
    }

    fn on_alarm(&mut self, room: &Room) -> Result<()> {
        match self.rang.replace(room.now()) {
            None => self.tell(format!("alarm of {}", room.id())),
            // A pause is a power of two, and up to a quarter more.
            Some(before) => {
                let pause = room.now().since(before).as_secs().max(1).ilog2();
                self.tell(format!("again after {} s", 1 << pause));
            }
        }
        if self.told.iter().any(|line| line == "message alarm-asks") {
            asking::from_an_alarm(room);
        }
        room.broadcast(format!("the alarm is {}", alarm(room)?))?;
        if let Some(left) = self.fails.checked_sub(1) {
            self.fails = left;
            return Err(Error::new("told to fail"));
        }
        Ok(())
    }
}
