//! The world outside of the host: answers are laid down, and what was asked is looked at.

use bytes::Bytes;
use party_core::http::{Header, Response};

use crate::outbound::{Reaction, Requested, failure};
use crate::transcript::payload::{Content, escaped};
use crate::transcript::play::expect::{Compared, Differs, differ};
use crate::transcript::play::{Failure, Player};
use crate::transcript::step::{Fetched, Laid, Outbound};

impl Player<'_> {
    pub(super) fn lay_down(&self, line: usize, outbound: &Outbound) -> Result<(), Failure> {
        let wrong = |what| Failure::new(line, what);
        let Outbound { method, url, after, laid } = outbound;
        let url = self.fill(line, url)?;
        let reaction = match laid {
            Laid::Hangs => Reaction::Hang,
            Laid::Fails(word, text) => {
                Reaction::Failure(failure(word, self.fill(line, text)?).map_err(wrong)?)
            }
            Laid::Answers { status, headers, body } => {
                let headers = self.fill_headers(line, headers)?;
                let headers = headers.into_iter().map(|(name, value)| Header { name, value: value.into() });
                let body = body.as_ref().map(|body| body.fill(&self.names)).transpose().map_err(wrong)?;
                let body = match body {
                    None => Bytes::new(),
                    Some(Content::Text(text)) => text.into(),
                    Some(Content::Binary(bytes)) => bytes.into(),
                };
                Reaction::Answer(Response { status: *status, headers: headers.collect(), body })
            }
        };
        self.world.outside().lay_down(method, &url, *after, reaction);
        Ok(())
    }

    /// What was fetched and has no answer is a failure, also if nobody could see it.
    pub(super) fn everything_was_answered(&self) -> Result<(), Failure> {
        let Some(asked) = self.world.outside().take_unanswered() else { return Ok(()) };
        let mut failure =
            Failure::new(self.acted, format!("here a room fetched {asked}, which nothing answers"));
        failure.details.push(format!("`outbound {asked} -> 200 \"...\"` before it does"));
        Err(failure)
    }

    pub(super) fn fetched(&mut self, line: usize, wanted: &Fetched) -> Compared {
        self.asked.extend(self.world.outside().take_requested());
        let names = &self.names;
        let expected = format!("{} {}", wanted.method, wanted.url);
        let expected =
            wanted.body.as_ref().map_or_else(|| expected.clone(), |body| format!("{expected} {body}"));
        let Some(found) = self.asked.front() else {
            let what = "nothing was fetched".to_owned();
            return Err(differ(line, what, &expected, "nothing", None, names).into());
        };
        let otherwise = |reason| {
            let found = written(found);
            let what = "something else was fetched".to_owned();
            let failure = differ(line, what, &expected, &found, reason, names);
            Differs { failure, instead: Some(format!("fetched {found}")) }
        };
        let taken = wanted.url.matches(&found.url, names).filter(|_| wanted.method == found.method);
        let mut taken = taken.ok_or_else(|| otherwise(None))?;
        if let Some(body) = &wanted.body {
            taken.extend(body.matches(&Content::of(&found.body), names).map_err(otherwise)?);
        }
        for (name, value) in &wanted.headers {
            let header = found.header(name);
            match header.as_ref().and_then(|header| value.matches(header, names)) {
                Some(more) => taken.extend(more),
                None => {
                    let header = header.as_deref().unwrap_or("no such header");
                    let what = format!("it was fetched with another {name}");
                    return Err(differ(line, what, &value.to_string(), header, None, names).into());
                }
            }
        }
        self.asked.pop_front();
        Ok(taken)
    }
}

/// As a line has it, without headers.
fn written(requested: &Requested) -> String {
    let Requested { method, url, body, .. } = requested;
    match body.is_empty() {
        true => format!("{method} {}", escaped(url)),
        false => format!("{method} {} {}", escaped(url), Content::of(body).written()),
    }
}
