//! Rooms that call each other.

use std::time::Duration;

use anyhow::{Result, ensure};
use party_testkit::world::{Memory, World};

use crate::{probe, sleeping};

const MEMORIES: [Memory; 3] = [Memory::Volatile, Memory::Hibernate, Memory::Durable];

async fn kept(world: &World) -> Result<String> {
    let answer = world.request("GET", "/parties/main/lobby/get?called", b"").await?;
    Ok(answer.body)
}

#[test]
fn a_room_answers_another_one_as_it_answers_a_client() {
    for (seed, memory) in (1..).zip(MEMORIES) {
        for workers in [1, 3] {
            sleeping(seed).memory(memory).workers(workers).run(async |world| {
                let mut alice = world.connect("main", "lobby").await?;
                for (asked, answer) in [
                    ("main b GET", "200 probe"),
                    ("main b POST /body hello", "200 hello"),
                    ("main b PUT /request?a=1", "200 PUT http://rooms.internal/parties/main/b/request?a=1"),
                    ("main b GET ?a=1", "200 probe"),
                    ("main b GET /teapot", "418 short and stout"),
                    ("main b GET /fail?oops", "500 oops"),
                    ("main b GET /trap", "500 Uncaught exception when making a request"),
                    // Itself, which takes it as its next event.
                    ("main lobby POST /body me", "200 me"),
                ] {
                    alice.send(&format!("call {asked}")).await?;
                    alice.expect_text(answer).await?;
                }
                Ok(())
            });
        }
    }
}

#[test]
fn what_makes_no_sense_is_said() {
    probe(1).limits(|limits| limits.request_body_bytes_max = 10).run(async |world| -> Result<()> {
        let mut alice = world.connect("main", "lobby").await?;
        for (asked, answer) in [
            ("none b GET", "failed: there is no party none"),
            ("main b/c GET", "failed: the room id holds '/', which is not allowed"),
            ("main b get", "failed: method \"get\" is not of upper-case letters"),
            ("main b GET x", "failed: \"x\" follows the URL of a room: it begins with / or ?, or is empty"),
            ("main b GET /\u{e4}", "failed: the URL \"/\u{e4}\" holds what must be percent-encoded"),
            ("main b POST / 12345678901", "failed: the answer is larger than 10 bytes"),
        ] {
            alice.send(&format!("call {asked}")).await?;
            alice.expect_text(answer).await?;
        }
        Ok(())
    });
}

/// The caller sleeps while the other room takes its time, and is woken by the answer.
#[test]
fn a_room_may_sleep_while_another_one_works() {
    for (seed, memory) in (1..).zip([Memory::Hibernate, Memory::Durable]) {
        sleeping(seed).memory(memory).run(async |world| {
            let mut alice = world.connect("main", "lobby").await?;
            alice.send("call main b GET /later?25000").await?;
            world.hibernate("main/lobby").await?;
            ensure!(!world.is_awake("main/lobby").await?);
            world.advance(Duration::from_secs(24)).await;
            alice.expect_nothing().await?;
            world.advance(Duration::from_secs(1)).await;
            alice.expect_text("200 later").await?;
            // Nobody is there: it is not forgotten by its host either.
            alice.send("call main b GET /later?25000").await?;
            alice.cut().await;
            world.hibernate("main/lobby").await?;
            world.advance(Duration::from_secs(25)).await;
            ensure!(kept(world).await? == "200 later");
            Ok(())
        });
    }
}

/// Whether the other room has heard it nobody knows; the caller is told so, once.
#[test]
fn a_call_in_whose_midst_the_host_dies_is_interrupted() {
    for (seed, dies) in (1..).zip([true, false]) {
        sleeping(seed).memory(Memory::Hibernate).run(async |world| {
            called_slowly(world).await?;
            die(world, dies).await?;
            world.advance(Duration::from_secs(1)).await;
            ensure!(kept(world).await? == "failed: the host or the room was restarted meanwhile");
            world.advance(Duration::from_secs(40)).await;
            ensure!(kept(world).await? == "failed: the host or the room was restarted meanwhile");
            Ok(())
        });
    }
}

