//! Guests that misbehave: their turn leaves no trace, their room starts afresh, nobody else notices.

use anyhow::Result;
use party_core::limits::Limits;
use party_testkit::client::Received;

use crate::probe;

/// Bounds that make misbehaving quick.
fn tight(limits: &mut Limits) {
    limits.turn_fuel_max = 50_000_000;
    limits.memory_bytes_max = 32 << 20;
}

/// Lets a room misbehave, and looks at what is left of it.
fn contained(seed: u64, word: &'static str) {
    probe(seed).limits(tight).run(async move |world| -> Result<()> {
        let mut neighbour = world.connect("main", "neighbour").await?;
        neighbour.send("said").await?;
        neighbour.expect_text("1").await?;
        let mut alice = world.connect("main", "lobby").await?;
        alice.send("put kept 1").await?;
        alice.send("sleep 1000 never").await?;
        alice.send(word).await?;
        // The socket stays, the turn has left no trace, variables are those of a new life.
        for (text, expected) in [
            ("get kept", "1"),
            ("get never kept", "none"),
            ("started", "Some(Lost)"),
            ("said", "4"),
            ("who", "1"),
        ] {
            alice.send(text).await?;
            alice.expect_text(expected).await?;
        }
        world.advance(std::time::Duration::from_secs(5)).await;
        alice.expect_nothing().await?;
        neighbour.send("said").await?;
        neighbour.expect_text("2").await
    });
}

#[test]
fn a_trap_discards_the_turn() {
    contained(1, "trap");
}

#[test]
fn a_loop_ends_with_its_fuel() {
    contained(2, "loop");
}

#[test]
fn an_allocation_without_end_is_a_trap() {
    contained(3, "allocate");
}

#[test]
fn a_recursion_without_end_is_a_trap() {
    contained(4, "recurse");
}

#[test]
fn an_exit_is_a_trap() {
    contained(5, "exit");
}

#[test]
fn a_turn_that_would_block_is_a_trap() {
    contained(6, "block");
}

#[test]
fn a_flood_of_sends_stops_at_the_turn_s_bound() {
    // More than the host carries out in one go, too.
    for sends in [100, 5_000] {
        probe(7).limits(move |limits| limits.turn_sends_max = sends).run(async move |world| -> Result<()> {
            let mut alice = world.connect("main", "lobby").await?;
            alice.send("flood 10").await?;
            alice.send("said").await?;
            let received = alice.all().await;
            // The error is seen by the guest; what it sent before is sent, and before what the next turn sends.
            assert_eq!(received.len(), sends as usize + 1);
            assert_eq!(received.last(), Some(&Received::Text("2".into())));
            Ok(())
        });
    }
}

#[test]
fn a_flood_of_writes_stops_at_the_turn_s_bound() {
    probe(8).limits(|limits| limits.turn_write_bytes_max = 1 << 20).run(async |world| -> Result<()> {
        let mut alice = world.connect("main", "lobby").await?;
        alice.send("flood-storage").await?;
        alice.expect_text("never seen").await?;
        alice.send("list ").await?;
        let Some(Received::Text(keys)) = alice.next().await else { panic!("no keys") };
        assert_eq!(keys.split(' ').filter(|key| key.parse::<u64>().is_ok()).count(), 10);
        Ok(())
    });
}

#[test]
fn a_flood_of_log_lines_harms_nobody() {
    probe(9).run(async |world| -> Result<()> {
        let mut alice = world.connect("main", "lobby").await?;
        alice.send("flood-log 100000").await?;
        alice.expect_text("never seen").await?;
        alice.send("said").await?;
        alice.expect_text("2").await
    });
}

#[test]
fn a_client_that_does_not_read_is_closed_at_its_bound() {
    probe(10).limits(|limits| limits.outbound_queue_bytes_max = 100_000).run(async |world| -> Result<()> {
        let mut slow = world.connect("main", "lobby").await?;
        let mut quick = world.connect("main", "lobby").await?;
        slow.stop_reading().await?;
        let message = format!("all {}", "x".repeat(10_000));
        for _ in 0..40 {
            quick.send(&message).await?;
            quick.expect_text(&message[4..]).await?;
        }
        world.advance(std::time::Duration::from_secs(60)).await;
        let closed = quick.all().await;
        assert_eq!(closed.len(), 1, "{closed:?}");
        let Received::Text(text) = &closed[0] else { panic!("{closed:?}") };
        assert!(text.starts_with("1 closed 10"), "{text}");
        quick.send("who").await?;
        quick.expect_text("2").await
    });
}
