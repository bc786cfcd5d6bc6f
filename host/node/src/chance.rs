//! Chance as an argument: seeds of turns, incarnations, ids of clients that bring none.

use party_core::ids::{Incarnation, Seed};
use rand_chacha::ChaCha12Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

/// A stream of chance. Each worker has its own.
pub struct Chance {
    stream: ChaCha12Rng,
}

/// The operating system gave no randomness.
#[derive(Debug, thiserror::Error)]
#[error("the operating system gives no randomness: {0}")]
pub struct NoRandomness(String);

impl Chance {
    /// Chance that nobody can foresee.
    pub fn from_system() -> Result<Chance, NoRandomness> {
        let mut seed = [0; 32];
        getrandom::fill(&mut seed).map_err(|error| NoRandomness(error.to_string()))?;
        Ok(Chance { stream: ChaCha12Rng::from_seed(seed) })
    }

    /// Chance that is the same for the same number: for tests.
    pub fn from_number(number: u64) -> Chance {
        Chance { stream: ChaCha12Rng::seed_from_u64(number) }
    }

    /// A stream of its own, for another worker.
    pub fn split(&mut self) -> Chance {
        let Seed(seed) = self.seed();
        Chance { stream: ChaCha12Rng::from_seed(seed) }
    }

    /// For a turn.
    pub fn seed(&mut self) -> Seed {
        let mut seed = [0; 32];
        self.stream.fill_bytes(&mut seed);
        Seed(seed)
    }

    /// For a new life.
    pub fn incarnation(&mut self) -> Incarnation {
        let mut bytes = [0; 16];
        self.stream.fill_bytes(&mut bytes);
        Incarnation(u128::from_le_bytes(bytes))
    }

    /// A random UUID (version 4).
    pub fn uuid(&mut self) -> String {
        let Incarnation(bits) = self.incarnation();
        let bits = (bits & !(0xf << 76) & !(0x3 << 62)) | (0x4 << 76) | (0x2 << 62);
        let hex = format!("{bits:032x}");
        format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
    }
}

#[cfg(test)]
mod tests {
    use super::Chance;

    #[test]
    fn a_uuid_is_of_version_4() {
        let uuid = Chance::from_number(7).uuid();
        assert_eq!(uuid.len(), 36);
        assert_eq!(&uuid[14..15], "4");
        assert!("89ab".contains(&uuid[19..20]), "{uuid}");
    }
}
