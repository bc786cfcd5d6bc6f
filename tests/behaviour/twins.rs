//! Clients of one name (`_pk`) in one room, as `[duplicate-key]` has it.

use anyhow::{Result, bail, ensure};
use party_core::room::DuplicateKeys;
use party_testkit::world::{Answer, Memory};

use crate::sleeping;

const MEMORIES: [Memory; 3] = [Memory::Volatile, Memory::Hibernate, Memory::Durable];

#[test]
fn the_newer_one_takes_the_place_of_the_older() {
    for (seed, memory) in (1..).zip(MEMORIES) {
        let world = sleeping(seed).memory(memory).duplicate_key("main", DuplicateKeys::Replace);
        world.run(async |world| -> Result<()> {
            let mut older = world.connect("main", "lobby").query("_pk=alice").await?;
            let mut bob = world.connect("main", "lobby").query("_pk=bob").await?;
            let mut newer = world.connect("main", "lobby").query("_pk=alice").await?;
            let why = older.expect_close(1008).await?;
            ensure!(why == "replaced by a newer client of this name", "{why}");
            bob.expect_text("1 closed 1008 replaced by a newer client of this name clean").await?;
            newer.send("who").await?;
            newer.expect_text("2 3").await?;
            // The close is told once.
            older.close(1008, "").await.ok();
            bob.expect_nothing().await?;
            // Another room has other clients.
            let mut elsewhere = world.connect("main", "other").query("_pk=alice").await?;
            newer.send("key").await?;
            newer.expect_text("alice").await?;
            elsewhere.send("who").await?;
            elsewhere.expect_text("1").await?;
            // Those without a name are nobody's twins.
            for _ in 0..2 {
                world.connect("main", "other").query("_pk=").await?;
            }
            Ok(())
        });
    }
}

#[test]
fn the_newer_one_is_answered_with_409_while_the_older_is_there() {
    for (seed, memory) in (1..).zip(MEMORIES) {
        let world = sleeping(seed).memory(memory).duplicate_key("main", DuplicateKeys::Refuse);
        world.run(async |world| -> Result<()> {
            let mut older = world.connect("main", "lobby").query("_pk=alice").await?;
            match world.knock("main/lobby?_pk=alice", &[]).await? {
                Answer::Refused(status, body) => {
                    ensure!((status, &body[..]) == (409, "another client of this name is connected"));
                }
                Answer::Connected(_) | Answer::Nothing(_) => bail!("not refused"),
            }
            older.send("key").await?;
            older.expect_text("alice").await?;
            older.close(1000, "").await?;
            world.settle().await;
            let mut newer = world.connect("main", "lobby").query("_pk=alice").await?;
            newer.send("key").await?;
            newer.expect_text("alice").await
        });
    }
}
