//! Connecting, being turned away, closing.

use std::time::Duration;

use anyhow::{Result, bail};
use party_testkit::client::Client;
use party_testkit::world::{Answer, World};

use crate::{probe, with_probe};

async fn refused(world: &World, path: &str) -> Result<(u16, String)> {
    match world.knock(path, &[]).await? {
        Answer::Refused(status, body) => Ok((status, body)),
        Answer::Connected(_) => bail!("{path}: connected"),
        Answer::Nothing(_) => bail!("{path}: no answer"),
    }
}

async fn answered(answer: Answer) -> Result<Client> {
    match answer {
        Answer::Connected(client) => Ok(client),
        Answer::Refused(status, body) => bail!("refused with {status} {body:?}"),
        Answer::Nothing(_) => bail!("no answer"),
    }
}

#[test]
fn the_client_s_key_is_its_pk_and_may_recur() {
    with_probe(1, async |world| -> Result<()> {
        let mut alice = world.connect("main", "lobby").query("_pk=alice").await?;
        let mut again = world.connect("main", "lobby").query("_pk=alice").await?;
        let mut nobody = world.connect("main", "lobby").query("_pk=").await?;
        for client in [&mut alice, &mut again] {
            client.send("key").await?;
            client.expect_text("alice").await?;
        }
        nobody.send("key").await?;
        let received = nobody.next().await;
        assert!(format!("{received:?}").len() > 36, "a random UUID: {received:?}");
        nobody.send("who").await?;
        nobody.expect_text("1 2 3").await
    });
}

#[test]
fn the_101_waits_until_on_connect_has_settled() {
    with_probe(2, async |world| -> Result<()> {
        let Answer::Nothing(knocking) = world.knock("main/lobby?wait=700", &[]).await? else {
            bail!("answered too early")
        };
        world.advance(Duration::from_millis(699)).await;
        let Answer::Nothing(knocking) = knocking.answer().await? else { bail!("answered too early") };
        world.advance(Duration::from_millis(1)).await;
        let mut alice = answered(knocking.answer().await?).await?;
        alice.expect_text("before").await?;
        alice.expect_text("after").await
    });
}

#[test]
fn at_the_accept_deadline_the_101_is_sent_and_messages_wait() {
    with_probe(3, async |world| -> Result<()> {
        let Answer::Nothing(knocking) = world.knock("main/lobby?wait=10000", &[]).await? else {
            bail!("answered too early")
        };
        world.advance(Duration::from_millis(3_500)).await;
        let mut alice = answered(knocking.answer().await?).await?;
        alice.expect_text("before").await?;
        alice.send("said").await?;
        alice.expect_nothing().await?;
        world.advance(Duration::from_millis(6_500)).await;
        alice.expect_text("after").await?;
        alice.expect_text("1").await
    });
}

#[test]
fn a_client_can_be_answered_with_a_response_instead() {
    with_probe(4, async |world| -> Result<()> {
        assert_eq!(refused(world, "main/lobby?reject=403").await?, (403, "not you".into()));
        let mut alice = world.connect("main", "lobby").await?;
        alice.send("who").await?;
        alice.expect_text("2").await
    });
}

#[test]
fn a_failing_on_connect_is_a_101_and_a_close_with_its_message() {
    with_probe(5, async |world| -> Result<()> {
        let mut alice = world.connect("main", "lobby").query("fail=no-way").await?;
        assert_eq!(alice.expect_close(1011).await?, "no-way");
        let mut bob = world.connect("main", "lobby").query("trap=1").await?;
        assert_eq!(bob.expect_close(1011).await?, "Uncaught exception when connecting");
        Ok(())
    });
}

#[test]
fn a_party_that_is_not_there_is_a_404() {
    with_probe(6, async |world| -> Result<()> {
        assert_eq!(refused(world, "nope/lobby").await?, (404, "Party nope not found".into()));
        Ok(())
    });
}

