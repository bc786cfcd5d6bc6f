//! A store that cannot be read for a while: a room that cannot be made again then is not damaged, and has forgotten nothing
//! when it can be read.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, ensure};
use party_store::memory::MemoryStore;
use party_store::testing::faulty_store::FaultyStore;
use party_testkit::client::Received;
use party_testkit::world::{Answer, Memory, World};

use crate::sleeping;

fn on_a_store(seed: u64, memory: Memory, test: impl AsyncFnOnce(&World, &FaultyStore) -> Result<()>) {
    let store = Arc::new(FaultyStore::scripted(Arc::new(MemoryStore::default()), []));
    let world = sleeping(seed).memory(memory).store(store.clone());
    world.run(async |world| test(world, &store).await);
}

/// The reads of which the first so many work.
const READS_MAX: u64 = 9;

#[test]
fn a_room_that_cannot_be_read_is_made_again_when_it_can_be() {
    let (mut refused, mut taken) = (0, 0);
    for memory in [Memory::Hibernate, Memory::Durable] {
        for reads in 0..READS_MAX {
            println!("{memory:?}, {reads} reads");
            on_a_store(reads, memory, async |world, store| {
                let mut alice = world.connect("main", "lobby").await?;
                for message in ["put-bytes key 5", "put-bytes other 7"] {
                    alice.send(message).await?;
                    alice.expect_text("ok").await?;
                }
                world.advance(Duration::from_secs(100)).await;
                ensure!(!world.is_awake("main/lobby").await?);
                let mut said = 2;
                if memory == Memory::Durable {
                    // What is recorded now has read the tables, and does so again when it is replayed.
                    for (key, value) in [("key", "xxxxx"), ("other", "xxxxxxx")] {
                        alice.send(&format!("get {key}")).await?;
                        alice.expect_text(value).await?;
                        said += 1;
                    }
                    world.crash().await?;
                } else {
                    drop(alice);
                    world.advance(Duration::from_secs(100)).await;
                }
                store.fail_reads_after(reads);
                match world.knock("main/lobby", &[]).await? {
                    Answer::Connected(_) => taken += 1,
                    Answer::Refused(status, body) => {
                        refused += 1;
                        ensure!(status == 503 && body.contains("be read"), "{status} {body}");
                        ensure!(!body.contains("damaged"), "{body}");
                    }
                    Answer::Nothing(_) => anyhow::bail!("no answer"),
                }
                store.set_reads_fail(false);
                let mut bob = world.connect("main", "lobby").await?;
                bob.send("said").await?;
                bob.expect_text(&(said + 1).to_string()).await
            });
        }
    }
    println!("{refused} refused, {taken} taken");
    assert!(refused > 4 && taken > 4, "{refused} refused, {taken} taken");
}

/// Its clients are closed, because nobody can say when it will be read; its memory is where it was.
#[test]
fn a_room_that_cannot_be_woken_closes_its_clients_and_keeps_its_memory() {
    for (seed, memory) in (1..).zip([Memory::Hibernate, Memory::Durable]) {
        on_a_store(seed, memory, async |world, store| {
            let mut alice = world.connect("main", "lobby").await?;
            alice.send("said").await?;
            alice.expect_text("1").await?;
            world.advance(Duration::from_secs(100)).await;
            store.set_reads_fail(true);
            alice.send("said").await?;
            ensure!(alice.expect_close(1011).await? == "the room could not be read");
            store.set_reads_fail(false);
            let mut bob = world.connect("main", "lobby").await?;
            bob.send("said").await?;
            // The message before was not taken.
            bob.expect_text("2").await
        });
    }
}

/// Once such a turn was dropped as if the guest had failed: the room began a new life, and a room that was asked often was
/// suspended.
#[test]
fn a_room_that_cannot_read_in_a_turn_goes_back_to_what_is_kept_of_it() {
    for (seed, memory) in (3..).zip([Memory::Hibernate, Memory::Durable]) {
        on_a_store(seed, memory, async |world, store| {
            let mut alice = world.connect("main", "lobby").await?;
            alice.send("put-bytes key 5").await?;
            alice.expect_text("ok").await?;
            // It sleeps with what it has.
            world.advance(Duration::from_secs(100)).await;
            for _ in 0..15 {
                alice.send("said").await?;
                let Some(Received::Text(_)) = alice.next().await else { panic!("no answer") };
                store.set_reads_fail(true);
                alice.send("get key").await?;
                ensure!(alice.expect_close(1011).await? == "the room could not be read");
                let refused = world.request("GET", "/parties/main/lobby/get?key", b"").await?;
                ensure!(refused.status == 503 && refused.body.contains("be read"), "{refused:?}");
                store.set_reads_fail(false);
                alice = world.connect("main", "lobby").await?;
            }
            alice.send("started").await?;
            alice.expect_text("Some(New)").await?;
            alice.send("said").await?;
            // It counts every message. One that slept was saved again after the first turn.
            let said = if memory == Memory::Durable { 18 } else { 4 };
            alice.expect_text(&said.to_string()).await
        });
    }
}

/// The request that finds out is told why.
#[test]
fn a_request_whose_turn_cannot_read_is_answered_with_the_reason() {
    for (seed, memory) in (5..).zip([Memory::Volatile, Memory::Hibernate, Memory::Durable]) {
        on_a_store(seed, memory, async |world, store| {
            world.expect("PUT", "/parties/main/lobby/put?key", b"value", 200, "stored").await?;
            store.set_reads_fail(true);
            let refused = world.request("GET", "/parties/main/lobby/get?other", b"").await?;
            ensure!(refused.status == 503, "{refused:?}");
            ensure!(refused.body.starts_with("the room could not be read: "), "{refused:?}");
            store.set_reads_fail(false);
            world.expect("GET", "/parties/main/lobby/get?key", b"", 200, "value").await
        });
    }
}
