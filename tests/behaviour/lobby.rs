//! The lobby of a party: how long an event may take, how many there may be, and what is left of them.

use std::time::Duration;

use anyhow::{Result, bail, ensure};
use party_testkit::world::{Answer, Builder, Memory, World};
use party_tests::guests::{party_path, scratch};

/// A world whose main party decides before its rooms.
fn gate(seed: u64) -> Builder {
    let party = party_path("a_lobby_stands_before_its_rooms");
    World::new(seed).compile_cache(scratch("compiled")).party("main", party)
}

const NEVER: &str = "/parties/main/lobby?forever";

#[test]
fn a_lobby_that_does_not_decide_is_answered_for_at_the_deadline() {
    gate(1).run(async |world| -> Result<()> {
        let never = world.ask("GET", NEVER, b"").await?;
        world.advance(Duration::from_millis(29_999)).await;
        ensure!(world.take_complaints().is_empty());
        world.advance(Duration::from_millis(1)).await;
        let answer = never.await?;
        assert_eq!((answer.status, answer.body.as_str()), (504, "The lobby did not answer within 30000 ms"));
        assert_eq!(world.take_complaints(), ["it did not settle within 30000 ms"]);
        // The room has heard of nobody.
        world.expect("GET", "/parties/main/lobby", b"", 200, "1 lobby").await
    });
}

#[test]
fn who_connects_waits_for_the_lobby_and_no_longer_than_that() {
    gate(2).limits(|limits| limits.connect_deadline_ms = 3_000).run(async |world| -> Result<()> {
        let answer = world.connect("main", "lobby").query("later").knock().await?;
        let Answer::Nothing(knocking) = answer else { bail!("the lobby has not decided") };
        world.advance(Duration::from_secs(2)).await;
        let Answer::Connected(mut alice) = knocking.answer().await? else { bail!("she was let in") };
        alice.expect_text("lobby").await?;
        let answer = world.connect("main", "lobby").query("forever").knock().await?;
        let Answer::Nothing(knocking) = answer else { bail!("the lobby has not decided") };
        world.advance(Duration::from_secs(3)).await;
        ensure!(matches!(knocking.answer().await?, Answer::Refused(504, _)));
        Ok(())
    });
}

#[test]
fn so_many_lobby_events_are_under_way_and_who_goes_makes_room() {
    gate(3).run(async |world| -> Result<()> {
        let mut waiting = Vec::new();
        for _ in 0..128 {
            waiting.push(world.ask("GET", NEVER, b"").await?);
        }
        let full = "128 lobby events are under way, which is the limit; try again";
        world.expect("GET", "/parties/main/lobby", b"", 503, full).await?;
        drop(waiting.pop());
        // So long a client that sends no more may still be reading (`half_open_ms_max`).
        world.advance(Duration::from_secs(5)).await;
        world.expect("GET", "/parties/main/lobby", b"", 200, "1 lobby").await?;
        world.advance(Duration::from_secs(25)).await;
        for asked in waiting {
            ensure!(asked.await?.status == 504);
        }
        for _ in 0..300 {
            world.expect("GET", "/parties/main/lobby?answers", b"", 403, "not you").await?;
        }
        Ok(())
    });
}

#[test]
fn a_lobby_wakes_no_room_unless_it_asks_it() {
    gate(4).memory(Memory::Hibernate).run(async |world| -> Result<()> {
        world.expect("GET", "/parties/main/lobby", b"", 200, "1 lobby").await?;
        world.hibernate("main/lobby").await?;
        world.expect("GET", "/parties/main/lobby?answers", b"", 403, "not you").await?;
        ensure!(!world.is_awake("main/lobby").await?);
        world.expect("GET", "/parties/main/lobby?asks", b"", 200, "2 ").await?;
        ensure!(world.is_awake("main/lobby").await?);
        Ok(())
    });
}
