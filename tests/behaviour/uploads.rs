//! Bodies of requests that wait with their clients, and arrive as their rooms read them.

use std::time::Duration;

use anyhow::{Result, ensure};
use party_testkit::world::{Memory, World};

use crate::{probe, sleeping};

const MEMORIES: [Memory; 3] = [Memory::Volatile, Memory::Hibernate, Memory::Durable];

async fn written(world: &World) -> Result<String> {
    Ok(world.request("GET", "/parties/main/lobby/written", b"").await?.body)
}

/// Nobody knows how long it is, so it waits; and each piece is heard when it has come.
#[test]
fn a_body_without_a_length_is_read_as_it_comes() {
    for (seed, memory) in (1..).zip(MEMORIES) {
        for workers in [1, 3] {
            sleeping(seed).memory(memory).workers(workers).run(async |world| {
                let mut upload = world.upload("POST", "/parties/main/lobby/upload", &[]).await?;
                for (piece, bytes) in [("hello", "5"), ("world", "10")] {
                    upload.send(piece.as_bytes()).await;
                    ensure!(written(world).await? == bytes, "{piece}");
                }
                upload.finish();
                let mut answer = upload.answer().await?;
                ensure!(answer.arrived().await? == b"10 bytes, waited: true");
                Ok(())
            });
        }
    }
}

/// While it arrives it takes no memory of the room but what the room has not taken.
#[test]
fn a_body_comes_only_as_fast_as_its_room_takes_it() {
    for (seed, memory) in (1..).zip(MEMORIES) {
        sleeping(seed).memory(memory).run(async |world| {
            let upload = world.upload("POST", "/parties/main/lobby/upload?1000", &[]).await?;
            let piece = vec![b'x'; 100_000];
            for _ in 0..50 {
                upload.send(&piece).await;
            }
            // What the room may have waiting, and what stands in buffers on the way.
            let ahead = upload.taken();
            ensure!((100_000..=1_500_000).contains(&ahead), "{ahead} bytes were taken at once");
            world.advance(Duration::from_secs(20)).await;
            let taken = upload.taken();
            ensure!(taken > ahead && taken < 5_000_000, "{taken} bytes were taken after 20 s");
            Ok(())
        });
    }
}

/// A request has 30 s for its answer, which count from what its body brought last.
#[test]
fn a_body_may_take_longer_than_an_answer() {
    sleeping(7).run(async |world| {
        let mut upload = world.upload("POST", "/parties/main/lobby/upload", &[]).await?;
        for _ in 0..4 {
            world.advance(Duration::from_secs(20)).await;
            upload.send(b"slow").await;
        }
        upload.finish();
        let mut answer = upload.answer().await?;
        ensure!(answer.status == 200 && answer.arrived().await? == b"16 bytes, waited: true");
        Ok(())
    });
}

#[test]
fn a_client_that_sends_nothing_more_is_not_waited_for_longer() {
    sleeping(8).run(async |world| {
        let upload = world.upload("POST", "/parties/main/lobby/upload", &[]).await?;
        upload.send(b"some").await;
        world.advance(Duration::from_secs(30)).await;
        let mut answer = upload.answer().await?;
        ensure!(answer.status == 504, "{}", answer.status);
        ensure!(answer.arrived().await? == b"The room did not answer within 30000 ms");
        Ok(())
    });
}

/// The room sleeps between two pieces.
#[test]
fn a_body_goes_on_when_its_room_has_slept() {
    for (seed, memory) in (1..).zip([Memory::Hibernate, Memory::Durable]) {
        sleeping(seed).memory(memory).run(async |world| {
            let mut upload = world.upload("POST", "/parties/main/lobby/upload", &[]).await?;
            upload.send(b"hello").await;
            world.hibernate("main/lobby").await?;
            ensure!(!world.is_awake("main/lobby").await?);
            upload.send(b"world").await;
            ensure!(world.is_awake("main/lobby").await?);
            upload.finish();
            ensure!(upload.answer().await?.arrived().await? == b"10 bytes, waited: true");
            Ok(())
        });
    }
}

#[test]
fn a_body_is_answered_piece_by_piece_while_it_arrives() {
    for (seed, memory) in (1..).zip(MEMORIES) {
        for workers in [1, 3] {
            sleeping(seed).memory(memory).workers(workers).run(async |world| {
                let mut echo =
                    world.upload("POST", "/parties/main/lobby/echo-upload", &[]).await?.answer().await?;
                for piece in ["one", "two", "three"] {
                    ensure!(echo.arrived().await?.is_empty());
                    echo.send(piece.as_bytes()).await;
                    ensure!(echo.arrived().await? == piece.as_bytes(), "{piece}");
                }
                ensure!(!echo.is_whole());
                echo.finish();
                ensure!(echo.arrived().await?.is_empty() && echo.is_whole());
                Ok(())
            });
        }
    }
}

/// Nothing of it is read: the client is answered at once, though it has more to say.
#[test]
fn a_body_that_is_not_wanted_is_not_read() {
    for (seed, memory) in (1..).zip(MEMORIES) {
        sleeping(seed).memory(memory).run(async |world| {
            let upload = world.upload("POST", "/parties/main/lobby/refuse-upload", &[]).await?;
            let mut answer = upload.answer().await?;
            ensure!(answer.status == 403 && answer.arrived().await? == b"not here");
            let upload = world.upload("POST", "/parties/main/lobby/sip-upload", &[]).await?;
            upload.send(b"much").await;
            let mut answer = upload.answer().await?;
            ensure!(answer.status == 200 && answer.arrived().await? == b"4 bytes are enough");
            Ok(())
        });
    }
}

#[test]
fn a_room_hears_that_the_client_of_a_body_has_gone() {
    for (seed, memory) in (1..).zip(MEMORIES) {
        sleeping(seed).memory(memory).run(async |world| {
            let upload = world.upload("POST", "/parties/main/lobby/upload", &[]).await?;
            upload.send(b"some").await;
            drop(upload);
            world.settle().await;
            let said = written(world).await?;
            ensure!(said.starts_with("4: "), "{said}");
            Ok(())
        });
    }
}

/// A room whose host goes on elsewhere hears that the body broke off, and its client that there is no answer.
#[test]
fn a_body_ends_with_its_host() {
    for (seed, memory) in (1..).zip([Memory::Hibernate, Memory::Durable]) {
        sleeping(seed).memory(memory).run(async |world| {
            let upload = world.upload("POST", "/parties/main/lobby/upload", &[]).await?;
            upload.send(b"some").await;
            world.hibernate("main/lobby").await?;
            world.crash().await?;
            ensure!(upload.answer().await.is_err());
            let said = written(world).await?;
            ensure!(said.starts_with("4: ") && said.contains("interrupted"), "{said}");
            Ok(())
        });
    }
}

/// One that has come along is read all the same: nobody need know which it is.
#[test]
fn a_body_that_has_come_along_is_read_like_one_that_waits() {
    probe(9).run(async |world| {
        world.expect("POST", "/parties/main/lobby/upload", b"hello", 200, "5 bytes, waited: false").await?;
        world.expect("POST", "/parties/main/lobby/upload", b"", 200, "0 bytes, waited: false").await?;
        let mut upload =
            world.upload("POST", "/parties/main/lobby/upload", &[("content-length", "33554433")]).await?;
        upload.send(&vec![b'x'; 33_554_433]).await;
        upload.finish();
        ensure!(upload.answer().await?.arrived().await? == b"33554433 bytes, waited: true");
        Ok(())
    });
}
