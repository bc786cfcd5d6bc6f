//! A host in a test.

mod builder;
mod connecting;
mod copies;
mod disk;
pub(crate) mod engine;
mod knocking;
mod lives;
mod logs;
mod reading;
mod requests;
mod served;
mod upgrades;

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use party_core::ids::{Seed, Timestamp};
use party_node::chance::{Chance, Dictated};
use party_node::clock::{Clock, Ticks};
use party_node::committer::CommitPause;
use party_node::node::{Node, NodeParts};
pub use party_node::party::Memory;
use party_runtime::component::Digest;
use party_server::server::{Server, ServerOptions};
use party_store::testing::faulty_store::FaultyStore;

use crate::clock::VirtualClock;
use crate::host::Host;
use crate::line::Line;
use crate::outbound::Outside;
use crate::story::Story;
pub use crate::world::builder::{Builder, Source};
pub use crate::world::connecting::Connecting;
pub use crate::world::disk::LongRead;
pub use crate::world::engine::Taken;
pub use crate::world::knocking::{Answer, Knocking};
use crate::world::logs::{Listening, Logs};
pub use crate::world::reading::{Reading, Uploading};
pub use crate::world::requests::Response;
use crate::world::served::{All, Served};

/// The project of all worlds, which is the first of theirs.
const PROJECT: &str = "world";
/// Bytes that an in-memory socket holds on the way, in each direction: as much as a small kernel buffer.
const SOCKET_BYTES: usize = 64 << 10;
/// How long a room with nothing to do stays, in milliseconds: as `party-host serve` has it.
const IDLE_MS: u64 = 70_000;

/// A host, its time and its network.
pub struct World {
    logs: Logs,
    _listening: Listening,
    host: Rc<Host>,
    clock: VirtualClock,
    outside: Outside,
    chance: RefCell<Chance>,
    /// What the next turns draw from, if that is said.
    dictated: Dictated,
    /// The world's own, and those beside it.
    projects: Vec<Served>,
    memory_budget_bytes: u64,
    rooms_awake_max: usize,
    rooms_max: Option<u64>,
    workers: usize,
    store: Arc<FaultyStore>,
    running: RefCell<Option<(Node, Rc<Server>)>>,
    commit_pause: CommitPause,
    forgotten: Cell<u64>,
}

impl World {
    async fn start_host(&self) -> Result<()> {
        let All { projects, parties, options } = self.all_served();
        let options = ServerOptions { projects: options, ..ServerOptions::default() };
        let parts = NodeParts {
            projects,
            parties,
            store: self.store.clone(),
            clock: Arc::new(self.clock.clone()),
            chance: self.chance.borrow_mut().split(),
            workers: self.workers,
            rooms_awake_max: self.rooms_awake_max,
            memory_budget_bytes: self.memory_budget_bytes,
            idle_ms: IDLE_MS,
            rooms_max: self.rooms_max,
        };
        let running = self.host.during(async {
            let node = Node::start_here(parts, &self.commit_pause)?;
            let server = Server::start(&node, options)?;
            anyhow::Ok((node, Rc::new(server)))
        });
        *self.running.borrow_mut() = Some(running.await?);
        self.settle().await;
        Ok(())
    }

    /// What stands in the place of the network outside.
    pub(crate) fn outside(&self) -> &Outside {
        &self.outside
    }

    pub(crate) fn story(&self) -> &Story {
        &self.host.story
    }

    fn server(&self) -> Rc<Server> {
        Rc::clone(&self.running.borrow().as_ref().expect("the host runs").1)
    }

    /// What becomes of rooms' memory at the next start of the host.
    pub(crate) fn memory(&self) -> Memory {
        self.own().memory.get()
    }

    /// The digest of the component that a party is served of.
    pub(crate) fn digest_of(&self, party: &str) -> Option<Digest> {
        self.own().components.borrow().get(party).map(|(component, _)| component.digest())
    }

    /// Lets everything happen that can happen without time passing.
    pub async fn settle(&self) {
        self.host.settle().await;
    }

    /// The time.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// How much time has passed, whatever the clock was set to.
    pub fn ticks(&self) -> Ticks {
        self.clock.ticks()
    }

    /// Lets time pass, from one thing that is due to the next.
    pub async fn advance(&self, duration: Duration) {
        self.host.story.tell(format!("advance {}ms", duration.as_millis()));
        self.settle().await;
        let until = self.clock.now().after_ms(duration.as_millis() as u64);
        while let Some(due) = self.clock.next_due(until) {
            self.clock.set(due.max(self.clock.now()));
            self.settle().await;
        }
        self.clock.set(until);
        self.settle().await;
    }

    /// Somebody sets the host's clock back, in whole milliseconds. In rooms that have seen the later time it stands still until
    /// the clock has come there again.
    pub async fn turn_clock_back(&self, duration: Duration) {
        self.host.story.tell(format!("# the clock goes back by {}ms", duration.as_millis()));
        self.settle().await;
        self.clock.turn_back(duration.as_millis() as u64);
        self.settle().await;
    }

    /// The clock is set so far ahead at once, as on a machine that was suspended: what falls due in between comes late, at
    /// the end.
    pub async fn jump(&self, duration: Duration) {
        self.host.story.tell(format!("jump {}ms", duration.as_millis()));
        self.settle().await;
        self.clock.set_ahead(self.clock.now().after_ms(duration.as_millis() as u64));
        self.settle().await;
    }

    /// The next turns of guests draw from these seeds, one each, whatever was said before; those after them from what the
    /// world's own seed gives. For repeating what a journal has recorded.
    pub fn draw_from(&self, seeds: impl IntoIterator<Item = Seed>) {
        self.dictated.lay_down(seeds);
    }

    /// A path as the project has it. What begins with `/parties/` is a room's, whatever the prefix of the project is: so tests
    /// name rooms in one way.
    fn as_routed(&self, path: &str) -> String {
        match path.strip_prefix("/parties/") {
            Some(rest) => format!("/{}/{rest}", self.own().routing.prefix),
            None => path.into(),
        }
    }

    /// A new in-memory connection to the server.
    async fn dial(&self) -> Result<Line> {
        let (near, far) = tokio::io::duplex(SOCKET_BYTES);
        self.server().inject(far)?;
        self.settle().await;
        Ok(Line::new(near, self.clock.clone()))
    }
}
