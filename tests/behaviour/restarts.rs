//! What is left after the host has gone, gracefully or not.

use std::time::Duration;

use anyhow::Result;
use party_testkit::client::Received;

use crate::with_probe;

#[test]
fn a_crash_loses_variables_and_nothing_that_was_stored() {
    with_probe(1, async |world| -> Result<()> {
        world.expect("PUT", "/parties/main/lobby/put?key", b"value", 200, "stored").await?;
        let mut alice = world.connect("main", "lobby").await?;
        world.crash().await?;
        assert_eq!(alice.next().await, Some(Received::Lost));
        world.expect("GET", "/parties/main/lobby/get?key", b"", 200, "value").await?;
        world.expect("GET", "/parties/main/lobby/started", b"", 200, "Some(New)").await?;
        world.expect("GET", "/parties/main/lobby/said", b"", 200, "3").await
    });
}

#[test]
fn a_graceful_stop_tells_every_client() {
    with_probe(2, async |world| -> Result<()> {
        let mut alice = world.connect("main", "lobby").await?;
        alice.send("put key value").await?;
        let waiting = world.ask("GET", "/parties/main/lobby/never", b"").await?;
        world.restart_host().await?;
        assert_eq!(alice.expect_close(1001).await?, "the host is shutting down");
        assert_eq!(waiting.await?.status, 503);
        world.expect("GET", "/parties/main/lobby/get?key", b"", 200, "value").await
    });
}

#[test]
fn a_room_with_nobody_and_nothing_ends_and_starts_again_when_needed() {
    with_probe(3, async |world| -> Result<()> {
        world.expect("GET", "/parties/main/lobby/said", b"", 200, "1").await?;
        world.advance(Duration::from_secs(69)).await;
        world.expect("GET", "/parties/main/lobby/said", b"", 200, "2").await?;
        world.advance(Duration::from_secs(71)).await;
        world.expect("GET", "/parties/main/lobby/said", b"", 200, "1").await
    });
}

#[test]
fn ids_are_never_used_twice_also_over_restarts() {
    with_probe(4, async |world| -> Result<()> {
        let mut alice = world.connect("main", "lobby").await?;
        alice.send("who").await?;
        alice.expect_text("1").await?;
        alice.send("put key value").await?;
        world.crash().await?;
        let mut bob = world.connect("main", "lobby").await?;
        bob.send("who").await?;
        let Some(Received::Text(id)) = bob.next().await else { panic!("no answer") };
        assert!(id.parse::<u64>()? > 1, "{id}");
        Ok(())
    });
}
