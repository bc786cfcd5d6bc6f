//! How many rooms an engine takes.

use party_runtime::engine::{Engine, EngineOptions};

use crate::guests::echo;
use crate::room::{block_on, vars};

#[test]
fn an_engine_takes_no_more_rooms_than_the_system_allows() {
    let engine = Engine::new(EngineOptions { rooms_awake_max: u32::MAX, compile_cache: None }).unwrap();
    let rooms = engine.rooms_awake_max();
    assert!((1..=28_000).contains(&rooms), "{rooms}");
    let maps = std::fs::read_to_string("/proc/sys/vm/max_map_count").unwrap();
    assert!(u64::from(rooms) * 8 <= maps.trim().parse().unwrap(), "{rooms} rooms with {maps} mappings");
}

#[test]
fn an_engine_has_place_for_as_many_rooms_as_it_says() {
    let engine = Engine::new(EngineOptions { rooms_awake_max: 40, compile_cache: None }).unwrap();
    assert_eq!(engine.rooms_awake_max(), 40);
    let component = engine.load(&echo().build(), &vars(), &Default::default()).unwrap();
    let instances: Vec<_> =
        (0..40).map(|_| block_on(component.instantiate()).map_err(|c| c.to_string())).collect();
    assert!(instances.iter().all(Result::is_ok));
}
