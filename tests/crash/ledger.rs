//! What is known of a room's ledger from outside, and whether what the room says can be true.
//!
//! Clients count in slots, anew in every life of the host, and note what they have sent and what was answered. A room tells
//! its ledger twice, from its variables and from its storage (`tests/guests/src/ledger.rs`). Both must say the same, always.
//! What was answered must be there, what was never sent cannot be, and between the two lie only entries that were under
//! way when the host died. All sums must follow from that: so nothing was taken twice.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result, bail, ensure};

/// A life of the host, and a number in it.
pub(crate) type At = (u64, u64);

/// What an entry does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    /// It changes variables.
    Light,
    /// It changes variables and storage.
    Count,
    /// The same, and begins a sleep.
    Nap,
}

/// How the party keeps its memory.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Promise {
    /// No turn that was answered is lost.
    Durable,
    /// No write that was answered is lost; variables go back to a checkpoint that fits to storage, or begin anew.
    Hibernate,
}

/// What one client did in one life of the host.
#[derive(Debug)]
pub(crate) struct Told {
    /// Where it counted.
    pub(crate) slot: String,
    /// In which life.
    pub(crate) life: u64,
    /// Its entries; the first has number 1.
    pub(crate) sent: Vec<Kind>,
    /// How many of them were answered.
    pub(crate) answered: u64,
    /// Its sleeps that it was told have ended.
    pub(crate) woken: Vec<String>,
}

/// A ledger as a room tells it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Report {
    memory: String,
    storage: String,
    heard: BTreeMap<String, At>,
    clients: String,
    started: String,
    incarnation: String,
    now: u64,
    faults: String,
}

/// What memory and storage keep.
struct Kept {
    total: u64,
    ended: u64,
    dropped: u64,
    slots: BTreeMap<String, At>,
    naps: BTreeMap<String, u64>,
}

/// What is known of one room.
#[derive(Default)]
pub(crate) struct Ledger {
    total: u64,
    begun: u64,
    ended: u64,
    stored: BTreeMap<String, At>,
    heard: BTreeMap<String, At>,
    woken: BTreeSet<String>,
    told: Vec<Told>,
    incarnation: Option<String>,
}

fn slots(text: &str) -> Result<BTreeMap<String, At>> {
    let slot = |word: &str| {
        let (slot, at) = word.split_once('=').with_context(|| format!("slot {word:?}"))?;
        let (life, number) = at.split_once('.').with_context(|| format!("slot {word:?}"))?;
        Ok((slot.to_owned(), (life.parse()?, number.parse()?)))
    };
    text.split_whitespace().map(slot).collect()
}

impl Kept {
    fn read(text: &str) -> Result<Kept> {
        let [sums, found, naps] = text.split(';').collect::<Vec<_>>()[..] else { bail!("ledger {text:?}") };
        let sums = sums.split(' ').map(str::parse).collect::<Result<Vec<u64>, _>>()?;
        let [total, ended, dropped] = sums[..] else { bail!("ledger {text:?}") };
        let nap = |word: &str| {
            let (id, due) = word.split_once('=').with_context(|| format!("sleep {word:?}"))?;
            Ok((id.to_owned(), due.parse()?))
        };
        let naps = naps.split_whitespace().map(nap).collect::<Result<_>>()?;
        Ok(Kept { total, ended, dropped, slots: slots(found)?, naps })
    }
}

impl Report {
    /// Reads what `/ledger` answers.
    pub(crate) fn read(text: &str) -> Result<Report> {
        let [memory, storage, heard, clients, started, incarnation, now, faults] =
            text.split('\n').collect::<Vec<_>>()[..]
        else {
            bail!("report {text:?}")
        };
        let owned = str::to_owned;
        Ok(Report {
            memory: owned(memory),
            storage: owned(storage),
            heard: slots(heard)?,
            clients: owned(clients),
            started: owned(started),
            incarnation: owned(incarnation),
            now: now.parse()?,
            faults: owned(faults),
        })
    }

    /// Sleeps that should have ended.
    pub(crate) fn overdue(&self) -> Result<usize> {
        Ok(Kept::read(&self.memory)?.naps.values().filter(|due| **due <= self.now).count())
    }

    /// Sleeps that are open.
    pub(crate) fn sleeping(&self) -> Result<usize> {
        Ok(Kept::read(&self.memory)?.naps.len())
    }
}