#[test]
fn a_room_closes_with_the_code_and_reason_it_wants() {
    with_probe(7, async |world| -> Result<()> {
        let mut alice = world.connect("main", "lobby").await?;
        let mut bob = world.connect("main", "lobby").await?;
        alice.send("close 4000 custom").await?;
        assert_eq!(alice.expect_close(4000).await?, "custom");
        bob.expect_text("1 closed 4000 custom clean").await?;
        bob.send("who").await?;
        bob.expect_text("2").await?;
        let mut carol = world.connect("main", "lobby").query("close=3001").await?;
        assert_eq!(carol.expect_close(3001).await?, "at once");
        Ok(())
    });
}

#[test]
fn a_client_s_close_is_answered_and_told() {
    with_probe(8, async |world| -> Result<()> {
        let mut alice = world.connect("main", "lobby").await?;
        let mut bob = world.connect("main", "lobby").await?;
        alice.close(4001, "bye").await?;
        assert_eq!(alice.expect_close(4001).await?, "bye");
        bob.expect_text("1 closed 4001 bye clean").await?;
        let carol = world.connect("main", "lobby").await?;
        drop(carol);
        bob.expect_text("3 closed 1006  lost").await
    });
}

#[test]
fn what_is_kept_with_a_connection_stays_with_it() {
    with_probe(9, async |world| -> Result<()> {
        let mut alice = world.connect("main", "lobby").await?;
        let mut bob = world.connect("main", "lobby").await?;
        alice.send("remember cheese").await?;
        bob.send("recall").await?;
        bob.expect_text("").await?;
        alice.send("recall").await?;
        alice.expect_text("cheese").await
    });
}

#[test]
fn more_connections_than_the_limit_get_a_503() {
    probe(10).limits(|limits| limits.connections_max = 2).run(async |world| -> Result<()> {
        let _alice = world.connect("main", "lobby").await?;
        let bob = world.connect("main", "lobby").await?;
        assert_eq!(refused(world, "main/lobby").await?.0, 503);
        drop(bob);
        world.settle().await;
        world.connect("main", "lobby").await?;
        Ok(())
    });
}

#[test]
fn a_dead_peer_is_found_by_ping() {
    with_probe(11, async |world| -> Result<()> {
        let mut alice = world.connect("main", "lobby").await?;
        let mut bob = world.connect("main", "lobby").await?;
        alice.stop_reading().await?;
        for _ in 0..20 {
            world.advance(Duration::from_secs(5)).await;
            if let Some(received) = bob.next().await {
                assert_eq!(format!("{received:?}"), "Text(\"1 closed 1006  lost\")");
                return Ok(());
            }
        }
        bail!("after 100 s nobody had noticed")
    });
}

#[test]
fn a_dead_line_is_found_by_ping_whatever_the_client_still_sends() {
    with_probe(12, async |world| -> Result<()> {
        let mut alice = world.connect("main", "lobby").await?;
        let mut bob = world.connect("main", "lobby").await?;
        alice.go_dead().await?;
        for second in (0..100).step_by(5) {
            world.advance(Duration::from_secs(5)).await;
            alice.send("all lost").await?;
            if let Some(received) = bob.next().await {
                assert_eq!(format!("{received:?}"), "Text(\"1 closed 1006  lost\")");
                // Nobody tells alice.
                return alice.expect_nothing().await;
            }
            println!("{second} s: not noticed yet");
        }
        bail!("after 100 s nobody had noticed")
    });
}

/// A message of 10,000 bytes takes ten seconds at 1,000 bytes a second, and the others do not wait for it.
#[test]
fn a_slow_line_delays_its_own_client_only() {
    with_probe(13, async |world| -> Result<()> {
        let mut slow = world.connect("main", "lobby").await?;
        let mut quick = world.connect("main", "lobby").await?;
        slow.read_slowly(1_000).await?;
        let message = "x".repeat(10_000);
        quick.send(&format!("all {message}")).await?;
        quick.expect_text(&message).await?;
        world.advance(Duration::from_secs(9)).await;
        slow.expect_nothing().await?;
        // What the slow one sends comes at once.
        slow.send("all hurry").await?;
        quick.expect_text("hurry").await?;
        world.advance(Duration::from_secs(2)).await;
        slow.expect_text(&message).await?;
        slow.expect_text("hurry").await
    });
}
