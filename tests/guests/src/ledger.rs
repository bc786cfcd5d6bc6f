//! The ledger: what clients have counted, kept in plain variables and in storage, so that the two can be compared with
//! each other and with what the clients know after the host was killed.
//!
//! An entry is `KIND SLOT LIFE NUMBER [MS]`: a client's slot, the host's life in which it counts, and its number there,
//! which must follow the one before; so an entry that is lost or taken twice is found at once. `light` changes variables
//! only, `count` variables and storage, `nap` begins a sleep too, and `wait` tells the client when that has ended. A room
//! is one of the ledger's if its id begins so.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::time::Duration;

use party::{Connection, Error, Result, Room};

use crate::Probe;

/// Bytes that stand in memory, are changed by every entry, and must be what was counted; a checkpoint of the larger does
/// not fit into a commit.
const BALLAST_BYTES: usize = 2_000;
const BALLAST_LARGE_BYTES: usize = 60_000;

/// A life of the host, and a client's number in it.
type At = (u64, u64);

/// What is kept twice.
#[derive(Default, PartialEq)]
struct Kept {
    /// Entries that changed storage.
    total: u64,
    ended: u64,
    /// Sleeps that went with the memory that waited for them.
    dropped: u64,
    slots: BTreeMap<String, At>,
    /// When each open sleep is due.
    naps: BTreeMap<String, u64>,
}

/// What the room remembers.
#[derive(Default)]
pub(crate) struct Ledger {
    kept: Kept,
    heard: BTreeMap<String, At>,
    here: BTreeSet<String>,
    faults: Vec<String>,
    ballast: Vec<u8>,
    ballast_sum: u64,
}

impl Kept {
    fn read(room: &Room) -> Result<Kept> {
        let storage = room.storage();
        let number = |key: &str| Ok::<u64, Error>(storage.get::<u64>(key)?.unwrap_or_default());
        let mut kept = Kept {
            total: number("total")?,
            ended: number("ended")?,
            dropped: number("dropped")?,
            ..Kept::default()
        };
        for entry in storage.list("slot/").entries::<At>()? {
            kept.slots.insert(name(&entry.key, "slot/"), entry.value);
        }
        for entry in storage.list("nap/").entries::<u64>()? {
            kept.naps.insert(name(&entry.key, "nap/"), entry.value);
        }
        Ok(kept)
    }

    fn told(&self) -> String {
        let mut told = format!("{} {} {};{};", self.total, self.ended, self.dropped, slots(&self.slots));
        for (id, due) in &self.naps {
            write!(told, "{id}={due} ").expect("a string takes everything");
        }
        told
    }
}

fn name(key: &[u8], prefix: &str) -> String {
    String::from_utf8_lossy(&key[prefix.len()..]).into_owned()
}

fn slots(slots: &BTreeMap<String, At>) -> String {
    slots.iter().map(|(slot, (life, number))| format!("{slot}={life}.{number} ")).collect()
}

impl Probe {
    /// A life of the room begins, with what its storage says. Sleeps went with the memory that waited for them.
    pub(crate) fn open_ledger(&mut self, room: &Room) -> Result<()> {
        if !room.id().starts_with("ledger") {
            return Ok(());
        }
        let mut kept = Kept::read(room)?;
        let lost = std::mem::take(&mut kept.naps);
        for id in lost.keys() {
            room.storage().delete(format!("nap/{id}"))?;
            kept.dropped += 1;
        }
        if !lost.is_empty() {
            room.storage().put("dropped", &kept.dropped)?;
        }
        let bytes = if room.id().contains("large") { BALLAST_LARGE_BYTES } else { BALLAST_BYTES };
        let ballast = room.random_bytes(bytes.try_into()?);
        let ballast_sum = ballast.iter().copied().map(u64::from).sum();
        let heard = kept.slots.clone();
        self.ledger = Ledger { kept, heard, ballast, ballast_sum, ..Ledger::default() };
        Ok(())
    }

