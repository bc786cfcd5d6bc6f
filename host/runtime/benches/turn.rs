//! What a turn costs, and what an instance costs: the hot path of a host, without sockets and without a store.

use std::collections::BTreeMap;
use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use criterion::{Criterion, criterion_group, criterion_main};
use party_core::address::RoomAddress;
use party_core::event::{NewConnection, TurnEnd};
use party_core::ids::{ConnectionId, Incarnation, Seed, Timestamp};
use party_core::limits::Limits;
use party_core::message::Message;
use party_core::room::{Action, Moment, Room, RoomConfig};
use party_core::turn::Turn;
use party_runtime::component::Component;
use party_runtime::engine::{Engine, EngineOptions};
use party_runtime::instance::Instance;
use party_store::memory::MemoryStore;
use party_store::store::Store;
use tokio::runtime::{Builder, Runtime};

#[path = "../tests/runtime/guests.rs"]
#[expect(dead_code, reason = "the tests use the rest of it")]
mod guests;

const MOMENT: Moment =
    Moment { now: Timestamp(1_700_000_000_000), seed: Seed([7; 32]), incarnation: Incarnation(7) };

fn worker() -> Runtime {
    Builder::new_current_thread().build().expect("a runtime starts")
}

fn component(guest: &guests::Guest) -> Component {
    let engine =
        Engine::new(EngineOptions { rooms_awake_max: 256, compile_cache: None }).expect("the engine starts");
    engine.load(&guest.build(), &Arc::default(), &Arc::default()).expect("the guest is fit")
}

/// A room with one client, and its instance.
struct Bench {
    worker: Runtime,
    room: Room,
    instance: Instance,
    connection: ConnectionId,
}

impl Bench {
    fn of(guest: &guests::Guest) -> Bench {
        let (component, worker) = (component(guest), worker());
        let address = Arc::new(RoomAddress::new("project", "party", "room").expect("it is an address"));
        let storage = MemoryStore::default().storage(&address);
        let config = RoomConfig {
            address,
            limits: Arc::new(Limits::default()),
            handlers: component.handlers(),
            vars: Arc::new(BTreeMap::new()),
            duplicate_keys: Default::default(),
            profile: Default::default(),
            durable: None,
            storage,
        };
        let mut room = Room::new(Arc::new(config), None);
        let connection = room
            .connect(NewConnection {
                key: "key".into(),
                uri: "http://localhost/parties/party/room".into(),
                headers: Vec::new(),
                opened_at: MOMENT.now,
            })
            .expect("the room takes connections");
        let instance = worker.block_on(component.instantiate()).expect("there is a place");
        let mut bench = Bench { worker, room, instance, connection };
        while let Some(turn) = bench.room.begin_turn(MOMENT) {
            bench.run(turn);
        }
        bench
    }

    fn begin(&mut self, message: &Message) -> Box<Turn> {
        self.room.message(self.connection, message.clone());
        self.room.begin_turn(MOMENT).expect("the message is there")
    }

    fn run(&mut self, turn: Box<Turn>) {
        let (turn, end) = self.worker.block_on(self.instance.run(turn));
        self.end(turn, end);
    }

    fn end(&mut self, turn: Box<Turn>, end: TurnEnd) {
        self.room.end_turn(turn, end);
        for action in self.room.take_actions() {
            assert!(matches!(action, Action::Output(_)), "{action:?}");
            black_box(action);
        }
    }
}

fn turns(criterion: &mut Criterion) {
    let echo = guests::echo();
    let silent = guests::Guest::new();
    let cases = [
        ("a message that nothing comes of", &silent, 64),
        ("echo of 64 bytes", &echo, 64),
        ("echo of 16 KiB", &echo, 16 << 10),
    ];
    for (name, guest, bytes) in cases {
        let mut bench = Bench::of(guest);
        let message = Message::text("x".repeat(bytes));
        criterion.bench_function(&format!("{name}, guest alone"), |bencher| {
            bencher.iter_custom(|times| {
                // One runtime enters once for many turns, as a worker does.
                let Bench { worker, room, instance, connection } = &mut bench;
                worker.block_on(async {
                    let mut spent = Duration::ZERO;
                    for _ in 0..times {
                        room.message(*connection, message.clone());
                        let turn = room.begin_turn(MOMENT).expect("the message is there");
                        let begun = Instant::now();
                        let (turn, end) = instance.run(turn).await;
                        spent += begun.elapsed();
                        room.end_turn(turn, end);
                        black_box(room.take_actions());
                    }
                    spent
                })
            });
        });
        criterion.bench_function(&format!("{name}, room and guest"), |bencher| {
            bencher.iter_custom(|times| {
                let Bench { worker, room, instance, connection } = &mut bench;
                worker.block_on(async {
                    let begun = Instant::now();
                    for _ in 0..times {
                        room.message(*connection, message.clone());
                        let turn = room.begin_turn(MOMENT).expect("the message is there");
                        let (turn, end) = instance.run(turn).await;
                        room.end_turn(turn, end);
                        black_box(room.take_actions());
                    }
                    begun.elapsed()
                })
            });
        });
        let turn = bench.begin(&message);
        bench.run(turn);
    }
}

fn instances(criterion: &mut Criterion) {
    let component = component(&guests::echo());
    let worker = worker();
    criterion.bench_function("an instance made and dropped", |bencher| {
        bencher.iter(|| worker.block_on(component.instantiate()).expect("there is a place"));
    });
    criterion.bench_function("100 instances made and dropped together", |bencher| {
        bencher.iter(|| {
            let made = (0..100).map(|_| worker.block_on(component.instantiate()).expect("there is a place"));
            made.collect::<Vec<_>>()
        });
    });
}

/// What it costs a room that much is open in it: a turn that begins a sleep and one that forgets it, without the guest, and a
/// checkpoint without its memory.
fn operations(criterion: &mut Criterion) {
    let operations_max = Limits::default().operations_open_max;
    for open in [0, operations_max - 1] {
        let mut bench = Bench::of(&guests::echo());
        let message = Message::text("x");
        let mut turn = bench.begin(&message);
        for number in 0..open {
            turn.sleep(3_600_000 + u64::from(number)).expect("there is room for it");
        }
        bench.end(turn, TurnEnd::Done);
        criterion.bench_function(
            &format!("a sleep begun and forgotten, {open} open, room alone"),
            |bencher| {
                bencher.iter(|| {
                    let mut turn = bench.begin(&message);
                    let begun = turn.sleep(60_000).expect("there is room for it");
                    bench.end(turn, TurnEnd::Done);
                    let mut turn = bench.begin(&message);
                    assert!(turn.cancel(begun));
                    bench.end(turn, TurnEnd::Done);
                });
            },
        );
        let encoded =
            |bench: &mut Bench| bench.room.as_checkpoint(Bytes::new()).encode().expect("there is memory");
        println!("a checkpoint without memory, {open} open: {} bytes", encoded(&mut bench).len());
        criterion.bench_function(&format!("a checkpoint without memory, {open} open"), |bencher| {
            bencher.iter(|| encoded(&mut bench));
        });
    }
}

criterion_group!(benches, turns, operations, instances);
criterion_main!(benches);
