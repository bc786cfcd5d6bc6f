//! A project as `party-host new` writes it, at a place that keeps what cargo has built from run to run.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Result, ensure};

use crate::guests::scratch;
use crate::host::party_host;
use crate::program::{BOUND, Program};

/// Writes the project `hello`, anew. `place` is the test's own.
pub fn new_project(place: &str) -> Result<PathBuf> {
    let home = scratch(place);
    let (project, kept) = (home.join("hello"), home.join("target-of-the-last-run"));
    if project.join("target").exists() {
        fs::rename(project.join("target"), &kept)?;
    }
    if project.exists() {
        fs::remove_dir_all(&project)?;
    }
    fs::create_dir_all(&home)?;
    let ended = Program::run(party_host().args(["new", "hello"]).current_dir(&home), BOUND)?;
    ensure!(ended.code == Some(0), "{}", ended.err);
    ensure!(ended.out.contains("cd hello\n") && ended.out.contains("party-host dev"), "{}", ended.out);
    if kept.exists() {
        fs::rename(&kept, project.join("target"))?;
    }
    Ok(project)
}

/// `party-host` in a project, where cargo builds as it does for anyone.
pub fn party_host_in(project: &Path) -> Command {
    let mut command = party_host();
    command.current_dir(project).env_remove("CARGO_TARGET_DIR");
    command
}

/// Changes the one place of a project's source that reads so.
pub fn change_source(project: &Path, from: &str, to: &str) -> Result<()> {
    let path = project.join("src/lib.rs");
    let source = fs::read_to_string(&path)?;
    ensure!(source.matches(from).count() == 1, "the source has {from:?} once");
    Ok(fs::write(&path, source.replace(from, to))?)
}

/// Adds to a project's source.
pub fn append_source(project: &Path, more: &str) -> Result<()> {
    let path = project.join("src/lib.rs");
    let source = fs::read_to_string(&path)?;
    Ok(fs::write(&path, source + more)?)
}
