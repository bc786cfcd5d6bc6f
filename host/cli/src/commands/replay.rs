//! `party-host replay`: the recorded turns of a durable room once more, on its own component or on a changed one.
//!
//! It does what a host does that finds the journal (`node/recovery.rs`), and prints instead of going on. Nothing is written.

mod save;
mod show;

use std::fs;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result};
use party_core::address::RoomAddress;
use party_core::checkpoint::Checkpoint;
use party_core::commit::ComponentDigest;
use party_core::ids::CommitSeq;
use party_core::limits::Limits;
use party_core::room::{Replay as Past, ReplayError, RoomConfig};
use party_node::transfer::why_nothing_is_recorded;
use party_runtime::component::{Component, Digest};
use party_runtime::engine::{Engine, EngineOptions};
use party_runtime::instance::Instance;
use party_runtime::snapshot::{MEMORY_BYTES_MAX, Snapshot};
use party_store::kept::{JournalEntry, RoomSummary};
use party_store::redb_store::RedbStore;
use party_store::store::Store;

use crate::args::replay::Replay;
use crate::asking::{Knows, Projects, no_such_room, who_knows};
use crate::host::read_bounded;
use crate::problem::{failure, usage};

pub(crate) fn run(replay: &Replay) -> Result<()> {
    if let Some(file) = &replay.save {
        return save::run(replay, file);
    }
    let store = match who_knows(&replay.at.data)? {
        Knows::Store(store) => *store,
        Knows::Host(asked) => {
            return Err(usage(
                format!("a host runs on {} (process {})", replay.at.data.display(), asked.itself.process),
                "stop it first, or give a copy of that directory, made while it runs, with --data",
            ));
        }
    };
    let address = Arc::new(Projects::of_store(&store)?.room(&replay.room)?);
    let summary = store.summary(&address)?.ok_or_else(|| no_such_room(&store, &address))?;
    if summary.journal.records == 0 {
        return Err(no_recorded_turns(&store, &address));
    }
    let recorded_on = summary.component.context("a journal belongs to a component")?;
    let components = load(&store, replay, recorded_on)?;
    let config = |component: &Component| {
        Arc::new(RoomConfig {
            storage: store.storage(&address),
            address: Arc::clone(&address),
            limits: Arc::default(),
            handlers: component.handlers(),
            vars: Arc::default(),
            duplicate_keys: Default::default(),
            // The record says which it was.
            profile: Default::default(),
            durable: Some(recorded_on),
        })
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
    let until = CommitSeq(replay.until.unwrap_or(u64::MAX));
    runtime.block_on(take_again(&store, until, &summary, &components, &config))
}

/// A room of which nothing is recorded.
fn no_recorded_turns(store: &dyn Store, address: &RoomAddress) -> anyhow::Error {
    match Projects::of_store(store) {
        Ok(projects) => usage(
            format!("{} has no recorded turns", projects.name_of(address)),
            why_nothing_is_recorded(store, address),
        ),
        Err(error) => error,
    }
}

/// An engine for one room, which finds what a host on this data directory has compiled.
pub(crate) fn engine(data: &Path) -> Result<Engine> {
    let compiled = data.join("compiled");
    fs::create_dir_all(&compiled).with_context(|| format!("{} cannot be made", compiled.display()))?;
    Ok(Engine::new(EngineOptions { rooms_awake_max: 1, compile_cache: Some(compiled) })?)
}

/// The components that the turns are taken again on.
struct Components {
    /// The one that is asked about.
    asked: Component,
    /// The one that they were recorded on, if another is asked about and the store keeps it: for what a turn did then.
    recorded: Option<Component>,
}

fn load(store: &RedbStore, replay: &Replay, recorded_on: ComponentDigest) -> Result<Components> {
    let engine = engine(&replay.at.data)?;
    let load = |bytes: &[u8]| engine.load(bytes, &Arc::default(), &Arc::new(Limits::default()));
    let kept = store.component(recorded_on)?;
    let Some(path) = &replay.component else {
        let hint = "give it with --component";
        let kept =
            kept.ok_or_else(|| failure(format!("the component {recorded_on} is not in the store"), hint))?;
        let asked = load(&kept)?;
        return Ok(Components { asked, recorded: None });
    };
    let bytes = read_bounded(path).with_context(|| format!("{} cannot be read", path.display()))?;
    let asked = load(&bytes)?;
    let (found, wanted) = (asked.digest(), Digest(recorded_on.0));
    if found == wanted {
        return Ok(Components { asked, recorded: None });
    }
    eprintln!("the turns were recorded on {wanted}; they are taken again on {found}");
    let recorded = kept.map(|kept| load(&kept)).transpose()?;
    Ok(Components { asked, recorded })
}

/// The recorded turns being taken again on one component.
struct Again {
    past: Past,
    instance: Instance,
}

/// What a turn did.
struct Taken {
    /// When it was, and with what the guest was called.
    head: String,
    lines: Vec<String>,
    /// Whether it did what was recorded.
    outcome: Result<(), ReplayError>,
}

impl Again {
    async fn new(
        component: &Component,
        config: &Arc<RoomConfig>,
        base: Option<&Checkpoint>,
    ) -> Result<Again> {
        let past = Past::new(Arc::clone(config), base.cloned());
        Ok(Again { past, instance: instance(component, base).await? })
    }

    /// Takes a record. Nothing if there is no turn in it.
    async fn take(&mut self, entry: &JournalEntry) -> Result<Option<Taken>> {
        let Some(turn) = self.past.take(entry.seq, &entry.bytes)? else { return Ok(None) };
        let head = format!("commit {} at {}: {}", entry.seq, turn.now(), show::event(&turn));
        let (mut turn, end) = self.instance.run_again(turn).await;
        let lines = show::lines(&mut turn, &end);
        Ok(Some(Taken { head, lines, outcome: self.past.end(turn, end) }))
    }
}

async fn take_again(
    store: &RedbStore,
    until: CommitSeq,
    summary: &RoomSummary,
    components: &Components,
    config: &dyn Fn(&Component) -> Arc<RoomConfig>,
) -> Result<()> {
    let asked = config(&components.asked);
    let checkpoint = match store.checkpoint(&asked.address)? {
        Some(kept) => Some(Checkpoint::decode(&kept.bytes)?),
        None => None,
    };
    let mut again = Again::new(&components.asked, &asked, checkpoint.as_ref()).await?;
    match &checkpoint {
        Some(checkpoint) => println!("from the checkpoint of commit {}", checkpoint.seq),
        None => println!("from the beginning of the room's life"),
    }
    let journal = store.journal(&asked.address)?;
    let mut turns = 0;
    for (index, entry) in journal.iter().enumerate().take_while(|(_, entry)| entry.seq <= until) {
        let Some(taken) = again.take(entry).await? else { continue };
        turns += 1;
        println!("{}", taken.head);
        print_lines(&taken.lines);
        if let Err(difference) = taken.outcome {
            if let Some(recorded) = &components.recorded {
                drop(again);
                println!("as it was recorded:");
                let config = config(recorded);
                print_lines(&then(recorded, &config, checkpoint.as_ref(), &journal[..=index]).await?);
            }
            return Err(difference.into());
        }
    }
    println!("{turns} turns, all as they were, to commit {} of {}", again.past.seq(), summary.record.seq);
    Ok(())
}

fn print_lines(lines: &[String]) {
    match lines {
        [] => println!("  nothing"),
        lines => lines.iter().for_each(|line| println!("  {line}")),
    }
}

/// What the turn of the last record did when it was recorded. The journal holds what turns wrote, but of what they sent
/// only a digest, so they are all taken again.
async fn then(
    recorded: &Component,
    config: &Arc<RoomConfig>,
    base: Option<&Checkpoint>,
    journal: &[JournalEntry],
) -> Result<Vec<String>> {
    let mut again = Again::new(recorded, config, base).await?;
    let mut last = Vec::new();
    for entry in journal {
        if let Some(taken) = again.take(entry).await? {
            taken.outcome?;
            last = taken.lines;
        }
    }
    Ok(last)
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
