//! What the guest remembers: a chain over all that it was ever told, and of some of it the thing itself.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;

/// The guest's memory. Two that are equal have lived the same.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Memory {
    /// Over everything that it was called with, that it read, and that its commands gave back.
    chain: u64,
    pub(crate) turns: u64,
    /// Connections that it has heard of.
    pub(crate) known: BTreeSet<u64>,
    /// Those of them that it has seen in the room, and those whose close it was told.
    pub(crate) listed: BTreeSet<u64>,
    pub(crate) closed: BTreeSet<u64>,
    /// Requests that it owes an answer, and those whose clients it was told have gone.
    pub(crate) requests: BTreeSet<u64>,
    pub(crate) gone: BTreeSet<u64>,
    /// Its events that have not settled.
    pub(crate) pending: BTreeSet<u64>,
    /// Its operations that have not ended.
    pub(crate) operations: BTreeMap<u64, Begun>,
}

/// An operation that the guest has begun.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Begun {
    /// When it ends by itself.
    pub(crate) due: u64,
    /// Somebody outside works for it; else it is a sleep.
    pub(crate) is_work: bool,
    /// It is a fetch that is not to be sent again.
    pub(crate) is_sent_once: bool,
}

impl Begun {
    fn kind(&self) -> u64 {
        u64::from(self.is_work) + u64::from(self.is_sent_once)
    }
}

impl Memory {
    /// Adds a number to the chain (FNV-1a, a byte at a time, finished by a multiplication).
    pub(crate) fn note(&mut self, word: u64) {
        self.chain = (self.chain ^ word).wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(29);
    }

    /// Adds bytes to the chain.
    pub(crate) fn note_bytes(&mut self, bytes: &[u8]) {
        self.note(bytes.len() as u64);
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.note(u64::from_le_bytes(word));
        }
    }

    /// Its image.
    pub(crate) fn image(&self) -> Bytes {
        let mut words = vec![self.chain, self.turns];
        for set in [&self.known, &self.listed, &self.closed, &self.requests, &self.gone, &self.pending] {
            words.push(set.len() as u64);
            words.extend(set);
        }
        words.extend(self.operations.iter().flat_map(|(id, it)| [*id, it.due, it.kind()]));
        words.iter().flat_map(|word| word.to_le_bytes()).collect()
    }

    /// What [`Memory::image`] gave.
    pub(crate) fn of_image(image: &Bytes) -> Memory {
        let mut words =
            image.chunks_exact(8).map(|chunk| u64::from_le_bytes(chunk.try_into().expect("8 bytes")));
        let mut next = || words.next().expect("the image is whole");
        let (chain, turns) = (next(), next());
        let mut set = || (0..next()).map(|_| next()).collect::<BTreeSet<u64>>();
        let (known, listed, closed) = (set(), set(), set());
        let (requests, gone, pending) = (set(), set(), set());
        let mut operations = BTreeMap::new();
        while let Some(id) = words.next() {
            let mut next = || words.next().expect("the image is whole");
            let (due, kind) = (next(), next());
            operations.insert(id, Begun { due, is_work: kind > 0, is_sent_once: kind == 2 });
        }
        Memory { chain, turns, known, listed, closed, requests, gone, pending, operations }
    }
}
