//! How the engine is set up, and how large its pool of instances is.
//!
//! The figures behind the choices were measured on wasmtime 48: without concurrency support a call costs 0.3 µs
//! instead of 1.2; with fuel and epochs a compute loop costs 5 % more; with a reservation of 4 GiB per memory no
//! bounds are checked (with 128 MiB the loop costs 42 % more), and 4 GiB are affordable because the number of
//! awake rooms is bounded anyway.

use std::fs;
use std::num::NonZeroUsize;

use wasmparser::WasmFeatures;
use wasmtime::{Config, InstanceAllocationStrategy, OptLevel, PoolingAllocationConfig};

/// Address space that each linear memory reserves, in bytes: all that 32 bits can address.
const MEMORY_RESERVATION_BYTES: u64 = 4 << 30;
/// Memory mappings that an awake room takes at most: its linear memory's 4, its stack's 2, and 2 to spare.
const MAPS_PER_ROOM: u64 = 8;
/// Rooms whose reservations fit into 47 bits of address space, with room left for everything else.
const ROOMS_BY_ADDRESS_SPACE: u32 = 28_000;
/// Instances beyond the awake rooms': for components that are being loaded.
const INSTANCES_SPARE: u32 = 16;

/// Stack that wasm code may use, in bytes. JavaScript engines recurse deeply.
const WASM_STACK_BYTES_MAX: usize = 1 << 20;
/// The stack of a turn, in bytes: what imports need comes on top of [`WASM_STACK_BYTES_MAX`]. Untouched pages
/// cost nothing.
const TURN_STACK_BYTES: usize = 2 << 20;

/// Core instances of one component: those of its modules and those that join them. Python has about 30.
const CORE_INSTANCES_PER_COMPONENT_MAX: u32 = 64;
/// Linear memories of one component. Every toolchain seen makes one.
const MEMORIES_PER_COMPONENT_MAX: u32 = 4;
/// Tables of one component.
const TABLES_PER_COMPONENT_MAX: u32 = 16;
/// Tables per room that the pool has place for: most components have two or three.
const TABLES_PER_ROOM: u32 = 4;
/// Elements of one table. Go and JavaScript guests have several thousand.
pub(crate) const TABLE_ELEMENTS_MAX: usize = 20_000;
/// Engine data of one component's instance, in bytes.
const INSTANCE_BYTES_MAX: usize = 1 << 20;

/// Functions that a trap gives at most, innermost first: a panic in Rust runs through twelve before it traps, and the
/// party's own are behind them.
const TRAP_FRAMES_MAX: usize = 32;

/// How many rooms can be awake: the least of what was asked for, what the kernel's bound on mappings allows, and
/// what the address space holds.
pub(crate) fn rooms_awake_max(asked: u32) -> u32 {
    let by_maps = map_count_max().map(|maps| u32::try_from(maps / MAPS_PER_ROOM).unwrap_or(u32::MAX));
    let bound = by_maps.unwrap_or(u32::MAX).clamp(1, ROOMS_BY_ADDRESS_SPACE);
    let rooms = asked.min(bound);
    if rooms < asked {
        tracing::warn!(
            asked,
            rooms_awake_max = rooms,
            "fewer rooms can be awake at once than asked for; raise vm.max_map_count to {} for more",
            u64::from(asked.min(ROOMS_BY_ADDRESS_SPACE)) * MAPS_PER_ROOM
        );
    } else {
        tracing::debug!(rooms_awake_max = rooms, by_map_count = by_maps, "rooms awake");
    }
    rooms
}

/// The kernel's bound on mappings of one process, where there is one.
fn map_count_max() -> Option<u64> {
    fs::read_to_string("/proc/sys/vm/max_map_count").ok()?.trim().parse().ok()
}

/// The engine's configuration for a pool of so many awake rooms.
pub(crate) fn engine_config(rooms_awake_max: u32) -> Config {
    let mut config = Config::new();
    config
        .concurrency_support(false)
        .consume_fuel(true)
        .epoch_interruption(true)
        .cranelift_opt_level(OptLevel::Speed)
        .max_wasm_stack(WASM_STACK_BYTES_MAX)
        .async_stack_size(TURN_STACK_BYTES)
        .async_stack_zeroing(true)
        .memory_reservation(MEMORY_RESERVATION_BYTES)
        .memory_init_cow(true)
        .wasm_backtrace_max_frames(NonZeroUsize::new(TRAP_FRAMES_MAX));
    // The same turn does the same everywhere.
    config.cranelift_nan_canonicalization(true).relaxed_simd_deterministic(true).wasm_memory64(false);
    config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool(rooms_awake_max)));
    config
}

fn pool(rooms_awake_max: u32) -> PoolingAllocationConfig {
    let instances = rooms_awake_max + INSTANCES_SPARE;
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(instances)
        .total_core_instances(instances.saturating_mul(CORE_INSTANCES_PER_COMPONENT_MAX))
        .total_memories(instances)
        .total_tables(instances.saturating_mul(TABLES_PER_ROOM))
        .total_stacks(instances)
        .max_core_instances_per_component(CORE_INSTANCES_PER_COMPONENT_MAX)
        .max_memories_per_component(MEMORIES_PER_COMPONENT_MAX)
        .max_tables_per_component(TABLES_PER_COMPONENT_MAX)
        .max_memories_per_module(MEMORIES_PER_COMPONENT_MAX)
        .max_tables_per_module(TABLES_PER_COMPONENT_MAX)
        .max_component_instance_size(INSTANCE_BYTES_MAX)
        .max_core_instance_size(INSTANCE_BYTES_MAX)
        .max_memory_size(MEMORY_RESERVATION_BYTES as usize)
        .table_elements(TABLE_ELEMENTS_MAX);
    pool
}

/// What components may use of WebAssembly: what the engine is configured for, without threads, 64-bit memories
/// and asynchronous component functions.
pub(crate) fn wasm_features() -> WasmFeatures {
    WasmFeatures::WASM2
        | WasmFeatures::TAIL_CALL
        | WasmFeatures::EXTENDED_CONST
        | WasmFeatures::MULTI_MEMORY
        | WasmFeatures::RELAXED_SIMD
        | WasmFeatures::COMPONENT_MODEL
}
