//! Copies of rooms that do not wait for it: a copy is the room between two of its turns, with the memory that fits to its
//! storage, or there is none and that is said.

use std::time::Duration;

use anyhow::{Result, ensure};
use party_core::limits::Limits;
use party_testkit::world::{Memory, World};

use crate::sleeping;

/// Requests that wait while the room is copied.
const LOAD: usize = 200;

async fn number(world: &World, room: &str, what: &str) -> Result<u64> {
    let told = world.request("GET", &format!("/parties/main/{room}/{what}"), b"").await?;
    ensure!(told.status == 200, "{room}/{what}: {told:?}");
    Ok(told.body.parse()?)
}

/// A copy counts in its storage as far as its variables say that it was told to. How far.
async fn is_whole(world: &World, copy: &str) -> Result<u64> {
    let (count, said) = (number(world, copy, "count").await? - 1, number(world, copy, "said").await? - 2);
    ensure!(count == said, "{copy} has counted to {count} in its storage, and in its variables to {said}");
    world.expect("GET", &format!("/parties/main/{copy}/started"), b"", 200, "Some(New)").await?;
    world.expect("GET", &format!("/parties/main/{copy}/resumed"), b"", 200, "Some(Forked) 0 0").await?;
    Ok(count)
}

/// A hibernating room that keeps storing was copied without its variables, because it had moved on whenever it was read.
#[test]
fn a_room_that_keeps_storing_is_copied_with_its_variables() {
    // Never at rest, and each turn waits for the one before.
    let busy = |limits: &mut Limits| limits.uncommitted_turns_max = 1;
    for (seed, memory) in [(1, Memory::Hibernate), (2, Memory::Durable)] {
        sleeping(seed).memory(memory).limits(busy).run(async |world| {
            ensure!(number(world, "lobby", "count").await? == 1);
            world.slow_commits(Duration::from_millis(3));
            let mut load = Vec::new();
            for _ in 0..LOAD {
                load.push(world.ask("GET", "/parties/main/lobby/count", b"").await?);
            }
            let mut copies = Vec::new();
            for copy in ["one", "two", "three"] {
                let brought = world.fork("main/lobby", &format!("main/{copy}")).await?;
                ensure!(brought.component.is_some(), "{copy} has no variables");
                world.advance(Duration::from_millis(30)).await;
            }
            // Many still wait: it went on in between, and has not come to rest.
            ensure!(
                world.inspect("main/lobby").await?.view.live.is_some_and(|live| live.requests > LOAD / 4)
            );
            world.slow_commits(Duration::ZERO);
            world.advance(Duration::from_millis(3)).await;
            for copy in ["one", "two", "three"] {
                copies.push(is_whole(world, copy).await?);
            }
            ensure!(copies.is_sorted() && copies[0] < copies[2] && copies[2] < LOAD as u64, "{copies:?}");
            for answer in load {
                ensure!(answer.await?.status == 200, "nobody has noticed it");
            }
            ensure!(number(world, "lobby", "count").await? == LOAD as u64 + 2);
            Ok(())
        });
    }
}

/// A disk that takes long to be read must not stop a room. What had come before it was saved waited for 7 s if nothing else
/// came meanwhile.
#[test]
fn a_room_that_stands_still_for_its_copy_goes_on_after_two_seconds() {
    sleeping(8).run(async |world| {
        world.expect("POST", "/parties/main/lobby/alarm?1000", b"", 200, "set").await?;
        // Its alarm is due while it is saved.
        world.slow_commits(Duration::from_millis(1_500));
        let read = world.next_list_takes(Duration::from_millis(2_000));
        let brought = world.fork("main/lobby", "main/copy").await?;
        ensure!(read.was_overtaken(), "its alarm did not ring while it was read");
        ensure!(brought.component.is_some(), "it was copied with its variables");
        world.slow_commits(Duration::ZERO);
        world.advance(Duration::from_secs(2)).await;
        for room in ["lobby", "copy"] {
            let rung = world.request("GET", &format!("/parties/main/{room}/get?rung"), b"").await?;
            ensure!(rung.status == 200, "{room}: {rung:?}");
        }
        Ok(())
    });
}

