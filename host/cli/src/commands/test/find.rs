//! Which transcripts there are, and to which project each belongs.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use party_server::config::FILE_NAME;

use crate::problem::usage;

/// What transcripts end in.
const EXTENSION: &str = "party";
/// Directories that hold what tools have made.
const NOT_LOOKED_AT: [&str; 4] = ["target", "node_modules", ".git", ".party"];
/// As many transcripts are played at once; more are somebody's mistake.
const TRANSCRIPTS_MAX: usize = 10_000;
/// As deep are directories looked at.
const DEPTH_MAX: usize = 32;

/// A transcript.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct Found {
    /// As it was named, or as it was come across.
    pub(super) path: PathBuf,
    /// The directory of its project: the nearest above it with a party.toml, else with a Cargo.toml.
    pub(super) project: Option<PathBuf>,
}

/// The transcripts at some places, in order of their names.
pub(super) fn find(places: &[PathBuf]) -> Result<Vec<Found>> {
    let mut paths = BTreeSet::new();
    for place in places {
        let found = fs::metadata(place).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => {
                usage(format!("{} is not there", place.display()), "give a transcript, or a directory")
            }
            _ => usage(
                format!("{} cannot be read: {error}", place.display()),
                "give a transcript, or a directory",
            ),
        })?;
        match found.is_dir() {
            true => look(place, 0, &mut paths)?,
            false => drop(paths.insert(place.clone())),
        }
    }
    paths.into_iter().map(|path| Ok(Found { project: project_of(&path)?, path })).collect()
}

fn look(directory: &Path, depth: usize, paths: &mut BTreeSet<PathBuf>) -> Result<()> {
    let unreadable = || format!("{} cannot be read", directory.display());
    for entry in fs::read_dir(directory).with_context(unreadable)? {
        let entry = entry.with_context(unreadable)?;
        let (kind, name) = (entry.file_type().with_context(unreadable)?, entry.file_name());
        // Without the `./` of the place that is looked at if nothing is said.
        let path: PathBuf = entry.path().components().collect();
        let path = path.strip_prefix(".").map(Path::to_path_buf).unwrap_or(path);
        if kind.is_dir() {
            if depth < DEPTH_MAX && !NOT_LOOKED_AT.iter().any(|made| name == *made) {
                look(&path, depth + 1, paths)?;
            }
        } else if kind.is_file() && path.extension().is_some_and(|extension| extension == EXTENSION) {
            paths.insert(path);
        }
    }
    if paths.len() > TRANSCRIPTS_MAX {
        return Err(usage(
            format!("there are more than {TRANSCRIPTS_MAX} transcripts in {}", directory.display()),
            "name fewer of them",
        ));
    }
    Ok(())
}

fn project_of(transcript: &Path) -> Result<Option<PathBuf>> {
    let whole = std::path::absolute(transcript)?;
    let above = || whole.ancestors().skip(1);
    let has = |name: &'static str| move |directory: &&Path| directory.join(name).is_file();
    Ok(above().find(has(FILE_NAME)).or_else(|| above().find(has("Cargo.toml"))).map(Path::to_path_buf))
}
