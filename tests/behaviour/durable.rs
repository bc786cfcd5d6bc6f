//! Durable rooms: not one acknowledged turn is lost, whatever ends the host, and a dropped turn takes nothing with it.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use party_core::commit::{KvChanges, RoomCommit, RoomRecord};
use party_core::limits::Limits;
use party_store::kept::CHECKPOINT_INLINE_BYTES_MAX;
use party_store::memory::MemoryStore;
use party_store::store::{RoomsQuery, RoomsScope, Store};
use party_testkit::client::Received;
use party_testkit::world::{Memory, World};

use crate::sleeping;

/// Longer than a room has nothing to do before it sleeps.
const IDLE: Duration = Duration::from_secs(11);

fn with_durables(seed: u64, test: impl AsyncFnOnce(&World) -> Result<()>) {
    sleeping(seed).memory(Memory::Durable).run(test);
}

#[test]
fn variables_outlive_a_crash_to_the_last_acknowledged_turn() {
    with_durables(1, async |world| {
        let mut alice = world.connect("main", "lobby").await?;
        for said in 1..=5 {
            alice.send("said").await?;
            alice.expect_text(&said.to_string()).await?;
        }
        world.crash().await?;
        let mut bob = world.connect("main", "lobby").await?;
        bob.send("said").await?;
        bob.expect_text("6").await?;
        bob.send("started").await?;
        bob.expect_text("Some(New)").await?;
        bob.send("who").await?;
        let Some(Received::Text(who)) = bob.next().await else { panic!("no answer") };
        assert!(!who.contains(' '), "no ghosts: {who}");
        Ok(())
    });
}

#[test]
fn a_room_outlives_crash_after_crash() {
    with_durables(2, async |world| {
        for said in 1..=30 {
            let mut alice = world.connect("main", "lobby").await?;
            alice.send("said").await?;
            alice.expect_text(&said.to_string()).await?;
            world.crash().await?;
        }
        Ok(())
    });
}

#[test]
fn a_task_goes_on_in_the_middle_of_its_await_after_a_crash() {
    with_durables(3, async |world| {
        let mut alice = world.connect("main", "lobby").await?;
        alice.send("put greeting hello").await?;
        alice.send("sleep 3600000 good morning").await?;
        alice.send("said").await?;
        alice.expect_text("3").await?;
        world.crash().await?;
        world.advance(Duration::from_secs(3_700)).await;
        let mut bob = world.connect("main", "lobby").await?;
        bob.send("said").await?;
        bob.expect_text("4").await?;
        bob.send("get greeting").await?;
        bob.expect_text("hello").await
    });
}

#[test]
fn storage_and_memory_agree_after_a_crash_whatever_was_written() {
    with_durables(4, async |world| {
        let mut alice = world.connect("main", "lobby").await?;
        for round in 0..10 {
            alice.send(&format!("put key {round}")).await?;
            alice.send("get key").await?;
            alice.expect_text(&round.to_string()).await?;
        }
        alice.send("put other thing").await?;
        alice.send("delete key").await?;
        alice.expect_text("true").await?;
        world.crash().await?;
        let mut bob = world.connect("main", "lobby").await?;
        bob.send("get key").await?;
        bob.expect_text("none").await?;
        bob.send("get other").await?;
        bob.expect_text("thing").await?;
        bob.send("said").await?;
        bob.expect_text("25").await
    });
}

#[test]
fn a_trap_takes_the_room_back_to_the_moment_before_it() {
    with_durables(5, async |world| {
        let mut alice = world.connect("main", "lobby").await?;
        alice.send("said").await?;
        alice.expect_text("1").await?;
        alice.send("trap").await?;
        alice.send("said").await?;
        alice.expect_text("2").await?;
        alice.send("started").await?;
        alice.expect_text("Some(New)").await?;
        world.crash().await?;
        let mut bob = world.connect("main", "lobby").await?;
        bob.send("said").await?;
        bob.expect_text("4").await
    });
}

