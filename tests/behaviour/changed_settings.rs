//! A party's `memory` setting is another after a restart. What was durable and sleeps now is made again of its journal first;
//! what keeps no memory any more keeps its storage; and nobody ever meets a memory again that was given up. Every line of the
//! table in `docs/durability.md`.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, ensure};
use party_core::commit::{JournalRecord, KvChanges, MemoryChange, RoomCommit, RoomRecord};
use party_node::inspection::RoomState;
use party_store::memory::MemoryStore;
use party_store::store::{RoomsQuery, RoomsScope, Store};
use party_testkit::world::{Memory, World};
use party_tests::guests::{Version, scratch};

use crate::sleeping;

/// Longer than a room has nothing to do before it sleeps.
const IDLE: Duration = Duration::from_secs(11);

async fn asks(world: &World, what: &str, answer: &str) -> Result<()> {
    world.expect("GET", &format!("/parties/main/lobby/{what}"), b"", 200, answer).await
}

/// How many records the lobby's journal has, and whether it has a checkpoint.
async fn kept(world: &World) -> Result<(u64, bool)> {
    let kept = world.inspect("main/lobby").await?.view.kept.unwrap_or_default();
    Ok((kept.journal.records, kept.checkpoint.is_some()))
}

/// How a host ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum End {
    Killed,
    Stopped,
    /// Killed, and the room is not asked before the next host has stopped.
    KilledThenStopped,
}

/// The host ends, and the next one has another setting.
async fn becomes(world: &World, memory: Memory, end: End) -> Result<()> {
    world.set_memory(memory);
    match end {
        End::Killed => world.crash().await,
        End::Stopped => world.restart_host().await,
        End::KilledThenStopped => {
            world.crash().await?;
            world.restart_host().await
        }
    }
}

const ENDS: [End; 3] = [End::Killed, End::Stopped, End::KilledThenStopped];

/// A room that has stored, counted and begun a sleep, with a checkpoint in between or not. It has said so far and counted 2.
async fn live(world: &World, has_slept: bool) -> Result<u64> {
    asks(world, "count", "1").await?;
    if has_slept {
        world.hibernate("main/lobby").await?;
    }
    asks(world, "count", "2").await?;
    asks(world, "nap?3600000", "good night").await?;
    asks(world, "said", "4").await?;
    Ok(4)
}

#[test]
fn a_durable_room_that_sleeps_from_now_on_takes_its_journal_again_and_forgets_nothing() {
    for (seed, end) in (1..).zip(ENDS) {
        for has_slept in [false, true] {
            sleeping(seed).memory(Memory::Durable).run(async |world| {
                let said = live(world, has_slept).await?;
                becomes(world, Memory::Hibernate, end).await?;
                asks(world, "said", &(said + 1).to_string()).await?;
                asks(world, "started", "Some(New)").await?;
                asks(world, "resumed", "None 0 0").await?;
                ensure!(kept(world).await? == (0, true), "{:?}", kept(world).await?);
                // It is a room that sleeps: its turns are commits no more, and a crash takes it back to its checkpoint.
                asks(world, "said", &(said + 4).to_string()).await?;
                ensure!(kept(world).await? == (0, true));
                world.advance(IDLE).await;
                ensure!(!world.is_awake("main/lobby").await?);
                world.crash().await?;
                asks(world, "said", &(said + 5).to_string()).await?;
                asks(world, "count", "3").await?;
                // The sleep that it had begun while it was durable ends in this memory.
                world.advance(Duration::from_secs(3_600)).await;
                asks(world, "resumed", "None 0 1").await
            });
        }
    }
}

#[test]
fn a_room_that_nobody_asks_for_keeps_its_journal_through_any_setting() {
    sleeping(10).memory(Memory::Durable).run(async |world| {
        let said = live(world, true).await?;
        for memory in [Memory::Hibernate, Memory::Volatile, Memory::Hibernate, Memory::Durable] {
            for end in ENDS {
                becomes(world, memory, end).await?;
            }
        }
        asks(world, "said", &(said + 1).to_string()).await?;
        asks(world, "count", "3").await
    });
}

#[test]
fn a_room_that_is_durable_no_more_and_is_again_has_lost_nothing() {
    for (seed, end) in (11..).zip(ENDS) {
        sleeping(seed).memory(Memory::Durable).run(async |world| {
            let mut said = live(world, false).await?;
            for memory in [Memory::Hibernate, Memory::Durable, Memory::Hibernate, Memory::Durable] {
                world.set_memory(memory);
                world.crash().await?;
                said += 1;
                asks(world, "said", &said.to_string()).await?;
                world.hibernate("main/lobby").await?;
                if end == End::Stopped {
                    world.restart_host().await?;
                }
            }
            world.advance(Duration::from_secs(3_600)).await;
            asks(world, "resumed", "None 0 1").await
        });
    }
}

