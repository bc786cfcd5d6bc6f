//! Steps, and what comes of them: the client's side of the table.
//!
//! ```text
//! GET /path [| header: value]… [= body]    asks, on a connection of its own, and reads the answer; GET! shows all headers
//! NAME connects PATH [| header: value]…    asks for a WebSocket, and reads the answer
//! NAME begins GET /path …                  asks, and does not wait
//! NAME begins connects PATH …              asks for a WebSocket, and does not wait
//! NAME is answered                         reads the answer to what was begun; "is answered!" shows all headers
//! NAME waits                               whether nothing has come for it yet
//! NAME sends TEXT                          a text message; "sends N letters", "sends N bytes", "sends in pieces N", "sends bad text"
//! NAME pings TEXT
//! NAME closes [CODE [REASON]]
//! NAME goes                                cuts its connection
//! NAME reads                               the next frame
//! N clients connect PATH                   so many; what they are answered
//! N s pass
//! the host starts again                    is told to end, and started with the same data
//! the party changes                        its source, and it is waited until the change is served
//! ```
//!
//! `ROOM` in a step is a room of the row's own. In outcomes it is put back, and so are `HOST` for host and port, `DATE`,
//! `UUID` and `NANOID`; the lines of a stack are left out. `LONG300` is 300 letters.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::sides::Side;
use crate::table::{Column, Row};
use crate::wire::{Absent, Answered, Asked, Frame, Wire};

/// How long something is waited for that must come.
const PATIENCE: Duration = Duration::from_secs(20);
/// How long it is waited for what does not come.
const SILENCE: Duration = Duration::from_millis(1_000);
/// Headers that every answer may have, shown only where all are asked for.
const USUAL: [&str; 9] = [
    "cache-control",
    "connection",
    "content-length",
    "content-type",
    "date",
    "etag",
    "last-modified",
    "sec-websocket-accept",
    "upgrade",
];
/// A longer body or message is told by its length.
const SHOWN_CHARS_MAX: usize = 160;

/// A client, and what it has asked.
struct Client {
    wire: Wire,
    asked: Asked,
}

/// One row as it is played.
pub(crate) struct Player<'a> {
    side: &'a mut Side,
    /// A room of its own.
    room: String,
    column: Column,
    /// Whether what is expected is not known.
    blesses: bool,
    clients: BTreeMap<String, Client>,
    /// Those that nobody speaks of one by one.
    crowd: Vec<Wire>,
}

