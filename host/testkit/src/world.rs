//! A host in a test.

mod disk;
mod engine;
mod knocking;
mod lives;
mod upgrades;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper_util::rt::TokioIo;
use party_core::ids::Timestamp;
use party_core::limits::Limits;
use party_node::chance::Chance;
use party_node::clock::Clock;
use party_node::committer::CommitPause;
use party_node::node::{Node, NodeParts};
pub use party_node::party::Memory;
use party_node::party::Party;
use party_runtime::component::Component;
use party_server::server::{Server, ServerOptions};
use party_store::memory::MemoryStore;
use party_store::store::Store;
use party_store::testing::faulty_store::FaultyStore;
use tokio::io::DuplexStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::{self, http};

use crate::client::Client;
use crate::clock::VirtualClock;
use crate::host::Host;
pub use crate::world::engine::Taken;
use crate::world::engine::{engine, own_engine};
pub use crate::world::knocking::{Answer, Knocking};

/// The project of all worlds.
const PROJECT: &str = "world";
/// Rooms awake at once in a world, if nothing is said.
const ROOMS_AWAKE_MAX: usize = 200;
/// Bytes that an in-memory socket holds on the way, in each direction: as much as a small kernel buffer.
const SOCKET_BYTES: usize = 64 << 10;
/// The key of every handshake: that of RFC 6455, section 1.3.
const SOCKET_KEY: http::HeaderValue = http::HeaderValue::from_static("dGhlIHNhbXBsZSBub25jZQ==");
/// How long a room with nothing to do stays, in milliseconds: as `party-host serve` has it.
const IDLE_MS: u64 = 70_000;

/// What a world is to be.
pub struct Builder {
    seed: u64,
    compile_cache: Option<PathBuf>,
    has_own_engine: bool,
    parties: BTreeMap<String, Vec<u8>>,
    vars: BTreeMap<String, String>,
    limits: Limits,
    memory: Memory,
    memory_budget_bytes: u64,
    rooms_awake_max: usize,
    workers: usize,
    store: Option<Arc<dyn Store>>,
}

impl Builder {
    /// Adds a party of this name, from the bytes of its component.
    pub fn party(mut self, name: &str, component: &[u8]) -> Builder {
        self.parties.insert(name.into(), component.into());
        self
    }

    /// Sets a var.
    pub fn var(mut self, name: &str, value: &str) -> Builder {
        self.vars.insert(name.into(), value.into());
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

    /// Keeps compiled components here. All worlds of a process use the directory that came first.
    pub fn compile_cache(mut self, dir: impl Into<PathBuf>) -> Builder {
        self.compile_cache = Some(dir.into());
        self
    }

    /// Gives the world a small engine of its own, whose places a test can take ([`World::take_all_places`]).
    pub fn own_engine(mut self) -> Builder {
        self.has_own_engine = true;
        self
    }

    /// Starts the world, runs a test in it, and says which seed it was if the test fails.
    pub fn run(self, test: impl AsyncFnOnce(&World) -> Result<()>) {
        let seed = self.seed;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .start_paused(true)
            .build()
            .expect("a runtime can be made");
        let result = runtime.block_on(async {
            let world = self.start().await?;
            test(&world).await
        });
        if let Err(error) = result {
            panic!("with seed {seed}: {error:?}");
        }
    }

    async fn start(self) -> Result<World> {
        let engine = match self.has_own_engine {
            true => own_engine(self.compile_cache)?,
            false => engine(self.compile_cache)?,
        };
        let (limits, vars) = (Arc::new(self.limits), Arc::new(self.vars));
        let mut components = BTreeMap::new();
        for (name, bytes) in self.parties {
            let component = engine
                .load(&bytes, &vars, &limits)
                .with_context(|| format!("party {name} cannot be loaded"))?;
            components.insert(name, (component, Arc::from(bytes)));
        }
        let store = self.store.unwrap_or_else(|| Arc::new(MemoryStore::default()));
        let world = World {
            host: Rc::new(Host::default()),
            clock: VirtualClock::default(),
            chance: RefCell::new(Chance::from_number(self.seed)),
            components: RefCell::new(components),
            memory: self.memory,
            memory_budget_bytes: self.memory_budget_bytes,
            rooms_awake_max: self.rooms_awake_max,
            workers: self.workers,
            limits,
            vars,
            store: Arc::new(FaultyStore::scripted(store, [])),
            running: RefCell::new(None),
            commit_pause: CommitPause::default(),
        };
        world.start_host().await?;
        Ok(world)
    }
}

/// A component and its bytes.
type Loaded = (Component, Arc<[u8]>);

/// A host, its time and its network.
pub struct World {
    host: Rc<Host>,
    clock: VirtualClock,
    chance: RefCell<Chance>,
    components: RefCell<BTreeMap<String, Loaded>>,
    memory: Memory,
    memory_budget_bytes: u64,
    rooms_awake_max: usize,
    workers: usize,
    limits: Arc<Limits>,
    vars: Arc<BTreeMap<String, String>>,
    store: Arc<FaultyStore>,
    running: RefCell<Option<(Node, Rc<Server>)>>,
    commit_pause: CommitPause,
}

/// A response to a request.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Response {
    /// The status.
    pub status: u16,
    /// The headers, by lower-case name.
    pub headers: BTreeMap<String, String>,
    /// The body; bytes that are not UTF-8 are replaced.
    pub body: String,
}

