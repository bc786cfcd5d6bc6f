//! `party-host serve`: projects or a component, until it is told to stop.

use std::fs;
use std::sync::Arc;

use anyhow::{Result, bail};

use party_node::cron::written;
use party_node::party::Memory;
use party_server::config::{ProjectConfig, check_together};
use party_server::tls::Tls;
use party_store::redb_store::RedbStore;

use crate::args::Serve;
use crate::commands::project::{BuiltParty, Project};
use crate::host::{Host, Patience, STOPPED, Start, ToServe, check_port, met};
use crate::problem::usage;
use crate::signals::Signals;

pub(crate) fn run(serve: &Serve) -> Result<()> {
    crate::logging::start()?;
    let projects = serve.paths.iter().map(|path| Project::open(path)).collect::<Result<Vec<_>>>()?;
    let told: Vec<_> = projects.iter().map(|project| (project.told_by.as_path(), &project.config)).collect();
    check_together(&told, serve.common.port.is_some())?;
    let [first, others @ ..] = &projects[..] else { unreachable!("there is a path if none is given") };
    if serve.common.data.is_none() {
        check_data(first, others)?;
    }
    let mut edge = first.config.edge.clone();
    for proxy in &serve.trusted_proxy {
        edge.proxies
            .trust(proxy)
            .map_err(|error| usage(format!("--trusted-proxy {proxy} {error}"), error.hint()))?;
    }
    let tls = match (&serve.tls_cert, &serve.tls_key) {
        (Some(certificate), Some(key)) => Some(Arc::new(Tls::load(certificate, key)?)),
        // One without the other is refused with the arguments.
        _ => None,
    };
    check_port(first, &serve.host, &serve.common)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut signals = Signals::listen()?;
        let mut built = Vec::with_capacity(projects.len());
        for project in &projects {
            built.push(project.build_unless_stopped(&mut signals).await?);
        }
        let to_serve: Vec<_> = projects.iter().zip(&built).map(to_serve).collect();
        let (host, common) = (&serve.host, &serve.common);
        let runs_by_hand = false;
        let start = Start { projects: &to_serve, host, common, edge, tls, runs_by_hand };
        let host = Host::start(&start)?;
        print_welcome(&projects, &host);
        until_told(host, signals, Patience::of(&serve.common)).await
    })
}

fn to_serve<'a>((project, parties): (&'a Project, &'a Vec<BuiltParty>)) -> ToServe<'a> {
    ToServe { project, parties, allowed_origins: project.config.allowed_origins.clone() }
}

/// Nobody is served beside another without the rooms that they had alone.
fn check_data(first: &Project, others: &[Project]) -> Result<()> {
    // Two components of one directory keep theirs together.
    let theirs = fs::canonicalize(first.data_dir()).ok();
    let is_apart = |other: &&Project| fs::canonicalize(other.data_dir()).ok() != theirs;
    match others.iter().find(|other| is_apart(other) && RedbStore::is_in(&other.data_dir())) {
        None => Ok(()),
        Some(other) => Err(usage(
            format!(
                "rooms are kept in {}, and would not be there: without --data, rooms are kept in {}",
                other.data_dir().display(),
                first.data_dir().display()
            ),
            "name the directory that is meant with --data; `party-host checkpoint` takes rooms from one to another",
        )),
    }
}

/// Waits for a signal, or until the host cannot go on because of an error of its own, and ends it in order. In the latter case
/// that is the error.
async fn until_told(host: Host, mut signals: Signals, patience: Patience) -> Result<()> {
    let why = tokio::select! {
        why = signals.next() => Ok(why),
        broken = host.node.broken() => Err(broken),
    };
    match &why {
        Ok(why) => tracing::info!("{why}: stopping; once more stops at once"),
        Err(_) => tracing::error!("stopping, because of an error of the host's own"),
    }
    signals.exit_at_the_next();
    let stopped = host.stop(patience).await;
    if let Err(broken) = why {
        bail!(met(&broken));
    }
    stopped?;
    tracing::info!("{STOPPED}");
    Ok(())
}

/// Says where the rooms are, and what is not kept.
pub(crate) fn print_welcome(projects: &[Project], host: &Host) {
    let listening = host.listening();
    if let [only] = projects {
        println!("serving {} on {listening}", only.config.name);
        return print_project(only, &listening.reachable(), host);
    }
    println!("serving {} projects on {listening}", projects.len());
    for (index, project) in projects.iter().enumerate() {
        let ProjectConfig { name, hosts, .. } = &project.config;
        println!("{name}");
        let listed = hosts.first().map(|host| host.as_str());
        let reachable = match (index, listed) {
            (0, _) => listening.reachable(),
            (_, Some(host)) => listening.reachable_as(host),
            (_, None) => listening.reachable_below(name),
        };
        print_project(project, &reachable, host);
    }
}

