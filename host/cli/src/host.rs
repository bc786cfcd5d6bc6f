//! A host put together: store, engine, node, server; and taken apart in order.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::io::{self, Read as _};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use party_core::limits::Limits;
use party_node::assets::{AssetSource, NoAssets};
use party_node::chance::Chance;
use party_node::clock::{Clock, SystemClock, Ticks};
use party_node::lobby::LOBBY_EVENTS_MAX;
use party_node::node::{Node, NodeParts, Threads};
use party_node::party::{Memory, Party};
use party_node::pressure::memory_budget_default;
use party_runtime::component::Component;
use party_runtime::engine::{Engine, EngineOptions};
use party_runtime::load::COMPONENT_BYTES_MAX;
use party_server::admin::AdminSocket;
use party_server::assets::{AssetReads, Assets};
use party_server::config::EdgeConfig;
use party_server::edge::origins::AllowedOrigins;
use party_server::edge::projects::ProjectOptions;
use party_server::outbound::Network;
use party_server::server::{Server, ServerOptions};
use party_server::tls::Tls;
use party_store::redb_store::{RedbOptions, RedbStore};
use party_store::store::Store;

use crate::args::{Common, PORT_DEFAULT};
use crate::commands::project::{BuiltParty, Project};
use crate::listening::{HostName, Listening};
use crate::problem::with_hint;

/// How long a room with nothing to do and nobody in it stays awake, in milliseconds: Durable Objects evict an idle
/// object after 70 s at the earliest.
const IDLE_MS: u64 = 70_000;
/// Rooms awake at once, at most, unless the machine allows fewer.
const ROOMS_AWAKE_MAX: u32 = 8_000;

/// How long the host's threads are given to end when its rooms have, or are not waited for any more, in milliseconds: one may
/// hang with the disk.
const THREADS_MS_MAX: u64 = 5_000;

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

/// How long a host that ends waits.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Patience {
    /// For its clients.
    pub(crate) drain: Duration,
    /// For its rooms to be saved, as long as that comes forward.
    pub(crate) save: Duration,
}

impl Patience {
    /// As the command line says.
    pub(crate) fn of(common: &Common) -> Patience {
        Patience { drain: Duration::from_secs(common.drain), save: Duration::from_secs(common.save) }
    }
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

/// A project that a host is started with, its parties built.
pub(crate) struct ToServe<'a> {
    pub(crate) project: &'a Project,
    pub(crate) parties: &'a [BuiltParty],
    /// Whose pages may speak to its rooms.
    pub(crate) allowed_origins: Option<AllowedOrigins>,
}

/// What a host is started with.
pub(crate) struct Start<'a> {
    /// One at least: what belongs to the host is said by the first.
    pub(crate) projects: &'a [ToServe<'a>],
    pub(crate) host: &'a HostName,
    pub(crate) common: &'a Common,
    /// Who is believed, and how much of the host anybody gets.
    pub(crate) edge: EdgeConfig,
    /// The certificate, if TLS is spoken.
    pub(crate) tls: Option<Arc<Tls>>,
    /// Whether `/__scheduled__` begins scheduled runs.
    pub(crate) runs_by_hand: bool,
}

impl Start<'_> {
    /// Takes the port.
    pub(crate) fn listen(&self) -> Result<(Listening, Vec<TcpListener>)> {
        let (listening, listeners) = self.host.listen(port_of(self.projects[0].project, self.common))?;
        Ok((if self.tls.is_some() { listening.over_tls() } else { listening }, listeners))
    }

    fn data(&self) -> PathBuf {
        self.common.data.clone().unwrap_or_else(|| self.projects[0].project.data_dir())
    }
}

