//! Where one memory differs from another: ascending runs of bytes.
//!
//! Memories are compared by words and blocks, and runs are cut to the byte. Differences that lie close together are
//! one run, because a run costs two to four bytes of its own. So the runs of a memory, with what they cost, are never
//! longer than the memory.

use std::ops::Range;

use party_core::large::{self, NoMemory};

use crate::image::{BLOCK_BYTES, BaseMemory, Block};
use crate::snapshot::touched::Stretch;

/// Equal bytes between two differences that make two runs of them.
pub(crate) const GAP_BYTES_MIN: usize = 8;

const WORD_BYTES: usize = size_of::<u64>();

/// A stretch of a memory.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Run {
    /// Its first byte.
    pub(crate) at: u32,
    /// Its bytes, at least one.
    pub(crate) len: u32,
}

/// The runs and what stands in them now.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub(crate) struct Delta {
    runs: Vec<Run>,
    bytes: Vec<u8>,
}

impl Delta {
    /// Compares a memory with the base's, but only in these stretches: whoever gives them knows that the rest is
    /// equal.
    pub(crate) fn between(
        memory: &[u8],
        base: &BaseMemory,
        stretches: &[Stretch],
    ) -> Result<Delta, NoMemory> {
        let mut runs = Runs::default();
        let (blocks, _) = memory.as_chunks::<BLOCK_BYTES>();
        for Stretch { range, is_zero } in stretches {
            // Stretches are of pages, which are blocks or more.
            let numbers = range.start / BLOCK_BYTES..range.end.div_ceil(BLOCK_BYTES).min(blocks.len());
            for (number, block) in numbers.clone().zip(&blocks[numbers]) {
                let base = base.block(number);
                if !is_zero || base.is_some() {
                    runs.compare(number * BLOCK_BYTES, block, base)?;
                }
            }
        }
        let runs = runs.finish()?;
        let mut bytes = large::list(runs.iter().map(|run| run.len as usize).sum())?;
        for run in &runs {
            bytes.extend_from_slice(&memory[run.at as usize..][..run.len as usize]);
        }
        Ok(Delta { runs, bytes })
    }

    /// Of runs that ascend, do not touch, and have together as many bytes as these.
    pub(crate) fn of_parts(runs: Vec<Run>, bytes: Vec<u8>) -> Delta {
        Delta { runs, bytes }
    }

    /// The runs, ascending.
    pub(crate) fn runs(&self) -> &[Run] {
        &self.runs
    }

    /// What stands in them, one after the other.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The runs with what stands in them.
    #[cfg(test)]
    pub(crate) fn iter(&self) -> impl Iterator<Item = (Run, &[u8])> {
        let mut rest = self.bytes.as_slice();
        self.runs.iter().map(move |run| {
            let (bytes, behind) = rest.split_at(run.len as usize);
            rest = behind;
            (*run, bytes)
        })
    }
}

/// Runs in the making.
#[derive(Default)]
struct Runs {
    done: Vec<Run>,
    /// The one that may still become longer; empty at the beginning.
    open: Range<usize>,
}

impl Runs {
    fn compare(&mut self, at: usize, block: &Block, base: Option<&Block>) -> Result<(), NoMemory> {
        // A word ends one run at most.
        large::reserve_ahead(&mut self.done, BLOCK_BYTES / WORD_BYTES)?;
        let (words, _) = block.as_chunks::<WORD_BYTES>();
        match base {
            None => {
                for (n, word) in words.iter().enumerate() {
                    self.differing(at + n * WORD_BYTES, u64::from_le_bytes(*word));
                }
            }
            Some(base) => {
                let (base, _) = base.as_chunks::<WORD_BYTES>();
                for (n, (word, base)) in words.iter().zip(base).enumerate() {
                    let difference = u64::from_le_bytes(*word) ^ u64::from_le_bytes(*base);
                    self.differing(at + n * WORD_BYTES, difference);
                }
            }
        }
        Ok(())
    }

