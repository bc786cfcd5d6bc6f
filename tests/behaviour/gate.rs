//! The output gate on a real node: a commit takes five seconds, and nothing leaves before what it depends on is durable.
//!
//! What depends on nothing leaves at once. Where only storage is kept (`volatile`, `hibernate`), the outputs of a turn that
//! stored something wait, and those of all turns after it; with `durable` every turn is a commit. Other rooms' commits are
//! none of a room's business.

use std::time::Duration;

use anyhow::{Result, bail, ensure};
use party_core::ids::Timestamp;
use party_core::limits::Limits;
use party_store::testing::chance::Chance;
use party_testkit::client::{Client, Received};
use party_testkit::world::{Answer, Memory, World};

use crate::sleeping;

/// How long a commit takes.
const COMMIT: Duration = Duration::from_secs(5);
/// The last moment before it is durable, and the one after that.
const ALMOST: Duration = Duration::from_millis(4_999);
const MOMENT: Duration = Duration::from_millis(1);
const STORAGE_ONLY: [(u64, Memory); 2] = [(1, Memory::Volatile), (2, Memory::Hibernate)];

/// A client of a room that has been awake for a while, with nothing under way, before the disk grew slow.
async fn settled(world: &World, room: &str) -> Result<Client> {
    let mut client = world.connect("main", room).await?;
    client.send("put-bytes before 1").await?;
    client.expect_text("ok").await?;
    Ok(client)
}

#[test]
fn frames_wait_for_what_was_stored_before_them_and_for_nothing_else() {
    for (seed, memory) in STORAGE_ONLY {
        sleeping(seed).memory(memory).run(async |world| {
            let mut alice = settled(world, "lobby").await?;
            let mut bob = settled(world, "lobby").await?;
            let mut elsewhere = settled(world, "elsewhere").await?;
            world.slow_commits(COMMIT);
            alice.send("all at once").await?;
            alice.expect_text("at once").await?;
            bob.expect_text("at once").await?;
            alice.send("put key value").await?;
            bob.send("all later").await?;
            world.advance(ALMOST).await;
            alice.expect_nothing().await?;
            bob.expect_nothing().await?;
            elsewhere.send("echo at once").await?;
            elsewhere.expect_text("at once").await?;
            world.advance(MOMENT).await;
            alice.expect_text("later").await?;
            bob.expect_text("later").await
        });
    }
}

#[test]
fn a_handshake_waits_behind_what_its_room_has_stored_and_for_nothing_else() {
    for (seed, memory) in STORAGE_ONLY {
        sleeping(seed).memory(memory).run(async |world| {
            let mut alice = settled(world, "lobby").await?;
            world.slow_commits(COMMIT);
            world.connect("main", "lobby").await?;
            world.connect("main", "never-seen").await?;
            world.advance(COMMIT).await;
            alice.all().await;
            alice.send("put key value").await?;
            opens_after_a_commit(world, "main/lobby").await.map(drop)
        });
    }
}

/// A client that asks now for a connection gets its 101 when a commit is durable that begins now, and not before.
async fn opens_after_a_commit(world: &World, path: &str) -> Result<Client> {
    let Answer::Nothing(knocking) = world.knock(path, &[]).await? else { bail!("answered at once") };
    world.advance(ALMOST).await;
    let Answer::Nothing(knocking) = knocking.answer().await? else { bail!("answered too early") };
    world.advance(MOMENT).await;
    match knocking.answer().await? {
        Answer::Connected(client) => Ok(client),
        Answer::Refused(status, body) => bail!("refused with {status} {body:?}"),
        Answer::Nothing(_) => bail!("no answer when its turn was durable"),
    }
}

#[test]
fn a_response_waits_for_what_its_turn_has_stored() {
    for (seed, memory) in [(1, Memory::Volatile), (2, Memory::Hibernate), (3, Memory::Durable)] {
        sleeping(seed).memory(memory).run(async |world| {
            let _alice = settled(world, "lobby").await?;
            world.slow_commits(COMMIT);
            for (wait, is_durable) in [(ALMOST, false), (COMMIT, true)] {
                let stored = world.ask("PUT", "/parties/main/lobby/put?key", b"value").await?;
                world.advance(wait).await;
                let answer = stored.await;
                ensure!(answer.is_ok() == is_durable, "after {wait:?}: {answer:?}");
                world.advance(4 * COMMIT).await;
            }
            Ok(())
        });
    }
}

