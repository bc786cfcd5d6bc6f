//! A disk that does nothing for a while, or is slow: who waits for it, for how long, and what is lost when that is over.

use std::time::Duration;

use anyhow::{Result, ensure};
use futures_util::future::join;
use party_core::limits::Limits;
use party_testkit::world::{Memory, World};
use party_tests::guests::Version;

use crate::{first_version, sleeping};

/// How long a room takes no turn because somebody wants it saved.
const STAND_STILL: Duration = Duration::from_secs(5);

fn stay_awake(limits: &mut Limits) {
    (limits.idle_ms, limits.checkpoint_interval_ms) = (3_600_000, 3_600_000);
}

/// Three rooms whose memory is more than one commit carries.
async fn three_large_rooms(world: &World) -> Result<()> {
    for room in ["a", "b", "c"] {
        world.expect("GET", &format!("/parties/main/{room}/treasure?1"), b"", 200, "kept").await?;
    }
    Ok(())
}

/// Who was in the midst of being written never came to its own bounds, and nobody counted it: the exit code was 0.
#[test]
fn rooms_that_are_being_written_when_their_host_has_no_more_patience_count_as_forgotten() {
    for (seed, memory, expected) in
        [(1, Memory::Hibernate, 3), (2, Memory::Durable, 0), (3, Memory::Volatile, 0)]
    {
        sleeping(seed).memory(memory).limits(stay_awake).run(async |world| {
            three_large_rooms(world).await?;
            world.hold_stagings();
            world.restart_host().await?;
            world.let_stagings_go().await;
            ensure!(world.forgotten() == expected, "{memory:?}: {} rooms", world.forgotten());
            let told = world.request("GET", "/parties/main/a/treasured", b"").await?.body;
            ensure!(
                told == if memory == Memory::Durable { "2 1 true" } else { "1 0 true" },
                "{memory:?}: {told}"
            );
            Ok(())
        });
    }
}

/// All were written at once, a piece of each in turn: if there was no time for all, there was none for any.
#[test]
fn large_rooms_are_written_one_after_the_other_when_their_host_ends() {
    sleeping(4).memory(Memory::Hibernate).limits(stay_awake).run(async |world| {
        three_large_rooms(world).await?;
        world.hold_stagings();
        let watched = async {
            world.settle().await;
            let held = world.stagings_held();
            world.let_stagings_go().await;
            held
        };
        let (restarted, held) = join(world.restart_host(), watched).await;
        restarted?;
        ensure!(held == 1, "{held} at once");
        ensure!(world.forgotten() == 0);
        for room in ["a", "b", "c"] {
            world.expect("GET", &format!("/parties/main/{room}/treasured"), b"", 200, "2 1 true").await?;
        }
        Ok(())
    });
}

/// Each room gave up after 15 s, although what it waited for came.
#[test]
fn a_disk_that_is_slow_is_waited_for_when_a_host_ends_and_one_that_hangs_is_not_for_ever() {
    for (seed, takes_s, expected) in [(5, 40, 0), (6, 100, 1)] {
        sleeping(seed).memory(Memory::Hibernate).limits(stay_awake).run(async |world| {
            world.expect("GET", "/parties/main/lobby/said", b"", 200, "1").await?;
            world.slow_commits(Duration::from_secs(takes_s));
            world.restart_host().await?;
            world.slow_commits(Duration::ZERO);
            ensure!(world.forgotten() == expected, "{takes_s} s: {} rooms", world.forgotten());
            let said = if expected == 0 { "2" } else { "1" };
            world.expect("GET", "/parties/main/lobby/said", b"", 200, said).await
        });
    }
}

/// The time that a room had was that of the clock: set forward by an hour, it was over at once.
#[test]
fn a_clock_that_is_set_while_a_host_ends_costs_no_room() {
    for (seed, is_back) in [(7, false), (8, true)] {
        sleeping(seed).memory(Memory::Hibernate).limits(stay_awake).run(async |world| {
            let hour = Duration::from_secs(3_600);
            three_large_rooms(world).await?;
            world.hold_stagings();
            let meanwhile = async {
                world.settle().await;
                if is_back {
                    world.turn_clock_back(hour).await
                } else {
                    world.jump(hour).await
                };
                world.let_stagings_go().await;
            };
            let before = world.ticks();
            let (restarted, ()) = join(world.restart_host(), meanwhile).await;
            restarted?;
            ensure!(world.forgotten() == 0, "{} rooms", world.forgotten());
            ensure!(world.ticks().since_ms(before) < 5_000, "it took {:?}", world.ticks());
            for room in ["a", "b", "c"] {
                world.expect("GET", &format!("/parties/main/{room}/treasured"), b"", 200, "2 1 true").await?;
            }
            Ok(())
        });
    }
}

/// A save that has failed once is tried again for 15 s, not for as long as the clock says.
#[test]
fn a_clock_that_is_set_forward_takes_no_room_its_second_try() {
    sleeping(12).memory(Memory::Hibernate).limits(stay_awake).run(async |world| {
        world.expect("GET", "/parties/main/lobby/said", b"", 200, "1").await?;
        world.hold_commits();
        world.fail_next_commit();
        let meanwhile = async {
            world.settle().await;
            world.jump(Duration::from_secs(3_600)).await;
            world.let_commits_go().await;
        };
        join(world.restart_host(), meanwhile).await.0?;
        ensure!(world.forgotten() == 0, "{} rooms", world.forgotten());
        world.expect("GET", "/parties/main/lobby/said", b"", 200, "2").await
    });
}

/// A room that stores nothing was asked by nobody for as long as the disk hung, because somebody wanted a copy of it.
#[test]
fn a_room_answers_again_when_its_copy_cannot_be_written_in_time() {
    sleeping(9).memory(Memory::Hibernate).limits(stay_awake).run(async |world| {
        world.expect("GET", "/parties/main/lobby/treasure?1", b"", 200, "kept").await?;
        world.hold_stagings();
        let copied = world.fork("main/lobby", "main/copy");
        let asked = async {
            world.settle().await;
            world.ask("GET", "/parties/main/lobby/treasured", b"").await
        };
        let (copied, asked) = join(copied, asked).await;
        ensure!(copied.is_err(), "its copy cannot have been written");
        world.advance(STAND_STILL).await;
        let told = asked?.await?;
        ensure!((told.status, told.body.as_str()) == (200, "2 1 true"), "{told:?}");
        world.let_stagings_go().await;
        world.advance(Duration::from_secs(60)).await;
        world.fork("main/lobby", "main/copy").await?;
        world.expect("GET", "/parties/main/copy/treasured", b"", 200, "3 1 true").await
    });
}

/// The same with another version: the room goes on with the one that it has, and is carried over when it can be.
#[test]
fn a_room_answers_again_when_it_cannot_be_saved_in_time_for_another_version() {
    first_version(10).limits(stay_awake).run(async |world| {
        world.expect("GET", "/parties/main/lobby/large", b"", 200, "large").await?;
        world.hold_stagings();
        world.upgrade("main", &Version::named('2').component()).await?;
        let asked = world.ask("GET", "/parties/main/lobby/length", b"").await?;
        world.advance(STAND_STILL).await;
        let told = asked.await?;
        ensure!((told.status, told.body.as_str()) == (200, "1 100000"), "{told:?}");
        world.let_stagings_go().await;
        world.advance(Duration::from_secs(60)).await;
        world.expect("GET", "/parties/main/lobby/length", b"", 200, "2 100000").await
    });
}
