//! Sockets outside of rooms: how many there may be, what is left of them, and what they have to do with rooms.

use std::time::Duration;

use anyhow::{Result, bail, ensure};
use party_node::inspection::ProjectFigures;
use party_testkit::client::{Client, Received};
use party_testkit::world::{Answer, Builder, Memory, World};
use party_tests::guests::{guest, party_path, renamed, scratch};

/// Counts what each socket says.
const COUNTS: &str = "a_socket_outside_of_rooms_has_an_instance";
/// Talks in one function.
const TALKS: &str = "a_talk_is_one_function";

fn world_of(seed: u64, party: &str) -> Builder {
    World::new(seed).compile_cache(scratch("compiled")).party("main", party_path(party))
}

async fn counted(world: &World, path: &str) -> Result<Client> {
    let mut client = world.connect_outside(path).await?;
    ensure!(client.next().await.is_some(), "it is greeted");
    Ok(client)
}

async fn say(client: &mut Client, text: &str, answer: &str) -> Result<()> {
    client.send(text).await?;
    client.expect_text(answer).await
}

#[test]
fn nothing_of_a_socket_is_written_listed_or_counted_for_rooms() {
    for memory in [Memory::Volatile, Memory::Hibernate, Memory::Durable] {
        world_of(1, COUNTS).memory(memory).rooms_max(1).run(async |world| {
            let mut clients = Vec::new();
            for number in 0..5 {
                clients.push(counted(world, &format!("/socket/{number}")).await?);
            }
            for client in &mut clients {
                say(client, "hello", "1 hello").await?;
            }
            world.advance(Duration::from_secs(3_600)).await;
            let figures = world.figures().await?;
            assert_eq!((figures.sockets_outside, figures.rooms, figures.sockets), (5, [0; 7], 0));
            assert_eq!((figures.counted.commits, figures.counted.checkpoints), (0, 0));
            assert_eq!(world.rooms_awake(), 5, "each has an instance");
            let of_projects: Vec<_> = figures.projects.values().collect();
            let [ProjectFigures { rooms: 0, sockets: 0, memory_bytes }] = of_projects[..] else {
                bail!("{of_projects:?}")
            };
            assert!(*memory_bytes > 0 && *memory_bytes == figures.memory_bytes, "whose they are is known");
            // The one room that there may be is another.
            world.expect("GET", "/parties/main/lobby", b"", 200, "in the room").await?;
            for client in &mut clients {
                say(client, "again", "2 again").await?;
                client.close(1000, "").await?;
            }
            drop(clients);
            world.settle().await;
            assert_eq!(world.figures().await?.sockets_outside, 0);
            assert_eq!(world.rooms_awake(), 1);
            Ok(())
        });
    }
}

#[test]
fn so_many_are_open_at_once_and_rooms_have_the_other_places() {
    world_of(2, COUNTS).rooms_awake(8).memory(Memory::Volatile).run(async |world| {
        let mut clients = Vec::new();
        for _ in 0..4 {
            clients.push(counted(world, "/socket").await?);
        }
        let Answer::Refused(status, body) = world.connect_outside("/socket").knock().await? else {
            bail!("one too many was let in")
        };
        let full = "4 sockets outside of rooms are open, which is the limit; try again";
        assert_eq!((status, body.as_str()), (503, full));
        for room in ["a", "b", "c", "d"] {
            world.expect("GET", &format!("/parties/main/{room}"), b"", 200, "in the room").await?;
        }
        clients.pop().expect("there are four").cut().await;
        world.settle().await;
        counted(world, "/socket").await?;
        Ok(())
    });
}

#[test]
fn who_finds_no_place_is_turned_away() {
    world_of(3, TALKS).rooms_awake(1).memory(Memory::Volatile).run(async |world| {
        let mut alice = world.connect("main", "lobby").await?;
        say(&mut alice, "hi", "one of 1: hi").await?;
        let Answer::Refused(status, body) = world.connect_outside("/echo").knock().await? else {
            bail!("there is no place")
        };
        ensure!(
            status == 503 && body.starts_with("1 rooms are awake, which is the limit"),
            "{status} {body}"
        );
        assert_eq!(world.figures().await?.sockets_outside, 0);
        world.take_complaints();
        alice.cut().await;
        world.advance(Duration::from_secs(60)).await;
        let mut bob = world.connect_outside("/echo").await?;
        say(&mut bob, "hello", "hello").await
    });
}

