//! `party-host serve`: a project or a component, until it is told to stop.

use std::sync::Arc;

use anyhow::{Result, bail};

use party_node::cron::written;
use party_node::party::Memory;
use party_server::tls::Tls;

use crate::args::Serve;
use crate::commands::project::Project;
use crate::host::{Host, Patience, STOPPED, Start, check_port, met};
use crate::problem::usage;
use crate::signals::Signals;

pub(crate) fn run(serve: &Serve) -> Result<()> {
    crate::logging::start()?;
    let project = Project::open(&serve.path)?;
    let mut edge = project.config.edge.clone();
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
    check_port(&project, &serve.host, &serve.common)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut signals = Signals::listen()?;
        let parties = project.build_unless_stopped(&mut signals).await?;
        let (host, common) = (&serve.host, &serve.common);
        let runs_by_hand = false;
        let start = Start { project: &project, parties: &parties, host, common, edge, tls, runs_by_hand };
        let host = Host::start(&start)?;
        print_welcome(&project, &host);
        until_told(host, signals, Patience::of(&serve.common)).await
    })
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
pub(crate) fn print_welcome(project: &Project, host: &Host) {
    let listening = host.listening();
    let (reachable, is_secure) = (listening.reachable(), listening.is_over_tls());
    let (http, ws) = if is_secure { ("https", "wss") } else { ("http", "ws") };
    println!("serving {} on {listening}", project.config.name);
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

    use super::until_told;
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
        let start = Start {
            project: &project,
            parties: &parties,
            host: &host,
            common: &common,
            edge,
            tls: None,
            runs_by_hand: false,
        };
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
