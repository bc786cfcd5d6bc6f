//! One transcript from its text to what came of it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Result;
use party_core::limits::Limits;
use party_core::room::DuplicateKeys;
use party_server::config::routing::Routing;
use party_server::config::{ServeConfig, set_limit};

use crate::transcript::play::{Failure, Player};
use crate::transcript::step::Transcript;
use crate::transcript::update::Edits;
use crate::world::{Builder, Memory, World};

/// What a transcript says nothing about: the project that it belongs to.
#[derive(Clone, Debug, Default)]
pub struct Stage {
    /// Components by the name of their party.
    pub parties: BTreeMap<String, Arc<[u8]>>,
    /// What becomes of rooms' memory.
    pub memory: Memory,
    /// Limits.
    pub limits: Limits,
    /// Static assets.
    pub serve: Option<ServeConfig>,
    /// How rooms are addressed, and in whose words clients are answered.
    pub routing: Routing,
    /// What becomes of clients of one name, by party.
    pub duplicate_keys: BTreeMap<String, DuplicateKeys>,
    /// Vars.
    pub vars: BTreeMap<String, String>,
    /// Scheduled runs: names and expressions.
    pub crons: Vec<(String, String)>,
    /// Where compiled components are kept.
    pub compile_cache: Option<PathBuf>,
    /// Files that steps name and that are not read from a directory, by the name that the steps have for them.
    pub files: BTreeMap<PathBuf, Arc<[u8]>>,
}

/// What came of a transcript.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Outcome {
    /// The seed of its chance.
    pub seed: u64,
    /// What was not as it says; none: it passed.
    pub failure: Option<Failure>,
    /// What whoever reads the result should know, whether it has passed or not.
    pub notes: Vec<Note>,
    /// The transcript as it should be, if it was to be brought up to date and is not.
    pub updated: Option<String>,
}

/// Something that the play does not say by itself.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Note {
    /// The number of the line that it is about, from 1.
    pub line: usize,
    /// What it is.
    pub what: String,
}

/// How a transcript was played.
#[derive(Default)]
pub(crate) struct Course {
    /// What was not as it says.
    pub(crate) failure: Option<Failure>,
    /// What would have to be written.
    pub(crate) edits: Edits,
    pub(crate) notes: Vec<Note>,
}

/// The seed of transcripts that name none.
const SEED: u64 = 1;

/// Plays a transcript; the files that it names are relative to `directory`. Is it to be brought up to date, only what
/// cannot be written down is a failure.
///
/// Blocks until it has ended. Needs a thread without a tokio runtime.
pub fn run(transcript: &Transcript, stage: &Stage, directory: &Path, is_update: bool) -> Outcome {
    let Course { failure, edits, mut notes } = play(transcript, stage, directory, is_update);
    if transcript.steps.is_empty() {
        notes.push(Note { line: 1, what: "it has no step: nothing was played".into() });
    }
    let is_as_it_was = failure.is_some() || edits.is_empty();
    let updated = (!is_as_it_was).then(|| edits.apply(&transcript.lines, &mut |_| Vec::new()));
    Outcome { seed: transcript.settings.seed.unwrap_or(SEED), failure, notes, updated }
}

/// As [`run`].
pub(crate) fn play(transcript: &Transcript, stage: &Stage, directory: &Path, is_update: bool) -> Course {
    let seed = transcript.settings.seed.unwrap_or(SEED);
    let played = set(transcript, stage, directory, seed).and_then(|builder| {
        builder.block_on(async |world: &World| {
            let mut player = Player::new(world, transcript, directory, &stage.files, is_update);
            let failure = player.play().await.err();
            let (edits, notes) = (player.edits.take().unwrap_or_default(), std::mem::take(&mut player.notes));
            Ok(Course { failure, edits, notes })
        })
    });
    played.unwrap_or_else(|error| {
        let what = format!("the world cannot begin: {error:#}");
        Course { failure: Some(Failure { line: 1, what, details: Vec::new() }), ..Course::default() }
    })
}

/// The world that a transcript wants.
fn set(transcript: &Transcript, stage: &Stage, directory: &Path, seed: u64) -> Result<Builder> {
    let settings = &transcript.settings;
    let mut limits = stage.limits.clone();
    for (name, value) in &settings.limits {
        set_limit(&mut limits, name, *value)?;
    }
    let mut world =
        World::new(seed).memory(settings.memory.unwrap_or(stage.memory)).limits(|all| *all = limits);
    if let Some(cache) = &stage.compile_cache {
        world = world.compile_cache(cache);
    }
    if let Some(serve) = &stage.serve {
        world = world.serve(serve.clone());
    }
    if let Some(time) = settings.time {
        world = world.begins_at(time);
    }
    for (name, value) in stage.vars.iter().chain(settings.vars.iter().map(|(name, value)| (name, value))) {
        world = world.var(name, value);
    }
    for (name, expression) in stage.crons.iter().chain(&settings.crons) {
        world = world.cron(name, expression);
    }
    let mut routing = stage.routing.clone();
    routing.profile = settings.profile.unwrap_or(routing.profile);
    world = world.routing(routing);
    for (party, policy) in &stage.duplicate_keys {
        world = world.duplicate_key(party, *policy);
    }
    for (name, component) in &stage.parties {
        world = world.party(name, &component[..]);
    }
    for (name, file) in &settings.parties {
        world = world.party(name, directory.join(file));
    }
    Ok(world)
}
