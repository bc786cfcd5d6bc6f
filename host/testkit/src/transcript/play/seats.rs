//! A client of a transcript: asking to be let in, let in, turned away, or gone; and what it has received.

use std::collections::VecDeque;

use anyhow::{Result, bail};

use crate::client::{Client, Received};
use crate::transcript::payload::{Content, written_close};
use crate::transcript::play::Failure;
use crate::transcript::step::Deed;
use crate::world::{Answer, Knocking, World};

/// Things in a row that are told of what nobody expected.
const TOLD_MAX: usize = 10;

/// What a client has received.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Got {
    Message(Content),
    Close(u16, String),
    Lost,
    Refused(u16, String),
}

impl Got {
    /// As a transcript writes it, behind the client's name.
    pub(super) fn written(&self) -> String {
        match self {
            Got::Message(content) => content.written(),
            Got::Close(code, reason) => written_close(*code, reason),
            Got::Lost => "lost".into(),
            Got::Refused(status, body) if body.is_empty() => format!("refused {status}"),
            Got::Refused(status, body) => {
                format!("refused {status} {}", Content::Text(body.clone()).written())
            }
        }
    }
}

enum Place {
    Asks(Knocking),
    Inside(Client),
    Outside,
}

pub(super) struct Seat {
    place: Option<Place>,
    got: VecDeque<Got>,
    /// After which steps that came, as far as it was noted, in the same order; and where a line last was about it.
    came: VecDeque<usize>,
    taken: usize,
    is_ignored: bool,
}

impl Seat {
    /// A client that asks to be let in.
    pub(super) async fn take(world: &World, path: &str, headers: &[(String, String)]) -> Result<Seat> {
        let headers: Vec<(&str, &str)> =
            headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let mut seat =
            Seat { place: None, got: VecDeque::new(), came: VecDeque::new(), taken: 0, is_ignored: false };
        let answer = world.knock(path, &headers).await?;
        seat.answered(answer);
        Ok(seat)
    }

    fn answered(&mut self, answer: Answer) {
        self.place = Some(match answer {
            Answer::Connected(client) => Place::Inside(client),
            Answer::Nothing(knocking) => Place::Asks(knocking),
            Answer::Refused(status, body) => {
                self.got.push_back(Got::Refused(status, body));
                Place::Outside
            }
        });
    }

    /// Takes in what has arrived.
    async fn look(&mut self) {
        if let Some(Place::Asks(knocking)) = self.place.take_if(|place| matches!(place, Place::Asks(_))) {
            match knocking.answer().await {
                Ok(answer) => self.answered(answer),
                // Its connection ended before there was an answer.
                Err(_) => {
                    self.got.push_back(Got::Lost);
                    self.place = Some(Place::Outside);
                }
            }
        }
        let Some(Place::Inside(client)) = &mut self.place else { return };
        for received in client.all().await {
            self.got.push_back(match received {
                Received::Text(text) => Got::Message(Content::Text(text)),
                Received::Binary(bytes) => Got::Message(Content::Binary(bytes)),
                Received::Closed(code, reason) => Got::Close(code, reason),
                Received::Lost => Got::Lost,
            });
        }
        if self.is_ignored {
            self.got.clear();
        }
    }

    pub(super) fn ignore(&mut self) {
        self.is_ignored = true;
        self.got.clear();
    }

    /// Everything that has arrived and that no line was about, oldest first.
    pub(super) async fn got(&mut self) -> &mut VecDeque<Got> {
        self.look().await;
        &mut self.got
    }

    /// How much is there, read or not.
    fn there(&self) -> usize {
        match &self.place {
            Some(Place::Inside(client)) if !self.is_ignored => self.got.len() + client.waiting(),
            Some(_) | None => self.got.len(),
        }
    }

    /// What has come since the last look came of this step.
    pub(super) fn has_come(&mut self, place: usize) {
        self.came.resize(self.there().max(self.came.len()), place);
    }

    /// What is not there any more was taken by lines at this place.
    pub(super) fn was_taken(&mut self, place: usize) {
        let gone = self.came.len().saturating_sub(self.there());
        if gone > 0 {
            self.came.drain(..gone);
            self.taken = place;
        }
    }

    /// Takes all that is left, each with the place where it belongs, if that is known.
    pub(super) async fn take_left(&mut self) -> Vec<(Option<usize>, Got)> {
        self.look().await;
        let came = self.came.drain(..).map(Some).chain(std::iter::repeat(None));
        let taken = self.taken;
        came.map(|place| place.map(|place| place.max(taken))).zip(self.got.drain(..)).collect()
    }

    pub(super) async fn act(&mut self, name: &str, deed: &Deed, content: Option<Content>) -> Result<()> {
        self.look().await;
        if matches!(deed, Deed::Cut) {
            self.place = Some(Place::Outside);
            return Ok(());
        }
        let client = match &mut self.place {
            Some(Place::Inside(client)) => client,
            Some(Place::Asks(_)) => bail!("{name} has not been answered yet: its on-connect has not settled"),
            Some(Place::Outside) | None => match self.got.front() {
                Some(got) => bail!("{name} has no connection: it received {}", got.written()),
                None => bail!("{name} has no connection any more"),
            },
        };
        match (deed, content) {
            (Deed::Send(_), Some(Content::Text(text))) => client.send(&text).await,
            (Deed::Send(_), Some(Content::Binary(bytes))) => client.send_binary(&bytes).await,
            (Deed::Close(code, _), Some(Content::Text(reason))) => client.close(*code, &reason).await,
            (Deed::Stall, _) => client.stop_reading().await,
            (Deed::Slow(bytes_per_second), _) => client.read_slowly(*bytes_per_second).await,
            (Deed::Dead, _) => client.go_dead().await,
            (Deed::Connect { .. } | Deed::Send(_) | Deed::Close(..) | Deed::Cut, _) => Ok(()),
        }
    }

    /// Fails if something has arrived that no line was about.
    pub(super) async fn nothing_is_left(&mut self, name: &str) -> Result<(), Failure> {
        let got = self.got().await;
        if got.is_empty() {
            return Ok(());
        }
        let mut details: Vec<String> =
            got.iter().take(TOLD_MAX).map(|got| format!("< {name} {}", got.written())).collect();
        if got.len() > TOLD_MAX {
            details.push(format!("and {} more", got.len() - TOLD_MAX));
        }
        details.push(format!("`ignore {name}` says that what it receives does not matter"));
        let what = format!("{name} received {} that no line expects", count(got.len(), "thing", "things"));
        Err(Failure { line: 0, what, details })
    }
}

fn count(count: usize, one: &str, many: &str) -> String {
    if count == 1 { format!("1 {one}") } else { format!("{count} {many}") }
}
