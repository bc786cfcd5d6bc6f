//! Answers that are written in pieces, bodies that are read in pieces, and sockets between rooms: over sleep and restarts.

use std::time::Duration;

use anyhow::{Result, bail, ensure};
use party_testkit::client::{Client, Received};
use party_testkit::world::{Memory, World};

use crate::{probe, sleeping};

const MEMORIES: [Memory; 3] = [Memory::Volatile, Memory::Hibernate, Memory::Durable];

async fn written(world: &World) -> Result<String> {
    Ok(world.request("GET", "/parties/main/lobby/written", b"").await?.body)
}

async fn passes(world: &World, ms: u64) {
    world.advance(Duration::from_millis(ms)).await;
}

async fn text(client: &mut Client) -> Result<String> {
    match client.next().await {
        Some(Received::Text(text)) => Ok(text),
        other => bail!("expected a text, received {other:?}"),
    }
}

#[test]
fn an_answer_comes_piece_by_piece_as_the_room_writes_it() {
    for (seed, memory) in (1..).zip(MEMORIES) {
        for workers in [1, 3] {
            sleeping(seed).memory(memory).workers(workers).run(async |world| {
                let mut answer = world.read("GET", "/parties/main/lobby/drip?3.1000", b"").await?;
                ensure!(answer.status == 200 && answer.headers["content-type"] == "text/event-stream");
                ensure!(!answer.headers.contains_key("content-length"));
                for piece in ["1 ", "2 ", "3 "] {
                    ensure!(answer.arrived().await?.is_empty() && !answer.is_whole());
                    passes(world, 1_000).await;
                    ensure!(answer.arrived().await? == piece.as_bytes(), "{piece}");
                }
                ensure!(answer.is_whole());
                // The connection carries the next request: it was not cut.
                ensure!(written(world).await? == "3: Ok(())");
                Ok(())
            });
        }
    }
}

/// The room sleeps between two pieces, for longer than any client may drag a response out.
#[test]
fn a_room_sleeps_between_two_pieces_and_its_client_stays() {
    for (seed, memory) in (1..).zip([Memory::Hibernate, Memory::Durable]) {
        sleeping(seed).memory(memory).run(async |world| {
            let mut answer = world.read("GET", "/parties/main/lobby/drip?2.3600000", b"").await?;
            for piece in ["1 ", "2 "] {
                world.hibernate("main/lobby").await?;
                passes(world, 3_599_000).await;
                ensure!(!world.is_awake("main/lobby").await?);
                passes(world, 1_000).await;
                ensure!(answer.arrived().await? == piece.as_bytes(), "{piece}");
            }
            ensure!(answer.is_whole());
            Ok(())
        });
    }
}

/// What is written is bounded by what the client takes, and all of it arrives.
#[test]
fn a_large_answer_waits_for_its_client() {
    for (seed, memory) in (1..).zip(MEMORIES) {
        sleeping(seed).memory(memory).run(async |world| {
            let bytes = 3_000_000;
            let mut answer = world.read("GET", &format!("/parties/main/lobby/pour?{bytes}"), b"").await?;
            let left: usize = written(world).await?.split(':').next().unwrap_or_default().parse()?;
            ensure!(left > bytes - 700_000, "{left} bytes are still to be written");
            let mut arrived = 0;
            while !answer.is_whole() {
                let piece = answer.arrived().await?;
                ensure!(!piece.is_empty() && piece.iter().all(|byte| *byte == b'x'), "after {arrived}");
                arrived += piece.len();
            }
            ensure!(arrived == bytes && written(world).await? == "0: Ok(())", "{arrived}");
            Ok(())
        });
    }
}

#[test]
fn a_client_that_goes_is_told_to_the_room_awake_or_asleep() {
    for (seed, memory) in (1..).zip(MEMORIES) {
        for sleeps in [false, true] {
            if sleeps && memory == Memory::Volatile {
                continue;
            }
            sleeping(seed).memory(memory).run(async |world| {
                let answer = world.read("GET", "/parties/main/lobby/until-gone", b"").await?;
                if sleeps {
                    world.hibernate("main/lobby").await?;
                }
                drop(answer);
                passes(world, 6_000).await;
                ensure!(written(world).await? == "gone");
                Ok(())
            });
        }
    }
}

/// Its task ends with `?`, as in the SDK's example, and that is no failure of the party.
#[test]
fn a_task_that_writes_to_a_client_that_has_gone_has_not_failed() {
    for (seed, memory) in (1..).zip(MEMORIES) {
        sleeping(seed).memory(memory).run(async |world| {
            let mut answer = world.read("GET", "/parties/main/lobby/drip?30.1000", b"").await?;
            passes(world, 1_000).await;
            ensure!(answer.arrived().await? == b"1 ");
            drop(answer);
            passes(world, 10_000).await;
            let told = written(world).await?;
            ensure!(told.ends_with("Err(Ended)"), "{told}");
            let logs = world.take_logs();
            ensure!(!logs.iter().any(|line| line.contains("failed")), "{logs:?}");
            // What else a task fails with is told.
            drop(world.read("GET", "/parties/main/lobby/break-off", b"").await?);
            passes(world, 1_000).await;
            let logs = world.take_logs();
            ensure!(logs.iter().any(|line| line == "a task failed: told to fail"), "{logs:?}");
            Ok(())
        });
    }
}

