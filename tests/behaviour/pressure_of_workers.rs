//! Memory pressure on a host with several workers: what one needs, the idle rooms of another give; who waits is served in
//! turn, and told when there is nothing to wait for.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use party_node::inspection::RoomState;
use party_testkit::client::Client;
use party_testkit::world::{Answer, Builder, Memory, World};

use crate::sleeping;

/// Room for one instance of the probe, which has a little more than a MiB of linear memory.
const FOR_ONE: u64 = 1 << 20;
const ROOMS: usize = 12;
/// As long as a room waits for a place (`accept_deadline_ms`), and a little.
const PATIENCE: Duration = Duration::from_millis(3_600);

fn two_workers(seed: u64, memory: Memory) -> Builder {
    sleeping(seed).memory(memory).workers(2)
}

async fn say(client: &mut Client, said: u32) -> Result<()> {
    client.send("said").await?;
    client.expect_text(&said.to_string()).await
}

/// Has each of some rooms, which live on both workers, used in turn, three times.
fn in_turn(builder: Builder, awake_max: usize) {
    builder.run(async |world| {
        let mut clients = Vec::new();
        for number in 0..ROOMS {
            let mut client = world.connect("main", &format!("room-{number}")).await?;
            say(&mut client, 1).await.with_context(|| format!("room-{number} is new"))?;
            clients.push(client);
        }
        for said in 2..=3 {
            for (number, client) in clients.iter_mut().enumerate() {
                say(client, said).await.with_context(|| format!("room-{number} wakes"))?;
                let awake = world.rooms_awake();
                ensure!(awake <= awake_max, "{awake} rooms are awake");
            }
        }
        Ok(())
    });
}

#[test]
fn idle_rooms_of_any_worker_make_room_for_those_of_another() {
    for memory in [Memory::Hibernate, Memory::Durable] {
        in_turn(two_workers(1, memory).memory_budget(FOR_ONE), 1);
        in_turn(two_workers(2, memory).rooms_awake(1), 1);
        in_turn(two_workers(3, memory).rooms_awake(3), 3);
    }
}

#[test]
fn those_that_have_been_quiet_for_longest_go_first_on_whatever_worker() {
    two_workers(4, Memory::Hibernate).rooms_awake(4).run(async |world| {
        let mut clients = Vec::new();
        for number in 0..4 {
            clients.push(world.connect("main", &format!("room-{number}")).await?);
            world.advance(Duration::from_millis(100)).await;
        }
        for number in 4..ROOMS {
            clients.push(world.connect("main", &format!("room-{number}")).await?);
            world.advance(Duration::from_millis(100)).await;
            for (room, _) in clients.iter().enumerate() {
                let is_awake = world.is_awake(&format!("main/room-{room}")).await?;
                // One may have gone ahead for the next.
                ensure!(!is_awake || room + 4 > number, "room-{room} is awake when room-{number} came");
                ensure!(is_awake || room + 2 < number, "room-{room} sleeps when room-{number} came");
            }
        }
        Ok(())
    });
}

#[test]
fn rooms_that_all_have_something_to_do_get_a_place_in_turn() {
    for memory in [Memory::Hibernate, Memory::Durable] {
        two_workers(5, memory).memory_budget(FOR_ONE).run(async |world| {
            let mut clients = Vec::new();
            for number in 0..ROOMS {
                clients.push(world.connect("main", &format!("room-{number}")).await?);
            }
            for said in 1..=5 {
                // All at once: each needs the place of another.
                for client in &mut clients {
                    client.send("said").await?;
                }
                for client in &mut clients {
                    client.expect_text(&said.to_string()).await?;
                }
            }
            Ok(())
        });
    }
}

/// A room that cannot sleep for a minute, because a turn of it was dropped, and has all the memory.
async fn occupy(world: &World) -> Result<Client> {
    let mut client = world.connect("main", "occupant").await?;
    say(&mut client, 1).await?;
    let trapped = world.request("POST", "/parties/main/occupant/trap", b"").await?;
    ensure!(trapped.status == 500, "{trapped:?}");
    client.send("who").await?;
    ensure!(client.next().await.is_some(), "it goes on");
    ensure!(world.is_awake("main/occupant").await?, "it is awake");
    Ok(client)
}

