//! Scheduled runs: when they come, and when they do not.

use std::time::Duration;

use anyhow::{Result, ensure};
use party_testkit::world::{Builder, World};
use party_tests::guests::{guest, party_path, scratch};

/// 2026-01-01T00:00:00Z, when every world begins.
const NEW_YEAR: u64 = 1_767_225_600_000;
const MINUTE: Duration = Duration::from_secs(60);

/// A world whose main party says what it runs.
fn scheduled(seed: u64) -> Builder {
    let party = party_path("a_scheduled_run_comes_in_its_time");
    World::new(seed).compile_cache(scratch("compiled")).party("main", party)
}

/// The minutes of the year for which something was run since the last look.
fn minutes(world: &World) -> Result<Vec<u64>> {
    let of = |line: &String| -> Result<u64> {
        let (_, rest) = line.split_once(" of ").ok_or_else(|| anyhow::anyhow!("{line:?} is of no run"))?;
        let (at, _) = rest.split_once(',').unwrap_or((rest, ""));
        Ok((at.parse::<u64>()? - NEW_YEAR) / 60_000)
    };
    world.take_logs().iter().filter(|line| line.ends_with(" ms late")).map(of).collect()
}

#[test]
fn what_was_missed_while_no_host_ran_is_left_out() {
    scheduled(1).cron("often", "*/10 * * * *").run(async |world| -> Result<()> {
        world.advance(25 * MINUTE).await;
        ensure!(minutes(world)? == [10, 20]);
        world.restart_host_after(30 * MINUTE).await?;
        world.settle().await;
        ensure!(minutes(world)?.is_empty(), "the host was down at 30, 40 and 50");
        world.advance(5 * MINUTE).await;
        ensure!(minutes(world)? == [60]);
        // A host that starts in the moment of a run does not repeat it.
        world.crash().await?;
        world.advance(9 * MINUTE).await;
        ensure!(minutes(world)?.is_empty());
        Ok(())
    });
}

#[test]
fn a_clock_that_is_set_ahead_brings_one_late_run_and_one_that_goes_back_none_twice() {
    scheduled(2).cron("often", "*/10 * * * *").run(async |world| -> Result<()> {
        world.jump(55 * MINUTE).await;
        ensure!(minutes(world)? == [50]);
        world.turn_clock_back(30 * MINUTE).await;
        world.advance(30 * MINUTE).await;
        ensure!(minutes(world)?.is_empty(), "30, 40 and 50 are over");
        world.advance(10 * MINUTE).await;
        ensure!(minutes(world)? == [60]);
        Ok(())
    });
}

#[test]
fn a_run_that_is_not_over_keeps_others_of_its_name_back_and_no_one_else() {
    scheduled(3).cron("long", "* * * * *").cron("often", "*/2 * * * *").run(async |world| -> Result<()> {
        world.advance(2 * MINUTE).await;
        ensure!(minutes(world)? == [1, 2], "long at 1, often at 2");
        let complaints = world.take_complaints();
        ensure!(
            complaints.len() == 1 && complaints[0].contains("the run before is not over"),
            "{complaints:?}"
        );
        world.advance(MINUTE).await;
        ensure!(minutes(world)? == [3], "long is over after a minute and a half");
        Ok(())
    });
}

#[test]
fn a_run_that_fails_is_told_of_and_the_next_comes_in_its_time() {
    scheduled(4).cron("fails", "* * * * *").cron("traps", "* * * * *").run(async |world| -> Result<()> {
        for minute in 1..=3 {
            world.advance(MINUTE).await;
            ensure!(minutes(world)? == [minute, minute]);
            let complaints = world.take_complaints().join("\n");
            ensure!(complaints.contains("the handler failed: words"), "{complaints}");
            ensure!(complaints.contains("the turn was dropped: "), "{complaints}");
        }
        world.expect("GET", "/parties/main/lobby", b"", 204, "").await
    });
}

#[test]
fn a_party_without_on_cron_is_told_of() {
    let probe = World::new(5).compile_cache(scratch("compiled")).party("main", guest("test_guests"));
    probe.cron("often", "* * * * *").run(async |world| -> Result<()> {
        // Before the first run does not come, and when it does not.
        let told = ["1 scheduled runs are listed, and its party main has no on-cron: none comes"];
        let complaints = world.take_complaints();
        ensure!(complaints == told, "{complaints:?}");
        world.advance(MINUTE).await;
        let complaints = world.take_complaints();
        ensure!(complaints == ["the party main has no on-cron, and nothing is run"], "{complaints:?}");
        Ok(())
    });
    let refused = std::panic::catch_unwind(|| scheduled(6).cron("often", "* * * *").run(async |_| Ok(())));
    let words = refused.expect_err("it is no schedule");
    let words = words.downcast_ref::<String>().map(String::as_str).unwrap_or_default();
    assert!(words.contains("it must have five"), "{words}");
}