#[test]
fn in_durable_rooms_everything_waits_for_its_turn() {
    sleeping(4).memory(Memory::Durable).run(async |world| {
        let mut alice = settled(world, "lobby").await?;
        let mut elsewhere = settled(world, "elsewhere").await?;
        world.slow_commits(COMMIT);
        let _bob = opens_after_a_commit(world, "main/lobby").await?;
        let _carol = opens_after_a_commit(world, "main/never-seen").await?;
        world.advance(4 * COMMIT).await;
        alice.all().await;
        alice.send("said").await?;
        world.advance(ALMOST).await;
        alice.expect_nothing().await?;
        world.advance(MOMENT).await;
        alice.expect_text("2").await?;
        let said = world.ask("GET", "/parties/main/lobby/said", b"").await?;
        world.advance(ALMOST).await;
        ensure!(said.await.is_err(), "a response left before its turn was durable");
        // Another room's turn goes with the next group.
        elsewhere.send("echo hello").await?;
        world.advance(ALMOST).await;
        elsewhere.expect_nothing().await?;
        world.advance(2 * MOMENT).await;
        elsewhere.expect_text("hello").await
    });
}

#[test]
fn what_was_never_durable_was_never_seen_and_what_was_seen_is_there_after_a_crash() {
    for (seed, memory) in [(5, Memory::Volatile), (6, Memory::Hibernate), (7, Memory::Durable)] {
        sleeping(seed).memory(memory).run(async |world| {
            for (wait, status) in [(ALMOST, 404), (COMMIT, 200)] {
                world.slow_commits(Duration::ZERO);
                let mut alice = settled(world, "lobby").await?;
                world.slow_commits(COMMIT);
                alice.send("put-bytes key 5").await?;
                world.advance(wait).await;
                let seen = alice.all().await;
                ensure!(seen.is_empty() == (status == 404), "{memory:?} after {wait:?}: {seen:?}");
                world.slow_commits(Duration::ZERO);
                world.crash().await?;
                let found = world.request("GET", "/parties/main/lobby/get?key", b"").await?;
                ensure!(found.status == status, "{memory:?} after {wait:?}: {found:?}");
            }
            Ok(())
        });
    }
}

/// A message that was sent, and the last thing that its output depends on.
struct Sent {
    at: Timestamp,
    depends_on: Option<Timestamp>,
}

/// Clients of three rooms send at random moments, a quarter of a second apart. The rooms answer with the time of the turn.
/// No room is saved meanwhile: what comes after a commit that carries a checkpoint would wait for that, too.
#[test]
fn random_messages_are_answered_when_their_turns_are_durable() {
    const STEP: Duration = Duration::from_millis(250);
    const STEPS: u32 = 1_000;
    let commit_ms = COMMIT.as_millis() as u64;
    let seed = std::env::var("PARTY_SEED").ok().map_or(20_261_122, |seed| seed.parse().expect("a number"));
    println!("PARTY_SEED={seed}");
    for memory in [Memory::Volatile, Memory::Hibernate, Memory::Durable] {
        let never_saved = |limits: &mut Limits| {
            (limits.idle_ms, limits.checkpoint_interval_ms) = (u64::MAX, u64::MAX);
        };
        sleeping(seed).memory(memory).limits(never_saved).run(async |world| {
            let mut chance = Chance::new(seed);
            let mut rooms = Vec::new();
            for room in ["one", "two", "three"] {
                rooms.push((settled(world, room).await?, std::collections::VecDeque::new(), None));
            }
            world.slow_commits(COMMIT);
            let (mut at_once, mut waited) = (0, 0);
            for step in 0..STEPS {
                let now = world.now();
                let is_ending = step + 100 > STEPS;
                for (client, open, stored) in &mut rooms {
                    if !is_ending && chance.one_in(60) {
                        client.send("put key value").await?;
                        *stored = Some(now);
                    }
                    if !is_ending && chance.one_in(6) {
                        client.send("now").await?;
                        let depends_on = if memory == Memory::Durable { Some(now) } else { *stored };
                        open.push_back(Sent { at: now, depends_on });
                    }
                    for received in client.all().await {
                        let Some(Sent { at, depends_on }) = open.pop_front() else { bail!("{received:?}") };
                        ensure!(received == Received::Text(at.0.to_string()), "{received:?}, sent {at:?}");
                        let durable_at = depends_on.map_or(at, |on| at.max(on.after_ms(commit_ms)));
                        ensure!(
                            now >= durable_at,
                            "{memory:?}: seen {} ms too early",
                            durable_at.since_ms(now)
                        );
                        // A commit may have to wait for the one before it.
                        let latest = depends_on.map_or(at, |on| at.max(on.after_ms(2 * commit_ms)));
                        ensure!(now <= latest, "{memory:?}: seen {} ms too late", now.since_ms(latest));
                        if now == at { at_once += 1 } else { waited += 1 }
                    }
                }
                world.advance(STEP).await;
            }
            ensure!(rooms.iter().all(|(_, open, _)| open.is_empty()), "something was never answered");
            println!("{memory:?}: {at_once} answers came at once, {waited} had to wait");
            ensure!(waited > 100 && (at_once > 50) == (memory != Memory::Durable));
            Ok(())
        });
    }
}
