//! What a world is to be, before it begins.

mod told;

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;

use anyhow::{Context, Result, anyhow};
use party_core::ids::Timestamp;
use party_core::limits::Limits;
use party_core::room::DuplicateKeys;
use party_node::chance::{Chance, Dictated};
use party_node::committer::CommitPause;
use party_node::cron::Schedule;
use party_runtime::engine::Engine;
use party_server::assets::{AssetReads, Assets};
use party_server::config::ServeConfig;
use party_server::config::routing::Routing;
use party_store::memory::MemoryStore;
use party_store::store::Store;
use party_store::testing::faulty_store::FaultyStore;

use crate::clock::{BEGINNING, VirtualClock};
use crate::host::Host;
use crate::outbound::Outside;
use crate::project::{self, Built};
use crate::world::engine::{engine, own_engine};
use crate::world::logs::Logs;
use crate::world::served::Served;
use crate::world::{Memory, PROJECT, World};

/// Rooms awake at once in a world, if nothing is said.
const ROOMS_AWAKE_MAX: usize = 200;

/// Where a component comes from.
#[derive(Clone, Debug)]
pub enum Source {
    /// A file.
    File(PathBuf),
    /// Its bytes.
    Bytes(Vec<u8>),
}

impl From<&str> for Source {
    fn from(path: &str) -> Source {
        Source::File(path.into())
    }
}

impl From<&Path> for Source {
    fn from(path: &Path) -> Source {
        Source::File(path.into())
    }
}

impl From<PathBuf> for Source {
    fn from(path: PathBuf) -> Source {
        Source::File(path)
    }
}

impl From<&[u8]> for Source {
    fn from(bytes: &[u8]) -> Source {
        Source::Bytes(bytes.into())
    }
}

impl From<&Vec<u8>> for Source {
    fn from(bytes: &Vec<u8>) -> Source {
        Source::Bytes(bytes.clone())
    }
}

impl From<Vec<u8>> for Source {
    fn from(bytes: Vec<u8>) -> Source {
        Source::Bytes(bytes)
    }
}

impl Source {
    fn read(self) -> Result<Vec<u8>> {
        match self {
            Source::Bytes(bytes) => Ok(bytes),
            Source::File(path) => std::fs::read(&path).with_context(|| {
                format!("{} cannot be read; `party-host build` makes components", path.display())
            }),
        }
    }
}

/// What a world is to be.
pub struct Builder {
    seed: u64,
    compile_cache: Option<PathBuf>,
    has_own_engine: bool,
    parties: BTreeMap<String, Source>,
    serve: Option<ServeConfig>,
    vars: BTreeMap<String, String>,
    crons: Vec<Schedule>,
    limits: Limits,
    duplicate_keys: BTreeMap<String, DuplicateKeys>,
    routing: Routing,
    memory: Memory,
    memory_budget_bytes: u64,
    rooms_awake_max: usize,
    rooms_max: Option<u64>,
    workers: usize,
    store: Option<Arc<dyn Store>>,
    begins_at: Timestamp,
    /// Other projects, by their names.
    beside: BTreeMap<String, Builder>,
    /// Why what was said cannot be: the world says so when it is to begin.
    problem: Option<anyhow::Error>,
}

/// As party.toml and transcripts call it.
pub(super) fn memory_word(memory: Memory) -> &'static str {
    match memory {
        Memory::Volatile => "volatile",
        Memory::Hibernate => "hibernate",
        Memory::Durable => "durable",
    }
}

impl World {
    /// A world whose chance comes from a seed.
    #[expect(clippy::new_ret_no_self, reason = "a world begins when all is said that it is to be")]
    pub fn new(seed: u64) -> Builder {
        Builder {
            seed,
            compile_cache: None,
            has_own_engine: false,
            parties: BTreeMap::new(),
            serve: None,
            duplicate_keys: BTreeMap::new(),
            routing: Routing::default(),
            vars: BTreeMap::new(),
            crons: Vec::new(),
            limits: Limits::default(),
            memory: Memory::default(),
            memory_budget_bytes: u64::MAX,
            rooms_awake_max: ROOMS_AWAKE_MAX,
            rooms_max: None,
            workers: 1,
            store: None,
            begins_at: BEGINNING,
            beside: BTreeMap::new(),
            problem: None,
        }
    }
}

