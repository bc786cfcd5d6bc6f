//! How rooms end with their host: which of them have forgotten something then, so that whoever looks after it must hear of it.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use party_core::ids::CommitSeq;
use party_core::limits::Limits;
use party_testkit::world::{Memory, World};

use crate::sleeping;

/// How long a commit takes: longer than it takes to tell a host to end.
const COMMIT: Duration = Duration::from_millis(500);

/// The room says something to the store, which is told to fail, and its host ends meanwhile.
async fn ends_with_a_commit_that_fails(world: &World) -> Result<u64> {
    let mut alice = world.connect("main", "lobby").await?;
    alice.send("put-bytes before 5").await?;
    alice.expect_text("ok").await?;
    world.slow_commits(COMMIT);
    alice.send("put-bytes never 5").await?;
    alice.expect_nothing().await?;
    world.fail_next_commit();
    world.restart_host().await?;
    let closed = alice.expect_close(1011).await?;
    ensure!(closed == "the room could not be written", "{closed}");
    world.slow_commits(Duration::ZERO);
    let mut bob = world.connect("main", "lobby").await?;
    for (key, value) in [("before", "xxxxx"), ("never", "none")] {
        bob.send(&format!("get {key}")).await?;
        bob.expect_text(value).await?;
    }
    Ok(world.forgotten())
}

/// What it had in its variables would have ended with its host in any case. That was counted.
#[test]
fn only_a_room_whose_memory_would_have_been_kept_has_forgotten_it_when_its_last_commit_fails() {
    for (seed, memory, expected) in
        [(1, Memory::Volatile, 0), (2, Memory::Durable, 0), (3, Memory::Hibernate, 1)]
    {
        sleeping(seed).memory(memory).run(async |world| {
            let forgotten = ends_with_a_commit_that_fails(world).await?;
            ensure!(forgotten == expected, "{memory:?}: {forgotten} rooms have ended without their memory");
            Ok(())
        });
    }
}

/// Nothing has come of it since it was saved, or woken: to write it once more would only take longer.
#[test]
fn a_room_whose_memory_is_kept_as_it_is_ends_without_another_checkpoint() {
    let awake = |limits: &mut Limits| (limits.idle_ms, limits.checkpoint_interval_ms) = (60_000, 1_000);
    for (seed, memory) in [(11, Memory::Hibernate), (12, Memory::Durable)] {
        sleeping(seed).memory(memory).limits(awake).run(async |world| {
            world.expect("GET", "/parties/main/lobby/said", b"", 200, "1").await?;
            world.advance(Duration::from_secs(5)).await;
            ensure!(world.is_awake("main/lobby").await?);
            let before = kept_with(world).await?;
            world.restart_host().await?;
            ensure!(kept_with(world).await? == before, "it was written once more");
            ensure!(world.forgotten() == 0);
            world.expect("GET", "/parties/main/lobby/said", b"", 200, "2").await?;
            world.restart_host().await?;
            ensure!(kept_with(world).await? > before, "it has changed, and was not written");
            ensure!(world.forgotten() == 0);
            world.expect("GET", "/parties/main/lobby/said", b"", 200, "3").await
        });
    }
}

/// The commit that carries the last checkpoint.
async fn kept_with(world: &World) -> Result<CommitSeq> {
    let details = world.inspect("main/lobby").await?;
    let kept = details.view.kept.and_then(|kept| kept.checkpoint);
    Ok(kept.context("it has a checkpoint")?.seq)
}
