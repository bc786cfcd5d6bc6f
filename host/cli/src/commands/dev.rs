//! `party-host dev`: build, serve, watch, reload.
//!
//! A first build that fails waits for the next change. A change that does not build, or that makes a component the host
//! refuses or that does not start, leaves the running one as it is. Rooms go on with the new one as after a deployment,
//! with their sockets. A party.toml that says something else needs a restart, and says so.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use party_node::versions::Deployed;
use party_server::config::{FILE_NAME, ProjectConfig};
use tokio::sync::mpsc;

use crate::args::Dev;
use crate::commands::project::{BuiltParty, Project};
use crate::commands::serve::print_welcome;
use crate::host::{Host, Patience, STOPPED, Start, ToServe, check_port, met, read_bounded};
use crate::problem::{self, Interrupted};
use crate::signals::Signals;
use crate::tools::Tools;
use crate::watching::{Change, watch};

/// Rooms that are quiet have gone on with a new version within so many looks.
const LOOKS_FOR_BUSY_ROOMS: u32 = 10;
const LOOK_FOR_BUSY_ROOMS: Duration = Duration::from_millis(50);

pub(crate) fn run(dev: &Dev) -> Result<()> {
    crate::logging::start()?;
    let project = Project::open(&dev.path)?;
    // From before the first build on, so that what is saved meanwhile is not missed.
    let mut changes = watch(&project.config, dev.common.data.as_deref())?;
    check_port(&project, &dev.host, &dev.common)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let result = runtime.block_on(serve(dev, &project, &mut changes));
    // What is left of a build that was stopped is of no use to anybody.
    runtime.shutdown_background();
    result
}

async fn serve(dev: &Dev, project: &Project, changes: &mut mpsc::Receiver<Change>) -> Result<()> {
    let mut signals = Signals::listen()?;
    let mut settings = Settings { read: &project.config, is_told: false };
    let parties = first_build(project, &mut settings, changes, &mut signals).await?;
    let mut allowed_origins = project.config.allowed_origins.clone();
    if let Some(origins) = &mut allowed_origins {
        // The project's own page is not where it will be.
        origins.allow_loopback();
    }
    let start = Start {
        projects: &[ToServe { project, parties: &parties, allowed_origins }],
        host: &dev.host,
        common: &dev.common,
        edge: project.config.edge.clone(),
        tls: None,
        runs_by_hand: true,
    };
    let host = Host::start(&start)?;
    print_welcome(std::slice::from_ref(project), &host);
    println!("  watching for changes");
    // A build takes seconds; who wants to stop need not wait for it.
    let tools = Tools::default();
    let why = tokio::select! {
        why = signals.next() => Ok(why.to_string()),
        broken = host.node.broken() => Err(broken),
        () = take_changes(project, &mut settings, &host, &tools, changes) => Ok("nothing is watched any more".into()),
    };
    let given_up = if tools.stop() { "the build was given up; " } else { "" };
    match &why {
        Ok(why) => tracing::info!("{why}: {given_up}stopping; once more stops at once"),
        Err(_) => tracing::error!("{given_up}stopping, because of an error of the host's own"),
    }
    signals.exit_at_the_next();
    let stopped = host.stop(Patience::of(&dev.common)).await;
    if let Err(broken) = why {
        bail!(met(&broken));
    }
    stopped?;
    tracing::info!("{STOPPED}");
    Ok(())
}

/// Builds until it succeeds: whoever is writing a party has just not finished.
async fn first_build(
    project: &Project,
    settings: &mut Settings<'_>,
    changes: &mut mpsc::Receiver<Change>,
    signals: &mut Signals,
) -> Result<Vec<BuiltParty>> {
    loop {
        match project.build_unless_stopped(signals).await {
            Ok(parties) => return Ok(parties),
            Err(error) if error.is::<Interrupted>() => return Err(error),
            Err(error) => problem::print(&error),
        };
        eprintln!("watching for changes: it is built again when you save");
        tokio::select! {
            watched = next_sources(settings, changes) => watched?,
            signal = signals.next() => return Err(Interrupted { signal, what: "nothing was served yet" }.into()),
        }
    }
}

