//! Alarms and sleeps over times in which there is no host: none is early, all come, and those that were due meanwhile come
//! within five seconds; also when there are more of them than rooms that can be awake, and a hundred thousand.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use party_core::address::RoomAddress;
use party_core::commit::{
    Alarm, CheckpointBytes, KvChanges, MemoryChange, NewCheckpoint, RoomCommit, RoomRecord,
};
use party_core::ids::{CommitSeq, Timestamp};
use party_core::storage::Visit;
use party_store::kept::KeptCheckpoint;
use party_store::memory::MemoryStore;
use party_store::store::Store;
use party_store::testing::chance::Chance;
use party_testkit::clock::BEGINNING;
use party_testkit::world::{Memory, World};

use crate::sleeping;

const HOUR: Duration = Duration::from_secs(3_600);
/// Longer than a room has nothing to do before it sleeps.
const IDLE: Duration = Duration::from_secs(11);
/// Within which all is done that was due while there was no host.
const BOUND: Duration = Duration::from_secs(5);

/// Rooms that may be awake at once: fewer than wake.
const AWAKE_MAX: usize = 60;

/// How a host ends before its downtime.
#[derive(Clone, Copy, Debug)]
enum Ending {
    Crash,
    Stop,
}

async fn down(world: &World, ending: Ending, time: Duration) -> Result<()> {
    match ending {
        Ending::Crash => world.crash_for(time).await,
        Ending::Stop => world.restart_host_after(time).await,
    }
}

/// A room with a sleep, an alarm, or both, and when they are due.
struct Waiting {
    room: String,
    alarm: Timestamp,
    sleep: Timestamp,
}

/// Whether a room's alarm has rung, and how many of its sleeps have ended.
async fn done(world: &World, room: &str) -> Result<(bool, u64)> {
    let rung = world.request("GET", &format!("/parties/main/{room}/get?rung"), b"").await?;
    let told = world.request("GET", &format!("/parties/main/{room}/resumed"), b"").await?;
    let slept = told.body.rsplit(' ').next().context("it tells")?.parse()?;
    ensure!(matches!(rung.status, 200 | 404), "{room}: {rung:?}");
    Ok((rung.status == 200, slept))
}

/// More rooms than can be awake at once, each with an alarm and a sleep at random times, most of them in the hour in which
/// there is no host.
fn all_come(seed: u64, memory: Memory, ending: Ending) {
    const ROOMS: usize = 300;
    println!("PARTY_SEED={seed} {memory:?} {ending:?}");
    sleeping(seed).memory(memory).rooms_awake(AWAKE_MAX).run(async |world| {
        let mut chance = Chance::new(seed);
        let mut waiting = Vec::new();
        for number in 0..ROOMS {
            let room = format!("room-{number}");
            let (alarm_ms, sleep_ms) = (20_000 + chance.below(4_200_000), 20_000 + chance.below(4_200_000));
            world.expect("POST", &format!("/parties/main/{room}/alarm?{alarm_ms}"), b"", 200, "set").await?;
            world
                .expect("GET", &format!("/parties/main/{room}/nap?{sleep_ms}"), b"", 200, "good night")
                .await?;
            let (alarm, sleep) = (world.now().after_ms(alarm_ms), world.now().after_ms(sleep_ms));
            waiting.push(Waiting { room, alarm, sleep });
        }
        world.advance(IDLE).await;
        down(world, ending, HOUR).await?;
        let begun = Instant::now();
        world.advance(BOUND).await;
        println!("  all that was due came within {BOUND:?}, which took {:?}", begun.elapsed());
        let mut late = 0;
        for Waiting { room, alarm, sleep } in &waiting {
            let now = world.now();
            let (rung, slept) = done(world, room).await?;
            // What came due in the last five seconds has until five seconds later.
            let is_due = |at: &Timestamp| at.after_ms(BOUND.as_millis() as u64) <= now;
            ensure!(rung || !is_due(alarm), "{room}: its alarm of {alarm} has not rung at {now}");
            ensure!(slept == 1 || !is_due(sleep), "{room}: its sleep until {sleep} goes on at {now}");
            ensure!(*alarm <= now || !rung, "{room}: its alarm of {alarm} has rung before, at {now}");
            ensure!(
                *sleep <= now || slept == 0,
                "{room}: its sleep until {sleep} has ended before, at {now}"
            );
            late += u32::from(!rung) + u32::from(slept == 0);
        }
        ensure!(late > 20, "some are due later: {late}");
        world.advance(HOUR).await;
        for Waiting { room, .. } in &waiting {
            ensure!(done(world, room).await? == (true, 1), "{room}: {:?}", done(world, room).await?);
        }
        Ok(())
    });
}