impl Builder {
    /// Adds a party of this name: the path of its component, or its bytes.
    pub fn party(mut self, name: &str, component: impl Into<Source>) -> Builder {
        self.parties.insert(name.into(), component.into());
        self
    }

    /// The project in this directory, as `party-host test` has it: its parties, built now if their sources have changed (once
    /// in the life of the process), and the memory, vars, limits and static assets of its party.toml. What is said after it comes in their
    /// place. In a test of the project itself: `.project(env!("CARGO_MANIFEST_DIR"))`.
    pub fn project(mut self, directory: impl AsRef<Path>) -> Builder {
        let directory = directory.as_ref();
        match project::build(directory).with_context(|| format!("the project in {}", directory.display())) {
            Ok(Built { config, components }) => {
                self.memory = config.memory;
                self.limits = config.limits;
                self.serve = config.serve;
                self.duplicate_keys = config.duplicate_keys;
                self.routing = config.routing;
                self.vars.extend(config.vars);
                self.crons.extend(config.crons);
                let parties = components.into_iter().map(|(name, path)| (name, Source::File(path)));
                self.parties.extend(parties);
            }
            Err(problem) => _ = self.problem.get_or_insert(problem),
        }
        self
    }

    /// Serves another project beside the world's own: the parties, assets, vars, crons, limits and memory of this one, and nothing
    /// else that is said of it. Whoever asks for the host `other.world` asks for the project `other`; a test names its rooms and
    /// parties `other/main/lobby` and `other/main`.
    pub fn beside(mut self, name: &str, project: Builder) -> Builder {
        self.beside.insert(name.into(), project);
        self
    }

    /// Serves static assets, which rooms can read as well.
    pub fn serve(mut self, assets: ServeConfig) -> Builder {
        self.serve = Some(assets);
        self
    }

    /// What becomes of a client of this party that has the name (`_pk`) of another in its room.
    pub fn duplicate_key(mut self, party: &str, policy: DuplicateKeys) -> Builder {
        self.duplicate_keys.insert(party.into(), policy);
        self
    }

    /// How rooms are addressed, and in whose words clients are answered. Limits stay as they are.
    pub fn routing(mut self, routing: Routing) -> Builder {
        self.routing = routing;
        self
    }

    /// Sets a var.
    pub fn var(mut self, name: &str, value: &str) -> Builder {
        self.vars.insert(name.into(), value.into());
        self
    }

    /// Lets the lobby of the party `main` run something by a cron expression of five fields, in UTC.
    pub fn cron(mut self, name: &str, expression: &str) -> Builder {
        match Schedule::parse(name, expression) {
            Ok(schedule) => {
                self.crons.retain(|other| other.name() != name);
                self.crons.push(schedule);
            }
            Err(problem) => _ = self.problem.get_or_insert(problem.into()),
        }
        self
    }

    /// Changes limits.
    pub fn limits(mut self, change: impl FnOnce(&mut Limits)) -> Builder {
        change(&mut self.limits);
        self
    }

    /// What becomes of rooms' memory; as `party-host serve` has it, they sleep.
    pub fn memory(mut self, memory: Memory) -> Builder {
        self.memory = memory;
        self
    }

    /// Linear memory that all awake rooms may have together, in bytes; there is no bound if nothing is said.
    pub fn memory_budget(mut self, bytes_max: u64) -> Builder {
        self.memory_budget_bytes = bytes_max;
        self
    }

    /// Rooms that there may be, in the store and open; there is no bound if nothing is said.
    pub fn rooms_max(mut self, max: u64) -> Builder {
        self.rooms_max = Some(max);
        self
    }

    /// Rooms that may be awake at once.
    pub fn rooms_awake(mut self, max: usize) -> Builder {
        self.rooms_awake_max = max;
        self
    }

    /// Workers among which the rooms are divided; all on the test's thread, one if nothing is said.
    pub fn workers(mut self, count: usize) -> Builder {
        self.workers = count;
        self
    }

    /// Keeps rooms here instead of in a memory store of the world's own.
    pub fn store(mut self, store: Arc<dyn Store>) -> Builder {
        self.store = Some(store);
        self
    }

    /// Keeps compiled components here. All worlds of a process use the directory that came first; if nothing is said, and the
    /// process is a test or a bench that cargo has built, that is one in cargo's target directory. So a component is compiled
    /// once, not in each world.
    pub fn compile_cache(mut self, dir: impl Into<PathBuf>) -> Builder {
        self.compile_cache = Some(dir.into());
        self
    }