/// Its clients are there while it is made again, and a journal of hundreds of turns becomes one checkpoint.
#[test]
fn a_room_with_a_long_journal_and_clients_at_once_becomes_one_that_sleeps() {
    sleeping(15).memory(Memory::Durable).run(async |world| {
        for said in 1..=300 {
            asks(world, "said", &said.to_string()).await?;
        }
        becomes(world, Memory::Hibernate, End::Killed).await?;
        let mut waiting = Vec::new();
        for _ in 0..20 {
            waiting.push(world.ask("GET", "/parties/main/lobby/said", b"").await?);
        }
        let mut told = Vec::new();
        for one in waiting {
            told.push(one.await?.body.parse::<u64>()?);
        }
        told.sort_unstable();
        ensure!(told == (301..=320).collect::<Vec<_>>(), "{told:?}");
        ensure!(kept(world).await? == (0, true));
        Ok(())
    });
}

/// The commit that is to take the place of the journal fails, again and again: the journal is there.
#[test]
fn a_checkpoint_that_cannot_be_written_leaves_the_journal() {
    sleeping(16).memory(Memory::Durable).run(async |world| {
        let said = live(world, false).await?;
        becomes(world, Memory::Hibernate, End::Killed).await?;
        for attempt in 0..3 {
            world.fail_next_commit();
            let told = world.request("GET", "/parties/main/lobby/said", b"").await?;
            ensure!(told.status == 503, "attempt {attempt}: {told:?}");
            if attempt == 1 {
                world.crash().await?;
            }
        }
        asks(world, "said", &(said + 1).to_string()).await?;
        asks(world, "started", "Some(New)").await?;
        asks(world, "count", "3").await?;
        ensure!(kept(world).await? == (0, true));
        Ok(())
    });
}

#[test]
fn a_dropped_turn_is_that_of_a_room_that_sleeps_as_soon_as_it_is_one() {
    sleeping(17).memory(Memory::Durable).run(async |world| {
        let said = live(world, false).await?;
        becomes(world, Memory::Hibernate, End::Killed).await?;
        let told = world.request("GET", "/parties/main/lobby/trap", b"").await?;
        ensure!(told.status == 500, "{told:?}");
        // It was saved before that turn, and is a room that sleeps: it starts afresh, from its storage.
        asks(world, "started", "Some(Lost)").await?;
        asks(world, "count", "3").await?;
        // Storage has moved since its checkpoint: that is of no use.
        world.crash().await?;
        asks(world, "started", "Some(Lost)").await?;
        ensure!(said > 2);
        Ok(())
    });
}

#[test]
fn a_room_that_keeps_no_memory_any_more_keeps_what_its_journal_wrote_and_nothing_comes_up_again() {
    for (seed, end) in (20..).zip(ENDS) {
        for later in [Memory::Durable, Memory::Hibernate] {
            sleeping(seed).memory(Memory::Durable).run(async |world| {
                live(world, true).await?;
                becomes(world, Memory::Volatile, end).await?;
                // Nothing that it does stores anything.
                asks(world, "said", "1").await?;
                asks(world, "started", "Some(Lost)").await?;
                ensure!(kept(world).await? == (0, false), "what was kept has gone");
                becomes(world, later, end).await?;
                asks(world, "said", "1").await?;
                asks(world, "started", "Some(Lost)").await?;
                asks(world, "count", "3").await?;
                world.advance(Duration::from_secs(3_700)).await;
                asks(world, "resumed", "None 0 0").await
            });
        }
    }
}

/// What has been seen of a volatile life is behind what was kept before, also if the host dies in the same moment.
#[test]
fn nothing_of_a_volatile_life_is_seen_before_what_was_kept_has_gone() {
    for memory in [Memory::Durable, Memory::Hibernate] {
        sleeping(25).memory(memory).run(async |world| {
            asks(world, "said", "1").await?;
            world.hibernate("main/lobby").await?;
            becomes(world, Memory::Volatile, End::Killed).await?;
            world.hold_commits();
            let asked = world.ask("GET", "/parties/main/lobby/said", b"").await?;
            world.settle().await;
            world.set_memory(memory);
            world.crash().await?;
            ensure!(asked.await.is_err(), "it was answered before");
            asks(world, "said", "2").await
        });
    }
}

