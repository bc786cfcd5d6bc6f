//! A disk that is full or broken, below a real node and the real engine: rooms whose commits fail are closed with a clear
//! error, nothing that was acknowledged is lost, and when the disk works again the same host goes on.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, ensure};
use party_store::redb_store::{RedbOptions, RedbStore};
use party_store::testing::chance::Chance;
use party_store::testing::simulated_disk::{DiskFault, FaultKind, SimulatedDisk};
use party_testkit::client::{Client, Received};
use party_testkit::world::{Answer, Builder, Memory, Response, World};

use crate::sleeping;

pub(crate) const KINDS: [FaultKind; 4] =
    [FaultKind::Space, FaultKind::Write, FaultKind::SyncWaiting, FaultKind::SyncDropped];
const MEMORIES: [Memory; 3] = [Memory::Volatile, Memory::Hibernate, Memory::Durable];

/// A test in a world whose rooms are kept by the engine of `party-host serve`, on a disk of the test's own.
fn on_a_disk(seed: u64, memory: Memory, test: impl AsyncFnOnce(&World, &SimulatedDisk) -> Result<()>) {
    on_the_disk_of(seed, sleeping(seed).memory(memory), test);
}

/// The same with another world.
pub(crate) fn on_the_disk_of(
    seed: u64,
    world: Builder,
    test: impl AsyncFnOnce(&World, &SimulatedDisk) -> Result<()>,
) {
    let disk = SimulatedDisk::new(seed);
    RedbStore::create_on(&disk, RedbOptions::default()).expect("the disk works");
    let store = RedbStore::open_on(Box::new(disk.clone()), RedbOptions::default()).expect("the disk works");
    world.store(Arc::new(store)).run(async |world| test(world, &disk).await);
}

pub(crate) fn for_good(kind: FaultKind) -> DiskFault {
    DiskFault { kind, after: 0, times: u64::MAX }
}

/// A response that says what is wrong with the disk.
fn is_clear(response: &Response) -> bool {
    let reasons = ["No space left on device", "Input/output error"];
    response.status == 503 && reasons.iter().any(|reason| response.body.contains(reason))
}

#[test]
fn a_room_that_cannot_be_written_is_closed_with_its_reason_and_the_same_host_goes_on() {
    for (seed, memory) in (1..).zip(MEMORIES) {
        for kind in KINDS {
            println!("{kind:?}, {memory:?}");
            on_a_disk(seed, memory, async |world, disk| {
                let mut alice = world.connect("main", "lobby").await?;
                alice.send("put-bytes acknowledged 5").await?;
                alice.expect_text("ok").await?;
                disk.plan([for_good(kind)]);
                alice.send("put-bytes never 5").await?;
                assert_eq!(alice.expect_close(1011).await?, "the room could not be written");
                // Nobody is told that something was stored that was not, however often they ask.
                for _ in 0..3 {
                    let answer = world.request("PUT", "/parties/main/lobby/put?never", b"value").await?;
                    ensure!(is_clear(&answer), "{answer:?}");
                    let other = world.request("PUT", "/parties/main/other/put?never", b"value").await?;
                    ensure!(is_clear(&other), "{other:?}");
                    world.advance(Duration::from_secs(1)).await;
                }
                disk.heal();
                world.expect("GET", "/parties/main/lobby/get?acknowledged", b"", 200, "xxxxx").await?;
                let never = world.request("GET", "/parties/main/lobby/get?never", b"").await?;
                // What a sync has failed for may be on the disk all the same; nobody was told.
                let may_be_there = matches!(kind, FaultKind::SyncWaiting | FaultKind::SyncDropped);
                ensure!(never.body == "none" || may_be_there, "{never:?}");
                let mut bob = world.connect("main", "lobby").await?;
                bob.send("put-bytes again 5").await?;
                bob.expect_text("ok").await?;
                if memory == Memory::Durable {
                    bob.send("said").await?;
                    let Some(Received::Text(said)) = bob.next().await else { panic!("no answer") };
                    ensure!(said == "5" || (said == "6" && may_be_there), "{said}");
                }
                world.crash().await?;
                world.expect("GET", "/parties/main/lobby/get?again", b"", 200, "xxxxx").await
            });
        }
    }
}

