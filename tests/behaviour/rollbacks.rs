//! What is known of versions after a restart: which is served, which was before, and which somebody has gone back from.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use party_core::commit::ComponentDigest;
use party_node::versions::Deployed;
use party_store::memory::MemoryStore;
use party_store::store::Store;
use party_store::testing::faulty_store::FaultyStore;
use party_testkit::world::{Builder, Memory, World};
use party_tests::guests::{Version, scratch};

fn first(seed: u64, store: &Arc<MemoryStore>) -> Builder {
    let store: Arc<dyn Store> = Arc::clone(store) as Arc<dyn Store>;
    on(seed, store)
}

fn on(seed: u64, store: Arc<dyn Store>) -> Builder {
    let component = Version::named('1').component();
    World::new(seed).compile_cache(scratch("compiled")).store(store).party("main", &component)
}

/// Deploys a version, and says what it is and what was served before.
async fn deploy(world: &World, name: char) -> Result<(ComponentDigest, ComponentDigest)> {
    match world.upgrade("main", &Version::named(name).component()).await? {
        Deployed::Served { before, now } => Ok((before, now)),
        Deployed::Same(_) => anyhow::bail!("{name} is served already"),
    }
}

async fn asks(world: &World, room: &str, answer: &str) -> Result<()> {
    world.expect("GET", &format!("/parties/main/{room}"), b"", 200, answer).await
}

/// In an orderly way, or not.
async fn restart(world: &World, is_crash: bool) -> Result<()> {
    if is_crash { world.crash().await } else { world.restart_host().await }
}

#[test]
fn a_version_can_be_gone_back_to_after_a_restart() {
    for (seed, memory, is_crash) in [
        (1, Memory::Hibernate, false),
        (2, Memory::Durable, true),
        (3, Memory::Volatile, false),
        (4, Memory::Volatile, true),
    ] {
        first(seed, &Arc::default()).memory(memory).run(async |world| {
            asks(world, "a", "1 1 New").await?;
            deploy(world, '2').await?;
            for _ in 0..3 {
                restart(world, is_crash).await?;
            }
            asks(world, "b", "2 1 New").await?;
            world.roll_back("main").await?;
            asks(world, "c", "1 1 New").await?;
            if memory == Memory::Durable {
                asks(world, "a", "1 2 New+2+1").await?;
                asks(world, "b", "1 2 New+1").await?;
            }
            Ok(())
        });
    }
}

#[test]
fn what_was_gone_back_from_is_not_served_again_by_a_restart() {
    first(5, &Arc::default()).run(async |world| {
        deploy(world, '2').await?;
        world.roll_back("main").await?;
        for (room, is_crash) in [("b", true), ("c", false), ("d", true)] {
            restart(world, is_crash).await?;
            asks(world, room, "1 1 New").await?;
        }
        // Deployed again on purpose it is served, and so it is after the next restart.
        deploy(world, '2').await?;
        restart(world, true).await?;
        asks(world, "e", "2 1 New").await?;
        // Back, and forth.
        world.roll_back("main").await?;
        restart(world, false).await?;
        asks(world, "f", "1 1 New").await?;
        world.roll_back("main").await?;
        restart(world, true).await?;
        asks(world, "g", "2 1 New").await?;
        // Another one than that is news.
        world.roll_back("main").await?;
        world.serve_next("main", &Version::named('3').component())?;
        restart(world, true).await?;
        asks(world, "h", "3 1 New").await
    });
}

#[test]
fn a_changed_component_at_a_start_is_deployed_and_can_be_gone_back_from() {
    first(6, &Arc::default()).memory(Memory::Durable).run(async |world| {
        asks(world, "a", "1 1 New").await?;
        world.serve_next("main", &Version::named('2').component())?;
        world.crash().await?;
        asks(world, "a", "2 2 New+2").await?;
        world.roll_back("main").await?;
        asks(world, "a", "1 3 New+2+1").await?;
        world.crash().await?;
        asks(world, "a", "1 4 New+2+1").await?;
        // What was served at a start and not deployed is no reason to keep to it: the directory went back.
        world.roll_back("main").await?;
        world.serve_next("main", &Version::named('1').component())?;
        world.restart_host().await?;
        asks(world, "b", "2 1 New").await?;
        world.serve_next("main", &Version::named('3').component())?;
        world.restart_host().await?;
        world.serve_next("main", &Version::named('2').component())?;
        world.restart_host().await?;
        asks(world, "c", "2 1 New").await
    });
}