    /// A client has come.
    pub(crate) fn ledger_client(&mut self, connection: &Connection, is_here: bool) {
        let name = connection.to_string();
        if is_here {
            self.ledger.here.insert(name);
        } else {
            self.ledger.here.remove(&name);
        }
    }

    /// Makes an entry and says so, or says what is wrong with it.
    pub(crate) fn enter(&mut self, room: &Room, from: Option<Connection>, about: &str) -> Result<String> {
        let words: Vec<&str> = about.split(' ').collect();
        let [kind, slot, life, number, more @ ..] = &words[..] else {
            return Err(Error::new(format!("{about:?} is no entry")));
        };
        let at: At = (life.parse()?, number.parse()?);
        let last = self.ledger.heard.get(*slot).copied().unwrap_or_default();
        let follows = if at.0 == last.0 { at.1 == last.1 + 1 } else { at.0 > last.0 && at.1 == 1 };
        if !follows {
            return Ok(format!("fault: {slot} {at:?} follows {last:?}"));
        }
        self.ledger.heard.insert((*slot).into(), at);
        let place = usize::try_from(at.1)? % self.ledger.ballast.len().max(1);
        if let Some(byte) = self.ledger.ballast.get_mut(place) {
            self.ledger.ballast_sum -= u64::from(*byte);
            *byte = byte.wrapping_add(at.1 as u8 | 1);
            self.ledger.ballast_sum += u64::from(*byte);
        }
        if *kind != "light" {
            self.ledger.kept.total += 1;
            self.ledger.kept.slots.insert((*slot).into(), at);
            room.storage().put("total", &self.ledger.kept.total)?;
            room.storage().put(format!("slot/{slot}"), &at)?;
        }
        match (*kind, more) {
            ("light" | "count", []) => {}
            ("nap" | "wait", [ms]) => {
                let told = from.filter(|_| *kind == "wait");
                self.nap(room, told, format!("{slot}.{life}.{number}"), ms.parse()?)?;
            }
            _ => return Err(Error::new(format!("{about:?} is no entry"))),
        }
        Ok(format!("entered {} {}", at.0, at.1))
    }

    fn nap(&mut self, room: &Room, told: Option<Connection>, id: String, ms: u64) -> Result<()> {
        let due = room.now() + Duration::from_millis(ms);
        let due_ms = due.as_millis();
        self.ledger.kept.naps.insert(id.clone(), due_ms);
        room.storage().put(format!("nap/{id}"), &due_ms)?;
        room.spawn(async move |room| {
            room.sleep_until(due).await;
            let is_early = room.now() < due;
            let ended = room.with(|probe: &mut Probe| {
                let ledger = &mut probe.ledger;
                if is_early || ledger.kept.naps.remove(&id).is_none() {
                    ledger.faults.push(format!("{id} ended early or twice"));
                }
                ledger.kept.ended += 1;
                ledger.kept.ended
            });
            room.storage().put("ended", &ended)?;
            room.storage().delete(format!("nap/{id}"))?;
            if let Some(client) = told {
                // It may have gone, and its host with it.
                let _ = client.send(format!("woke {id}"));
            }
            Ok::<(), Error>(())
        });
        Ok(())
    }

    /// Everything, a line each: what memory keeps, what storage keeps, which entries were heard, which clients are here
    /// as the memory and as the host say, why the room has started, its incarnation, what time it is, and what was found to be wrong.
    pub(crate) fn ledger(&self, room: &Room) -> Result<String> {
        let Ledger { kept, heard, here, faults, ballast, ballast_sum } = &self.ledger;
        let mut faults = faults.clone();
        if ballast.iter().copied().map(u64::from).sum::<u64>() != *ballast_sum {
            faults.push("the ballast is not what was counted".into());
        }
        let (memory, storage) = (kept.told(), Kept::read(room)?.told());
        let (here, connections) = (here.len(), room.connections().len());
        let (started, now) = (self.started, room.now().as_millis());
        let (heard, life) = (slots(heard), room.incarnation());
        let faults = faults.join(", ");
        Ok(format!(
            "{memory}\n{storage}\n{heard}\n{here} {connections}\n{started:?}\n{life}\n{now}\n{faults}"
        ))
    }
}