#[test]
fn a_room_that_stores_nothing_goes_on_while_the_disk_is_full() {
    on_a_disk(10, Memory::Hibernate, async |world, disk| {
        let mut alice = world.connect("main", "lobby").await?;
        alice.send("put-bytes key 5").await?;
        alice.expect_text("ok").await?;
        disk.plan([for_good(FaultKind::Space)]);
        for said in 1..=20 {
            alice.send("said").await?;
            alice.expect_text(&(2 * said).to_string()).await?;
            alice.send("get key").await?;
            alice.expect_text("xxxxx").await?;
            // It is never quiet for so long that it sleeps, and not so old that it is saved.
            world.advance(Duration::from_secs(2)).await;
        }
        world.connect("main", "new").await.map(drop)
    });
}

/// Whichever room the disk refuses first, itself or another, a room that only reads keeps its variables: the store could not be
/// read either then, and each such turn cost its room all of them.
#[test]
fn a_room_that_only_reads_goes_on_while_nothing_can_be_written() {
    for (seed, kind) in (51..).zip(KINDS) {
        for writes in ["main/other", "main/lobby"] {
            println!("{kind:?}, first {writes}");
            on_a_disk(seed, Memory::Hibernate, async |world, disk| {
                let mut alice = world.connect("main", "lobby").await?;
                alice.send("put-bytes key 5").await?;
                alice.expect_text("ok").await?;
                alice.send("sleep 300000 awake").await?;
                disk.plan([for_good(kind)]);
                match writes {
                    "main/other" => {
                        let refused = world.request("PUT", "/parties/main/other/put?never", b"value").await?;
                        ensure!(is_clear(&refused), "{refused:?}");
                    }
                    // It wants to sleep.
                    _ => world.advance(Duration::from_secs(15)).await,
                }
                for said in 1..=15 {
                    alice.send("get key").await?;
                    alice.expect_text("xxxxx").await?;
                    alice.send("said").await?;
                    alice.expect_text(&(2 + 2 * said).to_string()).await?;
                    world.advance(Duration::from_secs(2)).await;
                    let refused = world.request("PUT", "/parties/main/other/put?never", b"value").await?;
                    ensure!(is_clear(&refused), "{refused:?}");
                }
                disk.heal();
                alice.send("put-bytes key 6").await?;
                alice.expect_text("ok").await?;
                alice.send("said").await?;
                alice.expect_text("34").await?;
                world.advance(Duration::from_secs(300)).await;
                let Some(Received::Text(text)) = alice.next().await else { panic!("it does not wake") };
                ensure!(text.starts_with("awake at"), "{text}");
                world.crash().await?;
                world.expect("GET", "/parties/main/lobby/get?key", b"", 200, "xxxxxx").await
            });
        }
    }
}

/// One that wants to sleep and cannot: its clients are closed, as with any commit that fails, and its alarm is not lost.
#[test]
fn alarms_and_sleeps_outlive_a_disk_that_fails_when_they_are_due() {
    for (seed, memory) in (11..).zip([Memory::Hibernate, Memory::Durable]) {
        for kind in KINDS {
            println!("{kind:?}, {memory:?}");
            on_a_disk(seed, memory, async |world, disk| {
                let mut alice = world.connect("main", "lobby").await?;
                alice.send("alarm 60000").await?;
                alice.send("when").await?;
                ensure!(matches!(alice.next().await, Some(Received::Text(_))));
                world.expect("GET", "/parties/main/sleeper/nap?60000", b"", 200, "good night").await?;
                drop(alice);
                world.advance(Duration::from_secs(30)).await;
                disk.plan([for_good(kind)]);
                world.advance(Duration::from_secs(60)).await;
                disk.heal();
                world.advance(Duration::from_secs(70)).await;
                let rung = world.request("GET", "/parties/main/lobby/get?rung", b"").await?;
                ensure!(rung.status == 200, "the alarm was lost: {rung:?}");
                let slept = world.request("GET", "/parties/main/sleeper/resumed", b"").await?;
                ensure!(slept.body == "None 0 1", "the sleep was lost: {slept:?}");
                Ok(())
            });
        }
    }
}

