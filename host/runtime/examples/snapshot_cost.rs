//! What snapshots cost: how large they are, how long capturing, encoding, decoding and restoring take, and what the
//! rewriting of components costs rooms that never sleep.
//!
//! `cargo run --release -p party-runtime --example snapshot_cost -- DIRECTORY`, with the directory of the built guests
//! (`target/wasm32-wasip2/release`). Figures are medians in microseconds; compare those of one run with each other.

use std::env;
use std::fs;
use std::hint::black_box;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use party_core::address::RoomAddress;
use party_core::event::{NewConnection, TurnEnd};
use party_core::ids::{ConnectionId, Epoch, Incarnation, Seed, Timestamp};
use party_core::limits::Limits;
use party_core::message::Message;
use party_core::room::{Action, Moment, Room, RoomConfig};
use party_runtime::component::Component;
use party_runtime::engine::{Engine, EngineOptions};
use party_runtime::instance::Instance;
use party_runtime::snapshot::Snapshot;
use party_store::memory::MemoryStore;
use party_store::store::Store;
use tokio::runtime::Runtime;

/// How often everything is done.
const TIMES: usize = 201;
const MEMORY_BYTES_MAX: u64 = 128 << 20;

fn main() {
    let directory = env::args().nth(1).expect("the directory of the built guests");
    let directory = Path::new(&directory);
    let options = EngineOptions { rooms_awake_max: 64, compile_cache: None };
    let engine = Engine::new(options).expect("the engine starts");
    let worker = tokio::runtime::Builder::new_current_thread().build().expect("a runtime starts");
    let bench = Bench { engine, worker };
    for case in cases() {
        let path = directory.join(case.guest).with_extension("wasm");
        let bytes = fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        bench.snapshots(&case, &bytes);
        if case.name == "a counter" {
            bench.rewriting(&bytes);
        }
    }
}

/// A room in some state.
struct Case {
    name: &'static str,
    guest: &'static str,
    messages: Vec<String>,
}

fn cases() -> Vec<Case> {
    let said = |n: usize, words: usize| format!("{{\"say\": \"{}\"}}", prose(n, words));
    vec![
        Case { name: "a counter", guest: "counter", messages: vec!["+".into(); 20] },
        Case { name: "a chat, 5 said", guest: "chat", messages: (0..5).map(|n| said(n, 12)).collect() },
        Case { name: "a chat, 100 said", guest: "chat", messages: (0..100).map(|n| said(n, 12)).collect() },
        Case { name: "1 await", guest: "test_guests", messages: sleeps(1, 8) },
        Case { name: "200 awaits, 64 KB", guest: "test_guests", messages: sleeps(200, 24) },
        Case { name: "1,000 awaits, 10 MB", guest: "test_guests", messages: sleeps(1_000, 1_600) },
    ]
}

fn sleeps(count: usize, words: usize) -> Vec<String> {
    (0..count).map(|n| format!("sleep 1000000 {}", prose(n, words))).collect()
}

/// Words in no order, the same for the same number.
fn prose(seed: usize, words: usize) -> String {
    const WORDS: [&str; 24] = [
        "the", "room", "sleeps", "and", "wakes", "where", "it", "was", "with", "every", "number", "still",
        "in", "place", "order", "payment", "waits", "three", "days", "or", "less", "reminder", "42", "1,024",
    ];
    let mut state = seed as u64 * 2 + 1;
    let mut text = String::new();
    for _ in 0..words {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        text.push_str(WORDS[(state >> 33) as usize % WORDS.len()]);
        text.push(' ');
    }
    text
}

struct Bench {
    engine: Engine,
    worker: Runtime,
}

impl Bench {
    fn load(&self, bytes: &[u8]) -> Component {
        let limits = Limits { memory_bytes_max: MEMORY_BYTES_MAX, ..Limits::default() };
        self.engine.load(bytes, &Arc::default(), &Arc::new(limits)).expect("the guest is fit")
    }

    fn snapshots(&self, case: &Case, bytes: &[u8]) {
        let component = self.load(bytes);
        let mut room = Awake::new(&self.worker, &component);
        for message in &case.messages {
            room.message(&self.worker, message);
        }
        let snapshot = room.instance.capture().expect("it can be captured");
        let times = if snapshot.delta_bytes() > 1 << 20 { 21 } else { TIMES };
        let encoded = snapshot.encode().expect("there is memory");
        println!(
            "{}: {} KiB of memory, {} bytes differ, {} bytes encoded",
            case.name,
            snapshot.memory_bytes() >> 10,
            snapshot.delta_bytes(),
            encoded.len()
        );
        let capture = median(times, || room.instance.capture().expect("it can be captured"));
        let compare = median(times, || room.instance.capture_by_comparing().expect("it can be captured"));
        let encode = median(times, || snapshot.encode());
        let decode = median(times, || Snapshot::decode(&encoded, MEMORY_BYTES_MAX).expect("it is one"));
        let instantiate = median(times, || self.instantiate(&component));
        let restore =
            median(times, || self.worker.block_on(component.restore(&snapshot)).expect("it is its own"));
        println!(
            "    capture {capture:.1}, by comparing {compare:.1}, encode {encode:.1}, decode {decode:.1}, \
             restore {restore:.1}, of which a fresh instance {instantiate:.1}"
        );
    }

