//! The world outside: what it answers, and what it was asked.

use std::time::Duration;

use crate::outbound::{ANY, failure};
use crate::transcript::parse::{Parser, Read, header, is_method, nothing, number, shown, time, word};
use crate::transcript::payload::{Payload, text_of};
use crate::transcript::step::{Action, Expectation, Fetched, Laid, Outbound};
use crate::transcript::template::Template;

impl Parser<'_> {
    /// `METHOD URL -> [after TIME] STATUS [PAYLOAD]`, `.. fails WHAT [TEXT]` or `.. hangs`, and the headers below.
    pub(super) fn outbound(&mut self, text: &str) -> Read<Action> {
        let form = "it is written as: outbound METHOD URL -> [after TIME] STATUS [PAYLOAD], fails WHAT TEXT or hangs";
        let (asked, answer) = text.split_once(" -> ").ok_or(form)?;
        let (method, url) = asked_for(asked.trim(), true)?;
        let answer = answer.trim();
        let (after, answer) = match word(answer) {
            ("after", rest) => {
                let (after, rest) = word(rest);
                (time(after)?, rest)
            }
            _ => (Duration::ZERO, answer),
        };
        let laid = match word(answer) {
            ("hangs", rest) => {
                nothing(rest)?;
                Laid::Hangs
            }
            ("fails", rest) => {
                let (what, text) = word(rest);
                // Names can stand in it; what kind it is is known before they do.
                failure(what, "0".into())?;
                Laid::Fails(what.to_owned(), text_of(text)?)
            }
            (status, body) => {
                let status = number(status, "a status", 200, 599)?;
                let body = if body.is_empty() { None } else { Some(Payload::parse(body)?) };
                let headers =
                    self.below(&['<']).into_iter().map(|(_, line)| header(line)).collect::<Read<_>>()?;
                Laid::Answers { status, headers, body }
            }
        };
        Ok(Action::Outbound(Box::new(Outbound { method, url, after, laid })))
    }

    /// `METHOD URL [PAYLOAD]`, and the headers below.
    pub(super) fn fetched(&mut self, text: &str) -> Read<Expectation> {
        let (method, rest) = word(text);
        let (url, body) = word(rest);
        let (method, url) = asked_for(&format!("{method} {url}"), false)?;
        let body = if body.is_empty() { None } else { Some(Payload::parse(body)?) };
        let headers = self.below(&['>']).into_iter().map(|(_, line)| header(line)).collect::<Read<_>>()?;
        Ok(Expectation::Fetched(Box::new(Fetched { method, url, headers, body })))
    }
}

fn asked_for(text: &str, may_be_any: bool) -> Read<(String, Template)> {
    let (method, url) = word(text);
    if !is_method(method) && !(may_be_any && method == ANY) {
        return Err(format!("{} is no method: GET, say", shown(method)));
    }
    if !(url.starts_with("https://") || url.starts_with("http://")) || url.contains(char::is_whitespace) {
        return Err(format!("{} is no full URL: https://api.test/price, say", shown(url)));
    }
    Ok((method.to_owned(), Template::parse(url)?))
}