    /// The bits of a word that differ, at this address.
    #[inline]
    fn differing(&mut self, at: usize, bits: u64) {
        if bits == 0 {
            return;
        }
        let first = at + bits.trailing_zeros() as usize / 8;
        let behind = at + WORD_BYTES - bits.leading_zeros() as usize / 8;
        if first - self.open.end < GAP_BYTES_MIN && !self.open.is_empty() {
            self.open.end = behind;
            return;
        }
        self.close();
        self.open = first..behind;
    }

    /// There is place for it.
    fn close(&mut self) {
        if !self.open.is_empty() {
            // Addresses are below 2^32: memories have 32-bit addresses.
            self.done.push(Run { at: self.open.start as u32, len: self.open.len() as u32 });
        }
    }

    fn finish(mut self) -> Result<Vec<Run>, NoMemory> {
        large::reserve_ahead(&mut self.done, 1)?;
        self.close();
        Ok(self.done)
    }
}

#[cfg(test)]
mod tests {
    use super::{Delta, Run};
    use crate::image::{BLOCK_BYTES, BaseMemory};
    use crate::snapshot::touched::{Stretch, everything};

    fn runs(changes: &[(usize, &[u8])]) -> Vec<(u32, u32)> {
        let base = vec![7; 4 * BLOCK_BYTES];
        let mut memory = base.clone();
        for (at, bytes) in changes {
            memory[*at..at + bytes.len()].copy_from_slice(bytes);
        }
        let delta = Delta::between(&memory, &BaseMemory::of(&base).unwrap(), &everything(&memory)).unwrap();
        for (run, bytes) in delta.iter() {
            assert_eq!(bytes, &memory[run.at as usize..][..run.len as usize]);
        }
        delta.runs().iter().map(|Run { at, len }| (*at, *len)).collect()
    }

    #[test]
    fn runs_are_cut_to_the_byte() {
        assert_eq!(runs(&[]), []);
        assert_eq!(runs(&[(13, b"x")]), [(13, 1)]);
        assert_eq!(runs(&[(13, &[7, 7, 1, 7, 2, 7, 7])]), [(15, 3)]);
        assert_eq!(runs(&[(0, b"x"), (4 * BLOCK_BYTES - 1, b"y")]), [(0, 1), (16_383, 1)]);
    }

    #[test]
    fn what_lies_close_together_is_one_run_also_over_the_end_of_a_block() {
        assert_eq!(runs(&[(100, b"x"), (108, b"y")]), [(100, 9)]);
        assert_eq!(runs(&[(100, b"x"), (109, b"y")]), [(100, 1), (109, 1)]);
        assert_eq!(runs(&[(BLOCK_BYTES - 1, b"xy")]), [(4_095, 2)]);
        assert_eq!(runs(&[(BLOCK_BYTES - 4, b"x"), (BLOCK_BYTES + 4, b"y")]), [(4_092, 9)]);
    }

    #[test]
    fn a_page_that_has_become_zero_is_different_from_one_that_was_not() {
        let base = BaseMemory::of(&[vec![7; BLOCK_BYTES], vec![0; BLOCK_BYTES]].concat()).unwrap();
        let memory = vec![0; 2 * BLOCK_BYTES];
        let known_zero = [Stretch { range: 0..2 * BLOCK_BYTES, is_zero: true }];
        let delta = Delta::between(&memory, &base, &known_zero).unwrap();
        assert_eq!(delta.runs(), [Run { at: 0, len: BLOCK_BYTES as u32 }]);
    }

    #[test]
    fn what_has_grown_is_compared_with_zeros() {
        let mut memory = vec![0; 3 * BLOCK_BYTES];
        memory[2 * BLOCK_BYTES + 5] = 1;
        let delta =
            Delta::between(&memory, &BaseMemory::of(&[0; BLOCK_BYTES]).unwrap(), &everything(&memory))
                .unwrap();
        assert_eq!(delta.runs(), [Run { at: 8_197, len: 1 }]);
    }
}
