//! The dice: a memory that everything that happens to the room changes, so that one turn that is taken again differently, or
//! not, or twice, shows in all that come after it.
//!
//! Each event draws chance, looks at both clocks, moves things about on the heap and every third one in storage, and mixes
//! all that it has seen into a sum. The order of a hash map is part of it: that depends on chance, too. A room is one of
//! these if its id begins so.

use std::collections::HashMap;
use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use std::time::{Duration, Instant, SystemTime};

use party::{Connection, Error, Result, Room};

use crate::Probe;

/// Places on the heap, keys in storage, and bytes in one of either.
const PLACES: u64 = 48;
const KEYS: u64 = 12;
const BYTES_MAX: u64 = 300;

/// What the room remembers.
#[derive(Default)]
pub(crate) struct Dice {
    events: u64,
    sum: u64,
    heap: HashMap<u64, Vec<u8>>,
}

fn hash_of(what: impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    what.hash(&mut hasher);
    hasher.finish()
}

impl Probe {
    pub(crate) fn roll_if_dice(&mut self, room: &Room, what: &str) -> Result<()> {
        if room.id().starts_with("dice") {
            self.roll(room, what)?;
        }
        Ok(())
    }

    /// Lets one event change everything, and says what it is now: which event that was, and the sum.
    pub(crate) fn roll(&mut self, room: &Room, what: &str) -> Result<String> {
        let Dice { events, sum, heap } = &mut self.dice;
        *events += 1;
        let drawn = room.random_u64();
        let clocks = (SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?, room.now().as_millis());
        let here = room.connections().len();
        *sum = hash_of((*sum, drawn, what, clocks, here));
        let (place, bytes) = (drawn % PLACES, (drawn >> 8) % BYTES_MAX + 1);
        if drawn & 1 == 0 {
            heap.insert(place, room.random_bytes(bytes.try_into()?));
        } else {
            heap.remove(&place);
        }
        for entry in &*heap {
            *sum = hash_of((*sum, entry));
        }
        if *events % 3 == 0 {
            let (storage, key) = (room.storage(), format!("dice/{:02}", (drawn >> 20) % KEYS));
            let before = storage.get_bytes(&key)?;
            match before {
                Some(_) if drawn & 6 == 0 => drop(storage.delete(&key)?),
                _ => storage.put_bytes(&key, &sum.to_le_bytes().repeat(1 + place as usize))?,
            }
            let keys = storage.list("dice/").keys()?;
            *sum = hash_of((*sum, before, keys));
        }
        Ok(format!("{what} {events} {sum:016x}"))
    }

    /// Rolls, and does something about it: `nap MS TIMES`, `alarm MS`, `trap`, `all`, `fail`, `attach`, `later MS`; any other
    /// word only rolls.
    pub(crate) fn roll_as_told(&mut self, room: &Room, from: &Connection, about: &str) -> Result<()> {
        let rolled = self.roll(room, about)?;
        let words: Vec<&str> = about.split(' ').collect();
        let from = *from;
        match words[..] {
            ["trap"] => {
                from.send("never seen")?;
                panic!("the dice were told to trap");
            }
            ["fail"] => return Err(Error::new(rolled)),
            ["all"] => drop(room.broadcast(&*rolled)?),
            ["nap", ms, times] => {
                let (ms, times): (u64, u64) = (ms.parse()?, times.parse()?);
                room.spawn(async move |room| {
                    let begun = Instant::now();
                    for time in 1..=times {
                        room.sleep(Duration::from_millis(ms)).await;
                        let what = format!("nap {time} {}", begun.elapsed().as_nanos());
                        let rolled = room.with(|probe: &mut Probe| probe.roll(&room, &what))?;
                        room.broadcast(rolled)?;
                    }
                    Ok::<(), Error>(())
                });
            }
            ["later", ms] => {
                let ms = ms.parse()?;
                room.settle_later(async move |room| {
                    room.sleep(Duration::from_millis(ms)).await;
                    let rolled = room.with(|probe: &mut Probe| probe.roll(&room, "settled"))?;
                    room.broadcast(rolled)?;
                    Ok::<(), Error>(())
                });
            }
            ["alarm", ms] => room.set_alarm(room.now() + Duration::from_millis(ms.parse()?))?,
            ["attach"] => {
                let before = from.attachment()?;
                from.set_attachment(rolled.as_bytes())?;
                from.send(hash_of(before).to_string())?;
            }
            _ => from.send(rolled)?,
        }
        Ok(())
    }
}
