//! Where one memory differs from another: ascending runs of bytes.
//!
//! Memories are compared by words and blocks, and runs are cut to the byte. Differences that lie close together are
//! one run, because a run costs two to four bytes of its own. So the runs of a memory, with what they cost, are never
//! longer than the memory.

use std::ops::Range;

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
    pub(crate) fn between(memory: &[u8], base: &BaseMemory, stretches: &[Stretch]) -> Delta {
        let mut runs = Runs::default();
        let (blocks, _) = memory.as_chunks::<BLOCK_BYTES>();
        for Stretch { range, is_zero } in stretches {
            // Stretches are of pages, which are blocks or more.
            let numbers = range.start / BLOCK_BYTES..range.end.div_ceil(BLOCK_BYTES).min(blocks.len());
            for (number, block) in numbers.clone().zip(&blocks[numbers]) {
                let base = base.block(number);
                if !is_zero || base.is_some() {
                    runs.compare(number * BLOCK_BYTES, block, base);
                }
            }
        }
        let runs = runs.finish();
        let mut bytes = Vec::with_capacity(runs.iter().map(|run| run.len as usize).sum());
        for run in &runs {
            bytes.extend_from_slice(&memory[run.at as usize..][..run.len as usize]);
        }
        Delta { runs, bytes }
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
    fn compare(&mut self, at: usize, block: &Block, base: Option<&Block>) {
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

    fn close(&mut self) {
        if !self.open.is_empty() {
            // Addresses are below 2^32: memories have 32-bit addresses.
            self.done.push(Run { at: self.open.start as u32, len: self.open.len() as u32 });
        }
    }

    fn finish(mut self) -> Vec<Run> {
        self.close();
        self.done
    }
}