/// A commit that would only have kept the memory is no reason to lose it.
#[test]
fn a_room_that_cannot_be_saved_stays_awake_with_its_memory_and_sleeps_when_it_can() {
    for (seed, kind) in (21..).zip(KINDS) {
        println!("{kind:?}");
        on_a_disk(seed, Memory::Hibernate, async |world, disk| {
            let mut alice = world.connect("main", "lobby").await?;
            for said in ["1", "2"] {
                alice.send("said").await?;
                alice.expect_text(said).await?;
            }
            disk.plan([for_good(kind)]);
            for said in ["3", "4", "5"] {
                world.advance(Duration::from_secs(100)).await;
                ensure!(world.is_awake("main/lobby").await?);
                alice.send("said").await?;
                alice.expect_text(said).await?;
            }
            disk.heal();
            let awake = world.inspect("main/lobby").await?.why_awake;
            ensure!(awake.as_ref().is_some_and(|why| why.contains("could not be written")), "{awake:?}");
            world.advance(Duration::from_secs(100)).await;
            ensure!(!world.is_awake("main/lobby").await?);
            alice.send("said").await?;
            alice.expect_text("6").await?;
            alice.send("put-bytes key 5").await?;
            alice.expect_text("ok").await?;
            let awake = world.inspect("main/lobby").await?.why_awake;
            ensure!(awake.as_ref().is_none_or(|why| !why.contains("written")), "{awake:?}");
            world.advance(Duration::from_secs(100)).await;
            world.crash().await?;
            let mut bob = world.connect("main", "lobby").await?;
            bob.send("said").await?;
            // It counts every message.
            bob.expect_text("8").await
        });
    }
}

/// A save has failed and nobody could say whether it was written; a moment later the disk works. A write, or the end of the
/// host, does not take the memory for lost because that was asked in vain just before.
#[test]
fn what_is_asked_of_a_disk_that_has_just_healed_costs_no_memory() {
    for (seed, kind) in (31..).zip(KINDS) {
        for ends in [false, true] {
            println!("{kind:?}, {}", if ends { "the host ends" } else { "a write" });
            // What a sync has failed for may stand in the store; that is found out 100 ms after it was asked in vain.
            let waits = matches!(kind, FaultKind::SyncWaiting | FaultKind::SyncDropped);
            on_a_disk(seed, Memory::Hibernate, async |world, disk| {
                let mut alice = world.connect("main", "lobby").await?;
                alice.send("said").await?;
                alice.expect_text("1").await?;
                disk.plan([for_good(kind)]);
                world.advance(Duration::from_secs(100)).await;
                alice.send("said").await?;
                alice.expect_text("2").await?;
                disk.heal();
                world.advance(Duration::from_millis(if waits { 100 } else { 0 })).await;
                if ends {
                    world.restart_host().await?;
                    alice = world.connect("main", "lobby").await?;
                } else {
                    alice.send("put-bytes key 5").await?;
                    alice.expect_text("ok").await?;
                }
                alice.send("said").await?;
                alice.expect_text(if ends { "3" } else { "4" }).await
            });
        }
    }
}

/// While the host ends the disk refuses, and heals before it has lost patience.
#[test]
fn a_room_whose_host_ends_is_written_when_the_disk_heals() {
    for (seed, kind) in (41..).zip(KINDS) {
        println!("{kind:?}");
        on_a_disk(seed, Memory::Hibernate, async |world, disk| {
            let mut alice = world.connect("main", "lobby").await?;
            alice.send("said").await?;
            alice.expect_text("1").await?;
            disk.plan([DiskFault { kind, after: 0, times: 2 }]);
            world.restart_host().await?;
            let mut bob = world.connect("main", "lobby").await?;
            bob.send("said").await?;
            bob.expect_text("2").await
        });
    }
}

