//! What awake rooms cost: makes many instances, runs one message through each, and prints the difference in
//! resident memory and page tables.
//!
//! `cargo run --release -p party-runtime --example awake_rooms -- [rooms] [component.wasm]`; without a component,
//! a tiny guest that echoes.

use std::env;
use std::fs;
use std::sync::Arc;
use std::time::Instant;

use party_core::address::RoomAddress;
use party_core::event::NewConnection;
use party_core::ids::{Incarnation, Seed, Timestamp};
use party_core::limits::Limits;
use party_core::message::Message;
use party_core::room::{Moment, Room, RoomConfig};
use party_runtime::component::Component;
use party_runtime::engine::{Engine, EngineOptions};
use party_runtime::instance::Instance;
use party_store::memory::MemoryStore;
use party_store::store::Store;

#[path = "../tests/runtime/guests.rs"]
#[expect(dead_code, reason = "the tests use the rest of it")]
mod guests;

const ROOMS: u32 = 5_000;
const MOMENT: Moment =
    Moment { now: Timestamp(1_700_000_000_000), seed: Seed([7; 32]), incarnation: Incarnation(7) };

fn main() {
    let mut arguments = env::args().skip(1);
    let rooms = arguments.next().map_or(ROOMS, |rooms| rooms.parse().expect("a number of rooms"));
    let guest = match arguments.next() {
        Some(path) => fs::read(&path).unwrap_or_else(|error| panic!("{path}: {error}")),
        None => guests::echo().build(),
    };
    let options = EngineOptions { rooms_awake_max: rooms, compile_cache: None };
    let engine = Engine::new(options).expect("the engine starts");
    let component = engine.load(&guest, &Arc::default(), &Arc::default()).expect("the guest is fit");
    let rooms = engine.rooms_awake_max();
    let worker = tokio::runtime::Builder::new_current_thread().build().expect("a runtime starts");
    let before = [Sample::take()];
    let begun = Instant::now();
    let mut instances = Vec::with_capacity(rooms as usize);
    for _ in 0..rooms {
        instances.push(worker.block_on(component.instantiate()).expect("there is a place"));
    }
    let made = Sample::take();
    println!(
        "{rooms} instances made, each in {:.1} µs",
        begun.elapsed().as_secs_f64() * 1e6 / f64::from(rooms)
    );
    print_difference("a fresh instance", &before[0], &made, rooms);
    for instance in &mut instances {
        worker.block_on(one_message(&component, instance));
    }
    print_difference("an instance that ran one message", &before[0], &Sample::take(), rooms);
    println!("of which linear memory reserved: {} KiB", instances[0].memory_bytes() >> 10);
}

/// The room itself is thrown away: this measures instances.
async fn one_message(component: &Component, instance: &mut Instance) {
    let address = Arc::new(RoomAddress::new("project", "party", "room").expect("it is an address"));
    let storage = MemoryStore::default().storage(&address);
    let limits = Arc::new(Limits::default());
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
            opened_at: MOMENT.now,
        })
        .expect("the room takes connections");
    room.message(connection, Message::text("x".repeat(64)));
    while let Some(turn) = room.begin_turn(MOMENT) {
        let (turn, end) = instance.run(turn).await;
        room.end_turn(turn, end);
    }
}

/// Numbers of this process, in KiB.
struct Sample {
    resident: u64,
    page_tables: u64,
    mappings: usize,
}

impl Sample {
    fn take() -> Sample {
        let status = fs::read_to_string("/proc/self/status").expect("Linux");
        let of = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name)).expect("the kernel tells it");
            line.trim_start_matches(':').trim().trim_end_matches(" kB").parse().expect("it is a number")
        };
        let mappings = fs::read_to_string("/proc/self/maps").expect("Linux").lines().count();
        Sample { resident: of("VmRSS"), page_tables: of("VmPTE"), mappings }
    }
}

fn print_difference(what: &str, before: &Sample, after: &Sample, rooms: u32) {
    let each = |before: u64, after: u64| (after as f64 - before as f64) / f64::from(rooms);
    println!(
        "{what}: {:.1} KiB resident, {:.1} KiB of page tables; {} mappings in all",
        each(before.resident, after.resident),
        each(before.page_tables, after.page_tables),
        after.mappings
    );
}
