//! What a room fetched: a line before the step in which it did says what the world outside answered, and after what time.

use std::fmt::Write as _;

use party_core::event::Outcome;
use party_core::http::{Header, Response};
use party_core::ids::OperationId;
use party_core::operation::{OperationError, Work};
use party_core::stream::StreamEvent;

use crate::outbound::written_failure;
use crate::transcript::parse::LINE_BYTES_MAX;
use crate::transcript::payload::escaped;
use crate::transcript::recorded::lines;
use crate::transcript::recorded::scenes::Scenes;
use crate::transcript::recorded::scenes::scene::{Laid, Place};

/// Headers that no line has to say.
const OF_EVERY_ANSWER: [&str; 2] = ["content-length", "date"];

/// A fetch under way.
pub(super) struct Fetching {
    /// Its line.
    laid: usize,
    /// When it was begun.
    at: u64,
    /// `outbound GET https://a.test/ ->`
    asked: String,
}

/// An answer of which the head has come.
pub(super) struct Arriving {
    fetching: Fetching,
    /// With what has come of the body.
    head: Response,
    /// When the head came.
    at: u64,
}

impl Scenes {
    /// The room has something begun. What it fetches has an answer before; as long as that is not known, it has none.
    pub(super) fn begins(&mut self, id: OperationId, work: &Work, place: Place) {
        let Work::Fetch { request, .. } = work else { return };
        let asked = format!("outbound {} {} ->", request.method, escaped(&request.uri));
        let line = format!("{asked} hangs");
        self.count(&line);
        let laid = self.laid.len();
        self.laid.push(line);
        match place {
            Place::Scene(scene) if scene < self.scenes.len() => self.scenes[scene].outside.push(Laid(laid)),
            Place::Scene(_) | Place::Before => self.before.outside.push(Laid(laid)),
        }
        self.fetches.insert(id, Fetching { laid, at: self.clock, asked });
    }

    /// It has ended so. Whether it was a fetch.
    pub(super) fn fetch_ends(&mut self, id: OperationId, outcome: &Outcome, now: u64) -> bool {
        let Some(Fetching { laid, at, asked }) = self.fetches.remove(&id) else { return false };
        let after = match now.saturating_sub(at) {
            0 => String::new(),
            ms => format!("after {ms}ms "),
        };
        let answer = match outcome {
            Outcome::Response(response) => {
                let mut answer = lines::response(response, true);
                let (headers, unwritten) = answered_with(response);
                for header in headers {
                    let _ = write!(answer, "\n{header}");
                }
                self.unwritten(&unwritten);
                answer
            }
            Outcome::Failed(OperationError::Timeout) => return true,
            Outcome::Failed(error) => written_failure(error),
            Outcome::Streamed(head) => {
                let arriving =
                    Arriving { fetching: Fetching { laid, at, asked }, head: (**head).clone(), at: now };
                self.arriving.insert(id, arriving);
                return true;
            }
            Outcome::Slept
            | Outcome::Interrupted
            | Outcome::Dropped
            | Outcome::Connected
            | Outcome::Rooms(_)
            | Outcome::Asset(_) => return true,
        };
        let line = format!("{asked} {after}{answer}");
        if line.lines().any(|line| line.len() > LINE_BYTES_MAX) {
            self.comment(&format!("not repeated: what was fetched by {asked} is longer than a line can be"));
            return true;
        }
        self.bytes += line.len();
        self.line_count += line.lines().count();
        self.laid[laid] = line;
        true
    }
}

impl Scenes {
    /// A piece of a body. When it has come whole, it is what the fetch is answered, in one piece.
    pub(super) fn stream_brings(&mut self, id: OperationId, what: &StreamEvent) {
        let Some(arriving) = self.arriving.get_mut(&id) else {
            return self.comment("not repeated: what a socket of the room's own has brought here");
        };
        match what {
            StreamEvent::Chunk(bytes) => {
                arriving.head.body = [&arriving.head.body[..], bytes].concat().into();
            }
            StreamEvent::End => {
                let Some(Arriving { fetching, head, at }) = self.arriving.remove(&id) else { return };
                self.comment("what was fetched here came in pieces; in the test it comes in one");
                self.fetches.insert(id, fetching);
                self.fetch_ends(id, &Outcome::Response(Box::new(head)), at);
            }
            StreamEvent::Message(_) | StreamEvent::Closed(_) | StreamEvent::Error(_) => {
                self.arriving.remove(&id);
                self.comment("not repeated: a body that broke off");
            }
        }
    }
}

/// The lines of an answer's headers, and the names of those that no line can have.
fn answered_with(response: &Response) -> (Vec<String>, Vec<&str>) {
    let (mut written, mut unwritten) = (Vec::new(), Vec::new());
    for Header { name, value } in &response.headers {
        if OF_EVERY_ANSWER.contains(&name.as_str()) {
            continue;
        }
        let value = std::str::from_utf8(value).ok();
        match value.filter(|value| value.trim() == *value && !value.chars().any(char::is_control)) {
            Some(value) => written.push(format!("  < {name}: {}", escaped(value))),
            None => unwritten.push(name.as_str()),
        }
    }
    (written, unwritten)
}
