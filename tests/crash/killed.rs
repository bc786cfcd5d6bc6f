//! `kill -9`, again and again, under load and while rooms are made again, with an oracle for every room.

use std::fs;
use std::sync::atomic::Ordering;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use party_tests::chance::Chance;
use party_tests::guests::guest_path;
use party_tests::host::{Host, party_host, temporary};
use party_tests::http::{Http, Socket};
use party_tests::program::BOUND;
use rustix::process::Signal;

use crate::clients::{Client, Ears, Manner};
use crate::ledger::{Ledger, Promise, Report, Told};

/// Kills in a short run and in a long one (`PARTY_LONG=1`).
const KILLS: u64 = 200;
const KILLS_LONG: u64 = 10_000;
/// A data directory lives through so many kills.
const KILLS_PER_DIRECTORY: u64 = 500;
/// So many answers a life has at most before its kill.
const ANSWERS_MAX: u64 = 60;
/// The kill comes up to so many microseconds after the last of them.
const LATE_US_MAX: u64 = 4_000;
/// In every fifth life the clients stop, and the kill comes so many milliseconds later: when rooms sleep, or are about to.
const QUIET_MS_MIN: u64 = 80;
const QUIET_MS_RANGE: u64 = 120;
/// The rooms, and what their clients are like. What is large is written to the store in several pieces.
const ROOMS: [(&str, Manner); 6] = [
    ("ledger-a", Manner::Busy),
    ("ledger-b", Manner::Busy),
    ("ledger-large", Manner::Busy),
    ("ledger-light", Manner::Light),
    ("ledger-sleepy", Manner::Sleepy),
    ("ledger-large-sleepy", Manner::Sleepy),
];

/// Journals so short that rooms are saved, and begin new ones, all the time; and rooms that sleep as soon as they may.
const LIMITS: &str = "idle_ms = 100\ncheckpoint_interval_ms = 1000\njournal_records_max = 12\n";

/// What has happened in a run.
#[derive(Default, Debug)]
struct Tally {
    kills: u64,
    answered: u64,
    under_way: u64,
    checks: u64,
    began_anew: u64,
    went_on: u64,
    replays: u64,
    replayed: u64,
    longest: u64,
}

/// One host, its rooms and what is known of them.
struct Run {
    promise: Promise,
    host: Host,
    ledgers: Vec<Ledger>,
    chance: Chance,
    tally: Tally,
    _directories: [tempfile::TempDir; 2],
}

impl Run {
    fn new(promise: Promise, memory: &str, seed: u64) -> Result<Run> {
        let (project, data) = (temporary()?, temporary()?);
        let component = guest_path("test_guests");
        let settings =
            format!("name = \"killed\"\nmain = {component:?}\nmemory = \"{memory}\"\n[limits]\n{LIMITS}");
        fs::write(project.path().join("party.toml"), settings)?;
        let host = Host::serve(project.path(), data.path())?;
        let ledgers = ROOMS.iter().map(|_| Ledger::default()).collect();
        let (chance, tally) = (Chance::new(seed), Tally::default());
        Ok(Run { promise, host, ledgers, chance, tally, _directories: [project, data] })
    }

    /// One life of the host, from its first request to its kill.
    fn live(&mut self, life: u64) -> Result<()> {
        if self.chance.one_in(6) {
            return self.kill_while_rooms_are_made_again();
        }
        let rooms: Vec<usize> = (0..ROOMS.len()).filter(|_| !self.chance.one_in(3)).collect();
        for room in &rooms {
            self.check(*room)?;
        }
        let answers = if self.chance.one_in(8) { 0 } else { self.chance.below(ANSWERS_MAX) };
        self.load(life, &rooms, answers)
    }

    /// Asks all rooms at once, and kills the host when some have answered.
    fn kill_while_rooms_are_made_again(&mut self) -> Result<()> {
        let mut connections = Vec::new();
        for (room, _) in ROOMS {
            let mut http = Http::connect(self.host.port)?;
            http.send("GET", &format!("/parties/main/{room}/ledger"))?;
            connections.push(http);
        }
        for http in connections.iter_mut().take(self.chance.below(3) as usize) {
            http.receive()?;
        }
        self.pause();
        self.kill()
    }

