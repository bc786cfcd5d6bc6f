//! Where rooms are kept.
//!
//! [`store::Store`] is the seam: commits of many rooms go in as one batch, all of it durable or none, guarded by
//! the epoch of the owner; records, keys and values, checkpoints and journals come out. Two engines stand behind
//! it: [`memory`], for tests and volatile set-ups, and [`redb_store`], one crash-safe file per data directory. Every
//! engine passes the same conformance suite, and the faults of the `testing` feature are injected both at the seam and
//! below the engine.
//!
//! A room can be taken elsewhere as a [`room_file`].
//!
//! No async, no clock, no threads of its own: the caller brings the threads.

pub mod kept;
pub mod leftovers;
pub mod memory;
pub mod redb_store;
pub mod room_file;
pub mod store;
#[cfg(feature = "testing")]
pub mod testing;
pub mod versions;