#[test]
fn after_an_hour_without_a_host_all_that_was_due_comes_within_five_seconds() {
    let seed = std::env::var("PARTY_SEED").ok().map_or(20_261_122, |seed| seed.parse().expect("a number"));
    for memory in [Memory::Hibernate, Memory::Durable] {
        for ending in [Ending::Crash, Ending::Stop] {
            all_come(seed, memory, ending);
        }
    }
}

/// When the rooms of one slice are due: ten minutes after those of the one before.
fn slice_at(slice: u64) -> Timestamp {
    BEGINNING.after_ms((slice + 1) * 600_000)
}

/// Writes rooms as a host would have left them.
fn fill(store: &MemoryStore, commits: impl Iterator<Item = RoomCommit>) -> Result<()> {
    let epoch = store.acquire()?;
    let mut commits = commits.peekable();
    while commits.peek().is_some() {
        let batch: Vec<RoomCommit> = commits.by_ref().take(1_000).collect();
        store.commit(epoch, &batch)?;
    }
    Ok(())
}

/// How many rooms wake by themselves, and at which of them the first.
fn pending(store: &MemoryStore) -> Result<(usize, Option<Timestamp>)> {
    let (mut count, mut first) = (0, None);
    store.wakes(&mut |_, at| {
        count += 1;
        first.get_or_insert(at);
        Visit::Continue
    })?;
    Ok((count, first))
}

fn room(name: &str, number: u64) -> Result<Arc<RoomAddress>> {
    Ok(Arc::new(RoomAddress::new("world", "main", &format!("{name}-{number}"))?))
}

/// Restarts and crashes a host over what is pending, lets a part of it become due, and checks that this comes within five
/// seconds and nothing else.
async fn outlive(world: &World, store: &MemoryStore, all: usize, due: usize, at: Timestamp) -> Result<()> {
    for ending in [Ending::Stop, Ending::Crash] {
        let begun = Instant::now();
        down(world, ending, Duration::from_secs(1)).await?;
        println!("  {ending:?} and start with {all} pending: {:?}", begun.elapsed());
        ensure!(pending(store)?.0 == all, "{ending:?}: {} of {all} are pending", pending(store)?.0);
    }
    let (later, begun) = (all - due, Instant::now());
    world.advance(Duration::from_millis(at.since_ms(world.now()) - 1)).await;
    ensure!(pending(store)?.0 == all && world.rooms_awake() == 0, "something came too early");
    world.advance(BOUND).await;
    // A room that has come says so in the store when it sleeps again.
    let (left, awake) = (pending(store)?.0, world.rooms_awake());
    ensure!(
        (later..=later + awake).contains(&left),
        "{left} of {all} are pending; {due} were due; {awake} are awake"
    );
    world.advance(IDLE).await;
    let (left, first) = pending(store)?;
    println!("  {due} came in {:?}", begun.elapsed());
    ensure!(left == later, "{left} of {all} are pending; {due} were due");
    ensure!(first.is_none_or(|first| first > world.now()), "{first:?} was due");
    Ok(())
}

