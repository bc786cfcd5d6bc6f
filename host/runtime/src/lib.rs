//! Components: load, limit, call. The only crate that knows wasmtime.
//!
//! An [`Engine`](engine::Engine) loads a [`Component`](component::Component): it checks that the world is
//! implemented, compiles (or takes the compiled code from the cache) and links. A component makes an
//! [`Instance`](instance::Instance) for each room that is awake; an instance runs turns, one at a time. While it
//! runs one, the [`Turn`](party_core::turn::Turn) is in the store, and the imports read it and append to it,
//! nothing else.
//!
//! An instance can be captured between two turns, as a [`Snapshot`](snapshot::Snapshot), and be made again of it later,
//! elsewhere, in the middle of an await. For that a component is rewritten when it is loaded (`rewrite.rs`).
//!
//! What must hold: a guest has no other memory, time or chance than the room gives it; whatever it does ends in
//! bounded time and memory; a trapped instance is never called again.

pub mod aside;
pub mod capture;
pub mod component;
pub mod engine;
pub mod instance;
pub mod load;
pub mod lobby;
pub mod names;
pub mod restore;
pub mod snapshot;
pub mod upgrade;

mod access;
mod bindings;
pub mod cache;
mod checks;
mod config;
mod image;
mod imports;
mod limiter;
mod refusal;
mod rewrite;
mod state;
mod ticker;
mod traps;
mod wasi;
mod world;
