//! Reading transcripts. The grammar is told in docs/transcripts.md.

mod connect;
mod expect;
mod going_on;
mod outbound;
mod request;
mod settings;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use thiserror::Error;

use party_core::ids::Seed;
use party_server::config::nearest;

use crate::transcript::parse::settings::SETTINGS;
use crate::transcript::payload::{Payload, bytes, text_of};
use crate::transcript::step::{Action, Commits, Deed, RoomName, Step, Transcript};
use crate::transcript::template::{Template, is_name};

/// The largest transcript, in bytes.
pub const TRANSCRIPT_BYTES_MAX: usize = 1 << 20;
/// The most lines of one.
pub const LINES_MAX: usize = 20_000;
/// The longest line, in bytes.
pub const LINE_BYTES_MAX: usize = 64 << 10;
/// Characters of what is wrong that are shown.
const SHOWN_CHARS_MAX: usize = 60;
/// The room of a transcript that names none, and the party of rooms that name none.
const ROOM: &str = "lobby";
const PARTY: &str = "main";

/// Why a transcript cannot be played.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
#[error("line {line}: {what}")]
pub struct ParseError {
    /// The number of the line, from 1.
    pub line: usize,
    /// What is wrong with it.
    pub what: String,
}

/// What a name stands for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Named {
    Client,
    Request,
}

pub(crate) struct Parser<'a> {
    lines: Vec<&'a str>,
    /// The line that is next.
    next: usize,
    room: Option<RoomName>,
    names: BTreeMap<String, Named>,
}

type Read<T> = Result<T, String>;

impl Transcript {
    /// Reads a transcript.
    pub fn parse(text: &str) -> Result<Transcript, ParseError> {
        // Some editors begin a file with it.
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let too_large = |what, found: usize, max: usize| ParseError {
            line: 1,
            what: format!("the transcript has {found} {what}; the limit is {max}"),
        };
        if text.len() > TRANSCRIPT_BYTES_MAX {
            return Err(too_large("bytes", text.len(), TRANSCRIPT_BYTES_MAX));
        }
        let lines: Vec<&str> = text.lines().collect();
        if lines.len() > LINES_MAX {
            return Err(too_large("lines", lines.len(), LINES_MAX));
        }
        if let Some((at, line)) = lines.iter().enumerate().find(|(_, line)| line.len() > LINE_BYTES_MAX) {
            let what = format!("it has {} bytes; the limit is {LINE_BYTES_MAX}", line.len());
            return Err(ParseError { line: at + 1, what });
        }
        let mut parser = Parser { lines, next: 0, room: None, names: BTreeMap::new() };
        parser.transcript().map_err(|what| ParseError { line: parser.next.max(1), what })
    }
}

impl<'a> Parser<'a> {
    fn transcript(&mut self) -> Read<Transcript> {
        let mut transcript = Transcript {
            lines: self.lines.iter().map(|line| (*line).to_owned()).collect(),
            ..Transcript::default()
        };
        while let Some((line, text)) = self.line() {
            let (word, rest) = word(text);
            if transcript.settings.take(word, rest)? {
                if !transcript.steps.is_empty() {
                    return Err(format!("\"{word}\" is a setting: it stands before the first step"));
                }
                self.room.clone_from(&transcript.settings.room);
                continue;
            }
            let action = self.action(text)?;
            transcript.steps.push(Step { line, lines: self.next + 1 - line, action });
        }
        Ok(transcript)
    }

    /// The next line that says something, and its number.
    fn line(&mut self) -> Option<(usize, &'a str)> {
        while let Some(line) = self.lines.get(self.next) {
            self.next += 1;
            let line = line.trim();
            if !line.is_empty() && !line.starts_with('#') {
                return Some((self.next, line));
            }
        }
        None
    }

    /// The lines directly below that begin with a mark and are indented.
    fn below(&mut self, marks: &[char]) -> Vec<(char, &'a str)> {
        let mut found = Vec::new();
        while let Some(line) = self.lines.get(self.next)
            && line.starts_with([' ', '\t'])
            && let Some(mark) = line.trim_start().chars().next().filter(|mark| marks.contains(mark))
        {
            found.push((mark, line.trim()[1..].trim()));
            self.next += 1;
        }
        found
    }

