//! What tests of the store, and of whatever is built on it, need: the conformance suite for engines, a model to
//! compare with, chance from a seed, and faults at the seam and below the engine.
//!
//! Behind the cargo feature `testing`: nothing of it is in the host.

pub mod chance;
pub mod conformance;
pub mod faulty_store;
pub mod model;
pub mod simulated_disk;
pub mod staging;
pub mod workload;