/// Turns that were dropped lately keep a room from sleeping, not from being copied.
#[test]
fn a_room_that_has_dropped_a_turn_lately_is_copied() {
    sleeping(3).run(async |world| {
        let trapped = world.request("GET", "/parties/main/lobby/trap", b"").await?;
        ensure!(trapped.status == 500);
        ensure!(number(world, "lobby", "said").await? == 1);
        ensure!(world.fork("main/lobby", "main/copy").await?.component.is_some());
        ensure!(number(world, "copy", "said").await? == 2);
        Ok(())
    });
}

#[test]
fn a_room_whose_checkpoint_cannot_be_written_is_not_copied_and_goes_on() {
    sleeping(4).run(async |world| {
        ensure!(number(world, "lobby", "count").await? == 1);
        world.fail_next_commit();
        let refused = world.fork("main/lobby", "main/copy").await.map(drop).expect_err("it was not saved");
        let told = format!("{refused:#}");
        ensure!(told.contains("cannot be saved now: its memory could not be written"), "{told}");
        // It does not stand still for it, and has lost nothing.
        ensure!(number(world, "lobby", "said").await? == 2);
        ensure!(world.fork("main/lobby", "main/copy").await?.component.is_some());
        ensure!(number(world, "copy", "said").await? == 3);
        Ok(())
    });
}

#[test]
fn a_room_whose_checkpoint_is_not_durable_in_time_is_not_copied_and_goes_on() {
    sleeping(5).run(async |world| {
        ensure!(number(world, "lobby", "said").await? == 1);
        world.hold_commits();
        let refused = world.fork("main/lobby", "main/copy").await.map(drop).expect_err("it was not saved");
        let told = format!("{refused:#}");
        ensure!(told.contains("cannot be saved now: its checkpoint is not durable yet"), "{told}");
        // What it says leaves behind that commit.
        let asked = world.ask("GET", "/parties/main/lobby/said", b"").await?;
        world.let_commits_go().await;
        ensure!(asked.await?.body == "2");
        Ok(())
    });
}

#[test]
fn a_room_whose_memory_is_older_than_its_storage_is_copied_without_it_and_that_is_said() {
    sleeping(6).run(async |world| {
        ensure!(number(world, "lobby", "count").await? == 1);
        world.hibernate("main/lobby").await?;
        ensure!(number(world, "lobby", "count").await? == 2);
        world.crash().await?;
        let brought = world.fork("main/lobby", "main/copy").await?;
        ensure!(brought.component.is_none() && brought.keys == 1, "{brought:?}");
        ensure!(number(world, "copy", "count").await? == 3);
        // When it has begun anew, that is its memory.
        ensure!(number(world, "lobby", "count").await? == 3);
        ensure!(world.fork("main/lobby", "main/second").await?.component.is_some());
        ensure!(number(world, "second", "said").await? == 2);
        Ok(())
    });
}

#[test]
fn a_volatile_room_that_keeps_storing_is_copied_without_variables() {
    sleeping(7).memory(Memory::Volatile).run(async |world| {
        world.slow_commits(Duration::from_millis(3));
        let mut load = Vec::new();
        for _ in 0..20 {
            load.push(world.ask("GET", "/parties/main/lobby/count", b"").await?);
        }
        let brought = world.fork("main/lobby", "main/copy").await?;
        ensure!(brought.component.is_none() && brought.keys == 1, "{brought:?}");
        world.slow_commits(Duration::ZERO);
        world.advance(Duration::from_millis(3)).await;
        for answer in load {
            ensure!(answer.await?.status == 200);
        }
        Ok(())
    });
}
