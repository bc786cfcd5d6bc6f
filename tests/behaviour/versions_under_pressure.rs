//! Deployments while memory is short: a room is woken with the version that its memory is of, whenever it fell asleep, and a
//! switch for which there is no second instance is tried again.

use std::time::Duration;

use anyhow::{Result, ensure};
use party_core::limits::Limits;
use party_node::versions::Standing;
use party_testkit::client::{Client, Received};
use party_testkit::world::{Builder, Memory, World};
use party_tests::guests::{Version, scratch};

/// Longer than a room has nothing to do before it sleeps.
const IDLE: Duration = Duration::from_secs(11);

fn first(seed: u64, memory: Memory) -> Builder {
    let component = Version::named('1').component();
    World::new(seed).compile_cache(scratch("compiled")).memory(memory).party("main", &component)
}

async fn say(client: &mut Client, text: &str, answer: &str) -> Result<()> {
    client.send(text).await?;
    client.expect_text(answer).await
}

/// The room gives way to another; its checkpoint is on its way to a slow disk when another version is deployed.
async fn sleeps_while_another_version_is_deployed(world: &World) -> Result<()> {
    world.hold_commits();
    let asked = world.ask("GET", "/parties/main/other", b"").await?;
    world.upgrade("main", &Version::named('2').component()).await?;
    ensure!(world.is_awake("main/lobby").await?, "its checkpoint is not durable yet");
    world.let_commits_go().await;
    world.advance(Duration::from_millis(100)).await;
    ensure!(!world.is_awake("main/lobby").await?, "it has given way");
    ensure!(asked.await?.body == "2 1 New", "the other begins with the new version");
    Ok(())
}

#[test]
fn a_room_that_falls_asleep_under_pressure_after_a_deployment_is_woken_with_its_own_version() {
    for (seed, memory) in [(1, Memory::Hibernate), (2, Memory::Durable)] {
        first(seed, memory).rooms_awake(1).run(async |world| {
            let mut alice = world.connect("main", "lobby").await?;
            say(&mut alice, "count", "1 1 New").await?;
            // It is in the middle of an await, which no other version could go on with.
            alice.send("sleep 20000").await?;
            sleeps_while_another_version_is_deployed(world).await?;
            ensure!(world.standing("main").await == Standing { asleep: 1, ..world.standing("main").await });
            say(&mut alice, "count", "1 2 New").await?;
            world.advance(Duration::from_secs(20)).await;
            alice.expect_text("1 slept").await?;
            say(&mut alice, "count", "2 3 New+2").await
        });
    }
}

#[test]
fn so_is_one_that_the_host_has_forgotten_meanwhile_and_one_that_a_crash_has_left() {
    for (seed, memory, crashes) in [
        (3, Memory::Hibernate, false),
        (4, Memory::Durable, false),
        (5, Memory::Hibernate, true),
        (6, Memory::Durable, true),
    ] {
        first(seed, memory).rooms_awake(1).run(async |world| {
            world.expect("GET", "/parties/main/lobby", b"", 200, "1 1 New").await?;
            let mut alice = world.connect("main", "lobby").await?;
            alice.send("sleep 20000").await?;
            drop(alice);
            world.settle().await;
            sleeps_while_another_version_is_deployed(world).await?;
            if crashes {
                world.crash().await?;
            }
            world.expect("GET", "/parties/main/lobby", b"", 200, "1 2 New").await?;
            world.advance(Duration::from_secs(31)).await;
            world.expect("GET", "/parties/main/lobby", b"", 200, "2 3 New+2").await
        });
    }
}

/// One that has been told to go and cannot yet would count as leaving, and nobody else would be told.
#[test]
fn a_room_that_waits_for_its_switch_keeps_nobody_out() {
    first(12, Memory::Hibernate).rooms_awake(3).run(async |world| {
        let mut alice = world.connect("main", "lobby").await?;
        say(&mut alice, "count", "1 1 New").await?;
        alice.send("sleep 20000").await?;
        world.advance(Duration::from_millis(100)).await;
        world.expect("GET", "/parties/main/second", b"", 200, "1 1 New").await?;
        world.upgrade("main", &Version::named('2').component()).await?;
        for room in ["third", "fourth"] {
            let asked = world.ask("GET", &format!("/parties/main/{room}"), b"").await?;
            world.advance(Duration::from_millis(100)).await;
            ensure!(asked.await?.body == "2 1 New");
        }
        world.advance(Duration::from_secs(20)).await;
        alice.expect_text("1 slept").await?;
        say(&mut alice, "count", "2 2 New+2").await
    });
}

