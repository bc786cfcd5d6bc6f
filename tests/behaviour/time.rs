//! Sleeps, alarms, clocks, chance: all from arguments.

use std::time::Duration;

use anyhow::{Result, ensure};
use party_testkit::client::Received;
use party_testkit::world::Memory;

use crate::{sleeping, with_probe};

#[test]
fn a_sleep_ends_when_it_is_due_and_not_earlier() {
    with_probe(1, async |world| -> Result<()> {
        let mut alice = world.connect("main", "lobby").await?;
        let due = world.now().after_ms(3 * 86_400_000);
        alice.send("sleep 259200000 good morning").await?;
        world.advance(Duration::from_millis(3 * 86_400_000 - 1)).await;
        assert_eq!(alice.next().await, None);
        world.advance(Duration::from_millis(1)).await;
        alice.expect_text(&format!("good morning at {}", due.0)).await
    });
}

#[test]
fn a_sleep_that_is_dropped_never_ends() {
    with_probe(2, async |world| -> Result<()> {
        let mut alice = world.connect("main", "lobby").await?;
        alice.send("sleep 1000 unheard").await?;
        alice.send("drop-sleep").await?;
        alice.expect_text("true").await?;
        world.advance(Duration::from_secs(10)).await;
        alice.expect_nothing().await
    });
}

#[test]
fn a_hold_lets_only_completions_through() {
    with_probe(3, async |world| -> Result<()> {
        let mut alice = world.connect("main", "lobby").await?;
        alice.send("sleep 1000 heard").await?;
        alice.send("hold").await?;
        alice.send("said").await?;
        world.advance(Duration::from_secs(1)).await;
        let heard = alice.all().await;
        assert_eq!(heard.len(), 1, "only the sleep is heard: {heard:?}");
        // After 30 s the room is reset, and the message that waited is taken by a new life.
        world.advance(Duration::from_secs(29)).await;
        alice.expect_text("1").await
    });
}

#[test]
fn the_life_after_a_hold_that_was_too_long_begins_in_an_instance_of_its_own() {
    for memory in [Memory::Volatile, Memory::Hibernate, Memory::Durable] {
        sleeping(31).memory(memory).run(async |world| {
            let mut alice = world.connect("main", "lobby").await?;
            alice.send("said").await?;
            alice.expect_text("1").await?;
            alice.send("hold").await?;
            alice.send("said").await?;
            world.advance(Duration::from_secs(31)).await;
            alice.expect_text("1").await?;
            alice.send("started").await?;
            alice.expect_text("Some(Lost)").await?;
            alice.send("said").await?;
            alice.expect_text("3").await
        });
    }
}

#[test]
fn an_alarm_rings_when_it_is_due_also_after_a_crash_and_with_nobody_there() {
    with_probe(4, async |world| -> Result<()> {
        let mut alice = world.connect("main", "lobby").await?;
        let due = world.now().after_ms(60_000);
        alice.send("alarm 60000").await?;
        alice.send("when").await?;
        alice.expect_text(&due.0.to_string()).await?;
        drop(alice);
        world.crash().await?;
        world.advance(Duration::from_secs(59)).await;
        world.expect("GET", "/parties/main/other/get?rung", b"", 404, "none").await?;
        world.advance(Duration::from_secs(2)).await;
        let mut bob = world.connect("main", "lobby").await?;
        bob.send("list rung").await?;
        bob.expect_text("rung").await?;
        bob.send("when").await?;
        bob.expect_text("none").await
    });
}

#[test]
fn an_alarm_rings_for_a_room_that_went_to_rest() {
    with_probe(5, async |world| -> Result<()> {
        let mut alice = world.connect("main", "lobby").await?;
        alice.send("alarm 3600000").await?;
        drop(alice);
        world.advance(Duration::from_secs(3_599)).await;
        let mut bob = world.connect("main", "lobby").await?;
        bob.send("said").await?;
        bob.expect_text("1").await?;
        world.advance(Duration::from_secs(1)).await;
        match bob.next().await {
            Some(Received::Text(text)) => assert!(text.starts_with("alarm 1 at"), "{text}"),
            other => panic!("{other:?}"),
        }
        Ok(())
    });
}

#[test]
fn a_failing_alarm_is_tried_again_with_doubling_pauses() {
    with_probe(6, async |world| -> Result<()> {
        let mut alice = world.connect("main", "lobby").await?;
        let set_at = world.now();
        alice.send("alarm-fails 2").await?;
        alice.send("alarm 1000").await?;
        world.advance(Duration::from_secs(100)).await;
        for (number, after_ms) in [(1, 1_000), (2, 3_000), (3, 7_000)] {
            alice.expect_text(&format!("alarm {number} at {}", set_at.after_ms(after_ms).0)).await?;
        }
        alice.expect_nothing().await
    });
}

#[test]
fn clocks_of_the_language_stand_still_at_the_turn_s_time() {
    with_probe(7, async |world| -> Result<()> {
        let mut alice = world.connect("main", "lobby").await?;
        alice.send("clock").await?;
        alice.expect_text(&format!("{} 0 1", world.now().0)).await?;
        alice.send("now").await?;
        alice.expect_text(&world.now().0.to_string()).await
    });
}

#[test]
fn the_same_seed_gives_the_same_chance() {
    let drawn = |seed| {
        let drawn = std::cell::RefCell::new(Vec::new());
        with_probe(seed, async |world| -> Result<()> {
            let mut alice = world.connect("main", "lobby").await?;
            alice.send("random").await?;
            alice.send("random").await?;
            let all = alice.all().await;
            drawn.borrow_mut().extend(all);
            Ok(())
        });
        drawn.into_inner()
    };
    let first = drawn(8);
    assert_eq!(first.len(), 2);
    assert_ne!(first[0], first[1]);
    assert_eq!(first, drawn(8));
    assert_ne!(first, drawn(9));
}

/// Never back: what a room has seen and has said of the time holds. Its timers are never early for it.
#[test]
fn time_in_a_room_stands_still_while_the_clock_is_behind_and_the_host_says_so() {
    const HOUR: Duration = Duration::from_secs(3_600);
    for (seed, memory) in (40..).zip([Memory::Volatile, Memory::Hibernate, Memory::Durable]) {
        sleeping(seed).memory(memory).run(async |world| {
            let mut alice = world.connect("main", "lobby").await?;
            world.advance(HOUR).await;
            let later = world.now();
            alice.send("said").await?;
            alice.expect_text("1").await?;
            world.take_complaints();
            world.turn_clock_back(HOUR).await;
            alice.send("sleep 1000 up").await?;
            world.advance(HOUR).await;
            alice.expect_nothing().await?;
            let complaints = world.take_complaints();
            ensure!(complaints.iter().any(|line| line.contains("went back by 3600 s")), "{complaints:?}");
            if memory != Memory::Volatile {
                world.restart_host().await?;
                alice = world.connect("main", "lobby").await?;
            }
            world.advance(Duration::from_secs(1)).await;
            if memory == Memory::Volatile {
                alice.expect_text(&format!("up at {}", later.after_ms(1_000).0)).await?;
            }
            // A room that has not seen the later time is where the clock is.
            world.turn_clock_back(HOUR).await;
            let mut bob = world.connect("main", "elsewhere").await?;
            let due = world.now().after_ms(1_000);
            bob.send("sleep 1000 up").await?;
            world.advance(Duration::from_secs(1)).await;
            bob.expect_text(&format!("up at {}", due.0)).await
        });
    }
}
