//! The component test harness: the real node, the real server code and the real component, with their edges replaced.
//!
//! A [`world::World`] is a host on one thread: its clock stands still until the test moves it, its network is in
//! memory, its store can be told to fail, and it can crash. Nothing of the product is mocked.

pub mod client;
pub mod clock;
mod host;
mod line;
pub mod outbound;
pub mod project;
mod story;
pub mod transcript;
pub mod world;
