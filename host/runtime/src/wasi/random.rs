//! Random numbers from the turn's chance: the secure and the insecure ones are the same stream.

use rand_chacha::rand_core::Rng;
use wasmtime::{Error, Result};
use wasmtime_wasi::p2::bindings::random::{insecure, insecure_seed, random};

use crate::state::InstanceState;
use crate::traps::GuestFault;

/// Bytes in one call: more than a runtime needs, less than harms the host.
const RANDOM_BYTES_MAX: u64 = 1 << 20;

fn random_bytes(state: &mut InstanceState, count: u64) -> Result<Vec<u8>> {
    if count > RANDOM_BYTES_MAX {
        return Err(Error::new(GuestFault::TooMuchChance { asked: count, bytes_max: RANDOM_BYTES_MAX }));
    }
    let mut bytes = vec![0; count as usize];
    state.chance().fill_bytes(&mut bytes);
    Ok(bytes)
}

impl random::Host for InstanceState {
    fn get_random_bytes(&mut self, count: u64) -> Result<Vec<u8>> {
        random_bytes(self, count)
    }

    fn get_random_u64(&mut self) -> Result<u64> {
        Ok(self.chance().next_u64())
    }
}

impl insecure::Host for InstanceState {
    fn get_insecure_random_bytes(&mut self, count: u64) -> Result<Vec<u8>> {
        random_bytes(self, count)
    }

    fn get_insecure_random_u64(&mut self) -> Result<u64> {
        Ok(self.chance().next_u64())
    }
}

impl insecure_seed::Host for InstanceState {
    fn insecure_seed(&mut self) -> Result<(u64, u64)> {
        let chance = self.chance();
        Ok((chance.next_u64(), chance.next_u64()))
    }
}
