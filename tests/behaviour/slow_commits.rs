//! Commits that take their time, and what happens to a room meanwhile.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, ensure};
use party_core::limits::Limits;
use party_store::memory::MemoryStore;
use party_store::testing::faulty_store::FaultyStore;
use party_testkit::client::Client;
use party_testkit::world::{Memory, World};
use party_tests::guests::{Version, scratch};

use crate::{first_version, sleeping};

#[test]
fn nothing_is_seen_before_it_is_durable() {
    for (seed, memory) in [(1, Memory::Hibernate), (2, Memory::Durable)] {
        sleeping(seed).memory(memory).run(async |world| {
            let mut alice = world.connect("main", "lobby").await?;
            world.hold_commits();
            alice.send("put key value").await?;
            alice.send("get key").await?;
            alice.expect_nothing().await?;
            world.let_commits_go().await;
            alice.expect_text("value").await
        });
    }
}

/// The room was ended at once and opened again beside its own commits, which it did not know: what it wrote then was refused,
/// or the journal that it read was longer than its record said, which is damage.
#[test]
fn a_room_that_cannot_be_carried_over_is_made_anew_when_its_commits_are_durable() {
    let store = Arc::new(FaultyStore::scripted(Arc::new(MemoryStore::default()), []));
    first_version(4).memory(Memory::Durable).store(store.clone()).run(async |world| {
        let mut alice = deployed_behind_a_commit(world, &store).await?;
        let refused = world.request("GET", "/parties/main/lobby/length", b"").await?;
        assert_eq!((refused.status, refused.body.as_str()), (503, "the room is ending; try again"));
        store.set_staging_fails(false);
        world.let_commits_go().await;
        alice.expect_text("before").await?;
        assert_eq!(alice.expect_close(1011).await?, "the room could not be written");
        world.expect("GET", "/parties/main/lobby/length", b"", 200, "2 100000").await?;
        let mut bob = world.connect("main", "lobby").await?;
        bob.send("get put").await?;
        bob.expect_text("before").await
    });
}

/// One that is saved first has nothing to be taken back: it stands still for its commit, then goes on with what it has.
#[test]
fn a_room_that_cannot_be_saved_is_carried_over_when_it_can() {
    let store = Arc::new(FaultyStore::scripted(Arc::new(MemoryStore::default()), []));
    first_version(3).memory(Memory::Hibernate).store(store.clone()).run(async |world| {
        let mut alice = deployed_behind_a_commit(world, &store).await?;
        let length = world.ask("GET", "/parties/main/lobby/length", b"").await?;
        world.let_commits_go().await;
        alice.expect_text("before").await?;
        assert_eq!(length.await?.body, "1 100000");
        world.advance(Duration::from_secs(20)).await;
        world.expect("GET", "/parties/main/lobby/length", b"", 200, "1 100000").await?;
        store.set_staging_fails(false);
        world.advance(Duration::from_secs(15)).await;
        world.expect("GET", "/parties/main/lobby/length", b"", 200, "2 100000").await?;
        alice.send("get put").await?;
        alice.expect_text("before").await
    });
}

/// A deployment for a large room whose last commit has not been answered, and whose checkpoints cannot be staged.
async fn deployed_behind_a_commit(world: &World, store: &FaultyStore) -> Result<Client> {
    world.expect("GET", "/parties/main/lobby/large", b"", 200, "large").await?;
    let mut alice = world.connect("main", "lobby").await?;
    world.hold_commits();
    alice.send("put before").await?;
    alice.send("get put").await?;
    store.set_staging_fails(true);
    world.upgrade("main", &Version::named('2').component()).await?;
    alice.expect_nothing().await?;
    Ok(alice)
}

/// A room that is saved again before its last checkpoint was durable took that one's bytes away: the commit that pointed to
/// them was refused, and with it those of all rooms in its batch.
#[test]
fn a_room_is_saved_again_while_its_last_large_checkpoint_is_on_its_way() {
    let short = |limits: &mut Limits| limits.journal_records_max = 1;
    let one = Version::named('1').component();
    let world = World::new(5).compile_cache(scratch("compiled")).party("main", &one).limits(short);
    world.memory(Memory::Durable).run(async |world| {
        world.expect("GET", "/parties/main/lobby/large", b"", 200, "large").await?;
        world.hold_commits();
        let neighbours = world.ask("GET", "/parties/main/neighbour", b"").await?;
        let mut answers = Vec::new();
        for _ in 0..4 {
            answers.push(world.ask("GET", "/parties/main/lobby/length", b"").await?);
            world.advance(Duration::from_millis(50)).await;
        }
        world.let_commits_go().await;
        assert_eq!(neighbours.await?.body, "1 1 New");
        for answer in answers {
            assert_eq!(answer.await?.body, "1 100000");
        }
        world.crash().await?;
        world.expect("GET", "/parties/main/lobby/length", b"", 200, "1 100000").await
    });
}

/// A save that failed was tried again before any turn, and again: the room answered nobody, also after a restart.
#[test]
fn a_durable_room_that_cannot_be_saved_goes_on_and_its_journal_with_it() {
    let store = Arc::new(FaultyStore::scripted(Arc::new(MemoryStore::default()), []));
    let short = |limits: &mut Limits| limits.journal_records_max = 2;
    let world = first_version(6).limits(short).memory(Memory::Durable).store(store.clone());
    world.run(async |world| {
        store.set_staging_fails(true);
        world.expect("GET", "/parties/main/lobby/large", b"", 200, "large").await?;
        for _ in 0..2 {
            for _ in 0..20 {
                world.expect("GET", "/parties/main/lobby/length", b"", 200, "1 100000").await?;
            }
            world.crash().await?;
        }
        world.expect("GET", "/parties/main/lobby/length", b"", 200, "1 100000").await?;
        let looked_at = world.inspect("main/lobby").await?;
        ensure!(looked_at.checkpoint.is_none(), "{:?}", looked_at.checkpoint);
        store.set_staging_fails(false);
        world.advance(Duration::from_secs(40)).await;
        ensure!(world.inspect("main/lobby").await?.checkpoint.is_some());
        Ok(())
    });
}
