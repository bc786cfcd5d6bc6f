//! Memory pressure where the rooms that have the memory are used all the time, and are at rest only for moments.
//!
//! A room that was told to give way gave that up whenever something came for it before its memory was durable. So two rooms
//! with an event each 0.2 s kept a third out for ever: its alarm did not ring, and whoever asked it was turned away.

use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use party_testkit::client::{Client, Received};
use party_testkit::world::{Builder, Memory, World};

use crate::sleeping;

/// Between two messages to a room that is in use.
const GAP: Duration = Duration::from_millis(100);
/// Longer than a place ahead takes (docs/limits.md): 250 ms of use, a look, and to be saved while others are.
const PLACE_MS_MAX: u64 = 800;

/// A disk that takes longer than rooms are at rest, or nearly as long.
const DISKS: [(Memory, u64); 4] =
    [(Memory::Hibernate, 150), (Memory::Hibernate, 80), (Memory::Durable, 150), (Memory::Durable, 80)];

fn two_places(seed: u64, memory: Memory) -> Builder {
    sleeping(seed).memory(memory).workers(2).rooms_awake(2)
}

/// A client that says something all the time, and expects all answers, in order.
struct User {
    client: Client,
    room: String,
    /// When each message was sent that has had no answer.
    open: Vec<u64>,
    heard: u64,
    slowest_ms: u64,
}

impl User {
    async fn come(world: &World, room: &str) -> Result<User> {
        let client = world.connect("main", room).await?;
        Ok(User { client, room: room.into(), open: Vec::new(), heard: 0, slowest_ms: 0 })
    }

    async fn speak(&mut self, world: &World) -> Result<()> {
        self.open.push(world.now().0);
        self.client.send("said").await
    }

    async fn listen(&mut self, world: &World) -> Result<()> {
        for received in self.client.all().await {
            self.heard += 1;
            ensure!(received == Received::Text(self.heard.to_string()), "{}: {received:?}", self.room);
            self.slowest_ms = self.slowest_ms.max(world.now().0 - self.open.remove(0));
        }
        Ok(())
    }
}

/// All speak once, at different times, and a gap passes.
async fn use_all(world: &World, users: &mut [User]) -> Result<()> {
    let part = GAP / u32::try_from(users.len())?;
    for number in 0..users.len() {
        users[number].speak(world).await?;
        world.advance(part).await;
        for user in &mut *users {
            user.listen(world).await?;
        }
    }
    Ok(())
}

/// Nothing more is said: every answer comes.
async fn all_are_heard(world: &World, users: &mut [User]) -> Result<()> {
    world.slow_commits(Duration::ZERO);
    world.advance(Duration::from_secs(2)).await;
    for user in users {
        user.listen(world).await?;
        ensure!(user.open.is_empty(), "{} has {} messages without an answer", user.room, user.open.len());
    }
    Ok(())
}

#[test]
fn who_waits_has_a_place_soon_where_all_others_are_in_light_but_constant_use() {
    for (seed, (memory, disk_ms)) in (1..).zip(DISKS) {
        two_places(seed, memory).run(async |world| {
            world.expect("POST", "/parties/main/small/alarm?3000", b"", 200, "set").await?;
            let due = world.now().0 + 3_000;
            let mut watcher = world.connect("main", "small").await?;
            let mut users = vec![User::come(world, "left").await?, User::come(world, "right").await?];
            world.slow_commits(Duration::from_millis(disk_ms));
            while world.now().0 < due {
                use_all(world, &mut users).await?;
            }
            // What it says leaves when it is durable.
            while world.now().0 < due + PLACE_MS_MAX + 2 * disk_ms {
                use_all(world, &mut users).await?;
            }
            let Some(Received::Text(told)) = watcher.next().await else { bail!("its alarm has not rung") };
            let at: u64 = told.strip_prefix("alarm 1 at ").context("it has rung")?.parse()?;
            ensure!((due..due + PLACE_MS_MAX).contains(&at), "due at {due}: {told}");
            for _ in 0..10 {
                let asked = world.ask("GET", "/parties/main/small/said", b"").await?;
                let until = world.now().0 + PLACE_MS_MAX + 2 * disk_ms;
                while world.now().0 < until {
                    use_all(world, &mut users).await?;
                }
                let answer = asked.await.context("it was not answered in time")?;
                ensure!(answer.status == 200, "{answer:?}");
            }
            all_are_heard(world, &mut users).await?;
            let slowest = users.iter().map(|user| user.slowest_ms).max().unwrap_or_default();
            // Until it is asleep, for the places of two others, and for the disk: nobody was near to being turned away.
            ensure!(slowest <= 3_000, "somebody has waited for {slowest} ms");
            Ok(())
        });
    }
}

