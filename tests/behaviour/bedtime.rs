//! Rooms that are told to sleep, as tests and people tell them; and what keeps a room awake.

use std::time::Duration;

use anyhow::Result;
use party_testkit::world::{Memory, World};

use crate::{probe, sleeping};

const LOBBY: &str = "main/lobby";

/// Expects that the room stays awake for a reason with these words.
async fn expect_awake(world: &World, room: &str, reason: &str) -> Result<()> {
    let error = world.hibernate(room).await.expect_err("it cannot sleep");
    let said = format!("{error:#}");
    assert_eq!(said, format!("{room} stays awake: {reason}"));
    Ok(())
}

#[test]
fn a_room_sleeps_when_it_is_told_and_wakes_where_it_was() {
    sleeping(1).run(async |world| {
        let mut alice = world.connect("main", "lobby").await?;
        for said in 1..=3 {
            alice.send("said").await?;
            alice.expect_text(&said.to_string()).await?;
            assert!(world.is_awake(LOBBY).await?);
            world.hibernate(LOBBY).await?;
            assert!(!world.is_awake(LOBBY).await?);
            assert_eq!(world.rooms_awake(), 0);
            world.hibernate(LOBBY).await?;
        }
        alice.expect_nothing().await
    });
}

#[test]
fn others_stay_awake() {
    sleeping(2).run(async |world| {
        for room in ["lobby", "kitchen"] {
            world.expect("GET", &format!("/parties/main/{room}/said"), b"", 200, "1").await?;
        }
        world.hibernate(LOBBY).await?;
        assert!(!world.is_awake(LOBBY).await? && world.is_awake("main/kitchen").await?);
        // Without sockets it is wholly in the store: telling it again changes nothing.
        world.hibernate(LOBBY).await?;
        world.expect("GET", "/parties/main/lobby/said", b"", 200, "2").await
    });
}

#[test]
fn a_sleeping_room_survives_a_crash_where_it_slept() {
    sleeping(3).run(async |world| {
        world.expect("GET", "/parties/main/lobby/said", b"", 200, "1").await?;
        world.hibernate(LOBBY).await?;
        world.crash().await?;
        world.expect("GET", "/parties/main/lobby/said", b"", 200, "2").await?;
        world.crash().await?;
        world.expect("GET", "/parties/main/lobby/said", b"", 200, "2").await
    });
}

#[test]
fn what_keeps_a_room_awake_is_said() {
    sleeping(4).run(async |world| {
        expect_awake(world, LOBBY, "there is no such room").await?;
        expect_awake(world, "other/lobby", "there is no such party").await?;
        assert!(world.hibernate("lobby").await.is_err(), "no address");
        let mut alice = world.connect("main", "lobby").await?;
        alice.send("trap").await?;
        expect_awake(world, LOBBY, "it has not started").await?;
        alice.send("said").await?;
        expect_awake(world, LOBBY, "a turn was dropped within the last minute").await?;
        world.advance(Duration::from_secs(61)).await;
        alice.send("said").await?;
        world.hibernate(LOBBY).await
    });
    probe(5).memory(Memory::Volatile).run(async |world| {
        expect_awake(world, LOBBY, "its party says memory = \"volatile\"").await?;
        let _alice = world.connect("main", "lobby").await?;
        expect_awake(world, LOBBY, "its party says memory = \"volatile\"").await
    });
}

#[test]
fn what_waits_for_a_hold_keeps_a_room_awake() {
    sleeping(7).run(async |world| {
        let mut alice = world.connect("main", "lobby").await?;
        alice.send("hold").await?;
        alice.send("said").await?;
        expect_awake(world, LOBBY, "events wait for their turn").await?;
        // It was told no, and does not sleep behind anyone's back when that has passed.
        world.advance(Duration::from_secs(30)).await;
        alice.expect_text("1").await?;
        assert!(world.is_awake(LOBBY).await?);
        Ok(())
    });
}

#[test]
fn a_suspended_room_is_not_put_to_sleep() {
    sleeping(8).limits(|limits| limits.drops_per_minute_max = 1).run(async |world| {
        let mut alice = world.connect("main", "lobby").await?;
        for _ in 0..2 {
            alice.send("trap").await?;
        }
        let error = world.hibernate(LOBBY).await.expect_err("it is suspended");
        assert!(format!("{error:#}").contains("it is suspended until "), "{error:#}");
        Ok(())
    });
}

#[test]
fn a_new_host_has_the_same_store_and_clock_and_no_sockets() {
    sleeping(6).run(async |world| {
        let mut alice = world.connect("main", "lobby").await?;
        world.advance(Duration::from_secs(3)).await;
        let now = world.now();
        world.restart_host().await?;
        assert_eq!(world.now(), now);
        assert_eq!(alice.expect_close(1001).await?, "the host is shutting down");
        assert!(!world.is_awake(LOBBY).await?, "nobody has asked for it yet");
        assert!(alice.send("said").await.is_err(), "the socket is gone");
        world.expect("PUT", "/parties/main/lobby/put?key", b"value", 200, "stored").await?;
        world.restart_host().await?;
        world.expect("GET", "/parties/main/lobby/get?key", b"", 200, "value").await
    });
}