#[test]
fn a_hibernating_room_that_keeps_no_memory_any_more_begins_anew_and_nothing_comes_up_again() {
    for (seed, end) in (30..).zip(ENDS) {
        sleeping(seed).run(async |world| {
            asks(world, "said", "1").await?;
            world.hibernate("main/lobby").await?;
            becomes(world, Memory::Volatile, end).await?;
            asks(world, "said", "1").await?;
            asks(world, "said", "2").await?;
            becomes(world, Memory::Hibernate, end).await?;
            asks(world, "said", "1").await?;
            asks(world, "started", "Some(Lost)").await
        });
    }
}

#[test]
fn a_volatile_room_that_is_kept_from_now_on_begins_with_its_storage() {
    for memory in [Memory::Hibernate, Memory::Durable] {
        sleeping(35).memory(Memory::Volatile).run(async |world| {
            asks(world, "count", "1").await?;
            becomes(world, memory, End::Stopped).await?;
            asks(world, "said", "1").await?;
            asks(world, "count", "2").await?;
            becomes(world, memory, End::Stopped).await?;
            asks(world, "said", "3").await
        });
    }
}

#[test]
fn a_hibernating_room_becomes_durable_with_its_memory_if_its_storage_has_not_moved_since() {
    sleeping(36).run(async |world| {
        asks(world, "said", "1").await?;
        becomes(world, Memory::Durable, End::Stopped).await?;
        asks(world, "said", "2").await?;
        world.crash().await?;
        asks(world, "said", "3").await?;
        becomes(world, Memory::Hibernate, End::Killed).await?;
        asks(world, "count", "1").await?;
        becomes(world, Memory::Durable, End::Killed).await?;
        // It was killed as a room that sleeps, after it had stored.
        asks(world, "started", "Some(Lost)").await?;
        asks(world, "count", "2").await
    });
}

/// With the setting its component is another: it is made again on the one that recorded it, and carried over.
#[test]
fn a_room_that_is_durable_no_more_is_carried_over_to_a_changed_component() {
    let first = Version::named('1').component();
    let world = |seed| World::new(seed).compile_cache(scratch("compiled")).party("main", &first);
    for (seed, later) in [(40, Memory::Hibernate), (41, Memory::Volatile)] {
        world(seed).memory(Memory::Durable).run(async |world| {
            let path = "/parties/main/lobby";
            world.expect("GET", path, b"", 200, "1 1 New").await?;
            world.expect("GET", path, b"", 200, "1 2 New").await?;
            world.serve_next("main", &Version::named('2').component())?;
            becomes(world, later, End::Killed).await?;
            let told = if later == Memory::Volatile { "2 1 Lost" } else { "2 3 New+2" };
            world.expect("GET", path, b"", 200, told).await?;
            if later == Memory::Hibernate {
                world.advance(IDLE).await;
                world.crash().await?;
                world.expect("GET", path, b"", 200, "2 4 New+2").await?;
            }
            Ok(())
        });
    }
}

/// One more commit of the room: with a record that is none, or without one.
fn damage(store: &dyn Store, with_a_record: bool) -> Result<()> {
    let query = RoomsQuery { scope: RoomsScope::Everything, after: None, limit: 9 };
    let (address, summary) = store.rooms(&query)?.pop().expect("it was kept");
    let record = RoomRecord { seq: summary.record.seq.next(), ..summary.record };
    let component = summary.component.expect("it has a journal");
    let damaged = JournalRecord { component, bytes: "no record".into() };
    let memory = with_a_record.then(|| Box::new(MemoryChange::Append(damaged)));
    let commit = RoomCommit { address: Arc::new(address), record, changes: KvChanges::default(), memory };
    Ok(store.commit(store.acquire()?, &[commit])?)
}

/// What cannot be taken again, or read, is not given up silently: whatever the setting is now.
#[test]
fn a_damaged_journal_refuses_everyone_whatever_the_setting_is_now() {
    let settings = [Memory::Hibernate, Memory::Volatile, Memory::Durable];
    for (memory, with_a_record) in settings.into_iter().flat_map(|memory| [(memory, true), (memory, false)]) {
        let store: Arc<dyn Store> = Arc::new(MemoryStore::default());
        sleeping(50).memory(Memory::Durable).store(Arc::clone(&store)).run(async |world| {
            asks(world, "count", "1").await?;
            Ok(())
        });
        damage(store.as_ref(), with_a_record).expect("it is written");
        sleeping(51).memory(memory).store(Arc::clone(&store)).run(async |world| {
            for _ in 0..2 {
                let told = world.request("GET", "/parties/main/lobby/said", b"").await?;
                ensure!((told.status, told.body.as_str()) == (503, "room-damaged"), "{memory:?}: {told:?}");
                ensure!(world.inspect("main/lobby").await?.view.state == RoomState::Damaged);
                ensure!(kept(world).await?.0 > 0, "nothing is deleted");
                world.restart_host().await?;
            }
            Ok(())
        });
    }
}