#[test]
fn a_room_that_traps_too_often_is_suspended_and_forgets_nothing() {
    with_durables(6, async |world| {
        let mut alice = world.connect("main", "lobby").await?;
        alice.send("said").await?;
        alice.expect_text("1").await?;
        for _ in 0..11 {
            alice.send("trap").await?;
        }
        alice.expect_close(1013).await?;
        world.advance(Duration::from_secs(600)).await;
        let mut bob = world.connect("main", "lobby").await?;
        bob.send("said").await?;
        bob.expect_text("2").await
    });
}

#[test]
fn a_durable_room_sleeps_wakes_and_is_recovered_from_its_checkpoint_and_what_came_after() {
    with_durables(7, async |world| {
        let mut alice = world.connect("main", "lobby").await?;
        alice.send("said").await?;
        alice.expect_text("1").await?;
        world.advance(IDLE).await;
        assert_eq!(world.rooms_awake(), 0);
        alice.send("said").await?;
        alice.expect_text("2").await?;
        alice.send("put a 1").await?;
        alice.send("said").await?;
        alice.expect_text("4").await?;
        world.crash().await?;
        let mut bob = world.connect("main", "lobby").await?;
        bob.send("get a").await?;
        bob.expect_text("1").await?;
        bob.send("said").await?;
        bob.expect_text("6").await
    });
}

#[test]
fn a_room_whose_journal_is_long_is_saved_while_it_is_busy() {
    let short = |limits: &mut Limits| limits.journal_records_max = 8;
    sleeping(8).memory(Memory::Durable).limits(short).run(async |world| {
        let mut alice = world.connect("main", "lobby").await?;
        for said in 1..=200 {
            alice.send("said").await?;
            alice.expect_text(&said.to_string()).await?;
        }
        world.crash().await?;
        let mut bob = world.connect("main", "lobby").await?;
        bob.send("said").await?;
        bob.expect_text("201").await
    });
}

#[test]
fn a_restart_in_good_order_keeps_everything() {
    with_durables(9, async |world| {
        let mut alice = world.connect("main", "lobby").await?;
        alice.send("said").await?;
        alice.expect_text("1").await?;
        world.restart_host().await?;
        world.restart_host().await?;
        let mut bob = world.connect("main", "lobby").await?;
        bob.send("said").await?;
        bob.expect_text("2").await
    });
}

#[test]
fn an_alarm_rings_after_a_crash_in_the_memory_that_set_it() {
    with_durables(10, async |world| {
        let mut alice = world.connect("main", "lobby").await?;
        alice.send("said").await?;
        alice.expect_text("1").await?;
        alice.send("alarm 60000").await?;
        alice.send("said").await?;
        alice.expect_text("3").await?;
        world.crash().await?;
        let mut bob = world.connect("main", "lobby").await?;
        bob.send("said").await?;
        bob.expect_text("4").await?;
        world.advance(Duration::from_secs(61)).await;
        let Some(Received::Text(rang)) = bob.next().await else { panic!("no alarm") };
        assert!(rang.starts_with("alarm"), "{rang}");
        bob.send("said").await?;
        bob.expect_text("5").await
    });
}

#[test]
fn many_requests_at_once_do_not_stop_at_a_long_journal() {
    let short = |limits: &mut Limits| limits.journal_records_max = 8;
    sleeping(11).memory(Memory::Durable).limits(short).run(async |world| {
        let mut alice = world.connect("main", "lobby").await?;
        for round in 0..20 {
            let mut answers = Vec::new();
            for _ in 0..32 {
                answers.push(world.ask("GET", "/parties/main/lobby/said", b"").await?);
            }
            for (number, answer) in answers.into_iter().enumerate() {
                let answer = answer.await?;
                assert_eq!(answer.status, 200, "round {round}, request {number}");
            }
        }
        alice.send("said").await?;
        alice.expect_text("641").await
    });
}

#[test]
fn turns_are_taken_again_with_the_memory_that_they_could_have() {
    let store: Arc<dyn Store> = Arc::new(MemoryStore::default());
    let before = sleeping(14).memory(Memory::Durable).store(Arc::clone(&store));
    before.run(async |world| {
        let large = world.request("GET", "/parties/main/lobby/large?4000000", b"").await?;
        assert_eq!(large.status, 200);
        world.expect("GET", "/parties/main/lobby/said", b"", 200, "2").await
    });
    let lower = |limits: &mut Limits| limits.memory_bytes_max = 2 << 20;
    let after = sleeping(15).memory(Memory::Durable).store(store).limits(lower);
    after.run(async |world| world.expect("GET", "/parties/main/lobby/said", b"", 200, "3").await);
}

