//! An hour of a room with a thousand clients, in seconds.

use std::fs;
use std::time::Duration;

use anyhow::Result;
use party_testkit::client::Client;
use party_testkit::world::Memory;

use crate::probe;

const CLIENTS: usize = 1_000;
const MINUTES: usize = 60;
/// What it may take of a processor; other tests run beside it.
const BOUND: Duration = Duration::from_secs(10);

/// What this thread, which is all of a world, has had of a processor.
fn processor_time() -> Result<Duration> {
    let told = fs::read_to_string("/proc/thread-self/schedstat")?;
    Ok(Duration::from_nanos(told.split(' ').next().unwrap_or_default().parse()?))
}

#[test]
fn a_thousand_clients_that_say_something_every_minute_for_an_hour_take_seconds() -> Result<()> {
    let begun = processor_time()?;
    probe(81).memory(Memory::Hibernate).run(async |world| -> Result<()> {
        let mut clients: Vec<Client> = Vec::new();
        for _ in 0..CLIENTS {
            clients.push(world.connect("main", "lobby").await?);
        }
        let between = Duration::from_millis(60_000 / CLIENTS as u64);
        for said in 1..=MINUTES * CLIENTS {
            let client = &mut clients[said % CLIENTS];
            client.send("said").await?;
            client.expect_text(&said.to_string()).await?;
            world.advance(between).await;
        }
        Ok(())
    });
    let took = processor_time()?.saturating_sub(begun);
    println!("{CLIENTS} clients, {MINUTES} minutes: {took:?}");
    assert!(took < BOUND, "it took {took:?}");
    Ok(())
}
