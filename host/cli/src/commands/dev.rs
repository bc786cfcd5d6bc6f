//! `party-host dev`: build, serve, watch, reload.
//!
//! A change that does not build, or that makes a component the host refuses, leaves the running one as it is. A
//! changed party.toml needs a restart, and says so.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use party_server::config::{FILE_NAME, ProjectConfig};
use tokio::sync::mpsc;

use crate::args::Dev;
use crate::commands::project::Project;
use crate::commands::serve::print_welcome;
use crate::host::{Host, STOPPED, Start, reload};
use crate::problem;
use crate::signals::Signals;
use crate::watching::{Change, watch};

pub(crate) fn run(dev: &Dev) -> Result<()> {
    crate::logging::start()?;
    let project = Project::open(&dev.path)?;
    // From before the first build on, so that what is saved meanwhile is not missed.
    let mut changes = watch(&project.config)?;
    let parties = project.build()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let result = runtime.block_on(async {
        let mut signals = Signals::listen()?;
        let start = Start { project: &project, parties: &parties, host: &dev.host, common: &dev.common };
        let host = Host::start(&start)?;
        print_welcome(&project, &host);
        println!("  watching for changes");
        // A build takes seconds; who wants to stop need not wait for it.
        let why = tokio::select! {
            why = signals.next() => why,
            () = take_changes(&project, &host, &mut changes) => "nothing is watched any more",
        };
        tracing::info!("{why}: stopping; once more stops at once");
        signals.exit_at_the_next();
        host.stop(Duration::from_secs(dev.common.drain)).await;
        tracing::info!("{STOPPED}");
        Ok(())
    });
    // A build that is under way is of no use to anybody now.
    runtime.shutdown_background();
    result
}

async fn take_changes(project: &Project, host: &Host, changes: &mut mpsc::Receiver<Change>) {
    while let Some(change) = changes.recv().await {
        take_change(project, host, change).await;
    }
}

async fn take_change(project: &Project, host: &Host, change: Change) {
    if change == Change::Settings {
        match ProjectConfig::load(&project.config.directory) {
            Ok(_) => tracing::warn!("{FILE_NAME} has changed; start `party-host dev` again to use it"),
            Err(error) => tracing::error!("{FILE_NAME} has changed and cannot be used: {error}"),
        }
        return;
    }
    let before = Instant::now();
    let (again, engine) = (project.clone(), host.engine.clone());
    let built = tokio::task::spawn_blocking(move || {
        let parties = again.build()?;
        reload(&engine, &again, &parties)
    });
    match built.await.context("the build panicked").and_then(|built| built) {
        Ok(parties) => {
            for party in parties {
                if let Err(error) = host.node.replace_party(party).await {
                    tracing::error!("the change is not served: {error}");
                }
            }
            tracing::info!("reloaded after {} ms", before.elapsed().as_millis());
        }
        Err(error) => {
            problem::print(&error);
            tracing::warn!("the party that runs is still the last one that worked");
        }
    }
}
