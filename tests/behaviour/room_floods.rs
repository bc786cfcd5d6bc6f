//! Names that are drawn at random: how many rooms there may be.

use std::time::Duration;

use anyhow::{Result, ensure};
use party_testkit::world::{Memory, World};

use crate::sleeping;

const FULL: &str = "there are 4 rooms, which is the limit of this host: a new one cannot be opened";
/// Longer than a room has nothing to do before it sleeps, and than one of which nothing is kept stays.
const LONG: Duration = Duration::from_secs(100);

async fn say(world: &World, room: &str) -> Result<(u16, String)> {
    let answer = world.request("GET", &format!("/parties/main/{room}/said"), b"").await?;
    Ok((answer.status, answer.body))
}

#[test]
fn a_host_has_no_more_rooms_than_it_may_and_those_that_it_has_go_on() {
    for (seed, memory) in (1..).zip([Memory::Hibernate, Memory::Durable]) {
        for workers in [1, 3] {
            sleeping(seed).memory(memory).workers(workers).rooms_max(4).run(async |world| {
                for room in ["a", "b", "c", "d"] {
                    ensure!(say(world, room).await? == (200, "1".into()), "{room}");
                }
                ensure!(say(world, "e").await? == (503, FULL.into()));
                // What is awake, what sleeps, and what only a restart finds again.
                ensure!(say(world, "a").await? == (200, "2".into()));
                world.advance(LONG).await;
                ensure!(world.rooms_awake() == 0);
                ensure!(say(world, "e").await? == (503, FULL.into()));
                ensure!(say(world, "a").await? == (200, "3".into()));
                world.restart_host().await?;
                ensure!(say(world, "e").await? == (503, FULL.into()));
                ensure!(say(world, "a").await? == (200, "4".into()));
                Ok(())
            });
        }
    }
}

#[test]
fn a_volatile_room_that_has_stored_nothing_counts_only_while_it_is_open() {
    sleeping(3).memory(Memory::Volatile).rooms_max(4).run(async |world| {
        let mut keeper = world.connect("main", "keeper").await?;
        keeper.send("put-bytes key 5").await?;
        keeper.expect_text("ok").await?;
        for round in 0..3 {
            for room in ["a", "b", "c"] {
                ensure!(say(world, &format!("{room}{round}")).await?.0 == 200);
            }
            ensure!(say(world, "one-more").await? == (503, FULL.into()));
            world.advance(LONG).await;
        }
        Ok(())
    });
}

#[test]
fn a_commit_that_fails_leaves_no_room_and_a_copy_counts_as_one() {
    sleeping(4).memory(Memory::Volatile).rooms_max(4).run(async |world| {
        world.fail_next_commit();
        let mut lost = world.connect("main", "lost").await?;
        lost.send("put-bytes key 5").await?;
        world.advance(LONG).await;
        for room in ["a", "b"] {
            let mut client = world.connect("main", room).await?;
            client.send("put-bytes key 5").await?;
            client.expect_text("ok").await?;
        }
        world.fork("main/a", "main/copy").await?;
        ensure!(say(world, "c").await?.0 == 200, "there are three, and this is the fourth");
        ensure!(say(world, "d").await? == (503, FULL.into()));
        // Whoever looks after the host may bring more than that.
        world.fork("main/a", "main/copy-2").await?;
        world.advance(LONG).await;
        ensure!(say(world, "d").await? == (503, FULL.into()), "{:?}", world.take_complaints());
        ensure!(say(world, "copy-2").await?.0 == 200);
        Ok(())
    });
}