    fn action(&mut self, text: &str) -> Read<Action> {
        let (first, rest) = word(text);
        Ok(match first {
            ">" => self.deed(rest)?,
            "<" | "awake" | "asleep" | "storage" | "dropped" | "log" | "fetched" => {
                Action::Expect(self.expectation(text)?)
            }
            "unordered" => {
                nothing(rest)?;
                Action::Unordered(self.unordered()?)
            }
            "end" => return Err("\"end\" ends nothing: there is no \"unordered\" before it".into()),
            "advance" => Action::Advance(time(rest)?),
            "jump" => Action::Jump(time(rest)?),
            "draw" => Action::Draw(rest.split_whitespace().map(seed).collect::<Read<_>>()?),
            "hibernate" => Action::Hibernate(self.room_or_own(rest)?),
            "crash" => Action::Crash(time_or_none(rest)?),
            "restart" => Action::Restart(time_or_none(rest)?),
            "upgrade" => {
                let (party, file) = two(rest, "upgrade PARTY FILE")?;
                Action::Upgrade(party.to_owned(), PathBuf::from(file))
            }
            "rollback" if !rest.is_empty() => Action::RollBack(rest.to_owned()),
            "fork" => {
                let (from, to) = two(rest, "fork ROOM ROOM")?;
                Action::Fork(room(from)?, room(to)?)
            }
            "continue" => self.continues(rest)?,
            "export" | "import" => {
                let (file, rest) = word(rest);
                if file.is_empty() {
                    return Err(format!("it is written as: {first} FILE [ROOM]"));
                }
                let (file, room) = (PathBuf::from(file), self.room_or_own(rest)?);
                if first == "export" { Action::Export(file, room) } else { Action::Import(file, room) }
            }
            "commits" => Action::Commits(match rest {
                "fail" => Commits::Fail,
                "wait" => Commits::Wait,
                "go" => Commits::Go,
                other => return Err(format!("commits {} is not known: fail, wait or go", shown(other))),
            }),
            "outbound" => self.outbound(rest)?,
            "ignore" => Action::Ignore(self.known(rest, Named::Client)?),
            method if is_method(method) => self.request(method, rest)?,
            other => {
                return Err(format!(
                    "{} is not known{}; a line begins with >, <, a method (GET), or one of: {}; settings, before the first of \
                     them: {}",
                    shown(other),
                    meant(other, &[&WORDS[..], &SETTINGS[..]].concat()),
                    WORDS.join(", "),
                    SETTINGS.join(", ")
                ));
            }
        })
    }

    fn deed(&mut self, text: &str) -> Read<Action> {
        let (client, rest) = word(text);
        let (verb, rest) = word(rest);
        if verb == "connect" {
            let deed = self.connect(rest)?;
            self.name(client, Named::Client)?;
            return Ok(Action::Client(client.to_owned(), deed));
        }
        if !DEEDS.contains(&verb) {
            let meant = meant(verb, &DEEDS);
            return Err(format!("{} is not known{meant}: {}", shown(verb), DEEDS.join(", ")));
        }
        if verb == "cut" && self.known(client, Named::Request).is_ok() {
            nothing(rest)?;
            return Ok(Action::Leave(client.to_owned()));
        }
        let client = self.known(client, Named::Client)?;
        let deed = match verb {
            "send" => Deed::Send(Payload::parse(rest)?),
            "close" => {
                let (code, reason) = word(rest);
                let code = if code.is_empty() { 1000 } else { number(code, "a close code", 1000, 4999)? };
                Deed::Close(code, text_of(reason)?)
            }
            "slow" => Deed::Slow(number(rest, "a number of bytes a second", 1, SLOW_MAX)?),
            _ => {
                nothing(rest)?;
                match verb {
                    "cut" => Deed::Cut,
                    "dead" => Deed::Dead,
                    _ => Deed::Stall,
                }
            }
        };
        Ok(Action::Client(client, deed))
    }

    /// Gives something a name. A client may connect again under the same.
    fn name(&mut self, name: &str, what: Named) -> Read<()> {
        if !is_name(name) {
            return Err(format!("{} is no name: lower-case letters, digits, \"-\" and \"_\"", shown(name)));
        }
        match self.names.insert(name.to_owned(), what) {
            Some(before) if before != what => {
                Err(format!("{name} is the name of a client and of a request: choose another"))
            }
            Some(_) | None => Ok(()),
        }
    }

    fn known(&self, name: &str, what: Named) -> Read<String> {
        match self.names.get(name) {
            Some(known) if *known == what => Ok(name.to_owned()),
            Some(Named::Client) => Err(format!("{name} is a client")),
            Some(Named::Request) => Err(format!("{name} is a request")),
            None if what == Named::Client => {
                Err(format!("there is no client {} yet; it comes with: > NAME connect", shown(name)))
            }
            None => Err(format!("there is no request {} yet", shown(name))),
        }
    }

