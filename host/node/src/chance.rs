//! Chance as an argument: seeds of turns, incarnations, ids of clients that bring none.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use party_core::ids::{Incarnation, Seed};
use party_core::profile::Profile;
use rand_chacha::ChaCha12Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

/// A stream of chance. Each worker has its own.
pub struct Chance {
    stream: ChaCha12Rng,
    dictated: Option<Dictated>,
}

/// Seeds that somebody lays down for the turns to come: for tests that repeat what was recorded. Clones are the same.
#[derive(Clone, Default, Debug)]
pub struct Dictated {
    seeds: Arc<Mutex<VecDeque<Seed>>>,
}

impl Dictated {
    /// The next turns have these seeds, in order, whatever was laid down before; those after them have what chance gives.
    pub fn lay_down(&self, seeds: impl IntoIterator<Item = Seed>) {
        *self.seeds.lock().unwrap_or_else(PoisonError::into_inner) = seeds.into_iter().collect();
    }

    fn next(&self) -> Option<Seed> {
        self.seeds.lock().unwrap_or_else(PoisonError::into_inner).pop_front()
    }
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
        Ok(Chance { stream: ChaCha12Rng::from_seed(seed), dictated: None })
    }

    /// Chance that is the same for the same number: for tests.
    pub fn from_number(number: u64) -> Chance {
        Chance { stream: ChaCha12Rng::seed_from_u64(number), dictated: None }
    }

    /// As it is, but turns have the seeds that are laid down, as long as there are some.
    pub fn dictated_by(self, dictated: &Dictated) -> Chance {
        Chance { dictated: Some(dictated.clone()), ..self }
    }

    /// A stream of its own, for another worker.
    pub fn split(&mut self) -> Chance {
        let Seed(seed) = self.draw();
        Chance { stream: ChaCha12Rng::from_seed(seed), dictated: self.dictated.clone() }
    }

    /// For a turn. What comes after is the same whether it was laid down or not.
    pub fn seed(&mut self) -> Seed {
        let drawn = self.draw();
        self.dictated.as_ref().and_then(Dictated::next).unwrap_or(drawn)
    }

    fn draw(&mut self) -> Seed {
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

    /// What a client is called that does not say it.
    pub fn client_id(&mut self, profile: Profile) -> String {
        profile.client_id(self.incarnation())
    }
}

#[cfg(test)]
mod tests {
    use party_core::ids::Seed;
    use party_core::profile::Profile;

    use super::{Chance, Dictated};

    #[test]
    fn turns_have_the_seeds_that_are_laid_down_and_then_those_that_they_would_have_had() {
        let (mut free, dictated) = (Chance::from_number(7), Dictated::default());
        let mut worker = Chance::from_number(7).dictated_by(&dictated).split();
        let mut free = free.split();
        dictated.lay_down([Seed([9; 32])]);
        dictated.lay_down([Seed([1; 32]), Seed([2; 32])]);
        assert_eq!((worker.seed(), worker.seed()), (Seed([1; 32]), Seed([2; 32])));
        let _ = [free.seed(), free.seed()];
        assert_eq!((worker.seed(), worker.incarnation()), (free.seed(), free.incarnation()));
    }

    #[test]
    fn the_id_of_a_client_is_a_uuid_of_version_4() {
        let uuid = Chance::from_number(7).client_id(Profile::PartyKit);
        assert_eq!(uuid.len(), 36);
        assert_eq!(&uuid[14..15], "4");
        assert!("89ab".contains(&uuid[19..20]), "{uuid}");
    }
}