    /// The same component as it is and as it was made by its author, in turns.
    fn rewriting(&self, bytes: &[u8]) {
        let rewritten = self.load(bytes);
        let plain = self.load(&not_rewritten(bytes));
        assert!(rewritten.capturable().is_ok() && plain.capturable().is_err());
        let mut rooms = [&rewritten, &plain].map(|component| Awake::new(&self.worker, component));
        let mut spent = [const { (Vec::new(), Vec::new()) }; 2];
        for _ in 0..TIMES {
            for (which, component) in [&rewritten, &plain].into_iter().enumerate() {
                spent[which].0.push(micros(|| self.instantiate(component)));
                let turns = micros(|| (0..10).for_each(|_| rooms[which].message(&self.worker, "+")));
                spent[which].1.push(turns / 10.0);
            }
        }
        let [with, without] = spent.map(|(instances, turns)| (middle(instances), middle(turns)));
        println!(
            "    rewritten {:.2} an instance, {:.2} a turn; as it was {:.2} and {:.2}; ratios {:.3} and {:.3}",
            with.0,
            with.1,
            without.0,
            without.1,
            with.0 / without.0,
            with.1 / without.1
        );
    }

    fn instantiate(&self, component: &Component) -> Instance {
        self.worker.block_on(component.instantiate()).expect("there is a place")
    }
}

/// The component, with something that keeps it from being rewritten and does nothing: a nested component with an empty
/// core module.
fn not_rewritten(bytes: &[u8]) -> Vec<u8> {
    const MODULE: [u8; 8] = [0, b'a', b's', b'm', 1, 0, 0, 0];
    const COMPONENT: [u8; 8] = [0, b'a', b's', b'm', 0x0d, 0, 1, 0];
    let nested = [&COMPONENT[..], &[1, MODULE.len() as u8], &MODULE].concat();
    [bytes, &[4, nested.len() as u8], &nested].concat()
}

/// A room with one client, and its instance.
struct Awake {
    room: Room,
    instance: Instance,
    connection: ConnectionId,
    store: MemoryStore,
    epoch: Epoch,
    turns: u64,
}

impl Awake {
    fn new(worker: &Runtime, component: &Component) -> Awake {
        let address = Arc::new(RoomAddress::new("project", "party", "room").expect("it is an address"));
        let store = MemoryStore::default();
        let storage = store.storage(&address);
        let limits = Arc::new(Limits { memory_bytes_max: MEMORY_BYTES_MAX, ..Limits::default() });
        let config = RoomConfig {
            address,
            limits,
            handlers: component.handlers(),
            vars: Arc::default(),
            storage,
            duplicate_keys: Default::default(),
            profile: Default::default(),
            durable: None,
        };
        let mut room = Room::new(Arc::new(config), None);
        let connection = room
            .connect(NewConnection {
                key: "key".into(),
                uri: "http://localhost/parties/party/room".into(),
                headers: Vec::new(),
                opened_at: Timestamp(1),
            })
            .expect("the room takes connections");
        let instance = worker.block_on(component.instantiate()).expect("there is a place");
        let epoch = store.acquire().expect("the store is in memory");
        let mut awake = Awake { room, instance, connection, store, epoch, turns: 0 };
        awake.run(worker);
        awake
    }

    fn message(&mut self, worker: &Runtime, message: &str) {
        self.room.message(self.connection, Message::text(message));
        self.run(worker);
    }

    fn run(&mut self, worker: &Runtime) {
        loop {
            self.turns += 1;
            let now = Timestamp(1_700_000_000_000 + self.turns);
            let moment = Moment { now, seed: Seed([7; 32]), incarnation: Incarnation(7) };
            let Some(turn) = self.room.begin_turn(moment) else { return };
            let (turn, end) = worker.block_on(self.instance.run(turn));
            assert!(!matches!(end, TurnEnd::Dropped(_) | TurnEnd::Failed(_)), "{end:?}");
            self.room.end_turn(turn, end);
            for action in self.room.take_actions() {
                if let Action::Commit(commit) = action {
                    let seq = commit.record.seq;
                    self.store.commit(self.epoch, &[commit]).expect("the store is in memory");
                    self.room.committed(seq);
                }
            }
        }
    }
}

fn median<T>(times: usize, mut what: impl FnMut() -> T) -> f64 {
    middle((0..times).map(|_| micros(&mut what)).collect())
}

fn micros<T>(what: impl FnOnce() -> T) -> f64 {
    let begun = Instant::now();
    black_box(what());
    begun.elapsed().as_secs_f64() * 1e6
}

fn middle(mut all: Vec<f64>) -> f64 {
    all.sort_by(f64::total_cmp);
    all[all.len() / 2]
}