    fn room_or_own(&self, text: &str) -> Read<RoomName> {
        if text.is_empty() {
            return room(self.room.as_deref().unwrap_or(ROOM));
        }
        room(text)
    }
}

/// What a client can do.
const DEEDS: [&str; 7] = ["connect", "send", "close", "cut", "stall", "slow", "dead"];
/// Bytes a second that a slow line lets through, at most: more is no line that is slow.
const SLOW_MAX: u64 = 1 << 30;
/// What a line can begin with, for whoever wrote something else.
const WORDS: [&str; 22] = [
    "advance",
    "jump",
    "draw",
    "crash",
    "restart",
    "hibernate",
    "awake",
    "asleep",
    "storage",
    "dropped",
    "log",
    "unordered",
    "commits",
    "ignore",
    "outbound",
    "fetched",
    "upgrade",
    "rollback",
    "fork",
    "export",
    "import",
    "continue",
];

/// `, did you mean "advance"?`, if a word looks like a known one.
fn meant(word: &str, known: &[&'static str]) -> String {
    nearest(word, known).map_or_else(String::new, |known| format!(", did you mean {known:?}?"))
}

/// The first word, and the rest.
fn word(text: &str) -> (&str, &str) {
    let text = text.trim_start();
    text.split_once(char::is_whitespace).map_or((text, ""), |(word, rest)| (word, rest.trim_start()))
}

fn two<'a>(text: &'a str, form: &str) -> Read<(&'a str, &'a str)> {
    match word(text) {
        (first, second) if !second.is_empty() && word(second).1.is_empty() => Ok((first, second)),
        _ => Err(format!("it is written as: {form}")),
    }
}

fn nothing(rest: &str) -> Read<()> {
    if rest.is_empty() { Ok(()) } else { Err(format!("{} is too much", shown(rest))) }
}

/// `PARTY/ROOM`.
fn room(text: &str) -> Read<RoomName> {
    if text.contains(char::is_whitespace) {
        return Err(format!("{} is no room: ROOM or PARTY/ROOM, without spaces", shown(text)));
    }
    Ok(if text.contains('/') { text.to_owned() } else { format!("{PARTY}/{text}") })
}

fn number<T: TryFrom<u64>>(text: &str, what: &str, min: u64, max: u64) -> Read<T> {
    let found = text.parse::<u64>().ok().filter(|number| (min..=max).contains(number));
    found
        .and_then(|number| T::try_from(number).ok())
        .ok_or_else(|| format!("{} is not {what}: a number from {min} to {max}", shown(text)))
}

const UNITS: [(&str, u64); 5] = [("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)];
/// The longest time that passes at once, in milliseconds: ten years.
const TIME_MS_MAX: u64 = 3_650 * 86_400_000;

/// `500ms`, `30s`, `5m`, `2h`, `3d`.
fn time(text: &str) -> Read<Duration> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let unit = UNITS.iter().find(|(name, _)| *name == unit).map(|(_, ms)| *ms);
    let ms = unit.and_then(|unit| number.parse::<u64>().ok()?.checked_mul(unit));
    match ms.filter(|ms| *ms <= TIME_MS_MAX) {
        Some(ms) => Ok(Duration::from_millis(ms)),
        None => Err(format!("{} is no time: a number and ms, s, m, h or d, at most 3650d", shown(text))),
    }
}

fn time_or_none(text: &str) -> Read<Duration> {
    if text.is_empty() { Ok(Duration::ZERO) } else { time(text) }
}

/// 32 bytes in hexadecimal digits, as [`crate::transcript::recorded`] writes them.
fn seed(text: &str) -> Read<Seed> {
    let seed = bytes(text).ok().and_then(|bytes| bytes.try_into().ok());
    seed.map(Seed).ok_or_else(|| format!("{} is no seed: 64 hexadecimal digits", shown(text)))
}

/// `NAME: VALUE`
fn header(line: &str) -> Read<(String, Template)> {
    let (name, value) =
        line.split_once(':').ok_or_else(|| format!("{} is no header: NAME: VALUE", shown(line)))?;
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    if name.is_empty() || !name.bytes().all(is_token) {
        return Err(format!("{} is no name of a header", shown(name)));
    }
    Ok((name.to_ascii_lowercase(), Template::parse(value.trim())?))
}

fn is_method(word: &str) -> bool {
    !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_uppercase())
}

/// The beginning of what is wrong, in quotes.
fn shown(text: &str) -> String {
    match text.char_indices().nth(SHOWN_CHARS_MAX) {
        Some((end, _)) => format!("{:?}…", &text[..end]),
        None => format!("{text:?}"),
    }
}

#[cfg(test)]
mod tests;
