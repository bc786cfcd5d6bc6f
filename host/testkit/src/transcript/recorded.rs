//! From a journal to a transcript: what is recorded of a durable room becomes a test.
//!
//! The recorded turns are taken again, as `party-host replay` does, because the journal holds what came in and not what
//! went out ([`past`]). Each event that came from outside is a line of the transcript, and what the room then sent is what
//! is expected ([`scenes`], [`lines`]). What came from nobody (sleeps, alarms, starts) happens by itself when the
//! transcript is played, because its clock says what the clock said then.
//!
//! Then the transcript is played on the component that the turns ran on. What the play cannot repeat (ids, the clients that
//! a checkpoint knew: docs/transcripts.md tells all of it) is written as it came in the play, with what was recorded in a
//! comment above. So a transcript that is saved passes, and says itself where it is not what has happened.

mod lines;
mod past;
mod scenes;

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use party_core::ids::CommitSeq;
use party_node::transfer::{RecordedRoom, TakeAgainError};
use party_store::room_file::RoomFileError;
use thiserror::Error;

use crate::transcript::parse::{LINE_BYTES_MAX, LINES_MAX, TRANSCRIPT_BYTES_MAX};
use crate::transcript::play::Failure;
use crate::transcript::recorded::scenes::Scenes;
use crate::transcript::run::{Course, Stage, play};
use crate::transcript::step::Transcript;

/// How a recorded line begins in whose place something else was received.
const RECORDED: &str = "# recorded: ";
/// How it is told that more was received than was recorded.
const NOT_RECORDED: &str = "# not recorded: ";

/// How a recording becomes a transcript.
#[derive(Clone, Debug)]
pub struct Saving {
    /// What the file is called that is to lie beside the transcript, if the journal does not reach back to a new room.
    pub start_file: String,
    /// The last commit whose record is taken.
    pub until: CommitSeq,
    /// Where compiled components are kept.
    pub compile_cache: Option<PathBuf>,
}

/// A transcript of what has happened to a room.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Saved {
    /// The transcript.
    pub text: String,
    /// The room with which it begins, as `party-host checkpoint export` writes one; none if that is a new room.
    pub start: Option<Vec<u8>>,
    /// How many records were taken.
    pub commits: u64,
    /// How many lines are not as they were recorded, or were not: comments above them say so.
    pub differing: usize,
    /// Why it does not pass, if it cannot be played to its end.
    pub failure: Option<Failure>,
}

