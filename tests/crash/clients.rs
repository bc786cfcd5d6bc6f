//! Clients that make entries until it is over or the host has gone, and note what was answered.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Sender;

use anyhow::{Context, Result, bail, ensure};
use party_tests::chance::Chance;
use party_tests::http::{Http, Socket};

use crate::ledger::{Kind, Told};

/// How long sleeps are that nobody waits for, in milliseconds: they end under load, or after the kill.
const NAP_MS_MAX: u64 = 60;
const NAP_LONG_MS: u64 = 1_500;
/// How long a client waits for a sleep. The room has slept meanwhile if nobody else wanted anything of it.
const WAIT_MS_MIN: u64 = 110;
const WAIT_MS_RANGE: u64 = 50;

/// What the clients of a room are like.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Manner {
    /// Everything, one after the other.
    Busy,
    /// Nothing that is stored.
    Light,
    /// They wait for sleeps, and the room sleeps too.
    Sleepy,
}

/// A client's life.
pub(crate) struct Client<'a> {
    port: u16,
    room: &'a str,
    manner: Manner,
    chance: Chance,
    ears: &'a Ears,
    answered: Sender<()>,
    told: Told,
}

/// What clients are told while they run.
#[derive(Default)]
pub(crate) struct Ears {
    /// The host is about to be killed: nothing that fails from now on is its fault.
    pub(crate) is_over: AtomicBool,
    /// Enough entries have been made.
    pub(crate) is_stopped: AtomicBool,
}

impl<'a> Client<'a> {
    /// A client that counts in this slot and life.
    pub(crate) fn new(
        (port, life): (u16, u64),
        (room, manner): (&'a str, Manner),
        slot: &str,
        seed: u64,
        (ears, answered): (&'a Ears, Sender<()>),
    ) -> Client<'a> {
        let told = Told { slot: slot.into(), life, sent: Vec::new(), answered: 0, woken: Vec::new() };
        Client { port, room, manner, chance: Chance::new(seed), ears, answered, told }
    }

    /// Goes on until it is over or the host has gone.
    pub(crate) fn run(mut self, talk: fn(&mut Client<'a>) -> Result<()>) -> Result<Told> {
        match talk(&mut self) {
            // Between the signal and its death the host may be here or not.
            Err(error) if !self.ears.is_over.load(Ordering::SeqCst) => {
                Err(error.context(format!("{} of {}, while the host was alive", self.told.slot, self.room)))
            }
            Err(_) | Ok(()) => Ok(self.told),
        }
    }

    /// Over HTTP, one entry after the other.
    pub(crate) fn http(&mut self) -> Result<()> {
        let mut http = Http::connect(self.port)?;
        while !self.ears.is_stopped.load(Ordering::SeqCst) {
            let (entry, _) = self.entry(false);
            let path = format!("/parties/main/{}/enter?{}", self.room, entry.replace(' ', "."));
            let answer = http.request("POST", &path)?;
            ensure!(answer.status == 200, "status {}: {}", answer.status, answer.body);
            self.answered(&answer.body)?;
        }
        Ok(())
    }

    /// Over a WebSocket, some entries at a time.
    pub(crate) fn socket(&mut self) -> Result<()> {
        let mut socket = Socket::connect(self.port, self.room)?;
        while !self.ears.is_stopped.load(Ordering::SeqCst) {
            let mut waits_for = None;
            let mut open = 0;
            for _ in 0..=self.chance.below(4) {
                let (entry, id) = self.entry(true);
                socket.send(&format!("enter {entry}"))?;
                open += 1;
                waits_for = id;
                if waits_for.is_some() {
                    break;
                }
            }
            while open > 0 || waits_for.is_some() {
                let text = socket.text()?;
                match text.strip_prefix("woke ") {
                    Some(id) => {
                        waits_for = waits_for.filter(|waited| waited != id);
                        self.told.woken.push(id.into());
                    }
                    None => {
                        self.answered(&text)?;
                        open -= 1;
                    }
                }
            }
        }
        Ok(())
    }

    /// The next entry, and the sleep that it begins and that is waited for.
    fn entry(&mut self, may_wait: bool) -> (String, Option<String>) {
        let Told { slot, life, sent, .. } = &mut self.told;
        let number = sent.len() + 1;
        let (word, kind, ms) = match (self.manner, self.chance.below(10)) {
            (Manner::Light, _) | (Manner::Busy, 0..4) => ("light", Kind::Light, None),
            (Manner::Busy, 4..8) => ("count", Kind::Count, None),
            (Manner::Busy, _) | (Manner::Sleepy, 0..3) => {
                let is_long = self.chance.one_in(8);
                let ms = if is_long { NAP_LONG_MS } else { 1 + self.chance.below(NAP_MS_MAX) };
                ("nap", Kind::Nap, Some(ms))
            }
            (Manner::Sleepy, _) if may_wait => {
                ("wait", Kind::Nap, Some(WAIT_MS_MIN + self.chance.below(WAIT_MS_RANGE)))
            }
            (Manner::Sleepy, _) => ("count", Kind::Count, None),
        };
        sent.push(kind);
        let ms = ms.map(|ms| format!(" {ms}")).unwrap_or_default();
        let waits_for = (word == "wait").then(|| format!("{slot}.{life}.{number}"));
        (format!("{word} {slot} {life} {number}{ms}"), waits_for)
    }

    fn answered(&mut self, text: &str) -> Result<()> {
        let next = self.told.answered + 1;
        let numbers = text.strip_prefix("entered ").with_context(|| format!("answer {text:?}"))?;
        if numbers != format!("{} {next}", self.told.life) {
            bail!("entry {next} of life {} was answered with {text:?}", self.told.life);
        }
        self.told.answered = next;
        // Whoever counts may have heard enough.
        let _ = self.answered.send(());
        Ok(())
    }
}
