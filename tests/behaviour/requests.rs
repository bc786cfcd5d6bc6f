//! HTTP.

use std::time::Duration;

use anyhow::Result;

use crate::with_probe;

#[test]
fn a_request_sees_what_was_asked() {
    with_probe(1, async |world| -> Result<()> {
        let uri = "/parties/main/a%20b%2Fc/request?x=1&y=%20";
        world.expect("PATCH", uri, b"", 200, &format!("PATCH http://world{uri}")).await?;
        world.expect("GET", "/party/lobby/request", b"", 200, "GET http://world/party/lobby/request").await?;
        world.expect("POST", "/parties/main/lobby/body", b"any \x01 body", 200, "any \u{1} body").await?;
        world.expect("GET", "/parties/main/lobby/header?host", b"", 200, "world").await
    });
}

#[test]
fn the_room_answers_in_a_later_turn() {
    with_probe(2, async |world| -> Result<()> {
        let later = world.ask("GET", "/parties/main/lobby/later?2000", b"").await?;
        world.expect("GET", "/parties/main/lobby/said", b"", 200, "2").await?;
        world.advance(Duration::from_secs(2)).await;
        let response = later.await?;
        assert_eq!((response.status, response.body.as_str()), (200, "later"));
        Ok(())
    });
}

#[test]
fn failures_are_answered_as_partykit_does() {
    with_probe(3, async |world| -> Result<()> {
        world.expect("GET", "/parties/main/r/fail?broken", b"", 500, "broken").await?;
        world.expect("GET", "/parties/main/r/teapot", b"", 418, "short and stout").await?;
        let text = "Uncaught exception when making a request";
        world.expect("GET", "/parties/main/r/trap", b"", 500, text).await?;
        world.expect("GET", "/parties/nope/r", b"", 404, "Party nope not found").await?;
        for nothing in ["/", "/parties/main/", "/parties/main", "/party/", "/elsewhere"] {
            world.expect("GET", nothing, b"", 404, "Not found").await?;
        }
        Ok(())
    });
}

#[test]
fn a_room_that_never_answers_is_answered_for_at_the_deadline() {
    with_probe(4, async |world| -> Result<()> {
        let never = world.ask("GET", "/parties/main/lobby/never", b"").await?;
        world.advance(Duration::from_secs(30)).await;
        let response = never.await?;
        assert_eq!(response.status, 504);
        assert_eq!(response.body, "The room did not answer within 30000 ms");
        Ok(())
    });
}

#[test]
fn bodies_are_bounded_both_ways() {
    crate::probe(5)
        .limits(|limits| {
            limits.request_body_bytes_max = 1_000;
            limits.response_body_bytes_max = 1_000;
        })
        .run(async |world| -> Result<()> {
            let (at, over) = (vec![b'x'; 1_000], vec![b'x'; 1_001]);
            let at_text = "x".repeat(1_000);
            world.expect("POST", "/parties/main/r/upload", &at, 200, "1000 bytes, waited: false").await?;
            world.expect("POST", "/parties/main/r/upload", &over, 200, "1001 bytes, waited: true").await?;
            world.expect("GET", "/parties/main/r/large?1000", b"", 200, &at_text).await?;
            assert_eq!(world.request("GET", "/parties/main/r/large?1001", b"").await?.status, 500);
            Ok(())
        });
}
