//! Messages and broadcasts.

use anyhow::Result;

use crate::with_probe;

#[test]
fn text_and_binary_come_back_as_they_went() {
    with_probe(1, async |world| -> Result<()> {
        let mut alice = world.connect("main", "lobby").await?;
        alice.send("echo hello, wörld").await?;
        alice.expect_text("hello, wörld").await?;
        alice.send("echo ").await?;
        alice.expect_text("").await?;
        alice.send_binary(&[0, 255, 7]).await?;
        alice.expect_binary(&[0, 255, 7]).await
    });
}

#[test]
fn a_room_keeps_its_variables_between_messages_and_shares_them() {
    with_probe(2, async |world| -> Result<()> {
        let mut alice = world.connect("main", "lobby").await?;
        let mut bob = world.connect("main", "lobby").await?;
        let mut other = world.connect("main", "elsewhere").await?;
        alice.send("said").await?;
        alice.expect_text("1").await?;
        bob.send("said").await?;
        bob.expect_text("2").await?;
        other.send("said").await?;
        other.expect_text("1").await
    });
}

#[test]
fn a_broadcast_reaches_everyone_it_is_meant_for() {
    with_probe(3, async |world| -> Result<()> {
        let mut alice = world.connect("main", "lobby").query("tag=red").await?;
        let mut bob = world.connect("main", "lobby").query("tag=blue").await?;
        let mut carol = world.connect("main", "other").await?;
        alice.send("all one").await?;
        alice.expect_text("one").await?;
        bob.expect_text("one").await?;
        alice.send("others two").await?;
        bob.expect_text("two").await?;
        bob.send("tagged red three").await?;
        alice.expect_text("three").await?;
        for client in [&mut alice, &mut bob, &mut carol] {
            client.expect_nothing().await?;
        }
        Ok(())
    });
}

#[test]
fn a_thousand_messages_arrive_in_order() {
    with_probe(4, async |world| -> Result<()> {
        let mut alice = world.connect("main", "lobby").await?;
        for number in 0..1_000 {
            alice.send(&format!("echo {number}")).await?;
        }
        for number in 0..1_000 {
            alice.expect_text(&number.to_string()).await?;
        }
        alice.expect_nothing().await
    });
}

#[test]
fn a_handler_that_fails_leaves_the_connection_open_and_its_effects_in_place() {
    with_probe(5, async |world| -> Result<()> {
        let mut alice = world.connect("main", "lobby").await?;
        alice.send("fail on purpose").await?;
        alice.expect_nothing().await?;
        alice.send("said").await?;
        alice.expect_text("2").await
    });
}

#[test]
fn a_message_at_the_limit_is_taken_and_one_byte_more_is_refused() {
    with_probe(6, async |world| -> Result<()> {
        let mut alice = world.connect("main", "lobby").await?;
        let mut bob = world.connect("main", "lobby").await?;
        let largest = "x".repeat((1 << 20) - "echo ".len());
        alice.send(&format!("echo {largest}")).await?;
        alice.expect_text(&largest).await?;
        // The server may close before all of it is written.
        let _ = alice.send(&format!("echo x{largest}")).await;
        let reason = alice.expect_close(1009).await?;
        assert_eq!(reason, "Message is too large: 1048577 > 1048576");
        bob.expect_text("error Message is too large: 1048577 > 1048576").await
    });
}