/// Why there is no transcript.
#[derive(Debug, Error)]
pub enum SaveError {
    /// The past cannot be taken again.
    #[error(transparent)]
    TakeAgain(#[from] TakeAgainError),
    /// There is nothing that could run it.
    #[error("there is no place to run it: {0}")]
    Engine(String),
    /// Something is longer than a transcript can hold it.
    #[error(
        "the {what} that commit {commit} ends with would have {found} bytes; the limit is {max}\n\
         hint: save what was before it: --until {}",
        commit.0.saturating_sub(1)
    )]
    TooLong {
        /// `line` or `transcript`.
        what: &'static str,
        /// How long it would be, at least.
        found: usize,
        /// The bound.
        max: usize,
        /// The commit whose record is too much.
        commit: CommitSeq,
    },
    /// It would have too many lines.
    #[error(
        "with commit {commit} the transcript would have more than {LINES_MAX} lines\n\
         hint: save what was before it: --until {}",
        commit.0.saturating_sub(1)
    )]
    TooManyLines {
        /// The commit whose record is too much.
        commit: CommitSeq,
    },
    /// The room with which it begins cannot be written.
    #[error("the room with which the journal begins cannot be written")]
    Start(#[from] RoomFileError),
    /// What was written is no transcript, which is a fault of this program.
    #[error("what was written is no transcript: {0}")]
    NoTranscript(#[from] crate::transcript::parse::ParseError),
}

/// Makes a transcript of what is recorded of a room, and plays it.
///
/// Blocks until that is done. Needs a thread without a tokio runtime.
pub fn save(recorded: RecordedRoom, saving: &Saving) -> Result<Saved, SaveError> {
    let (party, component) = (recorded.base.address.party().to_owned(), Arc::from(&*recorded.component));
    let mut scenes = Scenes::begin(&recorded, &saving.start_file, saving.until)?;
    let past = past::take_again(&recorded, saving, &mut |commit| {
        scenes.take(commit);
        scenes.check()
    });
    past?;
    let mut stage = Stage { compile_cache: saving.compile_cache.clone(), ..Stage::default() };
    stage.parties.insert(party, component);
    let mut start = None;
    if scenes.begins_with_file() {
        let (mut bytes, mut base) = (Vec::new(), recorded.base);
        base.ids_reserved = scenes.ids_reserved().unwrap_or(base.ids_reserved);
        base.write(&mut bytes)?;
        stage.files.insert(saving.start_file.as_str().into(), Arc::from(&*bytes));
        start = Some(bytes);
    }
    let commits = scenes.commits();
    // What was drawn, and what browsers send with every request, is said only where it matters: few guests draw anything that
    // can be seen, or look at those headers.
    let mut best = played(&scenes.text(Told::default()), &stage)?;
    let headers: &[bool] = if scenes.has_browser_headers() { &[false, true] } else { &[false] };
    let more = [false, true]
        .into_iter()
        .flat_map(|seeds| headers.iter().map(move |&browser_headers| Told { seeds, browser_headers }));
    for told in more.skip(1) {
        if best.is_repeated() {
            break;
        }
        let with_more = played(&scenes.text(told), &stage)?;
        if with_more.rank() <= best.rank() {
            best = with_more;
        }
    }
    let Played { text, differing, failure } = best;
    Ok(Saved { text, start, commits, differing, failure })
}

/// What is said of what matters only sometimes.
#[derive(Clone, Copy, Default)]
struct Told {
    /// What guests drew.
    seeds: bool,
    /// Headers that browsers add.
    browser_headers: bool,
}

/// A transcript that was played.
struct Played {
    text: String,
    differing: usize,
    failure: Option<Failure>,
}

impl Played {
    fn is_repeated(&self) -> bool {
        self.rank() == (false, 0)
    }

    /// The less the better.
    fn rank(&self) -> (bool, usize) {
        (self.failure.is_some(), self.differing)
    }
}

fn played(text: &str, stage: &Stage) -> Result<Played, SaveError> {
    let transcript = Transcript::parse(text)?;
    let Course { failure, edits, .. } = play(&transcript, stage, Path::new(""), true);
    let mut differing = 0;
    let restated = edits.apply(&transcript.lines, &mut |changed| {
        // Some lines stand for what no journal tells.
        let (unknown, gone): (Vec<&str>, Vec<&str>) =
            changed.gone.iter().partition(|line| scenes::is_unknown(line));
        let mut notes: Vec<String> = gone.iter().map(|line| format!("{RECORDED}{line}")).collect();
        differing += gone.len();
        if unknown.is_empty() && changed.added > gone.len() {
            let more = changed.added - gone.len();
            notes.push(format!("{NOT_RECORDED}{more} of the lines that follow"));
            differing += more;
        }
        notes
    });
    let text = restated.lines().filter(|line| !scenes::is_unknown(line)).fold(
        String::with_capacity(restated.len()),
        |mut text, line| {
            let _ = writeln!(text, "{line}");
            text
        },
    );
    Ok(Played { text, differing, failure })
}

/// Fails if a transcript cannot have this.
fn check(what: &'static str, found: usize, commit: CommitSeq) -> Result<(), SaveError> {
    let max = if what == "line" { LINE_BYTES_MAX } else { TRANSCRIPT_BYTES_MAX };
    if found > max { Err(SaveError::TooLong { what, found, max, commit }) } else { Ok(()) }
}
