//! A real room in front of a real instance, with a store in memory: what the node does, one event after another.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use party_core::address::RoomAddress;
use party_core::event::{DropCause, LogLine, NewConnection, Output, TurnEnd};
use party_core::http::Request;
use party_core::ids::{ConnectionId, Epoch, Incarnation, RequestId, Seed, Timestamp};
use party_core::limits::Limits;
use party_core::message::{CloseFrame, Message};
use party_core::room::{Action, Moment, Room, RoomConfig};
use party_core::storage::RoomStorage;
use party_runtime::capture::NotCapturable;
use party_runtime::component::Component;
use party_runtime::engine::{Engine, EngineOptions};
use party_runtime::instance::Instance;
use party_runtime::snapshot::Snapshot;
use party_store::memory::MemoryStore;
use party_store::store::Store;

/// The one engine of all tests: as in a host.
pub(crate) static ENGINE: LazyLock<Engine> = LazyLock::new(|| {
    Engine::new(EngineOptions { rooms_awake_max: 256, compile_cache: None }).expect("the engine starts")
});

/// When rooms begin.
pub(crate) const START: Timestamp = Timestamp(1_700_000_000_123);

/// Bounds small enough for a test to reach them.
pub(crate) fn small_limits() -> Limits {
    Limits {
        memory_bytes_max: 4 << 20,
        turn_fuel_max: 500_000_000,
        turn_deadline_ms: 10_000,
        ..Limits::default()
    }
}

/// The vars of the party under test.
pub(crate) fn vars() -> Arc<BTreeMap<String, String>> {
    Arc::new(BTreeMap::from([("GREETING".into(), "hello".into()), ("NAME".into(), "test".into())]))
}

/// Loads a guest that must be fit.
pub(crate) fn load(guest: &[u8], limits: Limits) -> Component {
    ENGINE.load(guest, &vars(), &Arc::new(limits)).unwrap_or_else(|error| panic!("{error}"))
}

/// Runs a future on a thread of its own runtime, as the node's workers do.
pub(crate) fn block_on<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread().build().expect("a runtime starts").block_on(future)
}

/// A room and what has come out of it.
pub(crate) struct TestRoom {
    component: Component,
    room: Room,
    store: MemoryStore,
    epoch: Epoch,
    instance: Option<Instance>,
    keeps_dropped_instances: bool,
    naps: bool,
    now: Timestamp,
    turns: u64,
    /// How each turn ended, oldest first.
    pub(crate) ends: Vec<TurnEnd>,
    /// What left the room.
    pub(crate) outputs: Vec<Output>,
    /// What the guest logged.
    pub(crate) logs: Vec<LogLine>,
    /// Lines that it logged beyond the bounds.
    pub(crate) logs_left_out: u32,
}

impl TestRoom {
    /// A room of a guest, with the default bounds.
    pub(crate) fn of(guest: &[u8]) -> TestRoom {
        TestRoom::new(load(guest, Limits::default()), Limits::default())
    }

    /// A room of a guest, with other bounds.
    pub(crate) fn with_limits(guest: &[u8], limits: Limits) -> TestRoom {
        TestRoom::new(load(guest, limits.clone()), limits)
    }

    /// A room of a component that is loaded.
    pub(crate) fn new(component: Component, limits: Limits) -> TestRoom {
        let store = MemoryStore::default();
        let address = Arc::new(RoomAddress::new("project", "party", "room").expect("it is an address"));
        let storage = store.storage(&address);
        TestRoom::over(component, limits, store, storage)
    }

    /// A room over another storage than its store's.
    pub(crate) fn over_storage(guest: &[u8], storage: Arc<dyn RoomStorage>) -> TestRoom {
        let limits = Limits::default();
        TestRoom::over(load(guest, limits.clone()), limits, MemoryStore::default(), storage)
    }

    fn over(
        component: Component,
        limits: Limits,
        store: MemoryStore,
        storage: Arc<dyn RoomStorage>,
    ) -> TestRoom {
        let address = Arc::new(RoomAddress::new("project", "party", "room").expect("it is an address"));
        let config = RoomConfig {
            address,
            limits: Arc::new(limits),
            handlers: component.handlers(),
            vars: vars(),
            duplicate_keys: Default::default(),
            profile: Default::default(),
            durable: None,
            storage,
        };
        let epoch = store.acquire().expect("the store is in memory");
        TestRoom {
            component,
            room: Room::new(Arc::new(config), None),
            store,
            epoch,
            instance: None,
            keeps_dropped_instances: false,
            naps: false,
            now: START,
            turns: 0,
            ends: Vec::new(),
            outputs: Vec::new(),
            logs: Vec::new(),
            logs_left_out: 0,
        }
    }

    /// Runs all turns that there are. Commits are durable at once.
    pub(crate) async fn run(&mut self) {
        loop {
            self.act();
            self.turns += 1;
            let mut seed = [0; 32];
            seed[..8].copy_from_slice(&self.turns.to_le_bytes());
            let moment = Moment { now: self.now, seed: Seed(seed), incarnation: Incarnation(7) };
            let Some(turn) = self.room.begin_turn(moment) else { return };
            let instance = match &mut self.instance {
                Some(instance) => instance,
                none => none.insert(self.component.instantiate().await.expect("there is a place")),
            };
            let (mut turn, end) = instance.run(turn).await;
            let (logs, left_out) = turn.take_logs();
            self.logs.extend(logs);
            self.logs_left_out += left_out;
            self.ends.push(end.clone());
            let dropped = matches!(end, TurnEnd::Dropped(_));
            self.room.end_turn(turn, end);
            if self.naps && !dropped {
                self.nap().await;
            }
        }
    }

