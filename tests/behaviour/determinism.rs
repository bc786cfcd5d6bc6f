//! Determinism of the whole: a durable room is what has happened to it, and nothing else.
//!
//! One script of random events is told to two hosts: messages, requests, connections and closes, sleeps, alarms, traps,
//! failures, all with chance, clocks, heap and storage in every turn (`tests/guests/src/dice.rs`). At random moments the
//! host dies, with messages under way that nobody was told anything of, and the room is made again from its journal, also
//! one that was made again before. Only the last time the other host stops in good order instead and keeps the memory as it
//! is, without a turn that is taken again. Then
//! - the memory that the one has made again is the memory that the other had, byte for byte;
//! - all that clients see afterwards is the same: sums of all that the room's memory and storage hold.
//!
//! Both have the same lives, because a life has seeds of its own: a host that went on instead would draw others. Ids that are
//! given out after the last ending are not the same, and not part of what is compared.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use party_core::address::RoomAddress;
use party_core::checkpoint::Checkpoint;
use party_store::memory::MemoryStore;
use party_store::store::Store;
use party_store::testing::chance::Chance;
use party_testkit::client::{Client, Received};
use party_testkit::world::{Answer, Memory, World};

use crate::sleeping;

/// How often the host ends in one script.
const ENDINGS: u32 = 3;
/// Steps before each ending, at most, and after the last.
const STEPS_MAX: u64 = 240;
const STEPS_AFTER: u64 = 60;
/// Clients at a time.
const CLIENTS_MAX: usize = 4;
/// Events in all: as many as take less than 20 s, and 100,000 in the long run.
fn events_min() -> u64 {
    if std::env::var_os("PARTY_LONG").is_some() { 100_000 } else { 60_000 }
}

/// The room.
const ROOM: &str = "main/dice";

/// What a host does when it is time.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Ending {
    /// It dies, and the room is made again from its journal.
    Crash,
    /// It stops in good order, and the room's memory is kept as it is.
    Stop,
}

/// One line for each thing that was done or seen, and the memory at the last ending.
#[derive(Default)]
struct Seen {
    lines: Vec<String>,
    memory: Vec<u8>,
    /// Turns that were recorded at the crashes, and had to be taken again.
    replayed: u64,
    events: u64,
}

struct Script<'a> {
    world: &'a World,
    store: &'a MemoryStore,
    chance: Chance,
    clients: VecDeque<(u64, Client)>,
    named: u64,
    seen: Seen,
}

impl Script<'_> {
    fn note(&mut self, line: String) {
        self.seen.lines.push(line);
    }

    /// Writes down what clients have received; those that were closed go.
    async fn look(&mut self) {
        let mut lines = Vec::new();
        let mut closed = Vec::new();
        for (name, client) in &mut self.clients {
            for received in client.all().await {
                if !matches!(received, Received::Text(_)) {
                    closed.push(*name);
                }
                if let Received::Text(text) = &received
                    && let Some(events) = text.split(' ').rev().nth(1)
                {
                    self.seen.events = events.parse().map_or(self.seen.events, |e| self.seen.events.max(e));
                }
                let line = format!("{received:?}");
                // Who has gone is told with an id.
                let line = line.find(" closed ").map_or(line.as_str(), |at| &line[at..]);
                lines.push(format!("  {name}: {line}"));
            }
        }
        self.clients.retain(|(name, _)| !closed.contains(name));
        self.seen.lines.extend(lines);
    }

    async fn connect(&mut self) -> Result<()> {
        self.named += 1;
        let name = self.named;
        let path = format!("{ROOM}?_pk=client-{name}");
        match self.world.knock(&path, &[]).await? {
            Answer::Connected(client) => {
                self.note(format!("{name} connects"));
                self.clients.push_back((name, client));
            }
            Answer::Refused(status, body) => self.note(format!("{name} is refused: {status} {body}")),
            Answer::Nothing(_) => self.note(format!("{name} is not answered")),
        }
        Ok(())
    }

    fn word(&mut self) -> String {
        let ms = self.chance.below(3_000);
        match self.chance.below(100) {
            0..12 => format!("nap {ms} {}", 1 + self.chance.below(12)),
            12..18 => format!("alarm {ms}"),
            18..28 => "all".into(),
            28..34 => "attach".into(),
            34..40 => format!("later {ms}"),
            40..42 => "fail".into(),
            42 if self.chance.one_in(4) => "trap".into(),
            _ => "dice".into(),
        }
    }

    async fn step(&mut self) -> Result<()> {
        match self.chance.below(100) {
            0..5 if self.clients.len() < CLIENTS_MAX => self.connect().await?,
            5..8 if !self.clients.is_empty() => {
                let (name, mut client) = self.clients.pop_front().context("there is one")?;
                self.note(format!("{name} goes"));
                if self.chance.one_in(2) {
                    client.close(4_000, "enough").await?;
                }
            }
            8..14 => {
                let path = format!("/parties/{ROOM}/roll?asked");
                let answer = self.world.request("GET", &path, b"").await;
                self.note(format!("asked: {answer:?}"));
            }
            14..16 => {
                let path = format!("/parties/{ROOM}/roll-later?{}", self.chance.below(2_000));
                let answer = self.world.ask("GET", &path, b"").await?;
                self.world.advance(Duration::from_secs(2)).await;
                self.note(format!("asked for later: {:?}", answer.await));
            }
            16..40 => {
                let pause = if self.chance.one_in(30) { 15_000 } else { self.chance.below(1_000) };
                self.world.advance(Duration::from_millis(pause)).await;
                self.note(format!("{pause} ms pass"));
            }
            _ if self.clients.is_empty() => self.connect().await?,
            _ => {
                let (word, at) = (self.word(), self.chance.index(self.clients.len()));
                let (name, client) = &mut self.clients[at];
                let line = format!("{name} says {word}");
                client.send(&format!("roll {word}")).await?;
                self.note(line);
            }
        }
        self.look().await;
        Ok(())
    }

    /// The host ends, and another begins after a while. What the memory was is noted.
    async fn end(&mut self, ending: Ending) -> Result<()> {
        let address = RoomAddress::new("world", "main", "dice")?;
        let down = if self.chance.one_in(3) { self.chance.below(3_600_000) } else { 0 };
        let unheard = self.chance.below(4);
        let words: Vec<String> = (0..unheard).map(|_| self.word()).collect();
        if ending == Ending::Crash {
            // Nobody is told anything of these, and nobody will be.
            self.world.hold_commits();
            if let Some((_, client)) = self.clients.back_mut() {
                for word in words {
                    client.send(&format!("roll {word}")).await?;
                }
            }
            for (name, client) in &mut self.clients {
                let seen = client.all().await;
                ensure!(seen.is_empty(), "{name} sees {seen:?} before it is durable");
            }
            let journal = self.store.summary(&address)?.map_or(0, |kept| kept.journal.records);
            self.seen.replayed += journal;
            self.world.crash_for(Duration::from_millis(down)).await?;
        } else {
            self.world.restart_host_after(Duration::from_millis(down)).await?;
        }
        self.clients.clear();
        self.note(format!("the host ends; {down} ms pass"));
        self.connect().await?;
        let kept = self.store.checkpoint(&address)?.context("the room was saved")?;
        self.seen.memory = Checkpoint::decode(&kept.bytes)?.image.to_vec();
        self.look().await;
        Ok(())
    }
}

