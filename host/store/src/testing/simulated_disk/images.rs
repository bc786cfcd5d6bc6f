//! The two images of a simulated disk, and what a power cut makes of them.

use std::mem;

use crate::testing::chance::Chance;

/// What a disk writes whole or not at all.
const SECTOR_BYTES: usize = 512;

/// What reads see, what is durable, and the changes between the two, in order.
pub(super) struct Images {
    pub(super) live: Vec<u8>,
    durable: Vec<u8>,
    pending: Vec<Change>,
}

/// A change of an image.
#[derive(Clone)]
pub(super) enum Change {
    Write { offset: usize, bytes: Vec<u8> },
    Length(usize),
}

/// What a power cut leaves of a change.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Survival {
    Kept,
    Torn,
    Lost,
}

impl Images {
    /// Both hold `image`.
    pub(super) fn new(image: Vec<u8>) -> Images {
        Images { durable: image.clone(), live: image, pending: Vec::new() }
    }

    /// Reads see a change at once.
    pub(super) fn change(&mut self, change: Change) {
        change.clone().apply(&mut self.live);
        self.pending.push(change);
    }

    /// All changes become durable.
    pub(super) fn sync(&mut self) {
        for change in mem::take(&mut self.pending) {
            change.apply(&mut self.durable);
        }
    }

    /// The changes will never become durable, though reads go on showing them.
    pub(super) fn drop_pending(&mut self) {
        self.pending.clear();
    }

    /// Reads see what is durable and what still may become so.
    pub(super) fn reread(&mut self) {
        self.live.clone_from(&self.durable);
        for change in &self.pending {
            change.clone().apply(&mut self.live);
        }
    }

    /// The power was cut: of the changes since the last sync some are left, some not, some in part.
    pub(super) fn survive(&mut self, chance: &mut Chance) {
        // Some cuts take everything, some nothing, and some all but one change: the last is the hardest.
        let mood = chance.below(5);
        let pending = mem::take(&mut self.pending);
        let odd = chance.index(pending.len().max(1));
        for (index, change) in pending.into_iter().enumerate() {
            let fate = match mood {
                0 => Survival::Lost,
                1 => Survival::Kept,
                2 if index == odd => Survival::Torn,
                2 => Survival::Kept,
                _ => *chance.pick(&[Survival::Kept, Survival::Kept, Survival::Torn, Survival::Lost]),
            };
            match (fate, change) {
                (Survival::Kept, change) => change.apply(&mut self.durable),
                (Survival::Torn, Change::Write { offset, bytes }) => self.tear(chance, offset, &bytes),
                (Survival::Lost, _) | (Survival::Torn, Change::Length(_)) => {}
            }
        }
        self.live.clone_from(&self.durable);
    }

    fn tear(&mut self, chance: &mut Chance, offset: usize, bytes: &[u8]) {
        let mut done = 0;
        while done < bytes.len() {
            let at = offset + done;
            let sector = (SECTOR_BYTES - at % SECTOR_BYTES).min(bytes.len() - done);
            if chance.one_in(2) {
                let bytes = bytes[done..done + sector].to_vec();
                Change::Write { offset: at, bytes }.apply(&mut self.durable);
            }
            done += sector;
        }
    }
}

impl Change {
    fn apply(self, image: &mut Vec<u8>) {
        match self {
            Change::Write { offset, bytes } => {
                let end = offset + bytes.len();
                if image.len() < end {
                    image.resize(end, 0);
                }
                image[offset..end].copy_from_slice(&bytes);
            }
            Change::Length(len) => image.resize(len, 0),
        }
    }
}
