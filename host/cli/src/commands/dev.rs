//! `party-host dev`: build, serve, watch, reload.
//!
//! A change that does not build, or that makes a component the host refuses, leaves the running one as it is. A
//! changed party.toml needs a restart, and says so.

use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use notify::{Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher};
use party_server::config::{FILE_NAME, PartySource};
use tokio::sync::mpsc as async_mpsc;

use crate::args::Dev;
use crate::commands::project::Project;
use crate::commands::serve::print_welcome;
use crate::host::{Host, Start, reload};
use crate::problem;
use crate::signals::Signals;

/// Changes that come closer together than this are one: editors write in several steps.
const QUIET: Duration = Duration::from_millis(150);
/// Where cargo and this host write: nothing there is a source.
const NOT_SOURCES: [&str; 4] = ["target", ".party", ".git", "node_modules"];

pub(crate) fn run(dev: &Dev) -> Result<()> {
    crate::logging::start()?;
    let project = Project::open(&dev.path)?;
    let parties = project.build()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut signals = Signals::listen()?;
        let start = Start { project: &project, parties: &parties, host: dev.host, common: &dev.common };
        let host = Host::start(&start)?;
        print_welcome(&project, &host);
        let mut changes = watch(&project)?;
        println!("  watching for changes");
        loop {
            tokio::select! {
                why = signals.next() => {
                    tracing::info!("{why}: stopping");
                    break;
                }
                Some(change) = changes.recv() => take_change(&project, &host, change).await,
            }
        }
        signals.exit_at_the_next();
        host.stop(Duration::from_secs(dev.common.drain)).await;
        Ok(())
    })
}

/// What has changed.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Change {
    Sources,
    Settings,
}

async fn take_change(project: &Project, host: &Host, change: Change) {
    if change == Change::Settings {
        tracing::warn!("{FILE_NAME} has changed; start `party-host dev` again to use it");
        return;
    }
    let before = Instant::now();
    let (again, engine) = (project.clone(), host.engine.clone());
    // Compiling takes seconds; clients and signals are served meanwhile.
    let built = tokio::task::spawn_blocking(move || {
        let parties = again.build()?;
        reload(&engine, &again, &parties)
    });
    match built.await.context("the build panicked").and_then(|built| built) {
        Ok(parties) => {
            for party in parties {
                host.node.replace_party(party).await;
            }
            tracing::info!("reloaded after {} ms", before.elapsed().as_millis());
        }
        Err(error) => {
            problem::print(&error);
            tracing::warn!("the party that runs is still the last one that worked");
        }
    }
}

/// Watches the project and the crates of its parties.
fn watch(project: &Project) -> Result<async_mpsc::Receiver<Change>> {
    let (sender, receiver) = async_mpsc::channel(1);
    let (raw_sender, raw) = mpsc::channel::<notify::Result<Event>>();
    let mut watcher = notify::recommended_watcher(raw_sender).context("changes cannot be watched")?;
    let mut roots: Vec<PathBuf> = vec![project.config.directory.clone()];
    roots.extend(project.config.parties.values().map(|source| match source {
        PartySource::Crate(dir) => dir.clone(),
        PartySource::Component(file) => file.clone(),
    }));
    roots.dedup();
    for root in &roots {
        watcher
            .watch(root, RecursiveMode::Recursive)
            .with_context(|| format!("{} cannot be watched", root.display()))?;
    }
    let assets = project.config.serve.as_ref().map(|serve| absolute(&serve.path));
    let roots: Vec<PathBuf> = roots.iter().map(|root| absolute(root)).collect();
    std::thread::Builder::new()
        .name("watch".into())
        .spawn(move || forward(&raw, &sender, &roots, assets.as_deref(), &watcher))?;
    Ok(receiver)
}

fn absolute(path: &Path) -> PathBuf {
    path.canonicalize().unwrap_or_else(|_| path.to_path_buf())
}

/// Joins changes that come close together, until nobody listens any more. Holds the watcher: it ends with this.
fn forward(
    raw: &mpsc::Receiver<notify::Result<Event>>,
    changes: &async_mpsc::Sender<Change>,
    roots: &[PathBuf],
    assets: Option<&Path>,
    _watcher: &RecommendedWatcher,
) {
    while let Ok(first) = raw.recv() {
        let mut events = vec![first];
        while let Ok(more) = raw.recv_timeout(QUIET) {
            events.push(more);
        }
        let paths =
            events.into_iter().filter_map(Result::ok).filter(changes_something).flat_map(|event| event.paths);
        let found: Vec<Change> = paths.filter_map(|path| change_of(&path, roots, assets)).collect();
        let change = [Change::Settings, Change::Sources].into_iter().find(|change| found.contains(change));
        if let Some(change) = change
            && changes.blocking_send(change).is_err()
        {
            return;
        }
    }
}

fn changes_something(event: &Event) -> bool {
    matches!(event.kind, EventKind::Create(_) | EventKind::Modify(_) | EventKind::Remove(_))
}

/// What a changed file means. Static assets are read at every request, so they need nothing.
fn change_of(path: &Path, roots: &[PathBuf], assets: Option<&Path>) -> Option<Change> {
    if assets.is_some_and(|assets| path.starts_with(assets)) {
        return None;
    }
    let root = roots.iter().find(|root| path.starts_with(root))?;
    let below = path.strip_prefix(root).unwrap_or(path);
    let is_source = !below.components().any(|part| {
        let part = part.as_os_str().to_string_lossy();
        NOT_SOURCES.contains(&part.as_ref()) || part.ends_with('~') || part.ends_with(".swp")
    });
    if !is_source {
        return None;
    }
    match path.file_name().is_some_and(|name| name == FILE_NAME) {
        true => Some(Change::Settings),
        false => Some(Change::Sources),
    }
}
