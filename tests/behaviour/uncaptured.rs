//! Rooms whose memory is to be kept and cannot be: they stay awake, and say why.

use std::time::Duration;

use anyhow::Result;
use party_testkit::world::{Builder, Memory, World};
use party_tests::guests::{guest, scratch, uncapturable};

use crate::probe;

const WHY: &str = "the component has a core module inside of a nested component";
/// Room for some ten instances of the probe.
const BUDGET: u64 = 16 << 20;
const ROOMS: usize = 40;

fn awake_for_ever(seed: u64) -> Builder {
    let component = uncapturable(guest("test_guests"));
    World::new(seed).compile_cache(scratch("compiled")).party("main", &component)
}

/// Such a room ended when it had been quiet for a while, and its variables with it.
#[test]
fn a_room_that_can_never_be_captured_stays_awake_and_says_why() {
    awake_for_ever(1).run(async |world| {
        world.expect("GET", "/parties/main/lobby/said", b"", 200, "1").await?;
        world.advance(Duration::from_secs(3_600)).await;
        assert_eq!(world.rooms_awake(), 1);
        assert_eq!(world.inspect("main/lobby").await?.why_awake.as_deref(), Some(WHY));
        assert_eq!(world.figures().await?.counted.not_captured.get("nested-module"), Some(&1));
        let told = world.hibernate("main/lobby").await.expect_err("it stays awake");
        assert!(format!("{told:#}").contains(WHY), "{told:#}");
        world.expect("GET", "/parties/main/lobby/said", b"", 200, "2").await?;
        world.expect("GET", "/parties/main/lobby/started", b"", 200, "Some(New)").await
    });
}

async fn many_come(world: &World) -> Result<()> {
    for number in 0..ROOMS {
        world.expect("GET", &format!("/parties/main/room-{number}/said"), b"", 200, "1").await?;
        world.advance(Duration::from_secs(1)).await;
    }
    let awake = world.rooms_awake();
    assert!((4..ROOMS / 2).contains(&awake), "{awake} of {ROOMS} rooms are awake");
    let last = format!("/parties/main/room-{}/said", ROOMS - 1);
    world.expect("GET", &last, b"", 200, "2").await?;
    world.expect("GET", "/parties/main/room-0/said", b"", 200, "1").await
}

#[test]
fn rooms_that_nobody_needs_and_nothing_can_keep_make_way_when_there_is_no_place() {
    awake_for_ever(2).memory_budget(BUDGET).run(many_come);
    probe(3).memory(Memory::Volatile).memory_budget(BUDGET).run(many_come);
}

#[test]
fn a_room_with_a_client_makes_way_for_nobody() {
    awake_for_ever(4).memory_budget(BUDGET).run(async |world| {
        let mut alice = world.connect("main", "alice").await?;
        alice.send("said").await?;
        alice.expect_text("1").await?;
        many_come(world).await?;
        alice.send("said").await?;
        alice.expect_text("2").await
    });
}
