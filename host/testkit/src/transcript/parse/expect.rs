//! Lines that say what must be so.

use crate::transcript::parse::{Named, Parser, Read, nothing, number, shown, word};
use crate::transcript::payload::{Payload, text_of};
use crate::transcript::step::{Expectation, Reply, Seen};
use crate::transcript::template::Template;

impl Parser<'_> {
    pub(super) fn expectation(&mut self, text: &str) -> Read<Expectation> {
        let (first, rest) = word(text);
        Ok(match first {
            "<" => self.received(rest)?,
            "awake" => Expectation::Awake(self.room_or_own(rest)?, true),
            "asleep" => Expectation::Awake(self.room_or_own(rest)?, false),
            "storage" => self.stored(rest)?,
            "dropped" if !rest.is_empty() => Expectation::Dropped(Template::parse(rest)?),
            "fetched" if !rest.is_empty() => self.fetched(rest)?,
            "log" if !rest.is_empty() => Expectation::Logged(Template::parse(rest)?),
            other => {
                return Err(format!(
                    "{} expects nothing: <, awake, asleep, storage, fetched METHOD URL, dropped TEXT or log TEXT",
                    shown(other)
                ));
            }
        })
    }

    fn received(&mut self, text: &str) -> Read<Expectation> {
        let (name, rest) = word(text);
        if self.known(name, Named::Request).is_ok() {
            return Ok(Expectation::Answered(name.to_owned(), self.reply(rest)?));
        }
        let client = self.known(name, Named::Client)?;
        let (first, behind) = word(rest);
        let seen = match first {
            "" => return Err(format!("what does {client} receive? An empty text is written as \"\"")),
            "lost" if behind.is_empty() => Seen::Lost,
            "nothing" if behind.is_empty() => Seen::Nothing,
            "close" => {
                let (code, reason) = word(behind);
                let reason = if reason.is_empty() { None } else { Some(text_of(reason)?) };
                Seen::Close(number(code, "a close code", 1000, 4999)?, reason)
            }
            "refused" => Seen::Refused(self.reply(behind)?),
            _ => Seen::Message(Payload::parse(rest)?),
        };
        Ok(Expectation::Received(client, seen))
    }

    /// `200 "done"`
    pub(super) fn reply(&mut self, text: &str) -> Read<Reply> {
        let (status, body) = word(text);
        let status = number(status, "a status", 100, 599)?;
        let body = if body.is_empty() { None } else { Some(Payload::parse(body)?) };
        Ok(Reply { status, body, headers: Vec::new() })
    }

    /// `[ROOM] KEY -> PAYLOAD`, `[ROOM] -> COUNT keys`
    fn stored(&mut self, text: &str) -> Read<Expectation> {
        let form = "it is written as: storage [ROOM] KEY -> PAYLOAD, or storage [ROOM] -> COUNT keys";
        let (what, value) = match text.strip_prefix("-> ") {
            Some(value) => ("", value),
            None => text.split_once(" -> ").ok_or(form)?,
        };
        if let Some(count) = value.strip_suffix(" keys")
            && let Ok(count) = number(count, "a count", 0, u64::MAX)
        {
            return Ok(Expectation::Keys(self.room_or_own(what.trim())?, count));
        }
        let what = what.trim();
        let (room, key) = match what.starts_with('"') {
            true => ("", what),
            false => match word(what) {
                (key, "") => ("", key),
                pair => pair,
            },
        };
        if key.is_empty() {
            return Err(form.into());
        }
        let key = match key.starts_with('"') {
            true => {
                serde_json::from_str(key).map_err(|error| format!("{} is no text: {error}", shown(key)))?
            }
            false => key.to_owned(),
        };
        let room = self.room_or_own(room)?;
        let value = if value == "none" { None } else { Some(Payload::parse(value)?) };
        Ok(Expectation::Stored(room, Template::parse(&key)?, value))
    }

    pub(super) fn unordered(&mut self) -> Read<Vec<(usize, Expectation)>> {
        let begun = self.next;
        let mut all = Vec::new();
        while let Some((line, text)) = self.line() {
            let (first, rest) = word(text);
            if first == "end" {
                nothing(rest)?;
                return Ok(all);
            }
            let expectation = self.expectation(text)?;
            if matches!(expectation, Expectation::Received(_, Seen::Nothing)) {
                return Err("that there is nothing has a place in an order: write it behind \"end\"".into());
            }
            all.push((line, expectation));
        }
        self.next = begun;
        Err("\"unordered\" has no \"end\"".into())
    }
}