fn unusable(data: &Path) -> String {
    let message = format!("the data directory {} cannot be used", data.display());
    with_hint(&message, "choose another one with --data")
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
        let listening = start.listen()?;
        let data = start.data();
        let store = RedbStore::open(&data, RedbOptions::default()).with_context(|| unusable(&data))?;
        Host::start_on(Arc::new(store), start, listening)
    }

    /// A host whose rooms are kept in this store, whatever is in its data directory.
    pub(crate) fn start_on(
        store: Arc<dyn Store>,
        start: &Start<'_>,
        (listening, listeners): (Listening, Vec<TcpListener>),
    ) -> Result<Host> {
        let common = start.common;
        let data = start.data();
        let engine = engine(&data).with_context(|| unusable(&data))?;
        let workers = match common.workers {
            Some(workers) => usize::from(workers),
            None => std::thread::available_parallelism().map_or(1, usize::from),
        };
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let Served { projects, parties, options: of_edge } = load_all(&engine, start.projects, &clock)?;
        let (node, threads) = Node::start(NodeParts {
            projects,
            parties,
            store,
            clock,
            chance: Chance::from_system()?,
            workers,
            // The others are for lobby events.
            rooms_awake_max: (engine.rooms_awake_max() as usize).saturating_sub(LOBBY_EVENTS_MAX).max(1),
            memory_budget_bytes: common.memory_budget.map_or_else(memory_budget_default, |mib| mib << 20),
            idle_ms: IDLE_MS,
            rooms_max: start.edge.rooms_max,
        })?;
        let edge = start.edge.clone();
        let tls = start.tls.clone();
        let runs_by_hand = start.runs_by_hand;
        let options = ServerOptions {
            listeners,
            projects: of_edge,
            edge,
            tls,
            runs_by_hand,
            ..ServerOptions::default()
        };
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

    /// Takes no more clients, tells those that are here, finishes what is under way, and saves the rooms; for each at most for as
    /// long as it is given. Whether every room has kept its memory; if not, how many have not is in the error.
    pub(crate) async fn stop(self, patience: Patience) -> Result<()> {
        let Host { node, server, threads, admin, .. } = self;
        let Patience { drain, save } = patience;
        let (clock, save_ms_max) = (node.clock(), save.as_millis() as u64);
        let begun_at = clock.ticks();
        let deadline = begun_at.after_ms(drain.as_millis() as u64);
        let last_call = match drain.checked_sub(LAST_CALL) {
            Some(before) if before >= LAST_CALL => begun_at.after_ms(before.as_millis() as u64),
            Some(_) | None => Ticks::NEVER,
        };
        let mut drained = pin!(server.drain(deadline));
        let drained_early = tokio::select! {
            biased;
            cut = &mut drained => Some(cut),
            () = clock.sleep_until_ticks(last_call) => None,
        };
        let say_cut = |cut| {
            if cut > 0 {
                tracing::warn!("{cut} clients had not gone after {} s and were cut off", drain.as_secs());
            }
        };
        match drained_early {
            Some(cut) => {
                say_cut(cut);
                node.end_within(save_ms_max).await;
            }
            None => {
                // Requests that still wait for their room are answered, then the rest is cut.
                let cut = async { say_cut(drained.await) };
                tokio::join!(cut, node.end_within(save_ms_max));
            }
        }
        drop(admin);
        if !threads.stop_within(THREADS_MS_MAX).await {
            tracing::error!(
                "threads of the host have not ended after {} s, and it ends without them",
                THREADS_MS_MAX / 1_000
            );
        }
        match node.forgotten() {
            0 => Ok(()),
            rooms => anyhow::bail!(with_hint(
                &format!(
                    "{rooms} rooms have ended without their memory as it was, or are not known to have it; the lines above \
                     name them"
                ),
                "what they have stored is kept, and what was saved before is used where it fits; see to what they name"
            )),
        }
    }
}

fn engine(data: &Path) -> Result<Engine> {
    let compile_cache = Some(data.join("compiled"));
    let rooms_awake_max = ROOMS_AWAKE_MAX + LOBBY_EVENTS_MAX as u32;
    Ok(Engine::new(EngineOptions { rooms_awake_max, compile_cache })?)
}

/// All projects of a host, as the node and the edge want them.
struct Served {
    projects: Vec<Arc<party_node::project::Project>>,
    parties: Vec<Party>,
    options: HashMap<String, ProjectOptions>,
}

fn load_all(engine: &Engine, all: &[ToServe<'_>], clock: &Arc<dyn Clock>) -> Result<Served> {
    let mut served = Served { projects: Vec::new(), parties: Vec::new(), options: HashMap::new() };
    let (mut first, reads): (Option<Arc<Network>>, _) = (None, AssetReads::default());
    for ToServe { project, parties, allowed_origins } in all {
        let config = &project.config;
        let network = Arc::new(match &first {
            Some(first) => first.for_another(config.http.clone())?,
            None => Network::new(config.http.clone(), Arc::clone(clock))?,
        });
        first.get_or_insert_with(|| Arc::clone(&network));
        let assets =
            config.serve.as_ref().map(|serve| Assets::open(serve, &reads)).transpose()?.map(Arc::new);
        let for_rooms: Arc<dyn AssetSource> = match &assets {
            Some(assets) => Arc::clone(assets) as _,
            None => Arc::new(NoAssets),
        };
        let of_node = Arc::new(party_node::project::Project {
            name: config.name.clone(),
            outbound: network,
            assets: for_rooms,
            crons: config.crons.clone(),
        });
        served.parties.extend(load_parties(engine, &of_node, project, parties)?);
        served.projects.push(of_node);
        let options = ProjectOptions {
            hosts: config.hosts.clone(),
            assets,
            allowed_origins: allowed_origins.clone(),
            routing: config.routing.clone(),
        };
        served.options.insert(config.name.clone(), options);
    }
    Ok(served)
}

fn load_parties(
    engine: &Engine,
    of: &Arc<party_node::project::Project>,
    project: &Project,
    parties: &[BuiltParty],
) -> Result<Vec<Party>> {
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
        let (component, component_bytes) = component;
        result.push(Party {
            project: Arc::clone(of),
            name: party.name.clone(),
            handlers: component.handlers(),
            component,
            component_bytes,
            memory: project.config.memory,
            duplicate_keys: project.config.duplicate_keys.get(&party.name).copied().unwrap_or_default(),
            profile: project.config.routing.profile,
            limits: Arc::clone(&limits),
            vars: Arc::clone(&vars),
        });
    }
    Ok(result)
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