    /// Has clients make entries in these rooms, and kills the host after so many answers.
    fn load(&mut self, life: u64, rooms: &[usize], answers: u64) -> Result<()> {
        let (port, ears, (answered, hear)) = (self.host.port, Ears::default(), mpsc::channel());
        let seeds: Vec<[u64; 2]> = rooms.iter().map(|_| [self.chance.bits(), self.chance.bits()]).collect();
        let told = thread::scope(|scope| {
            let mut clients = Vec::new();
            for (room, seeds) in rooms.iter().zip(seeds) {
                let (id, ears, place) = ((port, life), &ears, ROOMS[*room]);
                let answered_too = answered.clone();
                clients.push(scope.spawn(move || {
                    let client = Client::new(id, place, "socket", seeds[0], (ears, answered_too));
                    (*room, client.run(Client::socket))
                }));
                if place.1 != Manner::Sleepy {
                    let answered_too = answered.clone();
                    clients.push(scope.spawn(move || {
                        let client = Client::new(id, place, "http", seeds[1], (ears, answered_too));
                        (*room, client.run(Client::http))
                    }));
                }
            }
            drop(answered);
            for _ in 0..answers {
                if hear.recv_timeout(BOUND).is_err() {
                    break; // The clients have stopped early, and say why below.
                }
            }
            let is_quiet = self.chance.one_in(5);
            if is_quiet {
                ears.is_stopped.store(true, Ordering::SeqCst);
            } else {
                ears.is_over.store(true, Ordering::SeqCst);
                self.pause();
                self.kill()?;
            }
            let told: Vec<(usize, Result<Told>)> =
                clients.into_iter().map(|client| client.join().expect("a client does not panic")).collect();
            if is_quiet {
                self.let_rooms_sleep()?;
                self.kill()?;
            }
            Ok::<_, anyhow::Error>(told)
        })?;
        for (room, told) in told {
            let told = told?;
            self.tally.answered += told.answered;
            self.tally.under_way += told.sent.len() as u64 - told.answered;
            self.ledgers[room].note(told);
        }
        Ok(())
    }

    /// Lets about as much time pass as rooms have nothing to do before they sleep, as a room nearby tells it.
    fn let_rooms_sleep(&mut self) -> Result<()> {
        let mut socket = Socket::connect(self.host.port, "bystander")?;
        socket.send(&format!("sleep {} over", QUIET_MS_MIN + self.chance.below(QUIET_MS_RANGE)))?;
        socket.text()?;
        Ok(())
    }

    /// Lets a random moment pass, so that kills fall everywhere and not only just after an answer.
    fn pause(&mut self) {
        let (begun, late) = (Instant::now(), Duration::from_micros(self.chance.below(LATE_US_MAX)));
        while begun.elapsed() < late {
            thread::yield_now();
        }
    }

    fn kill(&mut self) -> Result<()> {
        self.host.kill()?;
        self.tally.kills += 1;
        for line in self.host.program.said().lines() {
            if let Some((_, made)) = line.split_once("made again of ") {
                let records = made.split(' ').next().unwrap_or_default().parse()?;
                self.tally.replays += 1;
                self.tally.replayed += records;
                self.tally.longest = self.tally.longest.max(records);
            }
            let is_doubtful = line.contains("starts afresh: ") && !line.contains("storage has moved");
            ensure!(!is_doubtful, "a kill leaves no memory that cannot be used: {line}");
            ensure!(!line.contains("damaged") && !line.contains("panicked"), "the host says: {line}");
        }
        Ok(())
    }

    /// Asks a room for its ledger until no sleep in it is overdue.
    fn report(&self, room: usize) -> Result<Report> {
        let (mut http, begun) = (Http::connect(self.host.port)?, Instant::now());
        loop {
            let answer = http.request("GET", &format!("/parties/main/{}/ledger", ROOMS[room].0))?;
            ensure!(answer.status == 200, "status {}: {}", answer.status, answer.body);
            let report = Report::read(&answer.body)?;
            let overdue = report.overdue()?;
            if overdue == 0 {
                return Ok(report);
            }
            ensure!(begun.elapsed() < BOUND, "{overdue} sleeps do not end: {report:?}");
            thread::yield_now();
        }
    }

