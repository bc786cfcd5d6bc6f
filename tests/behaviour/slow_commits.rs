//! Commits that take their time, and what happens to a room meanwhile.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use party_core::limits::Limits;
use party_store::memory::MemoryStore;
use party_store::testing::faulty_store::FaultyStore;
use party_testkit::world::{Memory, World};
use party_tests::guests::{Version, scratch};

use crate::sleeping;

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
    for (seed, memory) in [(3, Memory::Hibernate), (4, Memory::Durable)] {
        let store = Arc::new(FaultyStore::scripted(Arc::new(MemoryStore::default()), []));
        let first = World::new(seed).compile_cache(scratch("compiled"));
        let first = first.party("main", Version::named('1').component());
        first.memory(memory).store(store.clone()).run(async |world| -> Result<()> {
            world.expect("GET", "/parties/main/lobby/large", b"", 200, "large").await?;
            let mut alice = world.connect("main", "lobby").await?;
            world.hold_commits();
            alice.send("put before").await?;
            alice.send("get put").await?;
            store.set_staging_fails(true);
            world.upgrade("main", &Version::named('2').component()).await?;
            alice.expect_nothing().await?;
            let refused = world.request("GET", "/parties/main/lobby/length", b"").await?;
            assert_eq!((refused.status, refused.body.as_str()), (503, "the room is ending; try again"));
            store.set_staging_fails(false);
            world.let_commits_go().await;
            alice.expect_text("before").await?;
            assert_eq!(alice.expect_close(1011).await?, "the room could not be written");
            if memory == Memory::Durable {
                world.expect("GET", "/parties/main/lobby/length", b"", 200, "2 100000").await?;
            }
            let mut bob = world.connect("main", "lobby").await?;
            bob.send("get put").await?;
            bob.expect_text("before").await
        });
    }
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