#[test]
fn a_switch_that_is_refused_a_second_instance_is_made_when_there_is_one_and_clients_are_served_meanwhile() {
    for (seed, memory) in [(7, Memory::Hibernate), (8, Memory::Durable), (9, Memory::Volatile)] {
        first(seed, memory).own_engine().run(async |world| {
            let mut alice = world.connect("main", "lobby").await?;
            say(&mut alice, "count", "1 1 New").await?;
            alice.send("sleep 2000").await?;
            world.upgrade("main", &Version::named('2').component()).await?;
            let taken = world.take_all_places().await?;
            world.advance(Duration::from_secs(2)).await;
            alice.expect_text("1 slept").await?;
            for count in 2..6 {
                say(&mut alice, "count", &format!("1 {count} New")).await?;
                world.advance(Duration::from_millis(700)).await;
            }
            ensure!(world.standing("main").await == Standing { waiting: 1, ..Standing::default() });
            drop(taken);
            world.advance(Duration::from_secs(1)).await;
            ensure!(world.standing("main").await == Standing { switched: 1, ..Standing::default() });
            say(&mut alice, "count", "2 6 New+2").await
        });
    }
}

#[test]
fn a_room_that_waits_for_its_switch_sleeps_and_is_carried_over_when_it_wakes() {
    for (seed, memory) in [(10, Memory::Hibernate), (11, Memory::Durable)] {
        first(seed, memory).own_engine().run(async |world| {
            let mut alice = world.connect("main", "lobby").await?;
            say(&mut alice, "count", "1 1 New").await?;
            alice.send("sleep 2000").await?;
            world.upgrade("main", &Version::named('2').component()).await?;
            let taken = world.take_all_places().await?;
            world.advance(Duration::from_secs(2)).await;
            alice.expect_text("1 slept").await?;
            world.advance(IDLE).await;
            ensure!(world.rooms_awake() == 0, "nothing happens to it");
            // It wakes in the place that it has left, and there is no second one.
            say(&mut alice, "count", "1 2 New").await?;
            drop(taken);
            world.advance(Duration::from_secs(1)).await;
            say(&mut alice, "count", "2 3 New+2").await
        });
    }
}

/// Rooms that another version waits for gave way to nobody until they had been given their time, which may be hours.
#[test]
fn who_waits_has_a_place_soon_although_all_others_are_to_go_on_with_another_version() {
    for (seed, memory) in [(21, Memory::Hibernate), (22, Memory::Durable)] {
        let long = |limits: &mut Limits| limits.upgrade_wait_ms = 3_600_000;
        first(seed, memory).rooms_awake(2).limits(long).run(async |world| {
            let mut alice = world.connect("main", "left").await?;
            let mut bob = world.connect("main", "right").await?;
            for client in [&mut alice, &mut bob] {
                say(client, "count", "1 1 New").await?;
                // It is in the middle of an await, and in use.
                client.send("sleep 600000").await?;
            }
            world.upgrade("main", &Version::named('2').component()).await?;
            let mut heard = 1;
            for number in 1..=3 {
                let asked = world.ask("GET", "/parties/main/small", b"").await?;
                for _ in 0..8 {
                    alice.send("count").await?;
                    bob.send("count").await?;
                    world.advance(Duration::from_millis(100)).await;
                }
                let answer = asked.await?;
                ensure!(answer.body == format!("2 {number} New"), "{answer:?}");
            }
            world.advance(Duration::from_secs(2)).await;
            for client in [&mut alice, &mut bob] {
                heard = 1;
                for received in client.all().await {
                    heard += 1;
                    ensure!(received == Received::Text(format!("1 {heard} New")), "{received:?}");
                }
            }
            ensure!(heard == 25, "{heard}");
            Ok(())
        });
    }
}
