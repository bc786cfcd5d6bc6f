//! What must be so, and what is.

use std::collections::{BTreeMap, BTreeSet};

use crate::transcript::payload::{Content, Payload, escaped, shown};
use crate::transcript::play::seats::Got;
use crate::transcript::play::{Failure, Player};
use crate::transcript::step::{Action, Expectation, Reply, Request, Seen, Step};
use crate::transcript::template::{Names, Template};
use crate::world::Response;

/// What was found instead, if that can be written down.
pub(super) struct Differs {
    pub(super) failure: Failure,
    /// What would have to stand there.
    pub(super) instead: Option<String>,
}

impl From<Failure> for Differs {
    fn from(failure: Failure) -> Differs {
        Differs { failure, instead: None }
    }
}

/// What could be compared, and how that went.
pub(super) type Compared = Result<Names, Differs>;

impl Player<'_> {
    /// Lines in a row that all say what must be so.
    pub(super) async fn expect_all(&mut self, block: &[&Step]) -> Result<(), Failure> {
        let begun = self.names.clone();
        let kept = match self.edits {
            Some(_) => Some(self.received(block).await),
            None => None,
        };
        for step in block {
            let Err(differs) = self.expect_one(step).await else { continue };
            let Some(kept) = kept else { return Err(differs.failure) };
            self.names = begun;
            return self.bring_up_to_date(block, kept).await;
        }
        Ok(())
    }

    async fn expect_one(&mut self, step: &Step) -> Result<(), Differs> {
        match &step.action {
            Action::Expect(expectation) => {
                let taken = self.expect(step.line, expectation).await?;
                self.names.extend(taken);
                Ok(())
            }
            Action::Unordered(all) => self.expect_unordered(all).await,
            _ => Ok(()),
        }
    }

    async fn expect(&mut self, line: usize, expectation: &Expectation) -> Compared {
        match expectation {
            Expectation::Received(client, seen) => {
                let names = self.names.clone();
                let got = self.seat(line, client)?.got().await;
                let taken = compare(line, client, seen, got.front(), &names)?;
                got.pop_front();
                Ok(taken)
            }
            Expectation::Answered(name, reply) => {
                if let Some(coming) = self.requests.remove(name) {
                    let response = coming.await;
                    let response =
                        response.map_err(|error| Failure::new(line, format!("{name}: {error:#}")))?;
                    self.responses.insert(name.clone(), response);
                }
                let response = self.responses.get(name);
                let response =
                    response.ok_or_else(|| Failure::new(line, format!("{name} was answered already")))?;
                let taken = replied(line, name, reply, response, &self.names).map_err(|differs| {
                    let instead = differs.instead.map(|instead| format!("< {name} {instead}"));
                    Differs { instead, ..differs }
                })?;
                self.responses.remove(name);
                Ok(taken)
            }
            Expectation::Awake(room, wanted) => {
                let found = self.world.is_awake(room).await;
                let found = found.map_err(|error| Failure::new(line, format!("{error:#}")))?;
                let word = |awake| if awake { "awake" } else { "asleep" };
                if found == *wanted {
                    return Ok(Names::new());
                }
                let mut failure =
                    Failure::new(line, format!("{room} is {}, not {}", word(found), word(*wanted)));
                if let Some(why) = self.world.why_awake(room).await {
                    failure.details.push(format!("because {why}"));
                }
                Err(Differs { failure, instead: Some(format!("{} {room}", word(found))) })
            }
            Expectation::Fetched(wanted) => self.fetched(line, wanted),
            Expectation::Stored(room, key, value) => self.stored(line, room, key, value.as_ref()),
            Expectation::Keys(room, wanted) => {
                let all =
                    self.world.storage(room).map_err(|error| Failure::new(line, format!("{error:#}")))?;
                let found = all.len() as u64;
                if found == *wanted {
                    return Ok(Names::new());
                }
                let failure = Failure::new(line, format!("{room} has {found} keys, not {wanted}"));
                Err(Differs { failure, instead: Some(format!("storage {room} -> {found} keys")) })
            }
            Expectation::Dropped(text) => {
                let wanted = self.fill(line, text)?;
                self.listen();
                match self.dropped.front() {
                    Some((_, dropped)) if dropped.contains(&wanted) => {
                        self.dropped.pop_front();
                        Ok(Names::new())
                    }
                    found => {
                        let instead = found.map(|(_, found)| dropped(found));
                        let found = found.map_or("nothing", |(_, found)| found.as_str());
                        let what = "no turn was dropped for this".to_owned();
                        let failure = differ(line, what, &wanted, found, None, &self.names);
                        Err(Differs { failure, instead })
                    }
                }
            }
            Expectation::Logged(text) => {
                self.logged.extend(self.world.take_logs());
                let wanted = self.fill(line, text)?;
                if self.logged.iter().any(|logged| logged.contains(&wanted)) {
                    self.logged.clear();
                    return Ok(Names::new());
                }
                let mut failure = Failure::new(line, format!("no guest has logged {wanted:?}"));
                failure.details = self.logged.iter().map(|logged| format!("logged {logged:?}")).collect();
                Err(failure.into())
            }
        }
    }

    fn stored(&self, line: usize, room: &str, key: &Template, value: Option<&Payload>) -> Compared {
        let key = self.fill(line, key)?;
        let all = self.world.storage(room).map_err(|error| Failure::new(line, format!("{error:#}")))?;
        let found = all.get(key.as_bytes()).map(|bytes| Content::of(bytes));
        let (wanted, reason) = match (value, &found) {
            (None, None) => return Ok(Names::new()),
            (None, Some(_)) => ("none".to_owned(), None),
            (Some(payload), None) => (payload.to_string(), None),
            (Some(payload), Some(found)) => match payload.matches(found, &self.names) {
                Ok(taken) => return Ok(taken),
                Err(reason) => (payload.to_string(), reason),
            },
        };
        let found = found.map_or_else(|| "none".to_owned(), |found| found.written());
        let what = format!("{room} keeps something else under {key:?}");
        let failure = differ(line, what, &wanted, &found, reason, &self.names);
        let key = serde_json::Value::String(key);
        Err(Differs { failure, instead: Some(format!("storage {room} {key} -> {found}")) })
    }

    /// Expectations in any order. Each is about the next thing that somebody received, so one after the other is met by
    /// whatever is next, until none is left.
    async fn expect_unordered(&mut self, all: &[(usize, Expectation)]) -> Result<(), Differs> {
        let mut left: Vec<&(usize, Expectation)> = all.iter().collect();
        while !left.is_empty() {
            let mut met = None;
            for (at, (line, expectation)) in left.iter().enumerate() {
                if let Ok(taken) = self.expect(*line, expectation).await {
                    self.names.extend(taken);
                    met = Some(at);
                    break;
                }
            }
            match met {
                Some(at) => drop(left.remove(at)),
                None => {
                    let (line, expectation) = left[0];
                    let mut differs = match self.expect(*line, expectation).await {
                        Err(differs) => differs,
                        Ok(_) => continue,
                    };
                    differs.failure.what += ", in any order";
                    return Err(differs);
                }
            }
        }
        Ok(())
    }

    /// The answer to a request that is answered at once.
    pub(super) fn answered(
        &mut self,
        step: &Step,
        request: &Request,
        reply: &Reply,
        response: &Response,
    ) -> Result<(), Failure> {
        match replied(step.line, "the request", reply, response, &self.names) {
            Ok(taken) => {
                self.names.extend(taken);
                Ok(())
            }
            Err(Differs { failure, instead }) => match (&mut self.edits, instead) {
                (Some(edits), Some(instead)) => {
                    edits.replace(step.line, 1, vec![format!("{} -> {instead}", request.head)]);
                    Ok(())
                }
                (Some(_) | None, _) => Err(failure),
            },
        }
    }

    /// What the clients of a block have received and no line was about yet.
    async fn received(&mut self, block: &[&Step]) -> BTreeMap<String, Vec<Got>> {
        let mut kept = BTreeMap::new();
        for client in clients(block) {
            if let Some(seat) = self.seats.get_mut(&client) {
                kept.insert(client, seat.got().await.iter().cloned().collect());
            }
        }
        kept
    }

    /// Writes what its clients have received in the place of a block, and what else it is about as it is.
    async fn bring_up_to_date(
        &mut self,
        block: &[&Step],
        kept: BTreeMap<String, Vec<Got>>,
    ) -> Result<(), Failure> {
        let mut lines = Vec::new();
        for (client, got) in kept {
            lines.extend(got.iter().map(|got| format!("< {client} {}", got.written())));
            if let Some(seat) = self.seats.get_mut(&client) {
                seat.got().await.clear();
            }
        }
        for step in block {
            let others: Vec<(usize, &Expectation)> = match &step.action {
                Action::Expect(expectation) => vec![(step.line, expectation)],
                Action::Unordered(all) => {
                    all.iter().map(|(line, expectation)| (*line, expectation)).collect()
                }
                _ => Vec::new(),
            };
            for (line, other) in others {
                if matches!(other, Expectation::Received(..)) {
                    continue;
                }
                let is_as_it_was = match self.expect(line, other).await {
                    Ok(_) => None,
                    Err(Differs { failure, instead }) => Some(instead.ok_or(failure)?),
                };
                if is_as_it_was.is_some() && matches!(other, Expectation::Dropped(_)) {
                    // It is what the line is about now.
                    self.dropped.pop_front();
                }
                let as_it_was = || self.transcript.lines[line - 1].trim().to_owned();
                lines.push(is_as_it_was.unwrap_or_else(as_it_was));
            }
        }
        if let (Some(edits), Some(first), Some(last)) = (&mut self.edits, block.first(), block.last()) {
            edits.replace(first.line, last.line + last.lines - first.line, lines);
        }
        Ok(())
    }
}