#[test]
fn an_answer_that_its_room_gives_up_is_seen_not_to_be_whole() {
    probe(1).run(async |world| -> Result<()> {
        let mut answer = world.read("GET", "/parties/main/lobby/break-off", b"").await?;
        ensure!(answer.arrived().await? == b"half");
        passes(world, 1_000).await;
        ensure!(answer.arrived().await.is_err() && !answer.is_whole());
        Ok(())
    });
}

/// Its client has seen it break off, and the room goes on where it waited: it is told that nobody is there.
#[test]
fn a_room_hears_after_a_crash_that_its_client_is_gone() {
    sleeping(1).memory(Memory::Durable).run(async |world| {
        let mut answer = world.read("GET", "/parties/main/lobby/until-gone", b"").await?;
        world.crash().await?;
        ensure!(answer.arrived().await.is_err() || !answer.is_whole());
        ensure!(written(world).await? == "gone");
        Ok(())
    });
}

#[test]
fn a_room_reads_what_it_has_fetched_piece_by_piece() {
    for (seed, memory) in (1..).zip(MEMORIES) {
        sleeping(seed).memory(memory).run(async |world| {
            world.outbound("https://a.test/words").respond(200, "one two");
            world.outbound("https://a.test/nothing").respond(404, "");
            let mut alice = world.connect("main", "lobby").await?;
            alice.send("fetch-in-pieces GET https://a.test/words").await?;
            for line in ["head 200", "piece one two", "end"] {
                alice.expect_text(line).await?;
            }
            alice.send("fetch-in-pieces GET https://a.test/nothing").await?;
            for line in ["head 404", "end"] {
                alice.expect_text(line).await?;
            }
            Ok(())
        });
    }
}

#[test]
fn two_rooms_speak_through_a_socket_that_outlives_their_sleep() {
    for (seed, memory) in (1..).zip(MEMORIES) {
        for workers in [1, 3] {
            sleeping(seed).memory(memory).workers(workers).run(async |world| {
                let mut alice = world.connect("main", "lobby").await?;
                alice.send("socket main/other echo hello").await?;
                for line in ["open", "heard hello"] {
                    alice.expect_text(line).await?;
                }
                if memory != Memory::Volatile {
                    world.hibernate("main/lobby").await?;
                    world.hibernate("main/other").await?;
                }
                let mut bob = world.connect("main", "other").await?;
                bob.send("others news").await?;
                alice.expect_text("heard news").await?;
                bob.send("others hang up").await?;
                alice.expect_text("over: the socket was closed with 4001: as told").await?;
                let heard = text(&mut bob).await?;
                ensure!(heard.ends_with("closed 4001 as told clean"), "{heard}");
                Ok(())
            });
        }
    }
}

#[test]
fn a_socket_that_cannot_be_opened_says_why() {
    probe(1).run(async |world| -> Result<()> {
        let mut alice = world.connect("main", "lobby").await?;
        for (target, answer) in [
            ("nowhere/x", "failed: there is no party nowhere"),
            ("main/x?reject=403", "failed: the room answered 403: "),
            ("ftp://a.test", "failed: \"ftp://a.test\" begins with another scheme than wss:// or ws://"),
        ] {
            alice.send(&format!("socket {target}")).await?;
            let said = text(&mut alice).await?;
            ensure!(said.starts_with(answer), "{target}: {said}");
        }
        Ok(())
    });
}

/// The host dies: the room that had opened the socket hears that it was lost, and the other that its client is gone.
#[test]
fn a_socket_between_rooms_is_lost_with_the_host() {
    sleeping(1).memory(Memory::Durable).run(async |world| {
        let mut alice = world.connect("main", "lobby").await?;
        alice.send("socket main/other echo hello").await?;
        alice.expect_text("open").await?;
        alice.expect_text("heard hello").await?;
        world.crash().await?;
        let other = world.request("GET", "/parties/main/other/resumed", b"").await?.body;
        ensure!(other == "None 1 0", "{other}");
        let said = written(world).await?;
        ensure!(said == "over: the socket was lost: interrupted: the host was restarted", "{said}");
        Ok(())
    });
}

/// Whoever says much before it takes what is answered does not stand in its own way.
#[test]
fn two_rooms_say_much_to_each_other_before_either_listens() {
    for (seed, memory) in (1..).zip([Memory::Volatile, Memory::Hibernate, Memory::Durable]) {
        for workers in [1, 3] {
            sleeping(seed).memory(memory).workers(workers).run(async |world| {
                let mut alice = world.connect("main", "lobby").await?;
                // More than is taken of either before it is heard, and less than a slow reader is closed for.
                alice.send("say-all-first other 600 1000").await?;
                alice.expect_text("600 came back").await
            });
        }
    }
}
