//! A node, a server and a clock for one test.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use party_core::limits::Limits;
use party_node::assets::NoAssets;
use party_node::chance::Chance;
use party_node::clock::{Clock, Ticks};
use party_node::committer::CommitPause;
use party_node::node::{Node, NodeParts};
use party_node::outbound::NoNetwork;
use party_node::party::{Memory, Party};
use party_node::project::Project;
use party_runtime::engine::{Engine, EngineOptions};
use party_server::config::ProjectConfig;
use party_server::edge::limits::EdgeLimits;
use party_server::edge::projects::ProjectOptions;
use party_server::server::{Server, ServerOptions};
use party_store::memory::MemoryStore;
use party_store::store::Store;
use tokio::task::LocalSet;

use crate::clock::TestClock;
use crate::probe::{DEAF, FORGOER, HESITANT, LOBBY, MUTE, POLITE, PROBE, TELLER};
use crate::wire::Wire;

/// How many bytes wait between a client and the server, in each direction.
pub(crate) const SOCKET_BYTES: usize = 64 << 10;

static ENGINE: LazyLock<Engine> = LazyLock::new(|| {
    Engine::new(EngineOptions { rooms_awake_max: 64, compile_cache: None }).expect("the engine starts")
});

/// The parts of a node that serves the probe as `main`, and as `hesitant`, `deaf`, `polite`, `teller` and `forgoer` what is like it.
pub(crate) fn node_parts(clock: Arc<dyn Clock>, limits: Limits, workers: usize) -> NodeParts {
    parts_with(&PROBE, clock, limits, workers)
}

fn parts_with(main: &[u8], clock: Arc<dyn Clock>, limits: Limits, workers: usize) -> NodeParts {
    let limits = Arc::new(limits);
    let vars = Arc::new(BTreeMap::new());
    let project = Arc::new(Project {
        name: "edge".into(),
        outbound: Arc::new(NoNetwork),
        assets: Arc::new(NoAssets),
        crons: Vec::new(),
    });
    let party = |(name, guest): (&str, &[u8])| {
        let component = ENGINE.load(guest, &vars, &limits).unwrap_or_else(|error| panic!("{error}"));
        Party {
            project: Arc::clone(&project),
            name: name.into(),
            handlers: component.handlers(),
            component,
            component_bytes: guest.into(),
            duplicate_keys: Default::default(),
            profile: Default::default(),
            memory: if name == "mute" { Memory::Hibernate } else { Memory::Volatile },
            limits: Arc::clone(&limits),
            vars: Arc::clone(&vars),
        }
    };
    let parties: [(&str, &[u8]); 7] = [
        ("main", main),
        ("hesitant", &HESITANT),
        ("deaf", &DEAF),
        ("polite", &POLITE),
        ("mute", &MUTE),
        ("teller", &TELLER),
        ("forgoer", &FORGOER),
    ];
    NodeParts {
        projects: vec![Arc::clone(&project)],
        parties: parties.into_iter().map(party).collect(),
        store: Arc::new(MemoryStore::default()),
        clock,
        chance: Chance::from_number(1),
        workers,
        rooms_awake_max: 64,
        memory_budget_bytes: u64::MAX,
        idle_ms: 600_000,
        rooms_max: None,
    }
}

/// What a test sees.
pub(crate) struct World {
    clock: TestClock,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) server: Server,
}

/// Runs a test in a world with these limits. Everything is on this thread.
pub(crate) fn with_limits(limits: Limits, edge: EdgeLimits, test: impl AsyncFnOnce(&World)) {
    with_options(limits, ServerOptions { limits: edge, ..ServerOptions::default() }, test);
}

/// Runs a test in a world with what `[edge]` of a project's party.toml says.
pub(crate) fn with_edge(section: &str, test: impl AsyncFnOnce(&World)) {
    with_options(Limits::default(), edge(section), test);
}

/// The same, with a lobby before the rooms, and scheduled runs that are begun by whoever asks.
pub(crate) fn with_lobby(section: &str, test: impl AsyncFnOnce(&World)) {
    let options = ServerOptions { runs_by_hand: true, ..edge(section) };
    with_guest(&LOBBY, Limits::default(), options, test);
}

