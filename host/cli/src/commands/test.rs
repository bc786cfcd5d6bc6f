//! `party-host test`: plays transcripts. What they mean is told in docs/transcripts.md, and done in `party-testkit`.

mod find;
mod play;
mod tell;

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::{Context, Result};
use party_server::config::FILE_NAME;

use crate::args::test::{Format, Test};
use crate::commands::test::find::{Found, find};
use crate::commands::test::play::{Played, Verdict};
use crate::problem::{self, TestsFailed, usage};
use crate::watching::{Change, watch};

pub(crate) fn run(test: &Test) -> Result<()> {
    if test.watch {
        return play_at_every_change(test);
    }
    let verdict = play_all(test)?;
    match verdict {
        Verdict::Passed => Ok(()),
        Verdict::Failed => Err(TestsFailed { is_usage: false }.into()),
        Verdict::NotUnderstood => Err(TestsFailed { is_usage: true }.into()),
    }
}

fn play_all(test: &Test) -> Result<Verdict> {
    let found = find(&test.paths)?;
    if found.is_empty() {
        let places: Vec<String> = test.paths.iter().map(|path| path.display().to_string()).collect();
        return Err(usage(
            format!("there is no transcript in {}", places.join(", ")),
            "write one: a file NAME.party; `party-host test --help` shows what is in it",
        ));
    }
    let played = play::play(found, test.update)?;
    match test.format {
        Format::Text => tell::text(&played),
        Format::Tap => tell::tap(&played),
    }
    if let Some(file) = &test.junit {
        let told = tell::junit(&played)?;
        std::fs::write(file, told).with_context(|| format!("{} cannot be written", file.display()))?;
    }
    Ok(played.iter().map(Played::verdict).max().unwrap_or(Verdict::Passed))
}

fn play_at_every_change(test: &Test) -> Result<()> {
    let found = find(&test.paths)?;
    let projects: BTreeMap<PathBuf, &Found> =
        found.iter().filter_map(|found| Some((found.project.clone()?, found))).collect();
    let [(directory, _)] = projects.into_iter().collect::<Vec<_>>().try_into().map_err(|found: Vec<_>| {
        usage(
            format!("{} projects are to be watched; one can be", found.len()),
            "name a project, or a transcript in one",
        )
    })?;
    let project = crate::commands::project::Project::open(&directory)?;
    let mut changes = watch(&project.config)?;
    loop {
        if let Err(error) = play_all(test) {
            problem::print(&error);
        }
        eprintln!("watching for changes");
        match changes.blocking_recv().context("nothing is watched any more")? {
            Change::Sources(changed) => eprintln!("{changed}: playing again"),
            Change::Settings => eprintln!("{FILE_NAME} has changed: playing again"),
        }
    }
}