/// Waits until a source has changed.
async fn next_sources(settings: &mut Settings<'_>, changes: &mut mpsc::Receiver<Change>) -> Result<()> {
    loop {
        match changes.recv().await.context("nothing is watched any more")? {
            // It may be what was missing, but names other parties than those that are watched.
            Change::Settings => settings.tell(),
            Change::Sources(changed) => {
                tracing::info!("{changed}: building");
                return Ok(());
            }
        }
    }
}

async fn take_changes(
    project: &Project,
    settings: &mut Settings<'_>,
    host: &Host,
    tools: &Tools,
    changes: &mut mpsc::Receiver<Change>,
) {
    while let Some(change) = changes.recv().await {
        match change {
            Change::Settings => settings.tell(),
            Change::Sources(changed) => {
                tracing::info!("{changed}: building");
                build_again(project, host, tools).await;
            }
        }
    }
}

/// The party.toml that was read at the start, beside the one that is there.
struct Settings<'a> {
    read: &'a ProjectConfig,
    /// Whether it was told that the one that is there is not the one that counts.
    is_told: bool,
}

impl Settings<'_> {
    /// It was written. One that says what was read needs no word, unless there was one before.
    fn tell(&mut self) {
        let found = ProjectConfig::load(&self.read.directory);
        let differs = found.as_ref().ok() != Some(self.read);
        match found {
            Err(error) => tracing::error!("{FILE_NAME} has changed and cannot be used: {error}"),
            Ok(_) if differs => {
                tracing::warn!("{FILE_NAME} has changed; start `party-host dev` again to use it");
            }
            Ok(_) if self.is_told => tracing::info!("{FILE_NAME} is as it was; nothing needs a restart"),
            Ok(_) => {}
        }
        self.is_told = differs;
    }
}

async fn build_again(project: &Project, host: &Host, tools: &Tools) {
    let before = Instant::now();
    let (again, tools) = (project.clone(), tools.clone());
    let built = tokio::task::spawn_blocking(move || {
        let parties = again.build(&tools)?;
        parties.iter().map(|party| Ok((party.clone(), read(&party.component)?))).collect::<Result<Vec<_>>>()
    });
    let result = match built.await.context("the build panicked").and_then(|built| built) {
        Ok(parties) => deploy(host, &project.config.name, parties).await,
        Err(error) => Err(error),
    };
    match result {
        Ok(true) => {
            tracing::info!("reloaded after {} ms", before.elapsed().as_millis());
            tell_of_busy_rooms(project, host).await;
        }
        Ok(false) => tracing::info!("what was built is what runs already; nothing was reloaded"),
        Err(error) => {
            problem::print(&error);
            tracing::warn!("the party that runs is still the last one that worked");
        }
    }
}

/// Rooms in the middle of something have the old code still, which would puzzle whoever looks at the page now.
async fn tell_of_busy_rooms(project: &Project, host: &Host) {
    let its = &project.config.name;
    for name in project.config.parties.keys() {
        let mut waiting = 0;
        // Those that are quiet go on in a moment.
        for _ in 0..LOOKS_FOR_BUSY_ROOMS {
            waiting = host.node.standing(its, name).await.waiting;
            if waiting == 0 {
                break;
            }
            tokio::time::sleep(LOOK_FOR_BUSY_ROOMS).await;
        }
        let Some(party) = host.node.party(its, name).filter(|_| waiting > 0) else { continue };
        let rooms = if waiting == 1 { "1 room of" } else { &format!("{waiting} rooms of") };
        tracing::warn!(
            "{rooms} {name}, with sleeps or requests open, run{} the old code until they end, for at most {} ms \
             (limits.upgrade_wait_ms in {FILE_NAME})",
            if waiting == 1 { "s" } else { "" },
            party.limits.upgrade_wait_ms,
        );
    }
}

/// Puts components in the place of those that run, if they start. Open sockets stay. Whether any was another.
async fn deploy(host: &Host, project: &str, parties: Vec<(BuiltParty, Arc<[u8]>)>) -> Result<bool> {
    let mut is_any_new = false;
    for (party, bytes) in parties {
        let what = || format!("party {} of {} is not served", party.name, party.component.display());
        let deployed = host.node.deploy(project, &party.name, bytes).await.with_context(what)?;
        is_any_new |= matches!(deployed, Deployed::Served { .. });
    }
    Ok(is_any_new)
}

fn read(path: &Path) -> Result<Arc<[u8]>> {
    Ok(read_bounded(path).with_context(|| format!("{} cannot be read", path.display()))?.into())
}
