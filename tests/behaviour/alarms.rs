//! Alarms over the ends of hosts and versions: at least once, at their times, and the room knows its name.

use std::time::Duration;

use anyhow::{Result, ensure};
use party_core::ids::Timestamp;
use party_core::limits::{ALARM_RETRIES_MAX, ALARM_RETRY_FIRST_MS};
use party_testkit::world::{Memory, World};
use party_tests::guests::{guest, renamed};

use crate::sleeping;

/// Longer than a room has nothing to do before it sleeps.
const IDLE: Duration = Duration::from_secs(11);

/// What comes between an alarm and its ringing.
#[derive(Clone, Copy, Debug)]
enum Between {
    Nothing,
    Sleep,
    Restart,
    Crash,
    Deployment,
    /// And back.
    Rollback,
}

const ALL: [Between; 6] = [
    Between::Nothing,
    Between::Sleep,
    Between::Restart,
    Between::Crash,
    Between::Deployment,
    Between::Rollback,
];

async fn happens(world: &World, between: Between) -> Result<()> {
    match between {
        Between::Nothing => {}
        Between::Sleep => world.hibernate("main/lobby").await?,
        Between::Restart => world.restart_host().await?,
        Between::Crash => world.crash().await?,
        Between::Deployment => {
            // Another each time: a version that is served is not deployed again.
            let name = format!("at {}", world.now().0);
            world.upgrade("main", &renamed(guest("test_guests"), &name)).await?;
        }
        Between::Rollback => {
            world.upgrade("main", &renamed(guest("test_guests"), "the next")).await?;
            world.roll_back("main").await?;
        }
    }
    Ok(())
}

/// The times at which the alarm has rung. Each time the room was called so.
fn rings(world: &World) -> Result<Vec<u64>> {
    let storage = world.storage("main/lobby")?;
    let mut times = Vec::new();
    while let Some(ring) = storage.get(format!("ring {}", times.len() + 1).as_bytes()) {
        let text = String::from_utf8_lossy(ring);
        let (name, at) = text.split_once(' ').unwrap_or_default();
        ensure!(name == "lobby", "the room is called {name:?}");
        times.push(at.parse()?);
    }
    Ok(times)
}

/// When an alarm rings that always fails.
fn schedule(set: Timestamp) -> Vec<u64> {
    let pauses = (0..ALARM_RETRIES_MAX).map(|attempt| ALARM_RETRY_FIRST_MS << attempt);
    let times = pauses.scan(set.0, |at, pause| {
        *at += pause;
        Some(*at)
    });
    [set.0].into_iter().chain(times).collect()
}

#[test]
fn an_alarm_rings_once_at_its_time_whatever_happens_before() {
    for memory in [Memory::Volatile, Memory::Hibernate, Memory::Durable] {
        for between in ALL {
            if matches!((memory, between), (Memory::Volatile, Between::Sleep)) {
                continue;
            }
            sleeping(1).memory(memory).run(async |world| {
                let mut alice = world.connect("main", "lobby").await?;
                let due = world.now().after_ms(3_600_000);
                alice.send("alarm 3600000").await?;
                alice.send("when").await?;
                alice.expect_text(&due.0.to_string()).await?;
                drop(alice);
                world.advance(IDLE).await;
                happens(world, between).await?;
                world.advance(Duration::from_millis(due.since_ms(world.now()) - 1)).await;
                ensure!(rings(world)?.is_empty(), "{memory:?}, {between:?}: never early");
                world.advance(Duration::from_secs(600)).await;
                let rung = rings(world)?;
                ensure!(rung == [due.0], "{memory:?}, {between:?}: {rung:?} instead of {due:?}");
                Ok(())
            });
        }
    }
}

#[test]
fn an_alarm_that_fails_keeps_its_schedule_whatever_happens_between_its_attempts() {
    for memory in [Memory::Volatile, Memory::Hibernate, Memory::Durable] {
        for between in ALL {
            if matches!((memory, between), (Memory::Volatile, Between::Sleep)) {
                continue;
            }
            sleeping(2).memory(memory).run(async |world| {
                let mut alice = world.connect("main", "lobby").await?;
                alice.send("alarm-fails 100").await?;
                alice.send("alarm 1000").await?;
                alice.send("said").await?;
                alice.expect_text("3").await?;
                drop(alice);
                let times = schedule(world.now().after_ms(1_000));
                for time in &times {
                    world.advance(Duration::from_millis(time - world.now().0)).await;
                    happens(world, between).await?;
                }
                world.advance(Duration::from_secs(3_600)).await;
                let rung = rings(world)?;
                ensure!(rung == times, "{memory:?}, {between:?}: {rung:?} instead of {times:?}");
                Ok(())
            });
        }
    }
}

#[test]
fn an_alarm_that_was_due_while_no_host_ran_rings_when_one_does() {
    for memory in [Memory::Volatile, Memory::Hibernate, Memory::Durable] {
        sleeping(3).memory(memory).run(async |world| {
            let mut alice = world.connect("main", "lobby").await?;
            alice.send("alarm 60000").await?;
            alice.send("said").await?;
            alice.expect_text("2").await?;
            let due = world.now().after_ms(60_000);
            drop(alice);
            world.crash_for(Duration::from_secs(600)).await?;
            world.advance(Duration::from_secs(10)).await;
            let rung = rings(world)?;
            ensure!(rung.len() == 1 && rung[0] >= due.0, "{memory:?}: {rung:?}");
            Ok(())
        });
    }
}
