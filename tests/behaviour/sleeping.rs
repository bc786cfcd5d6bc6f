//! Rooms that sleep: what they keep, what wakes them, and what a restart and a crash make of them.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use party_core::address::RoomAddress;
use party_core::limits::Limits;
use party_store::kept::RoomSummary;
use party_store::memory::MemoryStore;
use party_store::store::Store;
use party_testkit::client::Received;
use party_testkit::world::World;
use party_tests::guests::Version;

use crate::{first_version, sleeping};

/// Longer than a room has nothing to do before it sleeps.
const IDLE: Duration = Duration::from_secs(11);

fn with_sleepers(seed: u64, test: impl AsyncFnOnce(&World) -> Result<()>) {
    sleeping(seed).run(test);
}

#[test]
fn variables_and_sockets_outlive_idleness() {
    with_sleepers(1, async |world| {
        let mut alice = world.connect("main", "lobby").await?;
        alice.send("remember the blue one").await?;
        assert_eq!(world.rooms_awake(), 1);
        world.advance(IDLE).await;
        assert_eq!(world.rooms_awake(), 0);
        alice.send("said").await?;
        alice.expect_text("2").await?;
        assert_eq!(world.rooms_awake(), 1);
        alice.send("recall").await?;
        alice.expect_text("the blue one").await?;
        alice.send("started").await?;
        alice.expect_text("Some(New)").await
    });
}

#[test]
fn a_room_sleeps_again_and_again() {
    with_sleepers(2, async |world| {
        let mut alice = world.connect("main", "lobby").await?;
        for said in 1..=20 {
            alice.send("said").await?;
            alice.expect_text(&said.to_string()).await?;
            world.advance(IDLE).await;
            assert_eq!(world.rooms_awake(), 0);
        }
        alice.expect_nothing().await
    });
}

#[test]
fn a_task_goes_on_in_the_middle_of_its_await() {
    with_sleepers(3, async |world| {
        let mut alice = world.connect("main", "lobby").await?;
        let start = world.now();
        alice.send("sleep 3600000 good morning").await?;
        world.advance(IDLE).await;
        assert_eq!(world.rooms_awake(), 0, "a timer keeps nobody awake");
        world.advance(Duration::from_secs(3_588)).await;
        alice.expect_nothing().await?;
        world.advance(Duration::from_secs(1)).await;
        alice.expect_text(&format!("good morning at {}", start.after_ms(3_600_000))).await
    });
}

#[test]
fn a_response_that_is_awaited_comes_after_the_sleep() {
    with_sleepers(4, async |world| {
        let answer = world.ask("GET", "/parties/main/lobby/later?25000", b"").await?;
        world.advance(IDLE).await;
        assert_eq!(world.rooms_awake(), 0);
        world.advance(Duration::from_secs(15)).await;
        let answer = answer.await?;
        assert_eq!((answer.status, answer.body.as_str()), (200, "later"));
        Ok(())
    });
}

#[test]
fn pings_wake_nobody() {
    with_sleepers(5, async |world| {
        let mut alice = world.connect("main", "lobby").await?;
        world.advance(IDLE).await;
        world.advance(Duration::from_secs(600)).await;
        assert_eq!(world.rooms_awake(), 0);
        alice.send("said").await?;
        alice.expect_text("1").await
    });
}

#[test]
fn a_client_that_leaves_a_sleeping_room_is_told_about() {
    with_sleepers(6, async |world| {
        let mut alice = world.connect("main", "lobby").await?;
        let bob = world.connect("main", "lobby").await?;
        world.advance(IDLE).await;
        drop(bob);
        alice.expect_text("2 closed 1006  lost").await
    });
}

#[test]
fn a_room_goes_on_after_a_restart_and_hears_first_who_has_gone() {
    with_sleepers(7, async |world| {
        let mut alice = world.connect("main", "lobby").await?;
        alice.send("said").await?;
        alice.expect_text("1").await?;
        world.restart_host().await?;
        assert_eq!(alice.expect_close(1001).await?, "the host is shutting down");
        let mut bob = world.connect("main", "lobby").await?;
        bob.send("said").await?;
        bob.expect_text("2").await?;
        bob.send("who").await?;
        let Some(Received::Text(who)) = bob.next().await else { panic!("no answer") };
        assert!(!who.contains(' '), "no ghosts: {who}");
        Ok(())
    });
}