#[test]
fn a_deployment_leaves_sockets_with_the_version_that_took_them() {
    world_of(4, COUNTS).run(async |world| {
        let mut alice = counted(world, "/socket").await?;
        say(&mut alice, "hello", "1 hello").await?;
        world.upgrade("main", &guest("test_guests")).await?;
        assert_eq!(world.standing("main").await, Default::default());
        world.advance(Duration::from_secs(60)).await;
        say(&mut alice, "again", "2 again").await?;
        // The version that is served takes none.
        ensure!(matches!(world.connect_outside("/socket").knock().await?, Answer::Refused(404, _)));
        let again = std::fs::read(party_path(COUNTS))?;
        world.upgrade("main", &renamed(again, "second")).await?;
        let mut bob = counted(world, "/socket").await?;
        say(&mut bob, "hello", "1 hello").await?;
        say(&mut alice, "third", "3 third").await
    });
}

#[test]
fn a_client_is_held_back_by_who_takes_its_messages_one_by_one() {
    world_of(5, TALKS).limits(|limits| limits.credit_events = 4).run(async |world| {
        let mut alice = world.connect_outside("/slow").await?;
        for number in 0..40 {
            alice.send(&number.to_string()).await?;
        }
        for number in 0..40 {
            world.advance(Duration::from_secs(1)).await;
            alice.expect_text(&number.to_string()).await?;
        }
        alice.expect_nothing().await
    });
}

#[test]
fn limits_of_connections_are_those_of_rooms() {
    world_of(6, TALKS).limits(|limits| limits.message_in_bytes_max = 10).run(async |world| {
        let mut alice = world.connect_outside("/echo").await?;
        say(&mut alice, "ten bytes.", "ten bytes.").await?;
        alice.send("eleven byte").await?;
        assert_eq!(alice.expect_close(1009).await?, "Message is too large: 11 > 10");
        let mut bob = world.connect_outside("/echo").await?;
        bob.close(4000, "bye").await?;
        assert_eq!(bob.expect_close(4000).await?, "bye");
        world.settle().await;
        // Each has told a room of it, and is no more.
        world.expect("GET", "/parties/main/lobby", b"", 200, "3 ").await?;
        assert_eq!(world.figures().await?.sockets_outside, 0);
        Ok(())
    });
}

#[test]
fn the_101_is_sent_at_its_deadline_and_what_is_said_waits() {
    world_of(7, COUNTS).limits(|limits| limits.accept_deadline_ms = 500).run(async |world| {
        let Answer::Nothing(knocking) = world.connect_outside("/waits").knock().await? else {
            bail!("it has not settled")
        };
        world.advance(Duration::from_millis(500)).await;
        let Answer::Connected(mut alice) = knocking.answer().await? else { bail!("she was let in") };
        alice.expect_text("welcome").await?;
        alice.send("hello").await?;
        alice.expect_nothing().await?;
        world.advance(Duration::from_millis(1_500)).await;
        alice.expect_text("1 hello").await
    });
}

#[test]
fn who_does_not_end_in_time_ends_with_its_host() {
    world_of(8, TALKS).run(async |world| {
        let mut alice = world.connect_outside("/slow").await?;
        alice.send("one").await?;
        world.restart_host().await?;
        let Some(Received::Closed(1001, _)) = alice.next().await else { bail!("she is told") };
        assert_eq!(world.forgotten(), 0);
        let mut bob = world.connect_outside("/echo").await?;
        say(&mut bob, "hello", "hello").await
    });
}

#[test]
fn sockets_of_several_workers_have_instances_of_their_own() {
    world_of(9, COUNTS).workers(3).run(async |world| {
        let mut clients = Vec::new();
        for _ in 0..9 {
            clients.push(counted(world, "/socket").await?);
        }
        for client in &mut clients {
            say(client, "hello", "1 hello").await?;
        }
        assert_eq!(world.figures().await?.sockets_outside, 9);
        Ok(())
    });
}