    /// From now on sleeps after every turn.
    pub(crate) fn nap_always(&mut self) {
        self.naps = true;
    }

    /// Sleeps and wakes: the instance is captured, and another takes its place. Every way leads to the same snapshot.
    pub(crate) async fn nap(&mut self) {
        let component = self.component.clone();
        self.move_to(&component).await;
    }

    /// Sleeps, and wakes as an instance of this component.
    pub(crate) async fn move_to(&mut self, component: &Component) {
        let Some(mut instance) = self.instance.take() else { return };
        let snapshot = instance.capture().unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(instance.capture_by_comparing().as_ref(), Ok(&snapshot));
        assert_eq!(snapshot.memory_bytes(), instance.memory_bytes());
        drop(instance);
        let read = Snapshot::decode(&snapshot.encode().unwrap(), snapshot.memory_bytes());
        assert_eq!(read.as_ref(), Ok(&snapshot));
        let restored = component.restore(&snapshot).await;
        let mut restored = restored.unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(restored.capture().as_ref(), Ok(&snapshot));
        assert_eq!(restored.memory_bytes(), snapshot.memory_bytes());
        self.instance = Some(restored);
    }

    /// What its instance is now.
    pub(crate) fn capture(&mut self) -> Result<Snapshot, NotCapturable> {
        self.instance.as_mut().expect("the room is awake").capture()
    }

    /// Whether there is an instance.
    pub(crate) fn is_awake(&self) -> bool {
        self.instance.is_some()
    }

    /// The code that it runs.
    pub(crate) fn component(&self) -> &Component {
        &self.component
    }

    fn act(&mut self) {
        loop {
            let actions = self.room.take_actions();
            if actions.is_empty() {
                return;
            }
            for action in actions {
                match action {
                    Action::Commit(commit) => {
                        let seq = commit.record.seq;
                        self.store.commit(self.epoch, &[commit]).expect("the store is in memory");
                        self.room.committed(seq);
                    }
                    Action::Output(output) => self.outputs.push(output),
                    Action::DropInstance if self.keeps_dropped_instances => {}
                    Action::DropInstance => self.instance = None,
                    Action::Report(_) => {}
                }
            }
        }
    }

    /// From now on breaks the rule that a dropped turn ends its instance.
    pub(crate) fn keep_dropped_instances(&mut self) {
        self.keeps_dropped_instances = true;
    }

    /// A client connects and is taken in.
    pub(crate) async fn connect(&mut self) -> ConnectionId {
        let connection = NewConnection {
            key: "key".into(),
            uri: "http://localhost/parties/party/room?a=b%20c".into(),
            headers: Vec::new(),
            opened_at: self.now,
        };
        let id = self.room.connect(connection).expect("the room takes connections");
        self.run().await;
        id
    }

    /// A client says something.
    pub(crate) async fn message(&mut self, connection: ConnectionId, message: Message) {
        self.room.message(connection, message);
        self.run().await;
    }

    /// A client has gone.
    pub(crate) async fn close(&mut self, connection: ConnectionId) {
        self.room.closed(connection, CloseFrame::lost(), false);
        self.run().await;
    }

    /// A client says something, and this is how the turn ends.
    pub(crate) async fn end_of(&mut self, connection: ConnectionId, message: &str) -> TurnEnd {
        self.message(connection, Message::text(message)).await;
        self.ends.last().expect("a turn has run").clone()
    }

    /// A client says something, and this is why the turn is dropped.
    pub(crate) async fn drop_of(&mut self, connection: ConnectionId, message: &str) -> DropCause {
        match self.end_of(connection, message).await {
            TurnEnd::Dropped(cause) => cause,
            end => panic!("the turn was not dropped but ended with {end:?}"),
        }
    }

    /// A request comes.
    pub(crate) async fn request(&mut self, request: Request) -> RequestId {
        let id = self.room.request(request, self.now).expect("the room takes requests");
        self.run().await;
        id
    }

    /// Time goes on.
    pub(crate) async fn advance(&mut self, ms: u64) {
        self.now = self.now.after_ms(ms);
        self.room.on_time(self.now);
        self.run().await;
    }

    /// What was sent to a connection, as text.
    pub(crate) fn sent(&self) -> Vec<String> {
        let sent = self.outputs.iter().filter_map(|output| match output {
            Output::Send(_, message) => Some(String::from_utf8_lossy(message.payload()).into_owned()),
            _ => None,
        });
        sent.collect()
    }

    /// What was logged, as text.
    pub(crate) fn logged(&self) -> Vec<String> {
        self.logs.iter().map(|line| String::from_utf8_lossy(&line.text).into_owned()).collect()
    }

    /// The instance that is awake.
    pub(crate) fn instance(&self) -> &Instance {
        self.instance.as_ref().expect("the room is awake")
    }
}
