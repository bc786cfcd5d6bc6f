//! What the guest remembers of its streams.

use std::collections::BTreeMap;

use bytes::Bytes;

/// The guest's memory.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Memory {
    /// The answers that it writes, and to which request each is.
    pub(crate) answers: BTreeMap<u64, u64>,
    /// What it has begun and not heard of: 1 for a socket, 0 for a body.
    pub(crate) operations: BTreeMap<u64, u64>,
    /// Bodies that arrive, and the number of the next piece.
    pub(crate) bodies: BTreeMap<u64, u64>,
    /// Its sockets, and the number of the next message.
    pub(crate) sockets: BTreeMap<u64, u64>,
    /// Those of them that it has closed.
    pub(crate) closing: BTreeMap<u64, u64>,
}

impl Memory {
    fn maps(&mut self) -> [&mut BTreeMap<u64, u64>; 5] {
        [&mut self.answers, &mut self.operations, &mut self.bodies, &mut self.sockets, &mut self.closing]
    }

    /// Its image.
    pub(crate) fn image(&self) -> Bytes {
        let mut words = Vec::new();
        for map in self.clone().maps() {
            words.push(map.len() as u64);
            words.extend(map.iter().flat_map(|(key, value)| [*key, *value]));
        }
        words.iter().flat_map(|word| word.to_le_bytes()).collect()
    }

    /// What [`Memory::image`] gave.
    pub(crate) fn of_image(image: &[u8]) -> Memory {
        let word = |bytes: &[u8]| u64::from_le_bytes(bytes.try_into().expect("eight bytes"));
        let mut words = image.chunks(8).map(word);
        let mut next = || words.next().expect("the image is whole");
        let mut memory = Memory::default();
        for map in memory.maps() {
            for _ in 0..next() {
                let key = next();
                map.insert(key, next());
            }
        }
        memory
    }

    /// Whether it knows of this operation or of what that has opened.
    pub(crate) fn knows_arriving(&self, id: u64) -> bool {
        self.operations.contains_key(&id) || self.bodies.contains_key(&id) || self.sockets.contains_key(&id)
    }
}