impl World {
    /// A world whose chance comes from a seed.
    pub fn builder(seed: u64) -> Builder {
        Builder {
            seed,
            compile_cache: None,
            has_own_engine: false,
            parties: BTreeMap::new(),
            vars: BTreeMap::new(),
            limits: Limits::default(),
            memory: Memory::default(),
            memory_budget_bytes: u64::MAX,
            rooms_awake_max: ROOMS_AWAKE_MAX,
            workers: 1,
            store: None,
        }
    }

    async fn start_host(&self) -> Result<()> {
        let party = |(name, (component, bytes)): (&String, &(Component, Arc<[u8]>))| Party {
            name: name.clone(),
            component: component.clone(),
            component_bytes: Arc::clone(bytes),
            memory: self.memory,
            handlers: component.handlers(),
            limits: Arc::clone(&self.limits),
            vars: Arc::clone(&self.vars),
        };
        let parts = NodeParts {
            project: PROJECT.into(),
            parties: self.components.borrow().iter().map(party).collect(),
            store: self.store.clone(),
            clock: Arc::new(self.clock.clone()),
            chance: self.chance.borrow_mut().split(),
            workers: self.workers,
            rooms_awake_max: self.rooms_awake_max,
            memory_budget_bytes: self.memory_budget_bytes,
            idle_ms: IDLE_MS,
        };
        let running = self.host.during(async {
            let node = Node::start_here(parts, &self.commit_pause)?;
            let server = Server::start(&node, ServerOptions::default())?;
            anyhow::Ok((node, Rc::new(server)))
        });
        *self.running.borrow_mut() = Some(running.await?);
        self.settle().await;
        Ok(())
    }

    fn server(&self) -> Rc<Server> {
        Rc::clone(&self.running.borrow().as_ref().expect("the host runs").1)
    }

    /// Lets everything happen that can happen without time passing.
    pub async fn settle(&self) {
        self.host.settle().await;
    }

    /// The time.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Lets time pass, from one thing that is due to the next.
    pub async fn advance(&self, duration: Duration) {
        self.settle().await;
        let until = self.clock.now().after_ms(duration.as_millis() as u64);
        while let Some(due) = self.clock.next_due(until) {
            self.clock.set(due.max(self.clock.now()));
            self.settle().await;
        }
        self.clock.set(until);
        self.settle().await;
    }

    /// A new in-memory connection to the server.
    async fn dial(&self) -> Result<DuplexStream> {
        let (near, far) = tokio::io::duplex(SOCKET_BYTES);
        self.server().inject(far)?;
        self.settle().await;
        Ok(near)
    }

