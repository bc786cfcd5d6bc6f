//! `party-host serve`: a project or a component, until it is told to stop.

use std::time::Duration;

use anyhow::{Result, bail};

use party_node::party::Memory;

use crate::args::Serve;
use crate::commands::project::Project;
use crate::host::{Host, STOPPED, Start, check_port, met};
use crate::signals::Signals;

pub(crate) fn run(serve: &Serve) -> Result<()> {
    crate::logging::start()?;
    let project = Project::open(&serve.path)?;
    check_port(&project, &serve.host, &serve.common)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut signals = Signals::listen()?;
        let parties = project.build_unless_stopped(&mut signals).await?;
        let start = Start { project: &project, parties: &parties, host: &serve.host, common: &serve.common };
        let host = Host::start(&start)?;
        print_welcome(&project, &host);
        let why = tokio::select! {
            why = signals.next() => Ok(why),
            broken = host.node.broken() => Err(broken),
        };
        match &why {
            Ok(why) => tracing::info!("{why}: stopping; once more stops at once"),
            Err(_) => tracing::error!("stopping, because of an error of the host's own"),
        }
        signals.exit_at_the_next();
        let stopped = host.stop(Duration::from_secs(serve.common.drain)).await;
        if let Err(broken) = why {
            bail!(met(&broken));
        }
        stopped?;
        tracing::info!("{STOPPED}");
        Ok(())
    })
}

/// Says where the rooms are, and what is not kept.
pub(crate) fn print_welcome(project: &Project, host: &Host) {
    let listening = host.listening();
    let reachable = listening.reachable();
    println!("serving {} on {listening}", project.config.name);
    if project.config.serve.is_some() {
        println!("  page   http://{reachable}/");
    }
    for name in project.config.parties.keys() {
        println!("  party  http://{reachable}/parties/{name}/ROOM   (WebSocket: ws://…)");
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