#[test]
fn a_sleep_that_began_before_a_restart_ends_after_it_with_nobody_there() {
    with_sleepers(8, async |world| {
        let mut alice = world.connect("main", "lobby").await?;
        alice.send("sleep 60000 late").await?;
        world.advance(IDLE).await;
        drop(alice);
        world.advance(IDLE).await;
        world.crash().await?;
        assert_eq!(world.rooms_awake(), 0);
        world.advance(Duration::from_secs(40)).await;
        assert_eq!(world.rooms_awake(), 1, "it woke by itself");
        world.expect("GET", "/parties/main/lobby/said", b"", 200, "2").await
    });
}

#[test]
fn a_crash_takes_a_room_back_to_when_it_slept_if_its_storage_has_not_moved() {
    with_sleepers(9, async |world| {
        world.expect("GET", "/parties/main/lobby/said", b"", 200, "1").await?;
        world.advance(IDLE).await;
        world.expect("GET", "/parties/main/lobby/said", b"", 200, "2").await?;
        world.crash().await?;
        world.expect("GET", "/parties/main/lobby/said", b"", 200, "2").await?;
        world.expect("GET", "/parties/main/lobby/started", b"", 200, "Some(New)").await
    });
}

#[test]
fn a_crash_starts_a_room_afresh_if_its_storage_has_moved_since_it_slept() {
    with_sleepers(10, async |world| {
        world.expect("GET", "/parties/main/lobby/said", b"", 200, "1").await?;
        world.advance(IDLE).await;
        world.expect("PUT", "/parties/main/lobby/put?key", b"value", 200, "stored").await?;
        world.crash().await?;
        world.expect("GET", "/parties/main/lobby/started", b"", 200, "Some(Lost)").await?;
        world.expect("GET", "/parties/main/lobby/get?key", b"", 200, "value").await
    });
}

#[test]
fn a_room_that_never_rests_is_saved_now_and_then() {
    with_sleepers(11, async |world| {
        for said in 1..=40 {
            world.expect("GET", "/parties/main/lobby/said", b"", 200, &said.to_string()).await?;
            world.advance(Duration::from_secs(5)).await;
        }
        world.crash().await?;
        let answer = world.request("GET", "/parties/main/lobby/said", b"").await?;
        let said: u64 = answer.body.parse()?;
        assert!((28..=41).contains(&said), "at most a minute is lost: {said}");
        world.expect("GET", "/parties/main/lobby/started", b"", 200, "Some(New)").await
    });
}

#[test]
fn many_rooms_sleep_and_each_wakes_with_its_own_memory() {
    with_sleepers(12, async |world| {
        for round in 1..=2 {
            for room in 0..150 {
                let path = format!("/parties/main/room-{room}/said");
                world.expect("GET", &path, b"", 200, &round.to_string()).await?;
            }
            world.advance(IDLE).await;
            assert_eq!(world.rooms_awake(), 0);
        }
        Ok(())
    });
}

#[test]
fn a_room_with_a_dropped_turn_behind_it_and_events_before_it_keeps_its_memory_over_a_restart() {
    with_sleepers(31, async |world| {
        let mut alice = world.connect("main", "lobby").await?;
        alice.send("trap").await?;
        alice.send("said").await?;
        alice.expect_text("1").await?;
        world.restart_host().await?;
        let mut bob = world.connect("main", "lobby").await?;
        bob.send("said").await?;
        bob.expect_text("2").await?;
        bob.send("hold").await?;
        bob.send("said").await?;
        world.restart_host().await?;
        // The hold goes on, and nobody is heard before it has ended.
        let mut carol = world.connect("main", "other").await?;
        let asked = world.ask("GET", "/parties/main/lobby/started", b"").await?;
        world.advance(Duration::from_secs(20)).await;
        carol.expect_nothing().await?;
        world.advance(Duration::from_secs(11)).await;
        assert_eq!(asked.await?.body, "Some(Lost)");
        Ok(())
    });
}