#[test]
fn rooms_that_are_all_in_constant_use_have_the_places_in_turn() {
    for (seed, (memory, disk_ms)) in (11..).zip(DISKS) {
        two_places(seed, memory).run(async |world| {
            let mut users = Vec::new();
            for room in ["one", "two", "three", "four"] {
                users.push(User::come(world, room).await?);
            }
            world.slow_commits(Duration::from_millis(disk_ms));
            for _ in 0..100 {
                use_all(world, &mut users).await?;
            }
            let heard: Vec<u64> = users.iter().map(|user| user.heard).collect();
            ensure!(heard.iter().all(|heard| *heard > 50), "{heard:?} of 100 were answered");
            all_are_heard(world, &mut users).await
        });
    }
}

#[test]
fn a_room_that_cannot_be_saved_for_others_goes_on_in_the_end() {
    sleeping(21).workers(2).rooms_awake(1).run(async |world| {
        let mut user = User::come(world, "stuck").await?;
        world.hold_commits();
        let asked = world.ask("GET", "/parties/main/small/said", b"").await?;
        world.advance(Duration::from_millis(100)).await;
        // What it says to this waits behind a checkpoint, so that it is not at rest, and is told to go all the same.
        user.speak(world).await?;
        world.advance(Duration::from_millis(900)).await;
        user.speak(world).await?;
        world.advance(Duration::from_secs(8)).await;
        let told = world.inspect("main/stuck").await?.why_awake.unwrap_or_default();
        ensure!(told == "it is being saved, because others wait for its place", "{told}");
        ensure!(asked.await?.status == 503, "nobody waits for ever");
        world.advance(Duration::from_secs(2)).await;
        let told = world.inspect("main/stuck").await?.why_awake.unwrap_or_default();
        // Before, the second message waited.
        ensure!(told == "the outputs of a turn wait for their commit", "it has not gone on: {told}");
        world.let_commits_go().await;
        user.listen(world).await?;
        ensure!(user.heard == 2, "nothing is lost");
        // It is left alone for a second.
        world.advance(Duration::from_secs(1)).await;
        world.expect("GET", "/parties/main/small/said", b"", 200, "1").await?;
        user.speak(world).await?;
        all_are_heard(world, &mut [user]).await
    });
}

/// Something always waits for it: no moment comes in which nothing keeps it awake.
#[test]
fn a_room_that_never_comes_to_rest_gives_way_too() {
    for (seed, memory) in [(31, Memory::Hibernate), (32, Memory::Durable)] {
        sleeping(seed).memory(memory).workers(2).rooms_awake(1).run(async |world| {
            let mut busy = world.connect("main", "busy").await?;
            busy.send("hold").await?;
            busy.send("said").await?;
            let asked = world.ask("GET", "/parties/main/small/said", b"").await?;
            world.advance(Duration::from_millis(200)).await;
            ensure!(world.is_awake("main/busy").await?, "its place is its own for a while");
            world.advance(Duration::from_millis(PLACE_MS_MAX)).await;
            ensure!(asked.await?.status == 200);
            // Its hold ends after 30 s: then it begins anew, and what waits is heard.
            world.advance(Duration::from_secs(31)).await;
            busy.expect_text("1").await
        });
    }
}
