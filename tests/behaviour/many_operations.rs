//! Ten thousand operations in one room: they are all there, they all end, and no turn is slower for them.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use party_core::limits::Limits;
use party_testkit::client::Client;
use party_testkit::world::{Memory, World};

use crate::{probe, sleeping};

/// `operations_open_max`.
const OPEN_MAX: u32 = 10_000;
/// When they end.
const HOUR: Duration = Duration::from_secs(3_600);

async fn say(client: &mut Client, text: &str, answer: &str) -> Result<()> {
    client.send(text).await?;
    client.expect_text(answer).await
}

/// Lets a room begin so many sleeps of an hour.
async fn begin(world: &World, room: &str, count: u32) -> Result<Client> {
    let mut client = world.connect("main", room).await?;
    say(&mut client, &format!("naps {count} 3600000"), "good night").await?;
    Ok(client)
}

#[test]
fn ten_thousand_sleeps_end_when_they_are_due_whatever_happens_to_the_host() {
    assert_eq!(Limits::default().operations_open_max, OPEN_MAX);
    for memory in [Memory::Hibernate, Memory::Durable] {
        sleeping(1).memory(memory).run(async |world| {
            drop(begin(world, "lobby", OPEN_MAX).await?);
            world.hibernate("main/lobby").await?;
            world.restart_host().await?;
            if memory == Memory::Durable {
                world.expect("GET", "/parties/main/lobby/said", b"", 200, "2").await?;
                world.crash().await?;
            }
            world.advance(HOUR - Duration::from_secs(1)).await;
            let mut alice = world.connect("main", "lobby").await?;
            say(&mut alice, "slept", "0").await?;
            world.advance(Duration::from_secs(1)).await;
            say(&mut alice, "slept", "10000").await
        });
    }
}

#[test]
fn what_is_more_waits_or_is_refused() {
    probe(2).run(async |world| {
        let mut alice = begin(world, "lobby", OPEN_MAX + 1).await?;
        say(&mut alice, "rooms main  1", "failed: too many operations are open; the limit is 10000").await?;
        say(&mut alice, "slept", "0").await?;
        // The one that has waited is due then, too.
        world.advance(HOUR).await;
        say(&mut alice, "slept", "10001").await
    });
}

/// Each that ends calls one of those that wait for a place, and not all of them.
#[test]
fn those_that_have_a_place_end_no_slower_for_those_that_wait() {
    const WAITING: u32 = 2_000;
    /// If each called all that wait it would be a hundred times.
    const RATIO_MAX: f64 = 4.0;
    probe(5).run(async |world| {
        let mut took = Vec::new();
        for (room, count) in [("full", OPEN_MAX), ("beyond", OPEN_MAX + WAITING)] {
            let mut client = begin(world, room, count).await?;
            let begun = Instant::now();
            world.advance(HOUR).await;
            say(&mut client, "slept", &count.to_string()).await?;
            took.push(begun.elapsed().as_secs_f64());
        }
        println!("{OPEN_MAX} sleeps end in {:.2} s, with {WAITING} that wait in {:.2} s", took[0], took[1]);
        ensure!(took[1] < RATIO_MAX * took[0], "{took:?}");
        Ok(())
    });
}

/// Nothing of them is begun, and to take them back costs each the same, however many there are.
#[test]
fn work_that_is_begun_and_taken_back_in_one_turn_costs_no_more_among_many() {
    const FEW: u32 = 500;
    /// If each went through all others it would be twenty times.
    const RATIO_MAX: f64 = 4.0;
    probe(4).run(async |world| {
        let mut alice = world.connect("main", "lobby").await?;
        let mut each = async |count: u32| -> Result<Duration> {
            let begun = Instant::now();
            say(&mut alice, &format!("take-back {count}"), "taken back").await?;
            Ok(begun.elapsed() / count)
        };
        let (mut few, mut many) = (Vec::new(), Vec::new());
        for _ in 0..15 {
            few.push(each(FEW).await?);
            many.push(each(OPEN_MAX).await?);
        }
        let (few, many) = (median(few), median(many));
        println!("work taken back takes {many:?} each of {OPEN_MAX}, {few:?} each of {FEW}");
        ensure!(many.as_secs_f64() < RATIO_MAX * few.as_secs_f64(), "{many:?} instead of {few:?}");
        Ok(())
    });
}

/// The time of the middle one.
fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

/// Two rooms are asked in turns, so that whatever else the machine does meets both.
#[test]
fn a_turn_is_not_slower_where_ten_thousand_are_open() {
    const ASKED: usize = 300;
    /// A copy of the table in each turn would be hundreds of times as much.
    const RATIO_MAX: f64 = 3.0;
    for memory in [Memory::Volatile, Memory::Durable] {
        sleeping(3).memory(memory).run(async |world| {
            let mut rooms =
                [begin(world, "empty", 0).await?, begin(world, "full", OPEN_MAX - 1).await?].map(|client| (client, Vec::new()));
            for _ in 0..ASKED {
                for (client, times) in &mut rooms {
                    let begun = Instant::now();
                    client.send("sleep 60000 unheard").await?;
                    say(client, "drop-sleep", "true").await?;
                    times.push(begun.elapsed());
                }
            }
            let [empty, full] = rooms.map(|(_, times)| median(times));
            let ratio = full.as_secs_f64() / empty.as_secs_f64();
            println!("{memory:?}: a sleep begun and forgotten takes {full:?} among {OPEN_MAX}, {empty:?} alone: {ratio:.2}");
            ensure!(ratio < RATIO_MAX, "a turn takes {ratio:.2} times as long where {OPEN_MAX} are open");
            Ok(())
        });
    }
}
