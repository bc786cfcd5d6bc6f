//! Auto-responses: the host answers for rooms that sleep, and for no life but the one that asked for it.

use std::time::Duration;

use party_core::limits::Limits;
use party_testkit::world::Memory;

use crate::{probe, sleeping};

/// Longer than a room has nothing to do before it sleeps.
const IDLE: Duration = Duration::from_secs(11);

#[test]
fn a_room_that_sleeps_answers_and_stays_asleep() {
    sleeping(1).run(async |world| {
        let mut alice = world.connect("main", "lobby").await?;
        let mut bob = world.connect("main", "lobby").await?;
        alice.send("auto-response ping=pong").await?;
        alice.expect_text("ok").await?;
        world.advance(IDLE).await;
        assert_eq!(world.rooms_awake(), 0);
        for client in [&mut alice, &mut bob] {
            client.send("ping").await?;
            client.expect_text("pong").await?;
        }
        assert_eq!(world.rooms_awake(), 0, "nobody was woken");
        bob.send("said").await?;
        bob.expect_text("2").await?;
        assert_eq!(world.rooms_awake(), 1, "another message wakes it, and it has heard of nothing else");
        Ok(())
    });
}

#[test]
fn heartbeats_keep_nobody_awake() {
    sleeping(2).run(async |world| {
        let mut alice = world.connect("main", "lobby").await?;
        alice.send("auto-response ping=pong").await?;
        alice.expect_text("ok").await?;
        for _ in 0..11 {
            world.advance(Duration::from_secs(1)).await;
            alice.send("ping").await?;
            alice.expect_text("pong").await?;
        }
        assert_eq!(world.rooms_awake(), 0);
        Ok(())
    });
}

#[test]
fn it_is_replaced_and_ended() {
    probe(3).run(async |world| {
        let mut alice = world.connect("main", "lobby").await?;
        for (pair, request, answer) in
            [("echo 1=one", "echo 1", "one"), ("echo 1=", "echo 1", ""), ("said=many", "said", "many")]
        {
            alice.send(&format!("auto-response {pair}")).await?;
            alice.expect_text("ok").await?;
            alice.send(request).await?;
            alice.expect_text(answer).await?;
        }
        alice.send("echo 1").await?;
        alice.expect_text("1").await?;
        alice.send("auto-response").await?;
        alice.expect_text("ok").await?;
        alice.send("said").await?;
        alice.expect_text("6").await
    });
}

#[test]
fn it_is_bounded_with_an_error_that_says_what_to_do() {
    probe(4).run(async |world| {
        let mut alice = world.connect("main", "lobby").await?;
        let chars_max = Limits::default().auto_response_chars_max as usize;
        let longest = "ß".repeat(chars_max);
        alice.send(&format!("auto-response {longest}={longest}")).await?;
        alice.expect_text("ok").await?;
        alice.send(&longest).await?;
        alice.expect_text(&longest).await?;
        alice.send(&format!("auto-response ping={longest}!")).await?;
        alice
            .expect_text(
                "a text of the auto-response has 2049 characters; the limit is 2048 \
                 (limits.auto_response_chars_max): let on_message answer it",
            )
            .await?;
        alice.send(&longest).await?;
        alice.expect_text(&longest).await
    });
}

#[test]
fn a_dropped_turn_sets_none_and_ends_that_of_its_life() {
    for builder in [probe(5), sleeping(5)] {
        builder.run(async |world| {
            let mut alice = world.connect("main", "lobby").await?;
            alice.send("auto-response ping=pong").await?;
            alice.expect_text("ok").await?;
            alice.send("trap").await?;
            // Neither is a word that the probe knows: it says nothing, but it counts them.
            alice.send("never").await?;
            alice.send("ping").await?;
            alice.expect_nothing().await?;
            alice.send("said").await?;
            alice.expect_text("3").await?;
            alice.send("started").await?;
            alice.expect_text("Some(Lost)").await
        });
    }
}

#[test]
fn a_failed_handler_keeps_what_it_set() {
    probe(6).run(async |world| {
        let mut alice = world.connect("main", "lobby").await?;
        alice.send("auto-response-fails ping=pong").await?;
        alice.send("ping").await?;
        alice.expect_text("pong").await
    });
}

#[test]
fn it_outlives_the_host_with_the_memory() {
    sleeping(7).run(async |world| {
        let mut alice = world.connect("main", "lobby").await?;
        alice.send("auto-response ping=pong").await?;
        alice.expect_text("ok").await?;
        world.restart_host().await?;
        let mut bob = world.connect("main", "lobby").await?;
        bob.send("ping").await?;
        bob.expect_text("pong").await?;
        world.hibernate("main/lobby").await?;
        world.crash().await?;
        let mut carol = world.connect("main", "lobby").await?;
        carol.send("ping").await?;
        carol.expect_text("pong").await?;
        carol.send("started").await?;
        carol.expect_text("Some(New)").await?;
        carol.send("said").await?;
        carol.expect_text("3").await
    });
}

#[test]
fn it_ends_with_a_life_that_a_crash_ends() {
    sleeping(8).run(async |world| {
        let mut alice = world.connect("main", "lobby").await?;
        alice.send("auto-response ping=pong").await?;
        world.hibernate("main/lobby").await?;
        alice.send("put key value").await?;
        world.crash().await?;
        let mut bob = world.connect("main", "lobby").await?;
        bob.send("ping").await?;
        bob.expect_nothing().await?;
        bob.send("started").await?;
        bob.expect_text("Some(Lost)").await
    });
}

#[test]
fn in_a_durable_room_it_outlives_crashes_and_dropped_turns() {
    sleeping(10).memory(Memory::Durable).run(async |world| {
        let mut alice = world.connect("main", "lobby").await?;
        alice.send("auto-response ping=pong").await?;
        alice.expect_text("ok").await?;
        alice.send("trap").await?;
        alice.send("ping").await?;
        alice.expect_text("pong").await?;
        alice.send("never").await?;
        alice.expect_nothing().await?;
        world.crash().await?;
        let mut bob = world.connect("main", "lobby").await?;
        bob.send("ping").await?;
        bob.expect_text("pong").await?;
        bob.send("started").await?;
        bob.expect_text("Some(New)").await?;
        bob.send("said").await?;
        bob.expect_text("4").await
    });
}

#[test]
fn who_connects_later_is_answered_too_and_the_others_see_nothing() {
    sleeping(9).run(async |world| {
        let mut alice = world.connect("main", "lobby").await?;
        alice.send("auto-response ping=pong").await?;
        alice.expect_text("ok").await?;
        let mut bob = world.connect("main", "lobby").await?;
        bob.send("ping").await?;
        bob.expect_text("pong").await?;
        let mut elsewhere = world.connect("main", "other").await?;
        elsewhere.send("ping").await?;
        elsewhere.expect_nothing().await?;
        bob.send_binary(b"ping").await?;
        bob.expect_binary(b"ping").await?;
        alice.expect_nothing().await
    });
}
