//! The runtime on the real engine, with tiny guests in real rooms.

mod cache;
mod fuzz;
mod guests;
mod hostile;
mod loading;
mod room;
mod sizes;
mod turns;
mod wasi;
