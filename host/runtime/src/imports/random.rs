//! `random`: the turn's chance.

use rand_chacha::rand_core::Rng;
use wasmtime::Result;

use crate::bindings::party::server::random::Host;
use crate::state::InstanceState;

/// Bytes in one call; more counts as that (the contract says so).
const RANDOM_BYTES_MAX: u32 = 65_536;

impl Host for InstanceState {
    fn bytes(&mut self, count: u32) -> Result<Vec<u8>> {
        let mut bytes = vec![0; count.min(RANDOM_BYTES_MAX) as usize];
        self.chance().fill_bytes(&mut bytes);
        Ok(bytes)
    }
}