    /// Connects a client to a room. The path follows `/parties/`: `main/lobby?_pk=alice`.
    pub async fn connect(&self, path: &str) -> Result<Client> {
        match self.knock(path, &[]).await? {
            Answer::Connected(client) => Ok(client),
            Answer::Refused(status, body) => anyhow::bail!("{path}: refused with {status} {body:?}"),
            Answer::Nothing(_) => anyhow::bail!("{path}: no answer"),
        }
    }

    /// Lets a client ask for a connection, with more headers.
    pub async fn knock(&self, path: &str, headers: &[(&str, &str)]) -> Result<Answer> {
        let mut request = format!("ws://world/parties/{path}").into_client_request()?;
        // A random one would be the one thing in a world that does not come from its seed, and guests can see it.
        request.headers_mut().insert(http::header::SEC_WEBSOCKET_KEY, SOCKET_KEY);
        for (name, value) in headers {
            request.headers_mut().insert(http::HeaderName::try_from(*name)?, value.parse()?);
        }
        let stream = self.dial().await?;
        let (host, name) = (Rc::clone(&self.host), path.to_owned());
        let answer = Box::pin(async move {
            match tokio_tungstenite::client_async(request, stream).await {
                Ok((socket, _)) => Ok(Answer::Connected(Client::new(host, name, socket))),
                Err(tungstenite::Error::Http(response)) => {
                    let body = response.body().as_deref().unwrap_or_default();
                    let body = String::from_utf8_lossy(body).into_owned();
                    Ok(Answer::Refused(response.status().as_u16(), body))
                }
                Err(error) => Err(error).context(name),
            }
        });
        Knocking::new(Rc::clone(&self.host), answer).answer().await
    }

    /// Asks for a path, as `GET /parties/main/lobby`, with a body.
    pub async fn request(&self, method: &str, path: &str, body: &[u8]) -> Result<Response> {
        let asked = self.ask(method, path, body).await?;
        asked.await
    }

    /// Sends a request; gives back what will be its response. Time may pass before it is awaited.
    pub async fn ask(
        &self,
        method: &str,
        path: &str,
        body: &[u8],
    ) -> Result<impl Future<Output = Result<Response>> + use<>> {
        let stream = TokioIo::new(self.dial().await?);
        let (mut sender, connection) =
            self.host.during(hyper::client::conn::http1::handshake(stream)).await?;
        // The client's half of the connection is a task of the test's side, driven while the host is.
        let connection = self.host.spawn(connection);
        let request = hyper::Request::builder()
            .method(method)
            .uri(path)
            .header("host", "world")
            .body(Full::new(Bytes::copy_from_slice(body)))?;
        let response = sender.send_request(request);
        self.settle().await;
        let host = Rc::clone(&self.host);
        Ok(async move {
            let read = async {
                let response = response.await?;
                let status = response.status().as_u16();
                let text = |value: &hyper::header::HeaderValue| {
                    String::from_utf8_lossy(value.as_bytes()).into_owned()
                };
                let headers =
                    response.headers().iter().map(|(name, value)| (name.to_string(), text(value))).collect();
                let body = response.into_body().collect().await?.to_bytes();
                anyhow::Ok(Response { status, headers, body: String::from_utf8_lossy(&body).into_owned() })
            };
            // The test's own time moves only when everything waits: then there will be no answer.
            let response = host.during(tokio::time::timeout(Duration::from_millis(1), read)).await;
            drop(sender);
            connection.abort();
            response.unwrap_or_else(|_| anyhow::bail!("no answer when everything was quiet"))
        })
    }

    /// Asks for a path and expects this status and body.
    pub async fn expect(&self, method: &str, path: &str, body: &[u8], status: u16, text: &str) -> Result<()> {
        let response = self.request(method, path, body).await?;
        ensure!(
            (response.status, response.body.as_str()) == (status, text),
            "{method} {path}: expected {status} {text:?}, received {} {:?}",
            response.status,
            response.body
        );
        Ok(())
    }
}