impl Player<'_> {
    pub(crate) fn new(side: &mut Side, room: String, column: Column, blesses: bool) -> Player<'_> {
        Player { side, room, column, blesses, clients: BTreeMap::new(), crowd: Vec::new() }
    }

    /// Plays a row; gives what comes of each step.
    pub(crate) fn play(&mut self, row: &Row) -> Vec<Option<String>> {
        let mut outcomes = Vec::new();
        for step in &row.steps {
            let expects_nothing = step.outcome(self.column) == Some("nothing");
            let does = step.does.replace("ROOM", &self.room);
            let does = long(&does);
            // What cannot be done is an outcome, too: the other rows are played all the same.
            let outcome =
                self.step(&does, expects_nothing).unwrap_or_else(|error| Some(format!("error: {error:#}")));
            outcomes.push(outcome.map(|outcome| self.general(&outcome)));
        }
        outcomes
    }

    fn step(&mut self, does: &str, expects_nothing: bool) -> Result<Option<String>> {
        let (first, rest) = does.split_once(' ').context("a step is some words")?;
        if first.chars().all(|c| c.is_ascii_uppercase() || c == '!') {
            let asked = asked(first.trim_end_matches('!'), rest);
            let mut wire = Wire::connect(self.side.port)?;
            wire.ask(&asked)?;
            let patience = if expects_nothing { SILENCE } else { PATIENCE };
            let answered = wire.answer(&asked.method, patience)?;
            return Ok(Some(shown(answered, first.ends_with('!'))));
        }
        match does {
            "the host starts again" => return self.side.start_again().map(|()| None),
            "the party changes" => return self.side.change_the_party().map(|()| None),
            _ => {}
        }
        if let Ok(count) = first.parse::<u32>() {
            return self.of_number(count, rest);
        }
        let (word, about) = rest.split_once(' ').unwrap_or((rest, ""));
        if ["connects", "begins"].contains(&word) {
            let (method, about) = match word {
                "begins" => about.split_once(' ').context("it begins something")?,
                word => (word, about),
            };
            let asked = asked(method, about);
            let mut wire = Wire::connect(self.side.port)?;
            wire.ask(&asked)?;
            self.clients.insert(first.into(), Client { wire, asked });
            return if word == "connects" {
                self.step(&format!("{first} is answered"), expects_nothing)
            } else {
                Ok(None)
            };
        }
        if word == "goes" {
            self.clients.remove(first).context("who goes is there")?.wire.cut()?;
            return Ok(None);
        }
        let client = self.clients.get_mut(first).with_context(|| format!("nobody is called {first:?}"))?;
        let wire = &mut client.wire;
        match (word, about) {
            ("is", "answered" | "answered!") => {
                let answered = wire.answer(&client.asked.method, PATIENCE)?;
                return Ok(Some(shown(answered, about.ends_with('!'))));
            }
            ("waits", "") => return Ok(Some(if wire.has_more()? { "no" } else { "yes" }.into())),
            ("reads", "") => {
                let patience = if expects_nothing || self.blesses { SILENCE } else { PATIENCE };
                return read(wire, patience).map(Some);
            }
            ("sends", about) => send(wire, about)?,
            ("pings", about) => wire.send(0x89, about.as_bytes())?,
            ("closes", "") => wire.send(0x88, &[])?,
            ("closes", about) => {
                let (code, reason) = about.split_once(' ').unwrap_or((about, ""));
                let code: u16 = code.parse()?;
                wire.send(0x88, &[&code.to_be_bytes()[..], reason.as_bytes()].concat())?;
            }
            _ => bail!("nobody knows how to do that"),
        }
        Ok(None)
    }

    /// A step that begins with a number.
    fn of_number(&mut self, count: u32, rest: &str) -> Result<Option<String>> {
        if rest == "s pass" {
            std::thread::sleep(Duration::from_secs(count.into()));
            return Ok(None);
        }
        let about = rest.strip_prefix("clients connect ").context("so many of what?")?;
        let asked = asked("connects", about);
        let mut answers: BTreeMap<String, u32> = BTreeMap::new();
        for _ in 0..count {
            let mut wire = Wire::connect(self.side.port)?;
            wire.ask(&asked)?;
            *answers.entry(shown(wire.answer(&asked.method, PATIENCE)?, false)).or_default() += 1;
            self.crowd.push(wire);
        }
        let answers: Vec<String> =
            answers.into_iter().map(|(answer, times)| format!("{times} times {answer}")).collect();
        Ok(Some(answers.join(", ")))
    }

    /// An outcome without what is of this run alone.
    fn general(&self, outcome: &str) -> String {
        let outcome =
            outcome.replace(&self.room, "ROOM").replace(&format!("127.0.0.1:{}", self.side.port), "HOST");
        if outcome.strip_prefix("text \"").and_then(|text| text.strip_suffix('"')).is_some_and(is_nanoid) {
            return "text \"NANOID\"".into();
        }
        let (mut general, mut rest) = (String::new(), outcome.as_str());
        while let Some(next) = rest.chars().next() {
            if rest.get(..36).is_some_and(is_uuid) {
                general += "UUID";
                rest = &rest[36..];
            } else {
                general.push(next);
                rest = &rest[next.len_utf8()..];
            }
        }
        general
    }
}

/// A step with as many letters as it names.
fn long(does: &str) -> String {
    let Some((before, after)) = does.split_once("LONG") else { return does.into() };
    let digits = after.find(|c: char| !c.is_ascii_digit()).unwrap_or(after.len());
    match after[..digits].parse() {
        Ok(count) => format!("{before}{}{}", "x".repeat(count), &after[digits..]),
        Err(_) => does.into(),
    }
}

/// A random one, of version 4.
fn is_uuid(text: &str) -> bool {
    text.bytes().enumerate().all(|(at, byte)| match at {
        8 | 13 | 18 | 23 => byte == b'-',
        14 => byte == b'4',
        _ => byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte),
    })
}

/// What partyserver makes: 21 characters of 64. All small would be a word of a row.
fn is_nanoid(text: &str) -> bool {
    let letter = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    let is_random = text.bytes().any(|byte| byte.is_ascii_digit() || byte.is_ascii_uppercase());
    text.len() == 21 && text.bytes().all(letter) && is_random
}

