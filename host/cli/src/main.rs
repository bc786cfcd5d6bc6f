//! The party-host binary.
fn main() {}
