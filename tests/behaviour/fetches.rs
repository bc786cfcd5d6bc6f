//! Rooms that ask servers outside, which are answers that a test has laid down. What real servers answer to the real client:
//! `host/server/tests/outbound`.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use party_core::ids::CommitSeq;
use party_core::operation::OperationError;
use party_testkit::transcript::recorded::{Saving, save};
use party_testkit::transcript::{Stage, Transcript, run};
use party_testkit::world::{Memory, World};
use party_tests::guests::{guest, scratch};

use crate::{probe, sleeping};

const MEMORIES: [Memory; 3] = [Memory::Volatile, Memory::Hibernate, Memory::Durable];

/// What the room has kept of its last fetch.
async fn kept(world: &World) -> Result<String> {
    Ok(world.request("GET", "/parties/main/lobby/get?fetched", b"").await?.body)
}

/// `METHOD URL body` of all that was fetched.
fn asked(world: &World) -> Vec<String> {
    let written = |it: party_testkit::outbound::Requested| {
        format!("{} {} {}", it.method, it.url, String::from_utf8_lossy(&it.body)).trim_end().to_owned()
    };
    world.fetched().into_iter().map(written).collect()
}

#[test]
fn a_room_has_the_answer_and_the_server_the_request() {
    for (seed, memory) in (1..).zip(MEMORIES) {
        for workers in [1, 3] {
            sleeping(seed).memory(memory).workers(workers).run(async |world| {
                world.outbound("https://a.test/x").respond(200, "any");
                world.outbound("https://a.test/x").method("PUT").respond(418, "put");
                world.outbound("https://b.test").fail(OperationError::Dns("no such name".into()));
                let mut alice = world.connect("main", "lobby").await?;
                for (word, answer) in [
                    ("GET https://a.test/x", "200 any"),
                    ("PUT https://a.test/x four", "418 put"),
                    ("GET https://b.test", "failed: the name does not resolve: no such name"),
                    ("GET b.test", "failed: \"b.test\" is no full URL: it begins with https:// or http://"),
                    ("TRACE https://b.test", "failed: method TRACE cannot be fetched"),
                ] {
                    alice.send(&format!("fetch {word}")).await?;
                    alice.expect_text(answer).await?;
                }
                let all = asked(world);
                ensure!(
                    all == ["GET https://a.test/x", "PUT https://a.test/x four", "GET https://b.test/"],
                    "{all:?}"
                );
                Ok(())
            });
        }
    }
}

#[test]
fn of_several_answers_each_is_given_once_and_the_last_for_good() {
    probe(1).run(async |world| -> Result<()> {
        world.outbound("https://a.test/").respond(503, "first");
        world.outbound("https://a.test/").respond(200, "then");
        let mut alice = world.connect("main", "lobby").await?;
        for answer in ["503 first", "200 then", "200 then"] {
            alice.send("fetch GET https://a.test/").await?;
            alice.expect_text(answer).await?;
        }
        world.outbound("https://a.test/").respond(200, "now");
        alice.send("fetch GET https://a.test/").await?;
        alice.expect_text("200 now").await
    });
}

#[test]
fn an_answer_that_is_larger_than_a_room_may_have_is_none() {
    probe(1).limits(|limits| limits.response_body_bytes_max = 10).run(async |world| -> Result<()> {
        world.outbound("https://a.test/").respond(200, "12345678901");
        let mut alice = world.connect("main", "lobby").await?;
        alice.send("fetch GET https://a.test/").await?;
        alice.expect_text("failed: the answer is larger than 10 bytes").await
    });
}

/// Who sleeps is woken by the answer, and by the end of its time; nobody else is there.
#[test]
fn a_room_may_sleep_while_a_server_takes_its_time() {
    for (seed, memory) in (1..).zip([Memory::Hibernate, Memory::Durable]) {
        sleeping(seed).memory(memory).run(async |world| {
            world.outbound("https://a.test/slow").after(Duration::from_secs(25)).respond(200, "late");
            world.outbound("https://a.test/never").hang();
            for (path, after_s, answer) in
                [("slow", 25, "200 late"), ("never", 300, "failed: its time has passed")]
            {
                let mut alice = world.connect("main", "lobby").await?;
                alice.send(&format!("fetch GET https://a.test/{path}")).await?;
                alice.cut().await;
                world.hibernate("main/lobby").await?;
                ensure!(!world.is_awake("main/lobby").await?);
                world.advance(Duration::from_secs(after_s - 1)).await;
                ensure!(!world.is_awake("main/lobby").await?);
                world.advance(Duration::from_secs(1)).await;
                ensure!(kept(world).await? == answer, "{path}");
            }
            Ok(())
        });
    }
}

