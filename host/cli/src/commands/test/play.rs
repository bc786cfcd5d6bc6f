//! Transcripts are played, as many at once as there are processors.

use std::any::Any;
use std::collections::BTreeMap;
use std::fs;
use std::num::NonZero;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use anyhow::{Context, Result};
use party_testkit::transcript::{self, Failure, Note, Stage, TRANSCRIPT_BYTES_MAX, Transcript};

use crate::commands::project::Project;
use crate::commands::test::find::Found;
use crate::host::read_bounded;
use crate::signals::Signals;

/// What came of a transcript.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Played {
    pub(super) path: PathBuf,
    pub(super) seed: u64,
    pub(super) notes: Vec<Note>,
    pub(super) end: End,
}

/// How a transcript ended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum End {
    Passed,
    /// It was brought up to date, and written.
    Updated,
    Failed(Failure),
    /// It is no transcript.
    NotUnderstood(Failure),
}

/// What came of all, the worst first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Verdict {
    Passed,
    Failed,
    NotUnderstood,
}

impl Played {
    pub(super) fn verdict(&self) -> Verdict {
        match &self.end {
            End::Passed | End::Updated => Verdict::Passed,
            End::Failed(_) => Verdict::Failed,
            End::NotUnderstood(_) => Verdict::NotUnderstood,
        }
    }
}

/// What each project says that its transcripts do not; what belongs to none says nothing.
pub(super) type Stages = BTreeMap<Option<PathBuf>, Stage>;

/// Builds the projects of these transcripts. A signal that comes meanwhile ends that, and is the error.
pub(super) async fn stages(found: &[Found], signals: &mut Signals) -> Result<Stages> {
    let mut stages = Stages::new();
    for project in found.iter().map(|found| &found.project) {
        if !stages.contains_key(project) {
            let stage = match project {
                Some(directory) => stage(directory, signals).await?,
                None => Stage::default(),
            };
            stages.insert(project.clone(), stage);
        }
    }
    Ok(stages)
}

/// Plays all, and gives them back in the order in which they came.
pub(super) fn play(found: &[Found], stages: &Stages, is_update: bool) -> Vec<Played> {
    let next = AtomicUsize::new(0);
    let threads = thread::available_parallelism().map_or(1, NonZero::get).min(found.len());
    let play_some = || {
        let mut played = Vec::new();
        while let Some((place, found)) = take(found, &next) {
            played.push((place, one(found, &stages[&found.project], is_update)));
        }
        played
    };
    let mut all: Vec<(usize, Played)> = thread::scope(|scope| {
        let threads: Vec<_> = (0..threads).map(|_| scope.spawn(play_some)).collect();
        threads.into_iter().flat_map(|thread| thread.join().expect("what panics is caught")).collect()
    });
    all.sort_by_key(|(place, _)| *place);
    all.into_iter().map(|(_, played)| played).collect()
}

fn take<'a>(found: &'a [Found], next: &AtomicUsize) -> Option<(usize, &'a Found)> {
    let place = next.fetch_add(1, Ordering::Relaxed);
    Some((place, found.get(place)?))
}

/// What a project says that its transcripts do not.
async fn stage(directory: &Path, signals: &mut Signals) -> Result<Stage> {
    let project = Project::open(directory)?;
    let mut parties = BTreeMap::new();
    for party in project.build_unless_stopped(signals).await? {
        let unreadable = || format!("{} cannot be read", party.component.display());
        let bytes: Arc<[u8]> = read_bounded(&party.component).with_context(unreadable)?.into();
        parties.insert(party.name.clone(), bytes);
    }
    let config = &project.config;
    Ok(Stage {
        parties,
        memory: config.memory,
        routing: config.routing.clone(),
        limits: config.limits.clone(),
        serve: config.serve.clone(),
        duplicate_keys: config.duplicate_keys.clone(),
        vars: config.vars.clone(),
        crons: config
            .crons
            .iter()
            .map(|cron| (cron.name().to_owned(), cron.expression().to_owned()))
            .collect(),
        compile_cache: Some(config.directory.join(".party/compiled")),
        ..Stage::default()
    })
}

fn one(found: &Found, stage: &Stage, is_update: bool) -> Played {
    let path = found.path.clone();
    let transcript = match read(&path) {
        Ok(transcript) => transcript,
        Err(failure) => {
            return Played { path, seed: 0, notes: Vec::new(), end: End::NotUnderstood(failure) };
        }
    };
    let directory = path.parent().unwrap_or(Path::new("")).to_path_buf();
    let run = || transcript::run(&transcript, stage, &directory, is_update);
    let outcome = match catch_unwind(AssertUnwindSafe(run)) {
        Ok(outcome) => outcome,
        Err(panic) => {
            let what = format!("the host panicked: {}", words(panic.as_ref()));
            return Played {
                path,
                seed: 0,
                notes: Vec::new(),
                end: End::Failed(Failure { line: 1, what, details: Vec::new() }),
            };
        }
    };
    let end = match (outcome.failure, outcome.updated) {
        (Some(failure), _) => End::Failed(failure),
        (None, None) => End::Passed,
        (None, Some(text)) => match write(&path, &text) {
            Ok(()) => End::Updated,
            Err(error) => {
                let what = format!("it cannot be written: {error:#}");
                End::Failed(Failure { line: 1, what, details: Vec::new() })
            }
        },
    };
    Played { path, seed: outcome.seed, notes: outcome.notes, end }
}

fn read(path: &Path) -> Result<Transcript, Failure> {
    let failure = |line, what| Failure { line, what, details: Vec::new() };
    let found = fs::metadata(path).map_err(|error| failure(1, format!("it cannot be read: {error}")))?;
    if found.len() > TRANSCRIPT_BYTES_MAX as u64 {
        return Err(failure(1, format!("it has {} bytes; the limit is {TRANSCRIPT_BYTES_MAX}", found.len())));
    }
    let text = fs::read_to_string(path).map_err(|error| failure(1, format!("it cannot be read: {error}")))?;
    Transcript::parse(&text).map_err(|error| failure(error.line, error.what))
}

/// Whoever reads it meanwhile finds the one or the other.
fn write(path: &Path, text: &str) -> Result<()> {
    let beside = path.with_extension("party~");
    fs::write(&beside, text)?;
    Ok(fs::rename(&beside, path)?)
}

fn words(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("it does not say why")
}
