//! `party-host test --watch`: all is played again whenever something of its projects has changed.
//!
//! A transcript is of a project like its sources: whoever saves one sees it played. What changes while transcripts are
//! played is a change too, and is played after them. A signal ends it at any time, also in the midst of a build or a play.

use std::collections::BTreeSet;
use std::path::PathBuf;

use anyhow::{Context, Result};
use party_server::config::FILE_NAME;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::args::test::Test;
use crate::commands::project::Project;
use crate::commands::test::find::find;
use crate::commands::test::{found, play, tell};
use crate::problem::{self, Interrupted, usage};
use crate::signals::Signals;
use crate::watching::{Change, watch};

/// Plays until a signal comes. The exit code says which.
pub(super) fn play_at_every_change(test: &Test) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let result = runtime.block_on(watch_and_play(test));
    // What is still played is of no use to anybody.
    runtime.shutdown_background();
    result
}

async fn watch_and_play(test: &Test) -> Result<()> {
    let mut signals = Signals::listen()?;
    let (mut changes, mut watching) = watch_all(test)?;
    loop {
        match play_once(test, &mut signals).await {
            Err(error) if error.is::<Interrupted>() => return Err(error),
            Err(error) => drop(problem::print(&error)),
            Ok(()) => {}
        }
        eprintln!("watching for changes");
        let change = tokio::select! {
            change = changes.recv() => change.context("nothing is watched any more")?,
            signal = signals.next() => return Err(Interrupted { signal, what: STOPPED }.into()),
        };
        match change {
            Change::Sources(changed) => eprintln!("{changed}: playing again"),
            Change::Settings => {
                eprintln!("{FILE_NAME} has changed: playing again");
                // It may name other parties, elsewhere. Of one that cannot be used it is told when it is played.
                if let Ok(others) = watch_all(test) {
                    watching.abort_all();
                    (changes, watching) = others;
                }
            }
        }
    }
}

const STOPPED: &str = "nothing is watched any more";

async fn play_once(test: &Test, signals: &mut Signals) -> Result<()> {
    let found = found(test)?;
    let stages = play::stages(&found, signals).await?;
    let is_update = test.update;
    let played = tokio::select! {
        played = tokio::task::spawn_blocking(move || play::play(&found, &stages, is_update)) => played?,
        signal = signals.next() => return Err(Interrupted { signal, what: STOPPED }.into()),
    };
    tell::all(test, &played)
}

/// Watches the projects of all transcripts, for as long as what it gives back is there.
fn watch_all(test: &Test) -> Result<(mpsc::Receiver<Change>, JoinSet<()>)> {
    let projects: BTreeSet<PathBuf> =
        find(&test.paths)?.into_iter().filter_map(|found| found.project).collect();
    if projects.is_empty() {
        return Err(usage(
            "there is no transcript of a project to be watched",
            format!(
                "a project is a directory with a {FILE_NAME} or a Cargo.toml: name one, or a transcript in one"
            ),
        ));
    }
    let (sender, changes) = mpsc::channel(1);
    let mut watching = JoinSet::new();
    for directory in projects {
        let (mut watched, sender) = (watch(&Project::open(&directory)?.config, None)?, sender.clone());
        watching.spawn(async move {
            while let Some(change) = watched.recv().await {
                if sender.send(change).await.is_err() {
                    return;
                }
            }
        });
    }
    Ok((changes, watching))
}