/// Runs a test in a world whose project has this party.toml, as far as the edge reads it.
pub(crate) fn with_project(text: &str, test: impl AsyncFnOnce(&World)) {
    with_options(Limits::default(), of_project(text), test);
}

fn edge(section: &str) -> ServerOptions {
    of_project(&format!("[edge]\n{section}\n"))
}

fn of_project(text: &str) -> ServerOptions {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("party.toml"), text).unwrap();
    let ProjectConfig { edge, allowed_origins, routing, .. } = ProjectConfig::load(directory.path()).unwrap();
    let of_project = ProjectOptions { allowed_origins, routing, ..ProjectOptions::default() };
    ServerOptions { edge, projects: [("edge".to_owned(), of_project)].into(), ..ServerOptions::default() }
}

/// Runs a test in a world whose server is set up so.
pub(crate) fn with_options(limits: Limits, options: ServerOptions, test: impl AsyncFnOnce(&World)) {
    with_guest(&PROBE, limits, options, test);
}

/// Runs a test in a world whose server is set up so, and whose party `main` is this.
fn with_guest(main: &[u8], limits: Limits, options: ServerOptions, test: impl AsyncFnOnce(&World)) {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    LocalSet::new().block_on(&runtime, async {
        let clock = TestClock::default();
        let parts = parts_with(main, Arc::new(clock.clone()), limits, 1);
        let parts = NodeParts { rooms_max: options.edge.rooms_max, ..parts };
        let store = Arc::clone(&parts.store);
        let node = Node::start_here(parts, &CommitPause::default()).unwrap();
        let server = Server::start(&node, options).unwrap();
        let world = World { clock, store, server };
        world.settle().await;
        test(&world).await;
    });
}

/// Runs a test in a world with the default limits.
pub(crate) fn with_world(test: impl AsyncFnOnce(&World)) {
    with_limits(Limits::default(), EdgeLimits::default(), test);
}

impl World {
    /// Lets everything happen that can happen without time passing. The runtime's own time is paused: it moves only
    /// when every task waits, and nothing else uses it.
    pub(crate) async fn settle(&self) {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }

    /// Lets so many milliseconds pass, from one thing that is due to the next.
    pub(crate) async fn advance(&self, ms: u64) {
        self.settle().await;
        let until = self.clock.now().after_ms(ms).0;
        while self.clock.step(until) {
            self.settle().await;
        }
        self.settle().await;
    }

    /// What a future gives when all is quiet, if anything.
    pub(crate) async fn quiet<T>(&self, future: impl Future<Output = T>) -> Option<T> {
        tokio::time::timeout(Duration::from_millis(1), future).await.ok()
    }

    /// When so many milliseconds will have passed.
    pub(crate) fn after_ms(&self, ms: u64) -> Ticks {
        self.clock.ticks().after_ms(ms)
    }

    /// Somebody sets the clock.
    pub(crate) fn set_clock(&self, now: u64) {
        self.clock.set(now);
    }

    /// A new connection.
    pub(crate) async fn dial(&self) -> Wire<'_> {
        self.dial_from("127.0.0.1").await
    }

    /// A new connection that comes from there.
    pub(crate) async fn dial_from(&self, address: &str) -> Wire<'_> {
        let (near, far) = tokio::io::duplex(SOCKET_BYTES);
        let address = address.parse().expect("it is an address");
        self.server.inject_from(far, address).expect("there is a place");
        Wire::new(self, near)
    }

    /// A new WebSocket, its handshake done.
    pub(crate) async fn connect(&self, path: &str) -> Wire<'_> {
        let mut wire = self.dial().await;
        wire.send(upgrade(path)).await;
        let (head, _) = wire.response().await;
        assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
        wire
    }
}

/// A request to open a WebSocket.
pub(crate) fn upgrade(path: &str) -> String {
    format!(
        "GET {path} HTTP/1.1\r\nhost: edge\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\
         sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
}