/// A durable room asks when what made it ask is on disk, and not before.
#[test]
fn nothing_is_sent_that_a_crash_takes_back() {
    sleeping(1).memory(Memory::Durable).run(async |world| {
        world.outbound("https://a.test/").respond(200, "done");
        let mut alice = world.connect("main", "lobby").await?;
        world.hold_commits();
        alice.send("fetch POST https://a.test/ once").await?;
        world.settle().await;
        ensure!(asked(world).is_empty(), "its turn is not durable");
        world.crash().await?;
        ensure!(asked(world).is_empty(), "its turn never was");
        let mut alice = world.connect("main", "lobby").await?;
        alice.send("fetch POST https://a.test/ again").await?;
        alice.expect_text("200 done").await?;
        ensure!(asked(world) == ["POST https://a.test/ again"]);
        Ok(())
    });
}

/// In good order or not, and wherever the room is just then.
#[test]
fn a_restart_interrupts_a_fetch_unless_it_may_be_sent_again() {
    for (seed, memory) in (1..).zip([Memory::Hibernate, Memory::Durable]) {
        for (is_crash, again) in [(true, "again "), (true, ""), (false, "again "), (false, "")] {
            sleeping(seed).memory(memory).run(async |world| {
                world.outbound("https://a.test/").after(Duration::from_secs(20)).respond(200, "done");
                let mut alice = world.connect("main", "lobby").await?;
                alice.send(&format!("fetch {again}POST https://a.test/ four")).await?;
                alice.cut().await;
                world.hibernate("main/lobby").await?;
                match is_crash {
                    true => world.crash().await?,
                    false => world.restart_host().await?,
                }
                world.advance(Duration::from_secs(20)).await;
                let sent = world.fetched();
                let keys: Vec<_> = sent.iter().map(|it| it.header("idempotency-key")).collect();
                let outcome = kept(world).await?;
                if again.is_empty() {
                    ensure!(keys == [None], "{keys:?}");
                    ensure!(outcome == "failed: the host or the room was restarted meanwhile", "{outcome}");
                } else {
                    ensure!(keys.len() == 2 && keys[0].is_some() && keys[0] == keys[1], "{keys:?}");
                    ensure!(sent[0].body == sent[1].body && outcome == "200 done", "{outcome}");
                }
                Ok(())
            });
        }
    }
}

#[test]
fn what_nothing_answers_fails_the_test_that_fetched_it() {
    let failed = catch_unwind(AssertUnwindSafe(|| {
        probe(1).run(async |world| -> Result<()> {
            let mut alice = world.connect("main", "lobby").await?;
            alice.send("fetch GET https://a.test/x").await?;
            alice.expect_text("failed: nothing answers GET https://a.test/x in this test").await
        });
    }));
    let told = failed.expect_err("it fails");
    let told = told.downcast_ref::<String>().expect("it says why");
    assert!(told.contains("a room fetched GET https://a.test/x, which nothing answers"), "{told}");
}

/// What is saved of a recording says what the servers have answered, and when.
#[test]
fn what_was_fetched_is_answered_in_the_play_of_its_recording() -> Result<()> {
    let component = guest("test_guests");
    let recorded = sleeping(7).memory(Memory::Durable).block_on(async |world| {
        world.outbound("https://a.test/").header("x-made", "yes").respond(200, "at once");
        world.outbound("https://a.test/slow").after(Duration::from_secs(3)).respond(503, "late");
        world.outbound("https://a.test/no").fail(OperationError::Tls("it has expired".into()));
        world.outbound("https://a.test/never").hang();
        let mut alice = world.connect("main", "lobby").query("_pk=alice").await?;
        for path in ["", "slow", "no", "never", "slow"] {
            alice.send(&format!("fetch POST https://a.test/{path} body")).await?;
            world.advance(Duration::from_millis(1_700)).await;
        }
        world.advance(Duration::from_secs(2)).await;
        alice.send("fetch again GET https://a.test/").await?;
        for answer in [
            "200 at once",
            "failed: the TLS handshake failed: it has expired",
            "503 late",
            "503 late",
            "200 at once",
        ] {
            alice.expect_text(answer).await?;
        }
        world.recorded("main/lobby").await
    })?;
    let start_file = "start.room".to_owned();
    let saving = Saving { start_file, until: CommitSeq(u64::MAX), compile_cache: Some(scratch("compiled")) };
    let saved = save(recorded, &saving)?;
    ensure!((saved.differing, &saved.failure) == (0, &None), "{:?}\n{}", saved.failure, saved.text);
    for line in [
        "outbound POST https://a.test/ -> 200 at once\n  < x-made: yes\n",
        "outbound POST https://a.test/slow -> after 3000ms 503 late\n",
        "outbound POST https://a.test/no -> fails tls it has expired\n",
        "outbound POST https://a.test/never -> hangs\n",
        "outbound GET https://a.test/ -> 200 at once\n",
    ] {
        ensure!(saved.text.contains(line), "{line} in\n{}", saved.text);
    }
    let transcript = Transcript::parse(&saved.text).context("it is one")?;
    let mut stage = Stage { compile_cache: Some(scratch("compiled")), ..Stage::default() };
    stage.parties.insert("main".into(), component.into());
    let outcome = run(&transcript, &stage, Path::new(""), false);
    ensure!(outcome.failure.is_none(), "{:?}\n{}", outcome.failure, saved.text);
    Ok(())
}
