//! `party-host replay`: the recorded turns of a durable room once more, on its own component or on a changed one.
//!
//! It does what a host does that finds the journal (`node/recovery.rs`), and prints instead of going on. Nothing is written.

mod show;

use std::fs;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result};
use party_core::checkpoint::Checkpoint;
use party_core::commit::ComponentDigest;
use party_core::ids::CommitSeq;
use party_core::limits::Limits;
use party_core::room::{Replay as Past, RoomConfig};
use party_runtime::component::{Component, Digest};
use party_runtime::engine::{Engine, EngineOptions};
use party_runtime::instance::Instance;
use party_runtime::snapshot::{MEMORY_BYTES_MAX, Snapshot};
use party_store::kept::RoomSummary;
use party_store::redb_store::RedbStore;
use party_store::store::Store;

use crate::args::replay::Replay;
use crate::asking::{Knows, no_such_room, project, room, who_knows};
use crate::host::read_bounded;
use crate::problem::{failure, usage};

pub(crate) fn run(replay: &Replay) -> Result<()> {
    let store = match who_knows(&replay.at.data)? {
        Knows::Store(store) => *store,
        Knows::Host(asked) => {
            return Err(usage(
                format!("a host runs on {} (process {})", replay.at.data.display(), asked.itself.process),
                "give a copy of that directory with --data, made while the host runs",
            ));
        }
    };
    let project = project(&store)?.unwrap_or_else(|| "-".into());
    let address = Arc::new(room(&replay.room, &project)?);
    let summary = store.summary(&address)?.ok_or_else(|| no_such_room(&store, &address))?;
    if summary.journal.records == 0 {
        return Err(usage(
            format!("{}/{} has no recorded turns", address.party(), address.room()),
            "rooms with memory = \"durable\" record them, from one checkpoint to the next",
        ));
    }
    let recorded_on = summary.component.context("a journal belongs to a component")?;
    let component = load(&store, replay, recorded_on)?;
    let config = Arc::new(RoomConfig {
        storage: store.storage(&address),
        address,
        limits: Arc::default(),
        handlers: component.handlers(),
        vars: Arc::default(),
        durable: Some(recorded_on),
    });
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
    runtime.block_on(take_again(&store, replay, &summary, &component, config))
}

/// An engine for one room, which finds what a host on this data directory has compiled.
pub(crate) fn engine(data: &Path) -> Result<Engine> {
    let compiled = data.join("compiled");
    fs::create_dir_all(&compiled).with_context(|| format!("{} cannot be made", compiled.display()))?;
    Ok(Engine::new(EngineOptions { rooms_awake_max: 1, compile_cache: Some(compiled) })?)
}

/// The component that the turns were recorded on, or the one that was asked for.
fn load(store: &RedbStore, replay: &Replay, recorded_on: ComponentDigest) -> Result<Component> {
    let bytes = match &replay.component {
        Some(path) => read_bounded(path).with_context(|| format!("{} cannot be read", path.display()))?,
        None => store
            .component(recorded_on)?
            .ok_or_else(|| {
                failure(
                    format!("the component {recorded_on} is not in the store"),
                    "give it with --component",
                )
            })?
            .to_vec(),
    };
    let component = engine(&replay.at.data)?.load(&bytes, &Arc::default(), &Arc::new(Limits::default()))?;
    let (found, wanted) = (component.digest(), Digest(recorded_on.0));
    if found != wanted {
        eprintln!("the turns were recorded on {wanted}; they are taken again on {found}");
    }
    Ok(component)
}

async fn take_again(
    store: &RedbStore,
    replay: &Replay,
    summary: &RoomSummary,
    component: &Component,
    config: Arc<RoomConfig>,
) -> Result<()> {
    let address = Arc::clone(&config.address);
    let checkpoint = match store.checkpoint(&address)? {
        Some(kept) => Some(Checkpoint::decode(&kept.bytes)?),
        None => None,
    };
    let mut instance = instance(component, checkpoint.as_ref()).await?;
    match &checkpoint {
        Some(checkpoint) => println!("from the checkpoint of commit {}", checkpoint.seq),
        None => println!("from the beginning of the room's life"),
    }
    let mut past = Past::new(config, checkpoint);
    let until = CommitSeq(replay.until.unwrap_or(u64::MAX));
    let mut turns = 0;
    for entry in store.journal(&address)?.into_iter().take_while(|entry| entry.seq <= until) {
        let Some(turn) = past.take(entry.seq, &entry.bytes)? else { continue };
        turns += 1;
        println!("commit {} at {}: {}", entry.seq, turn.now(), show::event(&turn));
        let (mut turn, end) = instance.run_again(turn).await;
        show::lines(&mut turn, &end).into_iter().for_each(|line| println!("  {line}"));
        past.end(turn, end)?;
    }
    println!("{turns} turns, all as they were, to commit {} of {}", past.seq(), summary.record.seq);
    Ok(())
}

/// What the journal begins with.
async fn instance(component: &Component, checkpoint: Option<&Checkpoint>) -> Result<Instance> {
    let Some(checkpoint) = checkpoint else {
        return component.instantiate().await.map_err(|cause| anyhow::anyhow!("{cause}"));
    };
    let snapshot = Snapshot::decode(&checkpoint.image, MEMORY_BYTES_MAX)?;
    component.restore(&snapshot).await.map_err(|error| {
        failure(
            format!("the checkpoint with which the journal begins does not fit this component: {error}"),
            "changed code can take turns again only from the beginning of a life",
        )
    })
}