/// A room whose checkpoint was larger than a bound that was lowered since was called damaged, or forgot its variables.
#[test]
fn a_room_goes_on_with_more_memory_than_it_could_have_now() {
    for (seed, memory) in [(16, Memory::Hibernate), (18, Memory::Durable)] {
        let store: Arc<dyn Store> = Arc::new(MemoryStore::default());
        sleeping(seed).memory(memory).store(Arc::clone(&store)).run(async |world| {
            let large = world.request("GET", "/parties/main/lobby/large?4000000", b"").await?;
            assert_eq!(large.status, 200);
            world.advance(Duration::from_secs(11)).await;
            assert_eq!(world.rooms_awake(), 0);
            world.expect("GET", "/parties/main/lobby/said", b"", 200, "2").await
        });
        // With a checkpoint and, if it is durable, a turn recorded after that.
        let said = if memory == Memory::Durable { 2 } else { 1 };
        let lower = |limits: &mut Limits| limits.memory_bytes_max = 2 << 20;
        sleeping(seed + 1).memory(memory).store(store).limits(lower).run(async |world| {
            let path = "/parties/main/lobby/said";
            world.expect("GET", path, b"", 200, &(said + 1).to_string()).await?;
            world.advance(Duration::from_secs(11)).await;
            assert_eq!(world.rooms_awake(), 0);
            world.expect("GET", path, b"", 200, &(said + 2).to_string()).await?;
            world.crash().await?;
            let after = if memory == Memory::Durable { said + 3 } else { said + 2 };
            world.expect("GET", path, b"", 200, &after.to_string()).await?;
            let grown = world.request("GET", "/parties/main/lobby/large?9000000", b"").await?;
            assert_eq!(grown.status, 500, "it does not grow beyond the bound of now");
            Ok(())
        });
    }
}

#[test]
fn a_room_that_was_saved_so_that_it_goes_on_sleeps_all_the_same() {
    let short = |limits: &mut Limits| limits.journal_records_max = 1;
    sleeping(17).memory(Memory::Durable).limits(short).run(async |world| -> Result<()> {
        let mut alice = world.connect("main", "lobby").await?;
        for said in 1..=5 {
            alice.send("said").await?;
            alice.expect_text(&said.to_string()).await?;
        }
        world.advance(IDLE).await;
        assert!(!world.is_awake("main/lobby").await?, "nothing has come since");
        alice.send("said").await?;
        alice.expect_text("6").await?;
        Ok(())
    });
}

/// A commit that moved nothing stands between a hibernating room's checkpoint and what it records when it is durable.
#[test]
fn a_room_becomes_durable_with_a_memory_that_is_older_than_its_last_commit() {
    for room in ["lobby", "ledger-large"] {
        let said = format!("/parties/main/{room}/said");
        let store: Arc<dyn Store> = Arc::new(MemoryStore::default());
        sleeping(20).store(Arc::clone(&store)).run(async |world| {
            world.expect("GET", &said, b"", 200, "1").await?;
            world.advance(IDLE).await;
            assert_eq!(world.rooms_awake(), 0);
            Ok(())
        });
        let query = RoomsQuery { scope: RoomsScope::Everything, after: None, limit: 9 };
        let (address, summary) = store.rooms(&query).unwrap().pop().expect("it was kept");
        let is_large = summary.checkpoint.expect("it sleeps").bytes > CHECKPOINT_INLINE_BYTES_MAX as u64;
        assert_eq!(is_large, room == "ledger-large");
        let record = RoomRecord { seq: summary.record.seq.next(), ..summary.record };
        let commit =
            RoomCommit { address: Arc::new(address), record, changes: KvChanges::default(), memory: None };
        let epoch = store.acquire().unwrap();
        store.commit(epoch, &[commit]).unwrap();
        sleeping(21).memory(Memory::Durable).store(store).run(async |world| {
            for count in 2..=4 {
                world.expect("GET", &said, b"", 200, &count.to_string()).await?;
                world.crash().await?;
            }
            Ok(())
        });
    }
}
