//! The runner: every candidate through every scenario, interleaved, and what came of it written down.
//!
//! Each measurement starts its server anew, pinned to core 0, with the load tool on core 1. The candidates take
//! turns scenario by scenario, in another order each round, so that what the machine does meanwhile hits all alike;
//! a table of medians and of ratios to the native server in the same run is the result. A measurement during which
//! other processes used much of the machine is repeated.
//!
//! What must hold: the yardstick itself is checked first (`conditions`), because a slow yardstick makes everyone
//! look fast; a measurement that lost, repeated or reordered a message fails the run; nothing in the files that are
//! kept names a path of the machine.

pub mod arguments;
pub mod run;

mod candidate;
mod conditions;
mod machine;
mod measurement;
mod results;
mod summary;