fn print_project(project: &Project, reachable: &str, host: &Host) {
    let (http, ws) = if host.listening().is_over_tls() { ("https", "wss") } else { ("http", "ws") };
    if project.config.serve.is_some() {
        println!("  page   {http}://{reachable}/");
    }
    let prefix = &project.config.routing.prefix;
    for name in project.config.parties.keys() {
        println!("  party  {http}://{reachable}/{prefix}/{name}/ROOM   (WebSocket: {ws}://…)");
    }
    for cron in &project.config.crons {
        let next = cron.next_after(host.node.clock().now()).map(written).unwrap_or_default();
        println!("  cron   {}: {}, next at {next}", cron.name(), cron.expression());
    }
    match project.config.memory {
        Memory::Volatile => {
            println!(
                "  rooms are volatile: storage and alarms are kept on disk, variables end with the room's life"
            );
        }
        Memory::Hibernate => {
            println!(
                "  rooms sleep when nothing happens and wake where they were, also after a restart of the host"
            );
        }
        Memory::Durable => {
            println!(
                "  rooms are durable: they sleep when nothing happens, and lose nothing acknowledged, also not to kill -9"
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::process::ExitCode;
    use std::sync::Arc;
    use std::thread;
    use std::time::{Duration, Instant};

    use anyhow::{Result, ensure};
    use party_store::memory::MemoryStore;
    use party_store::store::Store;
    use party_store::testing::faulty_store::{Fault, FaultyStore};
    use party_tests::guests::guest_path;
    use party_tests::host::{free_port, temporary};
    use party_tests::http::{Answer, request};

    use super::{to_serve, until_told};
    use crate::args::Common;
    use crate::commands::project::Project;
    use crate::host::{Host, Patience, Start};
    use crate::problem;
    use crate::signals::Signals;
    use crate::tools::Tools;

    const DRAIN: Duration = Duration::from_secs(10);
    const SAVE: Duration = Duration::from_secs(30);
    /// Shorter than a host waits for rooms that do not end.
    const SOON: Duration = Duration::from_secs(20);

    /// Serves the probe on a store, and does something meanwhile on a thread of its own. What has come of that, how the host
    /// has ended, and how long it took.
    fn served<T: Send + 'static>(
        store: Arc<dyn Store>,
        patience: Patience,
        meanwhile: impl FnOnce(u16) -> Result<T> + Send + 'static,
    ) -> Result<(T, Result<()>, Duration)> {
        let directory = temporary()?;
        fs::write(directory.path().join("party.toml"), format!("main = {:?}\n", guest_path("test_guests")))?;
        let project = Project::open(directory.path())?;
        let port = free_port();
        let common = Common {
            port: Some(port),
            data: Some(directory.path().join("data")),
            workers: Some(2),
            memory_budget: None,
            drain: patience.drain.as_secs(),
            save: patience.save.as_secs(),
        };
        fs::create_dir(directory.path().join("data"))?;
        let (parties, host) = (project.build(&Tools::default())?, "127.0.0.1".parse()?);
        let edge = project.config.edge.clone();
        let projects = [to_serve((&project, &parties))];
        let start =
            Start { projects: &projects, host: &host, common: &common, edge, tls: None, runs_by_hand: false };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (told, ended, took) = runtime.block_on(async {
            let signals = Signals::listen()?;
            let host = Host::start_on(store, &start, start.listen()?)?;
            let (sender, over) = tokio::sync::oneshot::channel();
            let asking = thread::spawn(move || {
                let told = meanwhile(port);
                // Whoever waits for a signal may have ended for an error.
                let _ = sender.send(());
                told
            });
            let ended = match patience.drain {
                DRAIN => {
                    let before = Instant::now();
                    (until_told(host, signals, patience).await, before.elapsed())
                }
                _ => {
                    over.await?;
                    let before = Instant::now();
                    (host.stop(patience).await, before.elapsed())
                }
            };
            anyhow::Ok((asking, ended.0, ended.1))
        })?;
        Ok((told.join().expect("it does not panic")?, ended, took))
    }

    /// Who waited for what was to be written waited for half a minute and more, and so did whoever was to start the host again.
    #[test]
    fn a_host_whose_writer_panics_says_so_and_ends_soon_with_1() -> Result<()> {
        let store = FaultyStore::scripted(Arc::new(MemoryStore::default()), [Fault::Panics]);
        let patience = Patience { drain: DRAIN, save: SAVE };
        let (answer, ended, took) = served(Arc::new(store), patience, |port| -> Result<Answer> {
            // Nothing of it is to be written before the host ends.
            let said = request(port, "GET", "/parties/main/quiet/said")?;
            ensure!((said.status, said.body.as_str()) == (200, "1"), "{said:?}");
            request(port, "POST", "/parties/main/lobby/count")
        })?;
        ensure!(answer.status == 503, "{answer:?}");
        let error = ended.expect_err("it could not go on");
        let told = error.to_string();
        ensure!(told.contains("an error of its own in writing: a panic was injected"), "{told}");
        ensure!(told.contains("hint: start it again"), "{told}");
        ensure!(problem::print(&error) == ExitCode::from(1), "{told}");
        ensure!(took < SOON, "it took {took:?}");
        Ok(())
    }

    /// It waited for its threads for as long as the disk hung, and said then that nothing is lost.
    #[test]
    fn a_host_whose_disk_hangs_waits_as_long_as_it_is_told_and_ends_with_1() -> Result<()> {
        let store = Arc::new(FaultyStore::scripted(Arc::new(MemoryStore::default()), [Fault::Held]));
        let patience = Patience { drain: Duration::from_secs(1), save: Duration::from_secs(2) };
        let (said, ended, took) = served(Arc::<FaultyStore>::clone(&store), patience, |port| {
            request(port, "GET", "/parties/main/lobby/said")
        })?;
        ensure!(said.status == 200, "{said:?}");
        ensure!(store.held() == 1);
        store.release();
        let told = ended.expect_err("nothing could be written").to_string();
        ensure!(
            told.contains("1 rooms have ended without their memory as it was, or are not known"),
            "{told}"
        );
        ensure!(took < SOON, "it took {took:?}");
        Ok(())
    }
}