/// `hibernate` costs a turn nothing: what it keeps, it keeps when the room sleeps, or once in a minute.
#[test]
fn a_turn_that_stores_nothing_commits_nothing_and_captures_nothing() -> Result<()> {
    let store: Arc<dyn Store> = Arc::new(MemoryStore::default());
    let address = RoomAddress::new("world", "main", "lobby")?;
    let kept = || -> Result<Option<RoomSummary>> { Ok(store.summary(&address)?) };
    sleeping(30).store(Arc::clone(&store)).run(async |world| {
        let mut alice = world.connect("main", "lobby").await?;
        let mut said = 0;
        let mut turns = async |count: u32| -> Result<()> {
            for _ in 0..count {
                said += 1;
                alice.send("said").await?;
                alice.expect_text(&said.to_string()).await?;
            }
            Ok(())
        };
        turns(100).await?;
        assert_eq!(kept()?, None, "nothing is known of a room that has stored nothing and has not slept");
        world.advance(IDLE).await;
        let asleep = kept()?.context("it sleeps")?;
        assert_eq!(asleep.record.seq.0, 1, "one commit carries its sleep");
        assert!(asleep.checkpoint.is_some());
        turns(100).await?;
        assert_eq!(kept()?, Some(asleep), "turns and a wake leave what is kept as it was");
        world.advance(IDLE).await;
        let again = kept()?.context("it sleeps again")?;
        assert_eq!(again.record.seq.0, 2);
        Ok(())
    });
    Ok(())
}

/// A deployment put an end to the checkpoints of rooms that wait for it: for as long as `upgrade_wait_ms`.
#[test]
fn a_room_that_waits_for_another_version_is_saved_as_ever() {
    let often = |limits: &mut Limits| {
        (limits.idle_ms, limits.checkpoint_interval_ms, limits.upgrade_wait_ms) = (3_600_000, 1_000, 600_000);
    };
    first_version(11).limits(often).run(async |world| {
        let mut alice = world.connect("main", "lobby").await?;
        alice.send("sleep 500000").await?;
        world.upgrade("main", &Version::named('2').component()).await?;
        for count in 1..=20 {
            alice.send("count").await?;
            alice.expect_text(&format!("1 {count} New")).await?;
            world.advance(Duration::from_millis(500)).await;
        }
        ensure!(world.standing("main").await.waiting == 1);
        world.advance(Duration::from_millis(1_500)).await;
        world.crash().await?;
        let told = world.request("GET", "/parties/main/lobby", b"").await?;
        ensure!(told.body.contains(" 21 "), "{told:?}");
        Ok(())
    });
}

/// The checkpoint from before a dropped turn stayed. If nobody asked before the host ended, or the room was copied, the life that
/// had ended went on, and what it had waited for ended a second time.
#[test]
fn a_life_that_ended_with_a_dropped_turn_does_not_come_back() {
    for (seed, how) in (40..).zip(["restart", "crash", "idle", "fork"]) {
        println!("{how}");
        sleeping(seed).run(async |world| {
            let lobby = "/parties/main/lobby";
            world.expect("GET", &format!("{lobby}/nap?30000"), b"", 200, "good night").await?;
            world.advance(Duration::from_secs(20)).await;
            ensure!(!world.is_awake("main/lobby").await?, "it is kept");
            world.advance(Duration::from_secs(15)).await;
            world.expect("GET", &format!("{lobby}/resumed"), b"", 200, "None 0 1").await?;
            ensure!(world.request("GET", &format!("{lobby}/trap"), b"").await?.status == 500);
            let mut room = "lobby";
            match how {
                "restart" => world.restart_host().await?,
                "crash" => world.crash().await?,
                "idle" => world.advance(Duration::from_secs(100)).await,
                _ => {
                    world.fork("main/lobby", "main/copy").await?;
                    room = "copy";
                }
            }
            world.expect("GET", &format!("/parties/main/{room}/resumed"), b"", 200, "None 0 0").await?;
            world.advance(Duration::from_secs(30)).await;
            world.expect("GET", &format!("/parties/main/{room}/resumed"), b"", 200, "None 0 0").await
        });
    }
}
