//! Deployments while the disk refuses: a switch that cannot be written is put off or taken back, and costs no variable.

use std::time::Duration;

use anyhow::{Result, ensure};
use party_store::testing::simulated_disk::{DiskFault, SimulatedDisk};
use party_testkit::client::{Client, Received};
use party_testkit::world::{Memory, World};
use party_tests::guests::Version;

use crate::first_version;
use crate::full_disk::{KINDS, for_good, on_the_disk_of};

fn with_first(seed: u64, memory: Memory, test: impl AsyncFnOnce(&World, &SimulatedDisk) -> Result<()>) {
    on_the_disk_of(seed, first_version(seed).memory(memory), test);
}

async fn second(world: &World) -> Result<()> {
    world.upgrade("main", &Version::named('2').component()).await?;
    Ok(())
}

/// What the room says of itself: its version, and the count that it keeps in a variable only.
async fn said(client: &mut Client) -> Result<Option<(String, u64)>> {
    if client.send("count").await.is_err() {
        return Ok(None);
    }
    match client.next().await {
        Some(Received::Text(said)) => {
            let mut parts = said.split(' ');
            let (version, count) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
            Ok(Some((version.to_owned(), count.parse()?)))
        }
        Some(_) | None => Ok(None),
    }
}

/// Awake rooms that nobody has saved yet, and a disk that is full from before the deployment on: they go on with what they
/// have, nobody is disconnected, and they are carried over when the disk can be written.
#[test]
fn while_nothing_can_be_written_rooms_go_on_with_their_version_and_are_carried_over_later() {
    for (seed, kind) in (1..).zip(KINDS) {
        println!("{kind:?}");
        with_first(seed, Memory::Hibernate, async |world, disk| {
            let mut alice = world.connect("main", "lobby").await?;
            ensure!(said(&mut alice).await? == Some(("1".into(), 1)));
            // The version is kept while the disk works, and the room is not quiet until it does not.
            alice.send("sleep 5000").await?;
            second(world).await?;
            disk.plan([for_good(kind)]);
            world.advance(Duration::from_secs(6)).await;
            alice.expect_text("1 slept").await?;
            for count in 2..=6 {
                ensure!(said(&mut alice).await? == Some(("1".into(), count)), "{count}");
                world.advance(Duration::from_secs(17)).await;
            }
            ensure!(world.standing("main").await.waiting == 1);
            disk.heal();
            world.advance(Duration::from_secs(60)).await;
            ensure!(said(&mut alice).await? == Some(("2".into(), 7)));
            Ok(())
        });
    }
}

/// The same with a disk that begins to refuse with any of the operations of a switch, for some of them or for good.
#[test]
fn a_disk_that_begins_to_refuse_in_a_switch_costs_no_variable() {
    let (mut closed, mut put_off) = (0, 0);
    for (seed, kind) in (1_000..).step_by(100).zip(KINDS) {
        for after in 0..12 {
            for times in [1, u64::MAX] {
                let fault = DiskFault { kind, after, times };
                with_first(seed + after, Memory::Hibernate, async |world, disk| {
                    let (was_closed, was_put_off) = deployed_on(world, disk, fault).await?;
                    closed += u64::from(was_closed);
                    put_off += u64::from(was_put_off);
                    Ok(())
                });
            }
        }
    }
    println!("{closed} closed, {put_off} put off");
    assert!(closed > 0 && put_off > 0, "{closed} closed, {put_off} put off");
}

/// Whether the room was closed for it, and whether it went on with its version first.
async fn deployed_on(world: &World, disk: &SimulatedDisk, fault: DiskFault) -> Result<(bool, bool)> {
    let mut alice = world.connect("main", "lobby").await?;
    let mut count = 0;
    for _ in 0..3 {
        count += 1;
        ensure!(said(&mut alice).await? == Some(("1".into(), count)));
    }
    alice.send("sleep 5000").await?;
    second(world).await?;
    disk.plan([fault]);
    world.advance(Duration::from_secs(6)).await;
    alice.expect_text("1 slept").await?;
    let mut put_off = false;
    let mut closed = match said(&mut alice).await? {
        Some((version, said)) => {
            count += 1;
            ensure!(said == count, "{said} instead of {count} with {fault:?}");
            put_off = version == "1";
            false
        }
        None => true,
    };
    disk.heal();
    world.advance(Duration::from_secs(60)).await;
    let mut client = if closed { again(world).await? } else { alice };
    let mut heard = said(&mut client).await?;
    if heard.is_none() {
        closed = true;
        heard = said(&mut again(world).await?).await?;
    }
    let Some((version, said)) = heard else { anyhow::bail!("no answer after {fault:?}") };
    // What was sent as the room was closed may have been counted, and may not.
    ensure!(said > count, "{said} after {count} with {fault:?}");
    ensure!(version == "2", "version {version} after {fault:?}");
    Ok((closed, put_off))
}

async fn again(world: &World) -> Result<Client> {
    world.connect("main", "lobby").await
}
