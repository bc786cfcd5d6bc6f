//! A host put together: store, engine, node, server; and taken apart in order.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use party_core::ids::Timestamp;
use party_core::limits::Limits;
use party_node::chance::Chance;
use party_node::clock::SystemClock;
use party_node::node::{Node, NodeParts, Threads};
use party_node::party::{Memory, Party};
use party_node::pressure::memory_budget_default;
use party_runtime::component::Component;
use party_runtime::engine::{Engine, EngineOptions};
use party_runtime::load::COMPONENT_BYTES_MAX;
use party_server::admin::AdminSocket;
use party_server::assets::Assets;
use party_server::server::{Server, ServerOptions};
use party_store::redb_store::{RedbOptions, RedbStore};

use crate::args::{Common, PORT_DEFAULT};
use crate::commands::project::{BuiltParty, Project};
use crate::listening::{HostName, Listening};
use crate::problem::with_hint;

/// How long a room with nothing to do and nobody in it stays awake, in milliseconds: Durable Objects evict an idle
/// object after 70 s at the earliest.
const IDLE_MS: u64 = 70_000;
/// Rooms awake at once, at most, unless the machine allows fewer.
const ROOMS_AWAKE_MAX: u32 = 8_000;

/// How long rooms are given to end once their clients have gone: their last commits take one flush.
const END_MAX: Duration = Duration::from_secs(30);

/// How long before the end of the drain rooms answer what still waits for them; a drain of less than twice this has
/// no time for it.
const LAST_CALL: Duration = Duration::from_secs(1);

/// The last words of a host that has ended in order.
pub(crate) const STOPPED: &str = "stopped; nothing that was acknowledged is lost";

/// The last words of a host that ends because of an error of its own, told as [`Node::broken`] has it.
pub(crate) fn met(broken: &str) -> String {
    with_hint(
        &format!("the host met an error of its own in {broken}"),
        "start it again: what was acknowledged is in its data directory; please report the lines above",
    )
}

/// A running host.
pub(crate) struct Host {
    pub(crate) node: Node,
    server: Server,
    /// None if there is no place for it.
    admin: Option<AdminSocket>,
    threads: Threads,
    listening: Listening,
}

/// What a host is started with.
pub(crate) struct Start<'a> {
    pub(crate) project: &'a Project,
    pub(crate) parties: &'a [BuiltParty],
    pub(crate) host: &'a HostName,
    pub(crate) common: &'a Common,
}

/// How long a port may still be in use by a host that was killed just now, and how often it is looked at.
const PORT_WAIT: Duration = Duration::from_secs(1);
const PORT_LOOK: Duration = Duration::from_millis(50);

/// A port that is in use is told before a build that takes a minute.
pub(crate) fn check_port(project: &Project, host: &HostName, common: &Common) -> Result<()> {
    let before = Instant::now();
    loop {
        match host.listen(port_of(project, common)) {
            Ok(_) => return Ok(()),
            Err(error) if before.elapsed() >= PORT_WAIT => return Err(error),
            Err(_) => std::thread::sleep(PORT_LOOK),
        }
    }
}

fn port_of(project: &Project, common: &Common) -> u16 {
    common.port.or(project.config.port).unwrap_or(PORT_DEFAULT)
}

impl Host {
    pub(crate) fn start(start: &Start<'_>) -> Result<Host> {
        let Start { project, parties, host, common } = start;
        let (listening, listeners) = host.listen(port_of(project, common))?;
        let data = common.data.clone().unwrap_or_else(|| project.data_dir());
        let unusable = || {
            let message = format!("the data directory {} cannot be used", data.display());
            with_hint(&message, "choose another one with --data")
        };
        let store = RedbStore::open(&data, RedbOptions::default()).with_context(unusable)?;
        let engine = engine(&data).with_context(unusable)?;
        let parties = load_all(&engine, project, parties)?;
        let workers = match common.workers {
            Some(workers) => usize::from(workers),
            None => std::thread::available_parallelism().map_or(1, usize::from),
        };
        let (node, threads) = Node::start(NodeParts {
            project: project.config.name.clone(),
            parties,
            store: Arc::new(store),
            clock: Arc::new(SystemClock),
            chance: Chance::from_system()?,
            workers,
            rooms_awake_max: engine.rooms_awake_max() as usize,
            memory_budget_bytes: common.memory_budget.map_or_else(memory_budget_default, |mib| mib << 20),
            idle_ms: IDLE_MS,
        })?;
        let assets = project.config.serve.as_ref().map(Assets::open).transpose()?;
        let options = ServerOptions { listeners, assets, ..ServerOptions::default() };
        let server = Server::start(&node, options)?;
        let admin = AdminSocket::open(&node, &data).map_err(|error| {
            tracing::warn!("this host cannot be asked about its rooms while it runs: {error}");
        });
        Ok(Host { node, server, admin: admin.ok(), threads, listening })
    }

