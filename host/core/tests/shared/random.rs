//! Chance for the simulation: SplitMix64 (Steele, Lea, Flood, 2014), the same numbers for the same seed everywhere.

/// A stream of numbers.
#[derive(Clone, Debug)]
pub(crate) struct Random {
    state: u64,
}

impl Random {
    pub(crate) fn new(seed: u64) -> Random {
        Random { state: seed }
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A number below `bound`, which is small: the bias is none that a test could see.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    /// Whether something of this likelihood happens.
    pub(crate) fn percent(&mut self, likelihood: u64) -> bool {
        self.below(100) < likelihood
    }

    /// One of these, or none if there are none.
    pub(crate) fn pick<T>(&mut self, choices: impl IntoIterator<Item = T>) -> Option<T> {
        let mut choices: Vec<T> = choices.into_iter().collect();
        if choices.is_empty() {
            return None;
        }
        let index = self.below(choices.len() as u64) as usize;
        Some(choices.swap_remove(index))
    }
}