/// A text without the lines of a stack, which name places in files; also in a string of JSON.
fn without_stack(text: &str) -> String {
    if let Some(at) = text.find("\n    at ") {
        return text[..at].into();
    }
    match (text.find("\\n    at "), text.rfind('"')) {
        (Some(at), Some(end)) if at < end => format!("{}{}", &text[..at], &text[end..]),
        _ => text.into(),
    }
}

fn asked(method: &str, rest: &str) -> Asked {
    let (rest, body) = match rest.split_once(" = ") {
        Some((rest, body)) => (rest, Some(body.to_owned())),
        None => (rest, None),
    };
    let mut parts = rest.split(" | ");
    let path = parts.next().unwrap_or_default().to_owned();
    let headers = parts
        .map(|part| part.split_once(':').unwrap_or((part, "")))
        .map(|(name, value)| (name.to_owned(), value.trim().to_owned()))
        .collect();
    let upgrades = method == "connects";
    let method = if upgrades { "GET" } else { method }.to_owned();
    Asked { method, path, headers, body, upgrades }
}

fn send(wire: &mut Wire, about: &str) -> Result<()> {
    match about.split(' ').collect::<Vec<_>>()[..] {
        ["bad", "text"] => wire.send(0x81, &[b'a', 0xff]),
        [count, "letters"] => wire.send(0x81, &vec![b'x'; count.parse()?]),
        [count, "bytes"] => wire.send(0x82, &vec![b'x'; count.parse()?]),
        ["in", "pieces", count] => {
            let count: usize = count.parse()?;
            wire.send(0x01, &vec![b'x'; count / 2])?;
            wire.send(0x80, &vec![b'x'; count - count / 2])
        }
        _ => wire.send(0x81, about.as_bytes()),
    }
}

fn shown(answered: Result<Answered, Absent>, all: bool) -> String {
    let answered = match answered {
        Ok(answered) => answered,
        Err(absent) => return absent_shown(absent),
    };
    if all {
        let value = |(name, value): &(String, String)| match name.as_str() {
            "date" | "last-modified" => format!("{name}: DATE"),
            "etag" => format!("{name}: TAG"),
            _ => format!("{name}: {value}"),
        };
        let headers: Vec<String> = answered.headers.iter().map(value).collect();
        return format!("{} {}", answered.status, headers.join("; "));
    }
    let mut shown = answered.status.to_string();
    if answered.status != 101 {
        shown += &format!(" {}", answered.header("content-type").unwrap_or("-"));
    }
    for (name, value) in &answered.headers {
        if !USUAL.contains(&name.as_str()) && name != "transfer-encoding" {
            shown += &format!(" {name}: {value}");
        }
    }
    if answered.status != 101 {
        shown += &format!(" {}", bytes_shown(&answered.body));
    }
    shown
}

fn absent_shown(absent: Absent) -> String {
    match absent {
        Absent::Nothing => "nothing".into(),
        Absent::End => "the end".into(),
    }
}

fn bytes_shown(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes).map(without_stack) {
        Ok(text) if text.chars().count() <= SHOWN_CHARS_MAX => format!("{text:?}"),
        Ok(text) if text.len() == text.chars().count() => format!("{} characters", text.len()),
        Ok(text) => format!("{} characters in {} bytes", text.chars().count(), text.len()),
        Err(_) if bytes.len() <= 16 => format!("{bytes:02x?}"),
        Err(_) => format!("{} bytes", bytes.len()),
    }
}

fn read(wire: &mut Wire, patience: Duration) -> Result<String> {
    let Frame { first, payload } = match wire.frame(patience)? {
        Ok(frame) => frame,
        Err(absent) => return Ok(absent_shown(absent)),
    };
    Ok(match first {
        0x81 => format!("text {}", bytes_shown(&payload)),
        0x82 => format!("binary {}", bytes_shown(&payload)),
        0x89 => format!("ping {}", bytes_shown(&payload)),
        0x8a => format!("pong {}", bytes_shown(&payload)),
        0x88 => {
            // Answered in kind, as every client does.
            wire.send(0x88, &payload[..payload.len().min(125)])?;
            match payload[..] {
                [] => "close without a code".into(),
                [high, low, ref reason @ ..] => {
                    let code = u16::from_be_bytes([high, low]);
                    let invalid = if payload.len() > 125 { ", which no close can have" } else { "" };
                    format!("close {code} {}{invalid}", bytes_shown(reason))
                }
                [_] => "close with half a code".into(),
            }
        }
        first => format!("frame {first:#04x} {}", bytes_shown(&payload)),
    })
}
