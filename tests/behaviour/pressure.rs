//! Memory pressure: what has been quiet for longest sleeps before its time, and forgets nothing.

use anyhow::Result;
use party_testkit::client::Client;
use party_testkit::world::{Answer, Memory, World};

use crate::sleeping;

/// Room for some ten instances of the probe, which has a little more than a MiB of linear memory.
const BUDGET: u64 = 16 << 20;
const ROOMS: usize = 40;

async fn open_all(world: &World) -> Result<Vec<Client>> {
    let mut clients = Vec::new();
    for number in 0..ROOMS {
        let mut client = world.connect("main", &format!("room-{number}")).await?;
        client.send("said").await?;
        client.expect_text("1").await?;
        clients.push(client);
    }
    Ok(clients)
}

#[test]
fn more_rooms_than_memory_sleep_and_wake_in_turn() {
    for memory in [Memory::Hibernate, Memory::Durable] {
        sleeping(1).memory(memory).memory_budget(BUDGET).run(async |world| {
            let mut clients = open_all(world).await?;
            let awake = world.rooms_awake();
            assert!((4..ROOMS / 2).contains(&awake), "{awake} of {ROOMS} rooms are awake");
            for (number, client) in clients.iter_mut().enumerate() {
                client.send("said").await?;
                client.expect_text("2").await?;
                assert!(world.rooms_awake() < ROOMS / 2, "at room {number}");
            }
            Ok(())
        });
    }
}

#[test]
fn rooms_that_cannot_sleep_and_have_all_the_memory_keep_new_ones_out() {
    sleeping(2).memory(Memory::Volatile).memory_budget(BUDGET).run(async |world| {
        let mut clients = Vec::new();
        for number in 0..ROOMS {
            match world.knock(&format!("main/room-{number}"), &[]).await? {
                Answer::Connected(client) => clients.push(client),
                Answer::Refused(status, body) => {
                    assert_eq!(status, 503);
                    assert!(body.contains("bytes of memory, the limit is 16777216"), "{body}");
                    // Those who are in are served.
                    for client in &mut clients {
                        client.send("said").await?;
                        client.expect_text("1").await?;
                    }
                    drop(clients);
                    return Ok(());
                }
                Answer::Nothing(_) => panic!("no answer"),
            }
        }
        panic!("{ROOMS} rooms have come in");
    });
}
