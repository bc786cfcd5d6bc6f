//! `kill -9` under load: every increment that was acknowledged is there in the next life.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc;
use std::thread;

use anyhow::{Context, Result, ensure};
use party_tests::guests::guest_path;
use party_tests::host::{Host, temporary};
use party_tests::http::{Http, request};
use party_tests::program::BOUND;

/// Kills in a short run; `PARTY_LONG=1` makes it 400.
const KILLS: u64 = 20;
const KILLS_LONG: u64 = 400;
/// Rooms, each with as many clients.
const ROOMS: usize = 3;
const CLIENTS: usize = 2;
/// The kill comes after at most so many acknowledgements of a life.
const ACKNOWLEDGED_MAX: u64 = 150;

/// What is known of a room's number from outside.
#[derive(Default)]
struct Oracle {
    asked: AtomicU64,
    acknowledged: AtomicU64,
    highest: AtomicU64,
}

impl Oracle {
    /// The number of a life's beginning is possible: nothing acknowledged is lost, nothing counted that was not asked.
    fn check(&self, room: usize, found: u64) -> Result<()> {
        let (asked, acknowledged) =
            (self.asked.load(Ordering::SeqCst), self.acknowledged.load(Ordering::SeqCst));
        let highest = self.highest.load(Ordering::SeqCst);
        ensure!(
            found >= acknowledged && found >= highest,
            "room {room} has lost acknowledged increments: it is at {found}; {acknowledged} were acknowledged, the \
             highest number told was {highest}"
        );
        ensure!(found <= asked, "room {room} is at {found}, and only {asked} increments were asked for");
        Ok(())
    }
}

fn path(room: usize) -> String {
    format!("/parties/main/room-{room}")
}

/// Increments until the host has gone. Whatever is answered is acknowledged.
fn increment(
    port: u16,
    room: usize,
    oracle: &Oracle,
    told: &mpsc::Sender<()>,
    over: &AtomicBool,
) -> Result<()> {
    let mut http = Http::connect(port)?;
    let path = path(room);
    loop {
        oracle.asked.fetch_add(1, Ordering::SeqCst);
        let answer = match http.request("POST", &path) {
            Ok(answer) => answer,
            // Between the signal and its death the host may be here or not.
            Err(_) if over.load(Ordering::SeqCst) => return Ok(()),
            Err(error) => return Err(error.context("the host refused while it was alive")),
        };
        ensure!(answer.status == 200, "status {}: {}", answer.status, answer.body);
        let number: u64 = answer.body.parse().with_context(|| format!("a number, not {:?}", answer.body))?;
        oracle.acknowledged.fetch_add(1, Ordering::SeqCst);
        oracle.highest.fetch_max(number, Ordering::SeqCst);
        // The one who counts may have heard enough.
        let _ = told.send(());
    }
}

/// One life under load, ended by SIGKILL after so many acknowledgements.
fn live(host: &mut Host, oracles: &[Oracle], acknowledged: u64) -> Result<()> {
    let (port, over, (told, hear)) = (host.port, AtomicBool::new(false), mpsc::channel());
    thread::scope(|scope| {
        let clients: Vec<_> = (0..ROOMS * CLIENTS)
            .map(|client| {
                let (told, over, room) = (told.clone(), &over, client % ROOMS);
                scope.spawn(move || increment(port, room, &oracles[room], &told, over))
            })
            .collect();
        drop(told);
        for _ in 0..acknowledged {
            if hear.recv_timeout(BOUND).is_err() {
                break; // The clients have stopped early, and say why below.
            }
        }
        over.store(true, Ordering::SeqCst);
        host.kill()?;
        clients.into_iter().try_for_each(|client| client.join().expect("a client does not panic"))
    })
}

/// A few numbers from a seed (splitmix64).
fn draw(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mixed = (*state ^ (*state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

#[test]
fn kill_9_loses_no_acknowledged_increment() -> Result<()> {
    let kills = if std::env::var_os("PARTY_LONG").is_some() { KILLS_LONG } else { KILLS };
    let seed = match std::env::var("PARTY_SEED") {
        Ok(seed) => seed.parse().context("PARTY_SEED is a number")?,
        Err(_) => u64::from(std::process::id()),
    };
    println!("PARTY_SEED={seed}");
    let (data, mut state) = (temporary()?, seed);
    let oracles: [Oracle; ROOMS] = Default::default();
    let mut host = Host::serve(&guest_path("counter"), data.path())?;
    for kill in 1..=kills {
        live(&mut host, &oracles, 1 + draw(&mut state) % ACKNOWLEDGED_MAX)
            .with_context(|| format!("kill {kill} of {kills}\n{}", host.program.said()))?;
        host.start()?;
        for (room, oracle) in oracles.iter().enumerate() {
            let found = request(host.port, "GET", &path(room))?.body.parse()?;
            oracle
                .check(room, found)
                .with_context(|| format!("kill {kill} of {kills}, PARTY_SEED={seed}"))?;
        }
    }
    let acknowledged: u64 = oracles.iter().map(|oracle| oracle.acknowledged.load(Ordering::SeqCst)).sum();
    println!("{kills} kills, {acknowledged} increments acknowledged, none lost");
    ensure!(acknowledged >= kills, "the host was under load");
    Ok(())
}