/// Durable rooms go on: the one that is called answers whoever asks once more, and has heard it once.
#[test]
fn a_call_between_durable_rooms_goes_on_in_the_next_host() {
    for (seed, dies) in (1..).zip([true, false]) {
        for workers in [1, 3] {
            sleeping(seed).memory(Memory::Durable).workers(workers).run(async |world| {
                called_slowly(world).await?;
                die(world, dies).await?;
                die(world, dies).await?;
                world.advance(Duration::from_secs(17)).await;
                let called = kept(world).await?;
                ensure!(called == "xxx", "{called}");
                world.advance(Duration::from_secs(2)).await;
                let called = kept(world).await?;
                ensure!(called == "200 later", "{called}");
                world.advance(Duration::from_secs(60)).await;
                ensure!(kept(world).await? == "200 later");
                Ok(())
            });
        }
    }
}

/// The answer is there, and the host dies before the caller has it for good; however often.
#[test]
fn a_durable_room_adds_once_for_each_call_whenever_the_host_dies() {
    for seed in 1..30 {
        sleeping(seed).memory(Memory::Durable).run(async |world| {
            let mut alice = world.connect("main", "lobby").await?;
            alice.send("put-bytes called 3").await?;
            alice.expect_text("ok").await?;
            world.slow_commits(Duration::from_millis(100));
            alice.send("call main b POST /add 1").await?;
            // As many of both rooms' commits as this seed says are on the disk.
            world.advance(Duration::from_millis(50 + 100 * (seed % 8))).await;
            world.crash().await?;
            world.slow_commits(Duration::ZERO);
            world.advance(Duration::from_secs(5)).await;
            let (called, added) =
                (kept(world).await?, world.request("GET", "/parties/main/b/get?added", b"").await?);
            ensure!(
                (called.as_str(), added.body.as_str()) == ("200 1", "\u{1}")
                    || (called.as_str(), added.status) == ("xxx", 404),
                "{called}, added {} {}",
                added.status,
                added.body
            );
            Ok(())
        });
    }
}

/// Alice has the lobby call another room, which takes 20 s, and it sleeps meanwhile.
async fn called_slowly(world: &World) -> Result<()> {
    let mut alice = world.connect("main", "lobby").await?;
    alice.send("put-bytes called 3").await?;
    alice.expect_text("ok").await?;
    alice.send("call main b GET /later?20000").await?;
    world.hibernate("main/lobby").await
}

async fn die(world: &World, dies: bool) -> Result<()> {
    world.advance(Duration::from_secs(1)).await;
    match dies {
        true => world.crash().await,
        false => world.restart_host().await,
    }
}

#[test]
fn a_room_that_does_not_answer_in_time_has_its_answer() {
    for (seed, memory) in (1..).zip(MEMORIES) {
        sleeping(seed).memory(memory).run(async |world| {
            let mut alice = world.connect("main", "lobby").await?;
            alice.send("call main b GET /never").await?;
            world.advance(Duration::from_millis(29_999)).await;
            alice.expect_nothing().await?;
            world.advance(Duration::from_millis(1)).await;
            alice.expect_text("504 The room did not answer within 30000 ms").await
        });
    }
}

/// Each of the two is called while it waits for the other: nothing is held while one waits.
#[test]
fn two_rooms_that_call_each_other_come_to_an_end() {
    for (seed, memory) in (1..).zip(MEMORIES) {
        sleeping(seed).memory(memory).limits(|limits| limits.requests_open_max = 50).run(async |world| {
            world.expect("GET", "/parties/main/a/chain?4", b"", 200, "4 3 2 1 end").await?;
            // Deeper than there may be requests open in two rooms: it is refused, and all that wait are told.
            let deep = world.request("GET", "/parties/main/a/chain?200", b"").await?;
            ensure!(deep.status == 500, "{}", deep.status);
            world.expect("GET", "/parties/main/b/chain?1", b"", 200, "1 end").await
        });
    }
}