    /// Where it can be reached.
    pub(crate) fn listening(&self) -> &Listening {
        &self.listening
    }

    /// Takes no more clients, tells those that are here, finishes what is under way; at most for this long.
    /// Whether every room has kept its memory; if not, how many have not is in the error.
    pub(crate) async fn stop(self, drain: Duration) -> Result<()> {
        let Host { node, server, threads, admin, .. } = self;
        let deadline = node.clock().now().after_ms(drain.as_millis() as u64);
        let last_call = match drain.checked_sub(LAST_CALL) {
            Some(before) if before >= LAST_CALL => node.clock().now().after_ms(before.as_millis() as u64),
            Some(_) | None => Timestamp::NEVER,
        };
        let cut = tokio::select! {
            cut = server.drain(deadline) => cut,
            () = node.clock().sleep_until(last_call) => {
                // Requests that still wait for their room are answered, then the rest is cut.
                let (cut, _) = tokio::join!(server.drain(deadline), tokio::time::timeout(END_MAX, node.end()));
                cut
            }
        };
        if cut > 0 {
            tracing::warn!("{cut} clients had not gone after {} s and were cut off", drain.as_secs());
        }
        if tokio::time::timeout(END_MAX, node.end()).await.is_err() {
            tracing::error!(
                "rooms had not ended after {} s; what they had not written is lost",
                END_MAX.as_secs()
            );
        }
        drop(admin);
        threads.stop();
        match node.forgotten() {
            0 => Ok(()),
            rooms => anyhow::bail!(with_hint(
                &format!(
                    "{rooms} rooms have ended without their memory as it was; the lines above name them"
                ),
                "what they have stored is kept, and what was saved before is used where it fits; see to the disk"
            )),
        }
    }
}

fn engine(data: &Path) -> Result<Engine> {
    let compile_cache = Some(data.join("compiled"));
    Ok(Engine::new(EngineOptions { rooms_awake_max: ROOMS_AWAKE_MAX, compile_cache })?)
}

fn load_all(engine: &Engine, project: &Project, parties: &[BuiltParty]) -> Result<Vec<Party>> {
    let vars = Arc::new(project.config.vars.clone());
    let limits = Arc::new(project.config.limits.clone());
    let mut loaded: BTreeMap<&PathBuf, (Component, Arc<[u8]>)> = BTreeMap::new();
    let mut result = Vec::new();
    for party in parties {
        let component = match loaded.get(&party.component) {
            Some(component) => component.clone(),
            None => {
                let component = load(engine, party, project.config.memory, &vars, &limits)?;
                loaded.insert(&party.component, component.clone());
                component
            }
        };
        result.push(party_of(&party.name, component, project.config.memory, &vars, &limits));
    }
    Ok(result)
}

fn party_of(
    name: &str,
    (component, component_bytes): (Component, Arc<[u8]>),
    memory: Memory,
    vars: &Arc<BTreeMap<String, String>>,
    limits: &Arc<Limits>,
) -> Party {
    let handlers = component.handlers();
    let (limits, vars) = (Arc::clone(limits), Arc::clone(vars));
    Party { name: name.into(), component, component_bytes, memory, handlers, limits, vars }
}

/// At most one byte more than a component may have, which is enough to refuse it.
pub(crate) fn read_bounded(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    fs::File::open(path)?.take(COMPONENT_BYTES_MAX + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn load(
    engine: &Engine,
    party: &BuiltParty,
    memory: Memory,
    vars: &Arc<BTreeMap<String, String>>,
    limits: &Arc<Limits>,
) -> Result<(Component, Arc<[u8]>)> {
    let path = &party.component;
    let bytes = read_bounded(path).with_context(|| format!("{} cannot be read", path.display()))?;
    tracing::info!(party = party.name, "loading {} ({} KB)", path.display(), bytes.len().div_ceil(1_000));
    let before = Instant::now();
    let component =
        engine.load(&bytes, vars, limits).with_context(|| format!("{} is not a party", path.display()))?;
    tracing::info!(party = party.name, "ready after {} ms", before.elapsed().as_millis());
    if let (Memory::Durable, Err(reason)) = (memory, component.capturable()) {
        anyhow::bail!(
            "{} cannot have durable rooms: {reason}\nhint: say memory = \"hibernate\" or \"volatile\" in party.toml",
            path.display()
        );
    }
    if let (Memory::Hibernate, Err(reason)) = (memory, component.capturable()) {
        tracing::warn!(
            party = party.name,
            "its rooms stay awake, and lose their variables with the host: {reason}"
        );
    }
    Ok((component, bytes.into()))
}