#[test]
fn where_nobody_can_give_anything_clients_are_told_so_at_once() {
    two_workers(6, Memory::Hibernate).memory_budget(FOR_ONE).run(async |world| {
        let mut sleepers = Vec::new();
        for number in 0..ROOMS {
            let mut client = world.connect("main", &format!("room-{number}")).await?;
            say(&mut client, 1).await?;
            sleepers.push(client);
        }
        let mut occupant = occupy(world).await?;
        for number in 0..ROOMS {
            let new = world.request("GET", &format!("/parties/main/new-{number}/said"), b"").await?;
            ensure!(new.status == 503 && new.body.contains("the limit is 1048576"), "{new:?}");
            world.advance(Duration::from_millis(10)).await;
            let asleep = world.request("GET", &format!("/parties/main/room-{number}/said"), b"").await?;
            ensure!(asleep.status == 503 && asleep.body.contains("hint: "), "{asleep:?}");
            world.advance(Duration::from_millis(10)).await;
        }
        match world.knock("main/room-1", &[]).await? {
            Answer::Refused(503, body) => ensure!(body.contains("none can sleep now"), "{body}"),
            _ => anyhow::bail!("it was not refused"),
        }
        sleepers[0].send("said").await?;
        world.advance(Duration::from_millis(10)).await;
        let reason = sleepers[0].expect_close(1013).await?;
        ensure!(reason.contains("none can sleep now"), "{reason}");
        // Who has a place goes on, and when it can sleep, the others do.
        say(&mut occupant, 2).await?;
        world.advance(Duration::from_secs(61)).await;
        for client in &mut sleepers[1..] {
            say(client, 2).await?;
        }
        // What was refused was not heard.
        world.expect("GET", "/parties/main/room-0/said", b"", 200, "2").await
    });
}

#[test]
fn clients_do_not_wait_for_ever_for_a_room_that_is_busy() {
    for memory in [Memory::Hibernate, Memory::Durable] {
        two_workers(7, memory).memory_budget(FOR_ONE).run(async |world| {
            let mut sleeper = world.connect("main", "room-0").await?;
            say(&mut sleeper, 1).await?;
            // Nothing of it is durable, so that it can neither be saved.
            let mut busy = world.connect("main", "busy").await?;
            world.hold_commits();
            busy.send("put a b").await?;
            world.advance(Duration::from_millis(10)).await;
            let asked = world.ask("GET", "/parties/main/room-0/said", b"").await?;
            let new = world.ask("GET", "/parties/main/room-1/said", b"").await?;
            let Answer::Nothing(knocking) = world.knock("main/room-2", &[]).await? else {
                anyhow::bail!("it was answered at once")
            };
            for room in ["main/room-0", "main/room-1", "main/room-2"] {
                let told = world.inspect(room).await?;
                ensure!(told.view.state == RoomState::Waiting, "{room}: {told:?}");
                ensure!(told.view.live.and_then(|live| live.waits_since).is_some_and(|at| at <= world.now()));
                let why = told.why_awake.unwrap_or_default();
                ensure!(
                    why.starts_with("it waits for a place") && why.contains("the limit is 1048576"),
                    "{why}"
                );
            }
            let busy_is = world.inspect("main/busy").await?.view;
            ensure!(
                (busy_is.state, busy_is.live.and_then(|live| live.waits_since)) == (RoomState::Awake, None)
            );
            sleeper.send("said").await?;
            world.advance(PATIENCE).await;
            for answer in [asked.await?, new.await?] {
                ensure!(answer.status == 503 && answer.body.contains("the limit is 1048576"), "{answer:?}");
            }
            let Answer::Refused(503, _) = knocking.answer().await? else { anyhow::bail!("not refused") };
            sleeper.expect_close(1013).await?;
            world.let_commits_go().await;
            world.expect("GET", "/parties/main/room-0/said", b"", 200, "2").await
        });
    }
}

#[test]
fn an_alarm_waits_for_a_place_and_rings_when_there_is_one() {
    two_workers(8, Memory::Hibernate).memory_budget(FOR_ONE).run(async |world| {
        for number in 0..4 {
            let set = format!("/parties/main/room-{number}/alarm?30000");
            world.expect("POST", &set, b"", 200, "set").await?;
        }
        world.advance(Duration::from_secs(20)).await;
        let _occupant = occupy(world).await?;
        world.advance(Duration::from_secs(30)).await;
        ensure!(world.rooms_awake() == 1, "{} are awake", world.rooms_awake());
        world.advance(Duration::from_secs(40)).await;
        for number in 0..4 {
            let rung = world.request("GET", &format!("/parties/main/room-{number}/get?rung"), b"").await?;
            ensure!(rung.status == 200, "room-{number}: {rung:?}");
        }
        Ok(())
    });
}
