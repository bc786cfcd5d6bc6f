//! A system that has nothing left to load an older version of a party with: its rooms wait for that as for an instance, and
//! what was served is not forgotten.
//!
//! A component is asked by an instance of it what it can do, so one that is loaded needs a place. The engine of these worlds
//! has a few, and the test takes them all.

use std::time::Duration;

use anyhow::{Result, ensure};
use party_node::inspection::RoomState;
use party_node::transfer::{ExportError, ForkError};
use party_testkit::world::{Builder, Memory, World};
use party_tests::guests::{Version, scratch};

/// As long as a room waits for a place (`accept_deadline_ms`), and a little.
const PATIENCE: Duration = Duration::from_millis(3_600);
/// Longer than until a room is tried again.
const A_WHILE: Duration = Duration::from_millis(300);

fn first(seed: u64) -> Builder {
    let component = Version::named('1').component();
    World::new(seed).compile_cache(scratch("compiled")).own_engine().party("main", &component)
}

async fn asks(world: &World, answer: &str) -> Result<()> {
    world.expect("GET", "/parties/main/lobby", b"", 200, answer).await
}

/// Any failure to load the component of a room's memory was called damage, and a hibernating room lost its memory.
#[test]
fn a_room_whose_version_cannot_be_loaded_for_now_is_neither_damaged_nor_made_to_forget() {
    for (seed, memory) in [(1, Memory::Hibernate), (2, Memory::Durable)] {
        first(seed).memory(memory).run(async |world| {
            asks(world, "1 1 New").await?;
            asks(world, "1 2 New").await?;
            if memory == Memory::Hibernate {
                world.hibernate("main/lobby").await?;
            }
            world.serve_next("main", &Version::named('2').component())?;
            // The first start deploys the second version beside the first; the next one has not loaded the first.
            world.crash().await?;
            world.crash().await?;
            let taken = world.take_all_places().await?;
            let asked = world.ask("GET", "/parties/main/lobby", b"").await?;
            world.advance(PATIENCE).await;
            let told = asked.await?;
            ensure!(told.status == 503 && told.body.contains("all places are taken"), "{told:?}");
            ensure!(world.inspect("main/lobby").await?.view.state != RoomState::Damaged);
            // Who waits when there is a place is served.
            let asked = world.ask("GET", "/parties/main/lobby", b"").await?;
            world.advance(A_WHILE).await;
            drop(taken);
            world.advance(A_WHILE).await;
            ensure!(asked.await?.status == 200);
            asks(world, "2 4 New+2").await
        });
    }
}

/// A host that could not load what was served last took what it was started with, and forgot the other.
#[test]
fn a_host_that_cannot_load_what_was_served_last_does_not_start_and_forgets_nothing() {
    first(3).memory(Memory::Durable).run(async |world| {
        asks(world, "1 1 New").await?;
        world.upgrade("main", &Version::named('2').component()).await?;
        asks(world, "2 2 New+2").await?;
        world.serve_next("main", &Version::named('1').component())?;
        // So that it leaves no place when the host ends.
        world.hibernate("main/lobby").await?;
        let taken = world.take_all_places().await?;
        let refused = world.crash().await.expect_err("it cannot be loaded");
        let told = format!("{refused:#}");
        ensure!(told.contains("which cannot be had now") && told.contains("hint: start again"), "{told}");
        drop(taken);
        world.crash().await?;
        // What was served goes on, and then what the host was started with, as at any start.
        asks(world, "1 3 New+2+1").await?;
        world.roll_back("main").await?;
        asks(world, "2 4 New+2+1+2").await
    });
}

/// Its turns cannot be taken again at this moment: that was told as if something were wrong with them.
#[test]
fn a_room_in_the_midst_of_its_journal_is_not_copied_while_there_is_no_instance_and_nothing_is_wrong_with_it()
{
    first(4).memory(Memory::Durable).run(async |world| {
        asks(world, "1 1 New").await?;
        world.crash().await?;
        let taken = world.take_all_places().await?;
        let refused = world.fork("main/lobby", "main/copy").await.map(drop).expect_err("no place");
        let told = format!("{refused:#}");
        ensure!(told.contains("cannot be made again for a copy now: all places are taken"), "{told}");
        ensure!(told.contains("hint: try again in a moment") && !told.contains("recover"), "{told}");
        let kind = refused.downcast_ref::<ForkError>();
        ensure!(matches!(kind, Some(ForkError::Export(ExportError::NotNow(_)))), "{kind:?}");
        drop(taken);
        world.fork("main/lobby", "main/copy").await?;
        asks(world, "1 2 New").await
    });
}
