//! What has happened, as the steps of a transcript: each is something that came from outside, or a time at which something
//! happened by itself, and what was seen then.

mod beginning;
mod events;
mod fetches;
mod outputs;
mod scene;

use std::collections::BTreeMap;
use std::fmt::Write as _;

use party_core::http::Response;
use party_core::ids::{CommitSeq, ConnectionId, OperationId, RequestId, StreamId};
use party_core::journal::{Fate, Happening};

use crate::transcript::parse::LINES_MAX;
use crate::transcript::recorded::past::Commit;
use crate::transcript::recorded::scenes::fetches::{Arriving, Fetching};
use crate::transcript::recorded::scenes::scene::{Before, Scene};
use crate::transcript::recorded::{SaveError, Told, check};

/// Why a turn was dropped is not recorded: the play tells.
const DROPPED: &str = "dropped ?";

/// Whether a line stands for what is not recorded, until the play has told it.
pub(super) fn is_unknown(line: &str) -> bool {
    line == DROPPED
}

struct Client {
    name: String,
    state: State,
}

enum State {
    /// What it is sent until it is let in, and whether it is closed then.
    Connecting(Vec<String>, bool),
    Open,
    /// The room has closed it, in this scene.
    Closed(usize),
    Gone,
}

/// A request that waits for its answer.
struct Asked {
    name: String,
    /// Where it was asked.
    scene: usize,
    /// Whether its answer can stand there.
    is_of_scene: bool,
}

/// A transcript in the making.
pub(super) struct Scenes {
    room: String,
    start_file: Option<String>,
    /// Ids below this may have been given out in the room with which it begins, as far as is known.
    ids_reserved: Option<u64>,
    /// The journal begins with a host that takes the room up: the play does that too.
    is_taken_up: bool,
    component: String,
    begins_at: u64,
    clock: u64,
    settings: Vec<String>,
    has_settings: bool,
    first: Option<CommitSeq>,
    last: CommitSeq,
    commits: u64,
    scenes: Vec<Scene>,
    before: Before,
    clients: BTreeMap<ConnectionId, Client>,
    /// Requests without an answer.
    requests: BTreeMap<RequestId, Asked>,
    /// What was fetched and has no outcome.
    fetches: BTreeMap<OperationId, Fetching>,
    /// What was fetched and arrives in pieces.
    arriving: BTreeMap<OperationId, Arriving>,
    /// Answers that are written in pieces: to which request, and what there is so far.
    answers: BTreeMap<StreamId, (RequestId, Response, Vec<u8>)>,
    /// The lines of what the world outside answers.
    laid: Vec<String>,
    /// Who has each name: a client, or a request.
    names: BTreeMap<String, Option<ConnectionId>>,
    next_client: u64,
    next_request: u64,
    /// The first thing that cannot be written.
    problem: Option<SaveError>,
    bytes: usize,
    line_count: usize,
}

impl Scenes {
    pub(super) fn begins_with_file(&self) -> bool {
        self.start_file.is_some()
    }

    /// What the room with which it begins must say of its ids, for those of the play to be the same.
    pub(super) fn ids_reserved(&self) -> Option<u64> {
        self.ids_reserved
    }

    /// How many records were taken.
    pub(super) fn commits(&self) -> u64 {
        self.commits
    }

    /// Takes what one record tells.
    pub(super) fn take(&mut self, commit: Commit) {
        let Commit { seq, record, outputs_before, outputs } = commit;
        self.first.get_or_insert(seq);
        self.last = seq;
        self.commits += 1;
        let happenings: Vec<Happening<'_>> = record.happenings().collect();
        let is_turn =
            |happening: &&Happening<'_>| matches!(happening, Happening::Event { fate: Fate::Turn(_), .. });
        let turn = happenings.iter().position(|happening| is_turn(&happening)).unwrap_or(happenings.len());
        let (before, with) = happenings.split_at(turn);
        for (happenings, outputs) in [(before, outputs_before), (with, outputs)] {
            let mut place = self.here();
            for happening in happenings {
                place = self.happening(happening);
            }
            self.outputs(outputs, place);
        }
    }

    /// Fails if a transcript cannot hold this.
    pub(super) fn check(&mut self) -> Result<(), SaveError> {
        if let Some(problem) = self.problem.take() {
            return Err(problem);
        }
        check("transcript", self.bytes, self.last)?;
        if self.line_count > LINES_MAX {
            return Err(SaveError::TooManyLines { commit: self.last });
        }
        Ok(())
    }

    /// Whether clients have sent headers that browsers add.
    pub(super) fn has_browser_headers(&self) -> bool {
        self.scenes.iter().any(Scene::has_browser_headers)
    }

    /// The transcript, with what matters in it only sometimes or without.
    pub(super) fn text(&self, told: Told) -> String {
        let mut text = format!(
            "# What has happened in {}, as commits {} to {} have recorded it on component\n# {}.\n",
            self.room,
            self.first.unwrap_or_default(),
            self.last,
            self.component
        );
        for (verb, meaning) in [
            ("crash", "its host ended without a word to its clients, or another process took the room up"),
            ("jump", "so much later something happened by itself, a timer for instance"),
        ] {
            if self.scenes.iter().any(|scene| scene.is(verb)) {
                let _ = writeln!(text, "# {verb}: {meaning}.");
            }
        }
        let _ = writeln!(text, "room {}\nmemory durable\ntime {}", self.room, self.begins_at);
        self.settings.iter().for_each(|line| {
            let _ = writeln!(text, "{line}");
        });
        text.push('\n');
        for scene in &self.scenes {
            scene.write(&mut text, &self.laid, told);
        }
        text
    }
}