/// What one room has acknowledged, and what it may have done without saying so.
#[derive(Default)]
struct Told {
    client: Option<Client>,
    /// The length of the value, and the lengths that were asked for since.
    kept: BTreeMap<String, (Option<u64>, Vec<u64>)>,
    /// The last count that was heard, and how many more were asked for.
    said: u64,
    asked: u64,
}

#[test]
fn a_disk_that_fails_at_random_moments_loses_nothing_that_was_acknowledged() {
    let seed = std::env::var("PARTY_SEED").ok().map_or(20_261_122, |seed| seed.parse().expect("a number"));
    let rounds = if std::env::var_os("PARTY_LONG").is_some() { 20 } else { 1 };
    println!("PARTY_SEED={seed}");
    for (seed, memory) in (seed..seed + rounds).flat_map(|seed| MEMORIES.map(|memory| (seed, memory))) {
        on_a_disk(seed, memory, async |world, disk| {
            let mut chance = Chance::new(seed);
            let mut rooms: [(&str, Told); 3] = ["one", "two", "three"].map(|room| (room, Told::default()));
            let (mut acknowledged, mut failed, mut dropped) = (0, 0, 0);
            for step in 0..1_500 {
                if chance.one_in(20) {
                    let times = if chance.one_in(2) { 1 + chance.below(4) } else { u64::MAX };
                    disk.plan([DiskFault { kind: *chance.pick(&KINDS), after: chance.below(20), times }]);
                }
                if chance.one_in(20) || step > 1_470 {
                    disk.heal();
                }
                if chance.one_in(10) {
                    world.advance(Duration::from_millis(chance.below(13_000))).await;
                }
                let at = chance.index(rooms.len());
                let (room, told) = &mut rooms[at];
                let Some(client) = &mut told.client else {
                    if let Answer::Connected(client) = world.knock(&format!("main/{room}"), &[]).await? {
                        told.client = Some(client);
                    }
                    continue;
                };
                let key = format!("key-{}", chance.below(4));
                let bytes = 1 + chance.below(900);
                let word = chance.below(3);
                let message = match word {
                    0 => format!("put-bytes {key} {bytes}"),
                    1 => format!("get {key}"),
                    _ => "said".into(),
                };
                told.asked += 1;
                let (value, unsure) = told.kept.entry(key).or_default();
                if word == 0 {
                    unsure.push(bytes);
                }
                if client.send(&message).await.is_err() {
                    // It was closed meanwhile: its room could not be saved.
                    told.client = None;
                    continue;
                }
                match client.next().await {
                    Some(Received::Text(text)) if word == 0 => {
                        ensure!(text == "ok", "{text}");
                        (*value, *unsure) = (Some(bytes), Vec::new());
                        acknowledged += 1;
                    }
                    Some(Received::Text(text)) if word == 1 => {
                        let found = (text != "none").then_some(text.len() as u64);
                        let may_be = found == *value || found.is_some_and(|found| unsure.contains(&found));
                        ensure!(may_be, "{memory:?} {room}: {found:?} is not {value:?}, nor of {unsure:?}");
                        (*value, *unsure) = (found, Vec::new());
                    }
                    Some(Received::Text(text)) => {
                        let said: u64 = text.parse()?;
                        let may_be = said > told.said && said <= told.said + told.asked;
                        let is_kept = memory != Memory::Durable || may_be;
                        ensure!(is_kept, "{room}: {said} after {} and {}", told.said, told.asked);
                        (told.said, told.asked) = (said, 0);
                    }
                    // A turn that could not read is dropped.
                    None => dropped += 1,
                    Some(closed) => {
                        // With 1013 a room is suspended that could not read too often.
                        ensure!(matches!(closed, Received::Closed(1011 | 1013, _)), "{closed:?}");
                        failed += 1;
                        told.client = None;
                    }
                }
            }
            disk.heal();
            world.crash().await?;
            for (room, told) in &rooms {
                for (key, (value, unsure)) in &told.kept {
                    let answer =
                        world.request("GET", &format!("/parties/main/{room}/get?{key}"), b"").await?;
                    let found = (answer.status == 200).then_some(answer.body.len() as u64);
                    let may_be = found == *value || found.is_some_and(|found| unsure.contains(&found));
                    ensure!(may_be, "{memory:?} {room} {key}: {found:?} is not {value:?}, nor of {unsure:?}");
                }
            }
            println!(
                "seed {seed}, {memory:?}: {acknowledged} writes acknowledged, {failed} clients closed, {dropped} turns dropped"
            );
            ensure!(acknowledged > 100 && failed > 5);
            Ok(())
        });
    }
}

