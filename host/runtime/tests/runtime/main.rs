//! The runtime on the real engine, with tiny guests in real rooms, and with those that the Rust SDK makes.

mod cache;
mod damage;
mod fuzz;
mod guests;
mod hostile;
mod loading;
mod naming;
mod not_captured;
mod room;
mod sizes;
mod sleepers;
mod snapshots;
mod turns;
mod wasi;
