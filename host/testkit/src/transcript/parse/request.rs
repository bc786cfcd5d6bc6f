//! HTTP requests.

use crate::transcript::parse::{Named, Parser, Read, header, shown, word};
use crate::transcript::payload::Payload;
use crate::transcript::step::{Action, Answer, Request};
use crate::transcript::template::{Template, is_name};

/// Before a path of the host.
pub(super) const OF_HOST: &str = "host:";

impl Parser<'_> {
    /// `PATH [PAYLOAD] -> EXPECTED`, and the headers below.
    pub(super) fn request(&mut self, method: &str, text: &str) -> Read<Action> {
        let (path, rest) = word(text);
        let path = self.path(path)?;
        let form = "it is written as: METHOD PATH [PAYLOAD] -> STATUS [PAYLOAD], or -> NAME";
        let (body, expected) = match rest.strip_prefix("->") {
            Some(expected) => (None, expected.trim()),
            None => {
                let (body, expected) = with_body(rest)?.ok_or(form)?;
                (Some(body), expected)
            }
        };
        let written = format!("{method} {text}");
        let head = written.strip_suffix(expected).and_then(|head| head.trim_end().strip_suffix("->"));
        let head = head.unwrap_or_default().trim_end().to_owned();
        let (first, behind) = word(expected);
        let mut answer = match is_name(first) && behind.is_empty() {
            true => {
                self.name(first, Named::Request)?;
                Answer::Later(first.to_owned())
            }
            false => Answer::Now(self.reply(expected)?),
        };
        let mut headers = Vec::new();
        for (mark, line) in self.below(&['>', '<']) {
            let header = header(line)?;
            match (mark, &mut answer) {
                ('>', _) => headers.push(header),
                (_, Answer::Now(reply)) => reply.headers.push(header),
                (_, Answer::Later(name)) => {
                    return Err(format!("headers of the answer to {name} are not known here yet"));
                }
            }
        }
        Ok(Action::Request(Box::new(Request {
            head,
            method: method.to_owned(),
            path,
            headers,
            body,
            answer,
        })))
    }

    fn path(&self, path: &str) -> Read<Template> {
        if let Some(path) = path.strip_prefix(OF_HOST) {
            return slash(path);
        }
        if path.starts_with("/parties/") || path.starts_with("/party/") {
            return Template::parse(path);
        }
        let room = self.room_or_own("")?;
        match path {
            "/" => Template::parse(&format!("/parties/{room}")),
            path => slash(path).and_then(|_| Template::parse(&format!("/parties/{room}{path}"))),
        }
    }
}

/// A body and what stands behind the arrow. In quotes or in JSON there may be arrows before.
fn with_body(text: &str) -> Read<Option<(Payload, &str)>> {
    let mut wrong = None;
    for (at, arrow) in text.match_indices(" -> ") {
        match Payload::parse(text[..at].trim()) {
            Ok(body) => return Ok(Some((body, text[at + arrow.len()..].trim()))),
            Err(error) => wrong = wrong.or(Some(error)),
        }
    }
    wrong.map_or(Ok(None), Err)
}

fn slash(path: &str) -> Read<Template> {
    if path.starts_with('/') {
        Template::parse(path)
    } else {
        Err(format!("{} is no path: it begins with \"/\"", shown(path)))
    }
}