#[test]
fn a_hundred_thousand_alarms_outlive_restarts() -> Result<()> {
    const ALARMS: u64 = 100_000;
    // A thousand are due at once every ten minutes, which is more than can be awake.
    const AT_ONCE: u64 = 1_000;
    let slices = if std::env::var_os("PARTY_LONG").is_some() { ALARMS / AT_ONCE } else { 2 };
    let store = Arc::new(MemoryStore::default());
    let commits = (0..ALARMS).map(|number| {
        let at = slice_at(number / AT_ONCE);
        let record = RoomRecord {
            seq: CommitSeq(1),
            moved_at: CommitSeq(1),
            ids_reserved: 1 << 20,
            alarm: Some(Alarm { at, attempts: 0 }),
            ..RoomRecord::default()
        };
        let address = room("alarm", number).expect("a name");
        RoomCommit { address, record, changes: KvChanges::default(), memory: None }
    });
    fill(&store, commits)?;
    sleeping(1).rooms_awake(AWAKE_MAX).store(store.clone()).run(async |world| {
        let mut left = ALARMS as usize;
        for slice in 0..slices {
            println!("slice {slice}");
            outlive(world, &store, left, AT_ONCE as usize, slice_at(slice)).await?;
            left -= AT_ONCE as usize;
            let path = format!("/parties/main/alarm-{}/get?rung", slice * AT_ONCE + 500);
            ensure!(world.request("GET", &path, b"").await?.status == 200, "{path}");
        }
        Ok(())
    });
    Ok(())
}

/// Rooms that sleep in the middle of an await: copies of some that really went to sleep.
#[test]
fn sleeps_of_very_many_rooms_outlive_restarts() -> Result<()> {
    const KINDS: u64 = 100;
    let is_long = std::env::var_os("PARTY_LONG").is_some();
    let (copies, slices) = if is_long { (1_000, KINDS) } else { (200, 2) };
    let first: Arc<MemoryStore> = Arc::default();
    sleeping(2).store(first.clone()).run(async |world| {
        for number in 0..KINDS {
            let ms = slice_at(number).since_ms(world.now());
            world
                .expect("GET", &format!("/parties/main/first-{number}/nap?{ms}"), b"", 200, "good night")
                .await?;
        }
        world.advance(IDLE).await;
        Ok(())
    });
    let mut kept: Vec<(RoomRecord, KeptCheckpoint)> = Vec::new();
    for number in 0..KINDS {
        let address = room("first", number)?;
        let record = first.record(&address)?.context("it sleeps")?;
        kept.push((record, first.checkpoint(&address)?.context("its memory is kept")?));
    }
    let component = kept[0].1.component;
    let bytes = first.component(component)?.context("the component is kept")?;
    let store: Arc<MemoryStore> = Arc::default();
    let epoch = store.acquire()?;
    store.put_component(epoch, component, &bytes)?;
    let commits = (0..KINDS * copies).map(|number| {
        let (record, kept) = &kept[(number / copies) as usize];
        let new = NewCheckpoint { component, bytes: CheckpointBytes::Inline(kept.bytes.clone()) };
        let memory = Some(Box::new(MemoryChange::Checkpoint(new)));
        let address = room("copy", number).expect("a name");
        RoomCommit { address, record: *record, changes: KvChanges::default(), memory }
    });
    fill(&store, commits)?;
    sleeping(3).rooms_awake(AWAKE_MAX).store(store.clone()).run(async |world| {
        let mut left = (KINDS * copies) as usize;
        for slice in 0..slices {
            println!("slice {slice}");
            outlive(world, &store, left, copies as usize, slice_at(slice)).await?;
            left -= copies as usize;
            let path = format!("/parties/main/copy-{}/resumed", slice * copies + copies / 2);
            world.expect("GET", &path, b"", 200, "None 0 1").await?;
        }
        Ok(())
    });
    Ok(())
}