#[test]
fn a_changed_component_that_does_not_start_changes_nothing_at_a_start_either() {
    for (seed, start) in [(7, 't'), (8, 'f'), (9, 'n')] {
        first(seed, &Arc::default()).memory(Memory::Durable).run(async |world| {
            asks(world, "a", "1 1 New").await?;
            deploy(world, '2').await?;
            asks(world, "a", "2 2 New+2").await?;
            world.serve_next("main", &Version { start, ..Version::named('3') }.component())?;
            for (round, is_crash) in [(1, true), (2, false)] {
                restart(world, is_crash).await?;
                asks(world, "a", &format!("2 {} New+2", 2 + round)).await?;
                asks(world, &format!("new-{round}"), "2 1 New").await?;
            }
            // Nor is it what is gone back to.
            world.roll_back("main").await?;
            asks(world, "a", "1 5 New+2+1").await
        });
    }
}

#[test]
fn two_versions_are_kept_and_those_that_rooms_have() {
    let store = Arc::new(MemoryStore::default());
    let quick = |limits: &mut party_core::limits::Limits| limits.upgrade_wait_ms = 1_000_000_000;
    first(10, &store).limits(quick).run(async |world| {
        let is_kept = |digest| store.component(digest).map(|kept| kept.is_some());
        // One has a memory of the first version in the store, the other has only begun something on the second.
        asks(world, "asleep", "1 1 New").await?;
        world.hibernate("main/asleep").await?;
        let (first, second) = deploy(world, '2').await?;
        let mut alice = world.connect("main", "awake").await?;
        alice.send("sleep 100000000").await?;
        alice.expect_nothing().await?;
        let mut versions = vec![first, second];
        for name in ('3'..='9').chain('a'..='f') {
            versions.push(deploy(world, name).await?.1);
        }
        let last = versions.len() - 2..versions.len();
        let kept = versions.iter().filter(|digest| is_kept(**digest).unwrap_or(false)).count();
        ensure!(kept < versions.len() - 1, "more may be loaded still, but not all: {kept} are kept");
        // The second is there when a room is saved with it that never was before.
        world.restart_host().await?;
        asks(world, "awake", "2 1 New").await?;
        for (index, version) in versions.iter().enumerate() {
            let is_needed = index < 2 || last.contains(&index);
            ensure!(is_kept(*version)? == is_needed, "version {index} of {}", versions.len());
        }
        asks(world, "asleep", "f 2 New+f").await?;
        world.hibernate("main/asleep").await?;
        world.crash().await?;
        ensure!(!is_kept(first)? && is_kept(second)?, "one room still has the second");
        world.advance(Duration::from_millis(100_000_000)).await;
        asks(world, "awake", "f 1 New+f").await?;
        world.restart_host().await?;
        ensure!(!is_kept(second)?, "no room has it any more");
        world.roll_back("main").await?;
        asks(world, "awake", "e 2 New+f+e").await
    });
}

#[test]
fn a_version_that_cannot_be_kept_is_not_served() {
    let store = Arc::new(FaultyStore::scripted(Arc::new(MemoryStore::default()), []));
    on(11, store.clone()).run(async |world| {
        deploy(world, '2').await?;
        for fails in [true, false] {
            store.set_keeps_fail(fails);
            let deployed = world.upgrade("main", &Version::named('3').component()).await;
            assert_eq!(deployed.is_err(), fails);
            asks(world, &format!("deployed-{fails}"), if fails { "2 1 New" } else { "3 1 New" }).await?;
        }
        store.set_keeps_fail(true);
        let refused = world.roll_back("main").await.err().context("it cannot be told")?;
        ensure!(refused.to_string().contains("cannot be kept"), "{refused}");
        asks(world, "stays", "3 1 New").await?;
        store.set_keeps_fail(false);
        world.crash().await?;
        world.roll_back("main").await?;
        asks(world, "back", "2 1 New").await
    });
}
