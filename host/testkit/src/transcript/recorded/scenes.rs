//! What has happened, as the steps of a transcript: each is something that came from outside, or a time at which something
//! happened by itself, and what was seen then.

mod events;
mod outputs;
mod scene;

use std::collections::BTreeMap;
use std::fmt::Write as _;

use party_core::event::NewConnection;
use party_core::ids::{CommitSeq, ConnectionId, RequestId};
use party_core::journal::{Fate, Happening, Record};
use party_node::transfer::RecordedRoom;
use party_runtime::component::Digest;

use crate::transcript::parse::LINES_MAX;
use crate::transcript::recorded::past::{Commit, PastError, checkpoint};
use crate::transcript::recorded::scenes::scene::{Before, Scene};
use crate::transcript::recorded::{SaveError, check};

/// Why a turn was dropped is not recorded: the play tells.
const DROPPED: &str = "dropped ?";
/// What a client received that connected anew is not recorded: the play tells.
const NOTHING: &str = " nothing";
/// Whether a line stands for what is not recorded, until the play has told it.
pub(super) fn is_unknown(line: &str) -> bool {
    line == DROPPED || (line.starts_with("< ") && line.ends_with(NOTHING) && line.split(' ').count() == 3)
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

/// A transcript in the making.
pub(super) struct Scenes {
    room: String,
    start_file: Option<String>,
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
    /// Requests without an answer, by their scene.
    requests: BTreeMap<RequestId, usize>,
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
    /// The transcript before the first record.
    pub(super) fn begin(recorded: &RecordedRoom, start_file: &str) -> Result<Scenes, SaveError> {
        let base = &recorded.base;
        let checkpoint = checkpoint(recorded)?;
        let has_start = checkpoint.is_some() || !base.entries.is_empty() || base.alarm.is_some();
        let first = recorded.journal.first().map(|entry| Record::decode(&entry.bytes)).transpose();
        let first_now = first.map_err(PastError::from)?.and_then(|record| {
            record.happenings().find_map(|happening| match happening {
                Happening::Event { now, .. } | Happening::Time(now) => Some(now.0),
                Happening::Life(_) | Happening::Settings { .. } | Happening::Resumed => None,
            })
        });
        let begins_at = match (&checkpoint, base.alarm) {
            (Some(checkpoint), _) => checkpoint.last_now().0,
            // The room was woken by its alarm.
            (None, Some(alarm)) if first_now.is_some_and(|now| alarm.at.0 <= now) => {
                alarm.at.0.saturating_sub(1)
            }
            (None, _) => first_now.unwrap_or_default(),
        };
        let mut scenes = Scenes {
            room: format!("{}/{}", base.address.party(), base.address.room()),
            start_file: has_start.then(|| start_file.to_owned()),
            component: Digest::of(&recorded.component).to_string(),
            begins_at,
            clock: begins_at,
            settings: Vec::new(),
            has_settings: false,
            first: None,
            last: CommitSeq(0),
            commits: 0,
            scenes: Vec::new(),
            before: Before::default(),
            clients: BTreeMap::new(),
            requests: BTreeMap::new(),
            names: BTreeMap::new(),
            next_client: 1,
            next_request: 1,
            problem: None,
            bytes: 0,
            line_count: 0,
        };
        if has_start {
            scenes.happens(vec![format!("import {start_file}")], None);
        }
        if let Some(checkpoint) = checkpoint {
            let mut came = Vec::new();
            for (id, session) in checkpoint.clients().filter(|(_, session)| session.is_listed()) {
                if came.is_empty() {
                    scenes.comment(
                        "clients of before, who connect anew: the copy has heard that they were gone",
                    );
                }
                let arriving = NewConnection {
                    key: session.key.clone(),
                    uri: session.uri.clone(),
                    headers: session.headers.clone(),
                    opened_at: session.opened_at,
                };
                scenes.connects(id, &arriving, None);
                scenes.let_in(id);
                came.push(id);
            }
            for id in came {
                let line = format!("< {}{NOTHING}", scenes.clients[&id].name);
                scenes.expect(scenes.here(), line);
            }
        }
        Ok(scenes)
    }

    pub(super) fn begins_with_file(&self) -> bool {
        self.start_file.is_some()
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

    /// The transcript, with the seeds of its turns or without.
    pub(super) fn text(&self, has_seeds: bool) -> String {
        let mut text = format!(
            "# What has happened in {}, as commits {} to {} have recorded it on component\n# {}.\n",
            self.room,
            self.first.unwrap_or_default(),
            self.last,
            self.component
        );
        let _ = writeln!(text, "room {}\nmemory durable\ntime {}", self.room, self.begins_at);
        self.settings.iter().for_each(|line| {
            let _ = writeln!(text, "{line}");
        });
        text.push('\n');
        for scene in &self.scenes {
            scene.write(&mut text, has_seeds);
        }
        text
    }
}