impl Ledger {
    /// What a client did.
    pub(crate) fn note(&mut self, told: Told) {
        self.told.push(told);
    }

    /// Compares what the room says, before any client of this life has come, with what is known; from then on that is
    /// what is known. Says whether the room has begun anew since it was last asked.
    pub(crate) fn check(&mut self, report: &Report, promise: Promise) -> Result<bool> {
        ensure!(report.faults.is_empty(), "the room has found: {}", report.faults);
        ensure!(
            report.memory == report.storage,
            "memory and storage disagree:\n  memory  {}\n  storage {}",
            report.memory,
            report.storage
        );
        ensure!(report.clients == "0 0", "ghosts, as the room and the host count them: {}", report.clients);
        let last = self.incarnation.replace(report.incarnation.clone());
        let began_anew = last.is_some_and(|last| last != report.incarnation);
        let started = report.started.as_str();
        let is_allowed = match promise {
            Promise::Durable => !began_anew && started == "Some(New)",
            Promise::Hibernate => ["Some(New)", "Some(Lost)"].contains(&started),
        };
        ensure!(is_allowed, "the room has begun anew: {started}");
        let kept = Kept::read(&report.storage)?;
        for told in std::mem::take(&mut self.told) {
            self.settle(&told, &kept, report, promise)
                .with_context(|| format!("slot {}, life {}", told.slot, told.life))?;
        }
        ensure!(kept.slots == self.stored, "slots are {:?}, not {:?}", kept.slots, self.stored);
        match promise {
            Promise::Durable => {
                ensure!(report.heard == self.heard, "heard {:?}, not {:?}", report.heard, self.heard);
                ensure!(kept.dropped == 0, "{} sleeps are lost", kept.dropped);
            }
            Promise::Hibernate => self.heard.clone_from(&report.heard),
        }
        ensure!(kept.total == self.total, "{} entries in all, not {}", kept.total, self.total);
        let sleeps = kept.ended + kept.dropped + kept.naps.len() as u64;
        ensure!(sleeps == self.begun, "{sleeps} sleeps, of which {} were begun", self.begun);
        ensure!(kept.ended >= self.ended, "{} sleeps had ended, now {}", self.ended, kept.ended);
        self.ended = kept.ended;
        let again = self.woken.iter().find(|id| kept.naps.contains_key(*id));
        ensure!(again.is_none(), "sleep {again:?} has ended, and is open again");
        self.woken.clear();
        Ok(began_anew)
    }

    /// Finds out which of a client's entries are there.
    fn settle(&mut self, told: &Told, kept: &Kept, report: &Report, promise: Promise) -> Result<()> {
        let Told { slot, life, sent, answered, woken } = told;
        let number = |at: Option<&At>| at.filter(|at| at.0 == *life).map_or(0, |at| at.1);
        let (heard, stored) = (number(report.heard.get(slot)), number(kept.slots.get(slot)));
        let last_stored = |among: u64| {
            let stores = |number: &u64| sent[*number as usize - 1] != Kind::Light;
            (1..=among).rev().find(stores).unwrap_or_default()
        };
        let sent_count = sent.len() as u64;
        ensure!(heard <= sent_count, "{heard} were heard, and only {sent_count} sent");
        ensure!(stored <= heard, "{stored} is stored, and only {heard} heard");
        match promise {
            Promise::Durable => {
                ensure!(heard >= *answered, "{answered} were answered, and only {heard} are there");
                let expected = last_stored(heard);
                ensure!(stored == expected, "{heard} were heard, and {stored} is stored, not {expected}");
            }
            Promise::Hibernate => {
                let expected = last_stored(*answered);
                ensure!(stored >= expected, "{expected} was stored and answered, and only {stored} is there");
                ensure!(stored == last_stored(stored), "{stored} is stored, which stores nothing");
            }
        }
        let kinds = &sent[..stored as usize];
        self.total += kinds.iter().filter(|kind| **kind != Kind::Light).count() as u64;
        self.begun += kinds.iter().filter(|kind| **kind == Kind::Nap).count() as u64;
        self.woken.extend(woken.iter().cloned());
        if stored > 0 {
            self.stored.insert(slot.clone(), (*life, stored));
        }
        if heard > 0 {
            self.heard.insert(slot.clone(), (*life, heard));
        }
        Ok(())
    }
}
