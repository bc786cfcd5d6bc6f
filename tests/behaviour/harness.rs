//! The harness itself: what it tells of a test that fails, and what a test can ask of a room.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::time::Duration;

use anyhow::Result;
use party_testkit::transcript::{self, Stage, Transcript};
use party_testkit::world::{Answer, Memory, World};
use party_tests::guests::{guest, scratch};
use party_tests::root;

use crate::probe;

/// What a test that fails says.
fn told(run: impl FnOnce()) -> String {
    let panic = catch_unwind(AssertUnwindSafe(run)).expect_err("the test fails");
    panic.downcast_ref::<String>().expect("it panics with words").clone()
}

#[test]
fn a_test_that_fails_says_what_had_happened_and_its_seed() {
    let fails = || {
        probe(71).run(async |world| {
            let mut alice = world.connect("main", "lobby").query("_pk=alice").await?;
            alice.send("said").await?;
            alice.expect_text("1").await?;
            world.advance(Duration::from_secs(2)).await;
            world.request("GET", "/parties/main/lobby/said", b"").await?;
            world.crash().await?;
            alice.expect_text("never").await
        });
    };
    let words = told(fails);
    assert!(
        words.starts_with("with seed 71: main/lobby?_pk=alice expected Text(\"never\"), received Lost"),
        "{words}"
    );
    let story = "\
so far:
seed 71
memory volatile
profile partykit
> c1 connect main/lobby ?_pk=alice
> c1 send said
< c1 1
advance 2000ms
GET /parties/main/lobby/said -> 200 2
crash 0ms
< c1 lost
";
    assert!(words.ends_with(story), "{words}");
    // Between the two there may be a backtrace.
    let again = told(fails);
    assert_eq!(words.lines().next(), again.lines().next());
    assert!(again.ends_with(story), "it fails in the same way again: {again}");
    // It is a transcript, and what it says is so.
    let transcript = Transcript::parse(story.strip_prefix("so far:\n").unwrap()).unwrap();
    let mut stage = Stage { compile_cache: Some(scratch("compiled")), ..Stage::default() };
    stage.parties.insert("main".into(), guest("test_guests").into());
    assert_eq!(transcript::run(&transcript, &stage, Path::new(""), false).failure, None);
}

/// Under load a turn took longer than a guest runs before it yields, here and there, and what went on beside it came first:
/// the client was closed before it got what the room still had for it. The same seed was not the same test.
#[test]
fn how_long_a_turn_takes_changes_nothing() {
    probe(72).limits(|limits| limits.message_in_bytes_max = 4).run(async |world| -> Result<()> {
        let mut mallory = world.connect("main", "slow").await?;
        mallory.send("too much").await?;
        mallory.expect_text("slow").await?;
        mallory.expect_close(1009).await.map(drop)
    });
}

#[test]
fn a_world_can_be_a_project_and_builds_it() {
    let counter = root().join("examples/counter");
    World::new(1).project(&counter).run(async |world| -> Result<()> {
        let mut alice = world.connect("main", "lobby").await?;
        alice.expect_text("0").await?;
        alice.send("+").await?;
        alice.expect_text("1").await
    });
    let words = told(|| World::new(1).project(root().join("nowhere")).run(async |_| Ok(())));
    assert!(words.contains("nowhere"), "{words}");
    let words = told(|| World::new(1).project(root().join("docs")).run(async |_| Ok(())));
    assert!(words.contains("docs has no parties"), "{words}");
}

#[test]
fn a_world_says_which_component_is_not_there() {
    let words = told(|| World::new(1).party("main", "target/nothing.wasm").run(async |_| Ok(())));
    assert!(
        words.contains("target/nothing.wasm cannot be read; `party-host build` makes components"),
        "{words}"
    );
}

#[test]
fn what_a_room_has_can_be_asked() {
    probe(72).memory(Memory::Hibernate).run(async |world| -> Result<()> {
        let mut alice = world.connect("main", "lobby").await?;
        alice.send("put greeting hello").await?;
        assert_eq!(
            world.storage("main/lobby")?.get(&b"greeting"[..]).map(|value| &value[..]),
            Some(&b"hello"[..])
        );
        let (memory, fuel) = (world.memory_used("main/lobby").await?, world.fuel_used("main/lobby").await?);
        assert!(memory >= 1 << 20 && fuel > 0, "{memory} bytes, {fuel} fuel");
        alice.send("said").await?;
        alice.expect_text("2").await?;
        assert!(world.fuel_used("main/lobby").await? > fuel, "every turn costs some");
        world.hibernate("main/lobby").await?;
        assert_eq!(world.memory_used("main/lobby").await?, 0);
        assert!(!world.is_awake("main/lobby").await?);

        world.fork("main/lobby", "main/copy").await?;
        let mut bob = world.connect("main", "copy").await?;
        bob.send("said").await?;
        bob.expect_text("3").await?;
        bob.cut().await;
        alice.send("said").await?;
        alice.expect_text("3").await
    });
}

#[test]
fn a_client_comes_with_a_query_and_headers() {
    probe(73).run(async |world| -> Result<()> {
        let refused =
            world.connect("main", "lobby").query("reject=401").header("x-team", "blue").knock().await?;
        assert!(matches!(refused, Answer::Refused(401, _)));
        let refused = world.connect("main", "lobby").query("reject=401").await;
        let error = refused.map(drop).expect_err("it was refused").to_string();
        assert!(error.contains("refused with 401"), "{error}");
        Ok(())
    });
}