    fn check(&mut self, room: usize) -> Result<()> {
        let report = self.report(room).with_context(|| ROOMS[room].0)?;
        let began_anew = self.ledgers[room]
            .check(&report, self.promise)
            .with_context(|| format!("{}: {report:#?}", ROOMS[room].0))?;
        self.tally.checks += 1;
        *(if began_anew { &mut self.tally.began_anew } else { &mut self.tally.went_on }) += 1;
        Ok(())
    }

    /// Every sleep ends, and a restart in good order changes nothing.
    fn end(&mut self) -> Result<()> {
        for (room, (name, _)) in ROOMS.iter().enumerate() {
            let begun = Instant::now();
            while self.report(room)?.sleeping()? > 0 {
                ensure!(begun.elapsed() < BOUND, "{name}: sleeps do not end");
                thread::yield_now();
            }
            self.check(room)?;
        }
        let ended = self.host.stop(Signal::TERM)?;
        ensure!(ended.code == Some(0), "{ended:?}");
        self.host.start()?;
        for room in 0..ROOMS.len() {
            self.check(room)?;
        }
        self.host.stop(Signal::TERM)?;
        Ok(())
    }
}

fn seed() -> Result<u64> {
    match std::env::var("PARTY_SEED") {
        Ok(seed) => seed.parse().context("PARTY_SEED is a number"),
        Err(_) => Ok(u64::from(std::process::id())),
    }
}

fn kill_again_and_again(promise: Promise, memory: &str) -> Result<Tally> {
    let kills = if std::env::var_os("PARTY_LONG").is_some() { KILLS_LONG } else { KILLS };
    let seed = seed()?;
    println!("{promise:?}: PARTY_SEED={seed}");
    // What is built first is no part of the time.
    party_host();
    guest_path("test_guests");
    let (mut seeds, begun, mut tally) = (Chance::new(seed), Instant::now(), Tally::default());
    let mut life = 0;
    while life < kills {
        let mut run = Run::new(promise, memory, seeds.bits())?;
        run.tally = tally;
        let last = kills.min(life + KILLS_PER_DIRECTORY);
        while life < last {
            life += 1;
            run.live(life)
                .and_then(|()| run.host.start())
                .with_context(|| format!("{promise:?}, kill {life} of {kills}, PARTY_SEED={seed}"))?;
        }
        run.end().with_context(|| format!("{promise:?}, after kill {life} of {kills}, PARTY_SEED={seed}"))?;
        tally = run.tally;
    }
    println!("{promise:?}: {tally:?} in {:?}", begun.elapsed());
    ensure!(tally.kills == kills && tally.answered > kills, "the host was under load: {tally:?}");
    Ok(tally)
}

/// Kills until something is found, which must be soon.
fn what_is_found(promise: Promise, memory: &str) -> Result<String> {
    let seed = seed()?;
    println!("PARTY_SEED={seed}");
    let mut run = Run::new(promise, memory, seed)?;
    for life in 1..=KILLS {
        let lived = run.live(life);
        if let Err(found) = lived {
            return Ok(format!("{found:#}"));
        }
        run.host.start()?;
    }
    bail!("nothing was found in {KILLS} kills, PARTY_SEED={seed}")
}

#[test]
fn durable_rooms_lose_no_turn_that_was_answered() -> Result<()> {
    let tally = kill_again_and_again(Promise::Durable, "durable")?;
    ensure!(tally.began_anew == 0, "{tally:?}");
    ensure!(tally.replays > tally.kills / 2, "rooms were made again of their journals: {tally:?}");
    Ok(())
}

#[test]
fn hibernating_rooms_go_back_to_what_fits_to_their_storage() -> Result<()> {
    let tally = kill_again_and_again(Promise::Hibernate, "hibernate")?;
    ensure!(tally.began_anew > 0 && tally.went_on > 0, "both have happened: {tally:?}");
    Ok(())
}

#[test]
fn the_oracle_finds_what_weaker_promises_lose() -> Result<()> {
    let found = what_is_found(Promise::Durable, "hibernate")?;
    ensure!(found.contains("has begun anew") || found.contains("are there"), "{found}");
    let found = what_is_found(Promise::Durable, "volatile")?;
    ensure!(found.contains("has begun anew") || found.contains("are there"), "{found}");
    Ok(())
}