/// The clients that a block is about.
fn clients(block: &[&Step]) -> BTreeSet<String> {
    let of = |expectation: &Expectation| match expectation {
        Expectation::Received(client, _) => Some(client.clone()),
        _ => None,
    };
    let mut all = BTreeSet::new();
    for step in block {
        match &step.action {
            Action::Expect(expectation) => all.extend(of(expectation)),
            Action::Unordered(each) => all.extend(each.iter().filter_map(|(_, expectation)| of(expectation))),
            _ => {}
        }
    }
    all
}

fn compare(line: usize, client: &str, seen: &Seen, got: Option<&Got>, names: &Names) -> Compared {
    let found = got.map_or_else(|| "nothing".to_owned(), Got::written);
    let (taken, reason) = match (seen, got) {
        (Seen::Nothing, None) | (Seen::Lost, Some(Got::Lost)) => (Some(Names::new()), None),
        (Seen::Message(payload), Some(Got::Message(content))) => match payload.matches(content, names) {
            Ok(taken) => (Some(taken), None),
            Err(reason) => (None, reason),
        },
        (Seen::Close(code, reason), Some(Got::Close(found, with))) if code == found => match reason {
            None => (Some(Names::new()), None),
            Some(reason) => (reason.matches(with, names), None),
        },
        (Seen::Refused(reply), Some(Got::Refused(status, body))) if reply.status == *status => {
            match &reply.body {
                None => (Some(Names::new()), None),
                Some(payload) => match payload.matches(&Content::Text(body.clone()), names) {
                    Ok(taken) => (Some(taken), None),
                    Err(reason) => (None, reason),
                },
            }
        }
        _ => (None, None),
    };
    taken.ok_or_else(|| {
        let what = match got {
            None => format!("{client} received nothing"),
            Some(_) => format!("{client} received something else"),
        };
        differ(line, what, &seen.to_string(), &found, reason, names).into()
    })
}

