//! A system that has no memory left for an instance, although the host's own bounds allow one: nothing is dropped, damaged or
//! forgotten for it. The room waits as for a place, is tried again, and its clients are told after a while.
//!
//! The engine of these worlds has a few places only, and the test takes them all.

use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use party_node::inspection::RoomState;
use party_testkit::client::Client;
use party_testkit::world::{Answer, Builder, Memory, World};

use crate::sleeping;

/// Longer than a room has nothing to do before it sleeps.
const IDLE: Duration = Duration::from_secs(11);
/// Less than clients wait, and longer than until a room is tried again.
const A_WHILE: Duration = Duration::from_millis(300);
/// As long as a room waits for a place (`accept_deadline_ms`), and a little.
const PATIENCE: Duration = Duration::from_millis(3_600);

fn small(seed: u64, memory: Memory) -> Builder {
    sleeping(seed).memory(memory).own_engine()
}

async fn say(client: &mut Client, said: u32) -> Result<()> {
    client.send("said").await?;
    client.expect_text(&said.to_string()).await
}

async fn state(world: &World, room: &str) -> Result<RoomState> {
    Ok(world.inspect(room).await?.view.state)
}

/// The room is refused its instance again and again; who waits so long is told. Then it goes on where it was.
async fn is_refused_and_goes_on(world: &World, said: u32) -> Result<()> {
    let taken = world.take_all_places().await?;
    let asked = world.ask("GET", "/parties/main/lobby/said", b"").await?;
    world.advance(PATIENCE).await;
    let told = asked.await?;
    ensure!(told.status == 503 && told.body.contains("all places are taken"), "{told:?}");
    // One that has not begun is no room.
    ensure!(!state(world, "main/lobby").await.is_ok_and(|state| state == RoomState::Damaged));
    // Who comes when it is not for long waits, and is served.
    let asked = world.ask("GET", "/parties/main/lobby/said", b"").await?;
    world.advance(A_WHILE).await;
    drop(taken);
    world.advance(A_WHILE).await;
    let told = asked.await?;
    ensure!(
        (told.status, told.body) == (200, said.to_string()),
        "it has forgotten, or heard what it refused"
    );
    world.expect("GET", "/parties/main/lobby/started", b"", 200, "Some(New)").await?;
    let dropped = world.figures().await?.counted.dropped_turns;
    ensure!(dropped == 0, "{dropped} turns were dropped");
    Ok(())
}

#[test]
fn a_sleeping_room_that_is_refused_an_instance_keeps_its_memory_and_wakes_when_there_is_one() {
    for (seed, memory) in [(1, Memory::Hibernate), (2, Memory::Durable)] {
        small(seed, memory).run(async |world| {
            let mut alice = world.connect("main", "lobby").await?;
            say(&mut alice, 1).await?;
            world.advance(IDLE).await;
            ensure!(state(world, "main/lobby").await? == RoomState::Asleep);
            is_refused_and_goes_on(world, 2).await?;
            say(&mut alice, 4).await
        });
    }
}

#[test]
fn a_socket_whose_message_waits_for_an_instance_is_closed_or_served() {
    small(3, Memory::Hibernate).run(async |world| {
        let mut alice = world.connect("main", "lobby").await?;
        let mut bob = world.connect("main", "lobby").await?;
        say(&mut alice, 1).await?;
        world.advance(IDLE).await;
        let taken = world.take_all_places().await?;
        alice.send("said").await?;
        world.advance(PATIENCE).await;
        let reason = alice.expect_close(1013).await?;
        ensure!(reason.contains("all places are taken"), "{reason}");
        bob.send("said").await?;
        world.advance(A_WHILE).await;
        bob.expect_nothing().await?;
        drop(taken);
        world.advance(A_WHILE).await;
        let first = bob.next().await.context("it is told something")?;
        ensure!(format!("{first:?}").contains("closed 1013"), "{first:?}");
        bob.expect_text("2").await
    });
}

#[test]
fn a_durable_room_that_a_crash_has_left_is_made_again_when_there_is_an_instance_and_not_damaged() {
    small(4, Memory::Durable).run(async |world| {
        let mut alice = world.connect("main", "lobby").await?;
        say(&mut alice, 1).await?;
        say(&mut alice, 2).await?;
        world.crash().await?;
        is_refused_and_goes_on(world, 3).await?;
        // And once more, of a checkpoint and a journal behind it.
        world.hibernate("main/lobby").await?;
        world.expect("GET", "/parties/main/lobby/said", b"", 200, "5").await?;
        world.crash().await?;
        is_refused_and_goes_on(world, 6).await
    });
}

#[test]
fn a_room_that_begins_is_refused_an_instance_and_drops_no_turn_for_it() {
    for (seed, memory) in [(5, Memory::Hibernate), (6, Memory::Durable), (7, Memory::Volatile)] {
        small(seed, memory).run(async |world| {
            let taken = world.take_all_places().await?;
            let asked = world.ask("GET", "/parties/main/lobby/said", b"").await?;
            let Answer::Nothing(knocking) = world.knock("main/lobby", &[]).await? else {
                bail!("it was answered at once")
            };
            world.advance(PATIENCE).await;
            let told = asked.await?;
            ensure!(told.status == 503 && told.body.contains("all places are taken"), "{told:?}");
            let Answer::Refused(503, _) = knocking.answer().await? else { bail!("it was not refused") };
            drop(taken);
            is_refused_and_goes_on(world, 1).await
        });
    }
}

#[test]
fn a_room_that_is_refused_an_instance_gets_that_of_one_that_has_been_quiet() {
    small(8, Memory::Hibernate).run(async |world| {
        let mut alice = world.connect("main", "quiet").await?;
        say(&mut alice, 1).await?;
        let _taken = world.take_all_places().await?;
        let asked = world.ask("GET", "/parties/main/lobby/said", b"").await?;
        world.advance(A_WHILE).await;
        let told = asked.await?;
        ensure!(told.status == 200, "{told:?}");
        alice.send("said").await?;
        world.advance(A_WHILE).await;
        alice.expect_text("2").await
    });
}

/// What the host waits for itself stood still with the clock: nobody passed the room whose turn it was, for as long as the clock
/// had gone back.
#[test]
fn a_clock_that_is_set_back_meanwhile_keeps_nobody_waiting() {
    for (seed, memory) in [(31, Memory::Hibernate), (32, Memory::Durable)] {
        small(seed, memory).run(async |world| {
            let mut alice = world.connect("main", "lobby").await?;
            say(&mut alice, 1).await?;
            world.expect("GET", "/parties/main/other/said", b"", 200, "1").await?;
            world.advance(IDLE).await;
            let taken = world.take_all_places().await?;
            alice.send("said").await?;
            world.advance(A_WHILE).await;
            world.turn_clock_back(Duration::from_secs(3_600)).await;
            drop(taken);
            let asked = world.ask("GET", "/parties/main/other/said", b"").await?;
            world.advance(A_WHILE).await;
            ensure!(asked.await?.body == "2", "it waits for the clock");
            alice.expect_text("2").await?;
            world.expect("GET", "/parties/main/new/said", b"", 200, "1").await
        });
    }
}
