//! `on-start`: before everything else, and again if it failed.

use std::time::Duration;

use anyhow::Result;
use party_testkit::world::Answer;

use crate::with_probe;

#[test]
fn events_wait_until_the_start_has_settled() {
    with_probe(1, async |world| -> Result<()> {
        let first = world.ask("GET", "/parties/main/start-slowly/said", b"").await?;
        let second = world.ask("GET", "/parties/main/start-slowly/said", b"").await?;
        world.advance(Duration::from_secs(1)).await;
        assert_eq!(first.await?.body, "1");
        assert_eq!(second.await?.body, "2");
        Ok(())
    });
}

#[test]
fn a_start_that_failed_is_tried_again_by_the_next_event() {
    with_probe(2, async |world| -> Result<()> {
        let room = "/parties/main/start-fails/started";
        world.expect("GET", room, b"", 500, "the start was told to fail").await?;
        world.expect("GET", room, b"", 200, "Some(FailedBefore)").await
    });
}

#[test]
fn a_client_is_told_by_http_that_the_start_failed() {
    with_probe(3, async |world| -> Result<()> {
        match world.knock("main/start-fails", &[]).await? {
            Answer::Refused(500, body) => assert_eq!(body, "the start was told to fail"),
            Answer::Refused(status, body) => panic!("{status} {body}"),
            Answer::Connected(_) | Answer::Nothing(_) => panic!("not refused"),
        }
        world.connect("main", "start-fails").await?;
        Ok(())
    });
}

#[test]
fn a_start_that_never_settles_is_given_up() {
    with_probe(4, async |world| -> Result<()> {
        let asked = world.ask("GET", "/parties/main/start-forever/said", b"").await?;
        world.advance(Duration::from_secs(30)).await;
        let response = asked.await?;
        assert_eq!(response.status, 500);
        assert_eq!(response.body, "on-start did not settle within 30000 ms");
        Ok(())
    });
}

#[test]
fn a_room_that_traps_again_and_again_is_suspended_and_tried_again_later() {
    with_probe(5, async |world| -> Result<()> {
        let mut neighbour = world.connect("main", "neighbour").await?;
        let mut statuses = Vec::new();
        for _ in 0..14 {
            statuses.push(world.request("GET", "/parties/main/start-traps/said", b"").await?.status);
        }
        assert_eq!(statuses[..11], [500; 11]);
        assert_eq!(statuses[11..], [503; 3]);
        world.advance(Duration::from_secs(60)).await;
        assert_eq!(world.request("GET", "/parties/main/start-traps/said", b"").await?.status, 500);
        neighbour.send("said").await?;
        neighbour.expect_text("1").await
    });
}