fn replied(line: usize, whose: &str, reply: &Reply, response: &Response, names: &Names) -> Compared {
    let found = Content::of(&response.bytes);
    let written = match response.bytes.is_empty() {
        true => response.status.to_string(),
        false => format!("{} {}", response.status, found.written()),
    };
    let (mut taken, mut reason) = (None, None);
    if reply.status == response.status {
        match reply.body.as_ref().map_or(Ok(Names::new()), |body| body.matches(&found, names)) {
            Ok(names) => taken = Some(names),
            Err(why) => reason = why,
        }
    }
    let Some(mut taken) = taken else {
        let what = format!("{whose} was answered otherwise");
        let failure = differ(line, what, &reply.to_string(), &written, reason, names);
        return Err(Differs { failure, instead: Some(written) });
    };
    for (name, value) in &reply.headers {
        let found = response.headers.get(name);
        match found.and_then(|found| value.matches(found, names)) {
            Some(more) => taken.extend(more),
            None => {
                let found = found.map_or("no such header", String::as_str);
                let what = format!("{whose} was answered with another {name}");
                return Err(differ(line, what, &value.to_string(), found, None, names).into());
            }
        }
    }
    Ok(taken)
}

/// The line that expects what was dropped for this reason.
pub(super) fn dropped(why: &str) -> String {
    let first = why.lines().next().unwrap_or_default().trim();
    format!("dropped {}", escaped(first))
}

pub(super) fn differ(
    line: usize,
    what: String,
    wanted: &str,
    found: &str,
    reason: Option<String>,
    names: &Names,
) -> Failure {
    let mut details = vec![format!("expected  {wanted}"), format!("received  {found}")];
    let same = wanted.chars().zip(found.chars()).take_while(|(one, other)| one == other).count();
    if reason.is_none() && same > 0 {
        details.push(format!("{}^", " ".repeat("received  ".len() + same)));
    }
    details.extend(reason);
    let used = names.iter().filter(|(name, _)| wanted.contains(&format!("${{{name}}}")));
    details.extend(used.map(|(name, value)| format!("${{{name}}} is {}", shown(value))));
    Failure { line, what, details }
}