/// It ran out of the ids that it had reserved, and the commit that would have reserved more, and nothing else, closed it.
#[test]
fn a_room_that_stores_nothing_goes_on_for_as_long_as_the_disk_is_full() {
    on_a_disk(51, Memory::Hibernate, async |world, disk| {
        world.expect("GET", "/parties/main/lobby/said", b"", 200, "1").await?;
        // It is forgotten, and made again of its checkpoint with ids of a block.
        world.advance(Duration::from_secs(60)).await;
        let mut alice = world.connect("main", "lobby").await?;
        disk.plan([for_good(FaultKind::Space)]);
        for said in 1..=20_000u64 {
            alice.send("said").await?;
            alice.expect_text(&(said + 1).to_string()).await?;
        }
        disk.heal();
        world.advance(Duration::from_secs(100)).await;
        ensure!(!world.is_awake("main/lobby").await?);
        alice.send("said").await?;
        alice.expect_text("20002").await
    });
}

/// Somebody wanted a copy of it while its last checkpoint was on its way, so it was saved again; and when both had failed it was
/// made again of the one before.
#[test]
fn a_room_that_is_copied_while_it_is_being_saved_keeps_its_memory_if_neither_can_be_written() {
    for (seed, times) in (61..).zip([1, 2, 3, 4, u64::MAX]) {
        on_a_disk(seed, Memory::Hibernate, async |world, disk| {
            let mut alice = world.connect("main", "lobby").await?;
            for said in ["1", "2"] {
                alice.send("said").await?;
                alice.expect_text(said).await?;
            }
            world.slow_commits(Duration::from_millis(1_500));
            disk.plan([DiskFault { kind: FaultKind::Space, after: 0, times }]);
            world.advance(Duration::from_millis(10_100)).await;
            alice.send("said").await?;
            let copied = world.fork("main/lobby", "main/copy").await;
            println!("{times}: {copied:?}");
            disk.heal();
            world.advance(Duration::from_secs(5)).await;
            alice.expect_text("3").await?;
            alice.send("said").await?;
            world.advance(Duration::from_secs(2)).await;
            alice.expect_text("4").await
        });
    }
}

/// Its naps end while it is saved for the last time: whenever that was durable it had changed again.
#[test]
fn a_room_that_is_never_at_rest_does_not_keep_its_host_from_ending() {
    for (seed, memory) in [(71, Memory::Hibernate), (72, Memory::Durable)] {
        on_a_disk(seed, memory, async |world, _| {
            let mut alice = world.connect("main", "lobby").await?;
            for nap in 1..=900 {
                alice.send(&format!("sleep {} awake", 37 * nap)).await?;
            }
            world.slow_commits(Duration::from_millis(150));
            let before = world.now();
            world.restart_host().await?;
            let ms = world.now().since_ms(before);
            ensure!(ms < 5_000, "its host took {ms} ms to end");
            world.slow_commits(Duration::ZERO);
            world.advance(Duration::from_secs(40)).await;
            let mut bob = world.connect("main", "lobby").await?;
            bob.send("said").await?;
            bob.expect_text("901").await
        });
    }
}