    /// Gives the world a small engine of its own, whose places a test can take ([`World::take_all_places`]).
    pub fn own_engine(mut self) -> Builder {
        self.has_own_engine = true;
        self
    }

    /// What the clock says at the beginning, in milliseconds since 1970; else it is [`clock::BEGINNING`](crate::clock::BEGINNING).
    pub fn begins_at(mut self, ms: u64) -> Builder {
        self.begins_at = Timestamp(ms);
        self
    }

    /// Starts the world and runs a test in it. If that fails, it says what had happened until then, as a transcript that can be
    /// played, and with which seed it happens again.
    ///
    /// # Panics
    ///
    /// If the test fails, or the world cannot begin.
    pub fn run(self, test: impl AsyncFnOnce(&World) -> Result<()>) {
        let seed = self.seed;
        let story = RefCell::new(String::new());
        let told = self.block_on(async |world| {
            let tested = test(world).await.and_then(|()| match world.outside().take_unanswered() {
                None => Ok(()),
                Some(asked) => Err(anyhow!(
                    "a room fetched {asked}, which nothing answers: world.outbound(URL).respond(200, \"..\") before it does"
                )),
            });
            if tested.is_err() {
                *story.borrow_mut() = format!("so far:\n{}", world.host.story.told());
            }
            tested
        });
        if let Err(error) = told {
            panic!("with seed {seed}: {error:?}\n{}", story.into_inner());
        }
    }

    /// Starts the world and does something in it. Not within another runtime.
    pub fn block_on<T>(self, what: impl AsyncFnOnce(&World) -> Result<T>) -> Result<T> {
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build()?;
        runtime.block_on(async {
            let world = self.start().await?;
            what(&world).await
        })
    }

    /// Its project, loaded.
    fn load(&mut self, name: &str, engine: &Engine, reads: &AssetReads) -> Result<Served> {
        if let Some(problem) = self.problem.take() {
            return Err(problem);
        }
        let (limits, vars) = (Arc::new(self.limits.clone()), Arc::new(std::mem::take(&mut self.vars)));
        let mut components = BTreeMap::new();
        for (name, source) in std::mem::take(&mut self.parties) {
            let bytes = source.read()?;
            let component = engine
                .load(&bytes, &vars, &limits)
                .with_context(|| format!("party {name} cannot be loaded"))?;
            components.insert(name, (component, Arc::from(bytes)));
        }
        let assets = self.serve.as_ref().map(|serve| Assets::open(serve, reads)).transpose();
        Ok(Served {
            name: name.into(),
            components: RefCell::new(components),
            duplicate_keys: std::mem::take(&mut self.duplicate_keys),
            memory: Cell::new(self.memory),
            routing: self.routing.clone(),
            assets: assets.context("the static assets")?.map(Arc::new),
            limits,
            vars,
            crons: std::mem::take(&mut self.crons),
            is_away: Cell::new(false),
        })
    }

    async fn start(mut self) -> Result<World> {
        let host = Rc::new(Host::default());
        host.story.begin(self.told());
        let engine = match self.has_own_engine {
            true => own_engine(self.compile_cache.take())?,
            false => engine(self.compile_cache.take())?,
        };
        let reads = AssetReads::default();
        let mut projects = vec![self.load(PROJECT, &engine, &reads)?];
        for (name, mut project) in std::mem::take(&mut self.beside) {
            projects.push(project.load(&name, &engine, &reads)?);
        }
        let store = self.store.unwrap_or_else(|| Arc::new(MemoryStore::default()));
        let (logs, listening) = Logs::listen();
        let dictated = Dictated::default();
        let clock = VirtualClock::new(self.begins_at);
        let world = World {
            outside: Outside::new(clock.clone()),
            logs,
            _listening: listening,
            host,
            clock,
            chance: RefCell::new(Chance::from_number(self.seed).dictated_by(&dictated)),
            dictated,
            projects,
            memory_budget_bytes: self.memory_budget_bytes,
            rooms_awake_max: self.rooms_awake_max,
            rooms_max: self.rooms_max,
            workers: self.workers,
            store: Arc::new(FaultyStore::scripted(store, [])),
            running: RefCell::new(None),
            commit_pause: CommitPause::default(),
            forgotten: Cell::new(0),
        };
        world.start_host().await?;
        Ok(world)
    }
}
