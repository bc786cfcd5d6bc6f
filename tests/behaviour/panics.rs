//! A bug of the host's own, met while it carries a room: the room starts again from the store, and nobody waits for ever.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, bail, ensure};
use party_store::memory::MemoryStore;
use party_store::testing::faulty_store::FaultyStore;
use party_testkit::world::{Answer, Memory, World};

use crate::sleeping;

fn on_a_store(seed: u64, memory: Memory, test: impl AsyncFnOnce(&World, &FaultyStore) -> Result<()>) {
    let store = Arc::new(FaultyStore::scripted(Arc::new(MemoryStore::default()), []));
    let world = sleeping(seed).memory(memory).store(store.clone());
    world.run(async |world| test(world, &store).await);
}

/// So many reads are tried, one after the other, as the one that panics.
const READS_MAX: u64 = 6;

#[test]
fn a_panic_while_a_room_is_made_again_costs_neither_its_memory_nor_the_host() {
    let mut panicked = 0;
    for memory in [Memory::Hibernate, Memory::Durable] {
        for reads in 0..READS_MAX {
            println!("{memory:?}, a panic after {reads} reads");
            on_a_store(reads, memory, async |world, store| {
                let mut alice = world.connect("main", "lobby").await?;
                for message in ["put-bytes key 5", "put-bytes other 7"] {
                    alice.send(message).await?;
                    alice.expect_text("ok").await?;
                }
                let mut said = 2;
                world.advance(Duration::from_secs(100)).await;
                ensure!(!world.is_awake("main/lobby").await?);
                if memory == Memory::Durable {
                    // What is recorded now has read the tables, and does so again when it is replayed.
                    alice.send("get key").await?;
                    alice.expect_text("xxxxx").await?;
                    said += 1;
                    world.crash().await?;
                } else {
                    drop(alice);
                    world.advance(Duration::from_secs(100)).await;
                }
                store.panic_after_reads(reads);
                let first = world.knock("main/lobby", &[]).await;
                if let Ok(Answer::Connected(mut bob)) = first {
                    bob.send("said").await?;
                    if bob.expect_text(&(said + 1).to_string()).await.is_ok() {
                        said += 1;
                    } else {
                        bob.expect_close(1011).await?;
                    }
                }
                panicked += u64::from(!store.is_to_panic());
                store.panic_no_more();
                let mut carol = world.connect("main", "lobby").await?;
                carol.send("said").await?;
                carol.expect_text(&(said + 1).to_string()).await
            });
        }
    }
    println!("{panicked} panics");
    assert!(panicked >= 6, "{panicked} panics");
}

/// A turn that reads the store panics: who is there hears of it, and other rooms hear nothing.
#[test]
fn a_panic_in_a_turn_closes_the_clients_of_that_room_only() {
    for (seed, memory) in (1..).zip([Memory::Volatile, Memory::Hibernate, Memory::Durable]) {
        on_a_store(seed, memory, async |world, store| {
            let mut bob = world.connect("main", "elsewhere").await?;
            let mut alice = world.connect("main", "lobby").await?;
            alice.send("put-bytes key 5").await?;
            alice.expect_text("ok").await?;
            store.panic_after_reads(0);
            // What is there may be had without the store.
            alice.send("get absent").await?;
            ensure!(alice.expect_close(1011).await? == "the room met an error of the host");
            let Answer::Connected(mut again) = world.knock("main/lobby", &[]).await? else {
                bail!("the room cannot be opened")
            };
            again.send("get key").await?;
            again.expect_text("xxxxx").await?;
            bob.send("said").await?;
            bob.expect_text("1").await
        });
    }
}

/// What a room has asked to be written is answered before it is opened again: its numbers are given out once.
#[test]
fn a_room_that_has_panicked_is_opened_when_its_commits_are_answered() {
    for (seed, memory) in (1..).zip([Memory::Volatile, Memory::Hibernate, Memory::Durable]) {
        on_a_store(seed, memory, async |world, store| {
            let mut alice = world.connect("main", "lobby").await?;
            alice.send("put-bytes first 5").await?;
            alice.expect_text("ok").await?;
            world.hold_commits();
            alice.send("put-bytes second 6").await?;
            world.settle().await;
            store.panic_after_reads(0);
            alice.send("get absent").await?;
            alice.expect_close(1011).await?;
            ensure!(matches!(world.knock("main/lobby", &[]).await?, Answer::Refused(503, _)));
            world.let_commits_go().await;
            let mut bob = world.connect("main", "lobby").await?;
            bob.send("get second").await?;
            bob.expect_text("xxxxxx").await?;
            bob.send("put-bytes third 7").await?;
            bob.expect_text("ok").await
        });
    }
}