/// Tells the script of a seed to a host, and gives back what was seen.
fn tell(seed: u64, last: Ending) -> Seen {
    let store = Arc::new(MemoryStore::default());
    let mut told = Seen::default();
    let kept: Arc<dyn Store> = store.clone();
    sleeping(seed).memory(Memory::Durable).store(kept).run(async |world| {
        let mut script = Script {
            world,
            store: &store,
            chance: Chance::new(seed),
            clients: VecDeque::new(),
            named: 0,
            seen: Seen::default(),
        };
        script.connect().await?;
        for time in 1..=ENDINGS {
            for _ in 0..script.chance.below(STEPS_MAX) {
                script.step().await?;
            }
            script.end(if time == ENDINGS { last } else { Ending::Crash }).await?;
        }
        for _ in 0..STEPS_AFTER {
            script.step().await?;
        }
        told = script.seen;
        Ok(())
    });
    told
}

/// Where two differ, with what came before.
fn difference(one: &[String], other: &[String]) -> Option<String> {
    let at = (0..one.len().max(other.len())).find(|at| one.get(*at) != other.get(*at))?;
    let before = one[at.saturating_sub(12)..at].join("\n");
    Some(format!("{before}\n> {:?}\n< {:?}", one.get(at), other.get(at)))
}

#[test]
fn a_room_that_is_made_again_is_what_it_was_byte_for_byte() {
    let given = std::env::var("PARTY_SEED").ok().map(|seed| seed.parse::<u64>().expect("a number"));
    let (mut events, mut replayed, mut seeds) = (0, 0, 0);
    let begun = std::time::Instant::now();
    for seed in given.map_or(1..u64::MAX, |seed| seed..seed + 1) {
        let (crashed, stopped) = (tell(seed, Ending::Crash), tell(seed, Ending::Stop));
        if let Some(difference) = difference(&crashed.lines, &stopped.lines) {
            panic!("PARTY_SEED={seed}: what clients saw differs (> crashed, < stopped)\n{difference}");
        }
        assert!(
            crashed.memory == stopped.memory,
            "PARTY_SEED={seed}: the memory that was made again is another"
        );
        events += crashed.events;
        replayed += crashed.replayed;
        seeds += 1;
        if events >= events_min() {
            break;
        }
    }
    let crashes = seeds * ENDINGS;
    println!(
        "{seeds} seeds, {events} events, {crashes} crashes, {replayed} records in {:?}",
        begun.elapsed()
    );
    assert!(given.is_some() || replayed > events / 10, "hardly anything was taken again");
}
