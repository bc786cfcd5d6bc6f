//! A room that asks for the rooms of a party.

use std::time::Duration;

use anyhow::{Result, ensure};
use party_testkit::world::{Memory, World};

use crate::{probe, sleeping};

async fn ask(world: &World, client: &mut party_testkit::client::Client, about: &str) -> Result<String> {
    client.send(&format!("rooms {about}")).await?;
    world.settle().await;
    match client.next().await {
        Some(party_testkit::client::Received::Text(text)) => Ok(text),
        other => anyhow::bail!("{other:?} {:?}", world.take_complaints()),
    }
}

#[test]
fn rooms_are_listed_page_by_page_whether_awake_asleep_or_stored() {
    for (seed, memory) in (1..).zip([Memory::Volatile, Memory::Hibernate, Memory::Durable]) {
        for workers in [1, 3] {
            sleeping(seed).memory(memory).workers(workers).run(async |world| {
                for room in ["b1", "a2", "a1", "c"] {
                    let mut client = world.connect("main", room).await?;
                    client.send("put-bytes key 5").await?;
                    client.expect_text("ok").await?;
                }
                world.advance(Duration::from_secs(100)).await;
                let mut alice = world.connect("main", "asking").await?;
                ensure!(ask(world, &mut alice, "main  100").await? == "a1 a2 asking b1 c");
                ensure!(ask(world, &mut alice, "main a 100").await? == "a1 a2 asking");
                ensure!(ask(world, &mut alice, "main a 2").await? == "a1 a2 next a2");
                ensure!(ask(world, &mut alice, "main a 2 a2").await?.starts_with("asking"));
                ensure!(ask(world, &mut alice, "main z 2").await? == "");
                world.restart_host().await?;
                let mut alice = world.connect("main", "asking").await?;
                ensure!(ask(world, &mut alice, "main b 100").await? == "b1");
                Ok(())
            });
        }
    }
}

#[test]
fn what_makes_no_sense_is_said() {
    probe(1).run(async |world| -> Result<()> {
        let mut alice = world.connect("main", "lobby").await?;
        let long = "x".repeat(1_025);
        for (about, expected) in [
            ("none a 1", "failed: there is no party none"),
            ("main a 0", "failed: the limit is 0; it may be 1 to 1000"),
            ("main a 1001", "failed: the limit is 1001; it may be 1 to 1000"),
            ("Main a 1", "failed: party name \"Main\" is not allowed: use 1 to 64 of a-z, 0-9, _ and -"),
            ("main a 1 a/b", "failed: the room id holds '/', which is not allowed"),
            (&format!("main {long} 1"), "failed: an id has at most 1024 bytes, not 1025"),
        ] {
            assert_eq!(ask(world, &mut alice, about).await?, expected, "{about}");
        }
        Ok(())
    });
}

/// It is an operation like any other: so many may be open.
#[test]
fn it_counts_among_the_open_operations() {
    probe(2).limits(|limits| limits.operations_open_max = 1).run(async |world| -> Result<()> {
        let mut alice = world.connect("main", "lobby").await?;
        alice.send("sleep 1000 up").await?;
        let refused = ask(world, &mut alice, "main a 1").await?;
        assert_eq!(refused, "failed: too many operations are open; the limit is 1");
        world.advance(Duration::from_secs(1)).await;
        assert!(format!("{:?}", alice.next().await).contains("up at"));
        assert_eq!(ask(world, &mut alice, "main lob 1").await?, "lobby next lobby");
        Ok(())
    });
}
