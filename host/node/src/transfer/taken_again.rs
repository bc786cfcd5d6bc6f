//! Taking out a durable room in the middle of its journal: one that a host has left, while no host runs, or one that goes on
//! whenever it is saved.
//!
//! Its checkpoint alone would be an older room. So its recorded turns are taken again, as the next host would
//! ([`crate::recovery`]), and what comes of that goes out. The room itself stays as it is: nothing is written, and nobody is
//! told anything. What it records meanwhile is left out: a journal only grows behind what is there, until a checkpoint ends it, and
//! until then the tables stay as they are.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use party_core::address::RoomAddress;
use party_core::checkpoint::Checkpoint;
use party_core::commit::ComponentDigest;
use party_core::event::DropCause;
use party_core::ids::{CommitSeq, Timestamp};
use party_core::journal::Record;
use party_core::large::{NoMemory, claim_u64};
use party_core::room::{ReplayError, RoomConfig};
use party_core::storage::StorageReadError;
use party_runtime::capture::NotCapturable;
use party_runtime::component::Component;
use party_runtime::engine::Engine;
use party_runtime::load::LoadError;
use party_runtime::restore::RestoreError;
use party_runtime::snapshot::DecodeError;
use party_store::kept::{JournalEntry, KeptCheckpoint, RoomSummary};
use party_store::room_file::{ENTRIES_BYTES_MAX, ENTRIES_MAX, RoomFile, RoomFileMemory};
use party_store::store::Store;

use crate::recovery::salvage;
use crate::transfer::again::{Again, TakeAgainError};
use crate::transfer::recorded_room::RecordedRoom;
use crate::transfer::{ExportError, READS_MAX, check, entries, export};

impl From<TakeAgainError> for ExportError {
    /// What the system or the store refuses says nothing of the room: then nobody is to be told to give something up.
    fn from(error: TakeAgainError) -> ExportError {
        match error {
            TakeAgainError::Load(LoadError::Refused(why))
            | TakeAgainError::Start(DropCause::Instantiation(why) | DropCause::NoMemory(why))
            | TakeAgainError::Restore(RestoreError::Start(
                DropCause::Instantiation(why) | DropCause::NoMemory(why),
            ))
            | TakeAgainError::NoMemory(why) => ExportError::NotNow(why),
            TakeAgainError::Snapshot(DecodeError::NoMemory(refused))
            | TakeAgainError::NotCapturable(NotCapturable::NoMemory(refused)) => refused.into(),
            TakeAgainError::Storage(error) => ExportError::Storage(error),
            error => ExportError::TakeAgain(error),
        }
    }
}

/// As [`export`], of a room that may have a journal, and of a store that no host uses. `engine` runs its component; the
/// caller's runtime must have time.
pub async fn export_left(
    store: &dyn Store,
    engine: &Engine,
    address: &Arc<RoomAddress>,
    written_at: Timestamp,
) -> Result<RoomFile, ExportError> {
    match export(store, address, written_at) {
        Err(ExportError::Journal) => {}
        result => return result,
    }
    let recorded = Recorded::read(store, address)?.ok_or(ExportError::Moving)?;
    // What the guest could read of its settings is recorded with its turns.
    let component = engine.load(&recorded.component_bytes, &Arc::default(), &Arc::default());
    let component = component.map_err(TakeAgainError::from)?;
    recorded.take_again(store, &component, written_at).await
}

/// A durable room as its last commit left it when it was read: what stands in the tables, and what is recorded since.
pub struct Recorded {
    address: Arc<RoomAddress>,
    summary: RoomSummary,
    /// Which component its turns are of.
    pub(super) component: ComponentDigest,
    component_bytes: Bytes,
    checkpoint: Option<KeptCheckpoint>,
    journal: Vec<JournalEntry>,
    entries: BTreeMap<Bytes, Bytes>,
}

impl Recorded {
    /// Reads a room that has a journal; `None` if it has none now, or began another whenever it was read.
    pub fn read(store: &dyn Store, address: &Arc<RoomAddress>) -> Result<Option<Recorded>, ExportError> {
        let missing = || ExportError::NoSuchRoom(RoomAddress::clone(address));
        for _ in 0..READS_MAX {
            let summary = store.summary(address)?.ok_or_else(missing)?;
            if summary.journal.records == 0 {
                return Ok(None);
            }
            let component = summary.component.ok_or(ExportError::NoComponent)?;
            let kept = summary.checkpoint.map_or(0, |checkpoint| checkpoint.bytes);
            claim_u64(
                summary.record.storage_bytes.saturating_add(summary.journal.bytes).saturating_add(kept),
            )?;
            let component_bytes = store.component(component)?.ok_or(ExportError::NoComponent)?;
            let checkpoint = store.checkpoint(address)?;
            let read_journal = || -> Result<Vec<JournalEntry>, StorageReadError> {
                let mut journal = store.journal(address)?;
                journal.retain(|entry| entry.seq <= summary.record.seq);
                Ok(journal)
            };
            let journal = read_journal()?;
            let entries = entries(store, address)?;
            let after = store.summary(address)?.ok_or_else(missing)?;
            // If another has begun meanwhile, this one's records are not there any more.
            let is_whole = journal.len() as u64 == summary.journal.records;
            if is_whole
                && after.checkpoint == summary.checkpoint
                && after.component == summary.component
                && read_journal()?.len() == journal.len()
            {
                let address = Arc::clone(address);
                return Ok(Some(Recorded {
                    address,
                    summary,
                    component,
                    component_bytes,
                    checkpoint,
                    journal,
                    entries,
                }));
            }
        }
        Ok(None)
    }

    /// All that was read, apart from the store that it was read from.
    pub fn into_room(self) -> Result<RecordedRoom, ExportError> {
        let Recorded { address, summary, component, component_bytes, checkpoint, journal, entries } = self;
        let (mut alarm, mut written_at) = (None, Timestamp::default());
        let memory = match checkpoint {
            Some(kept) => {
                let known = Checkpoint::decode(&kept.bytes).map_err(TakeAgainError::from)?;
                (alarm, written_at) = (known.alarm(), known.last_now());
                let (component_bytes, checkpoint) = (component_bytes.clone(), kept.bytes);
                Some(RoomFileMemory { component, component_bytes, checkpoint })
            }
            None => {
                if let Some(first) = journal.first() {
                    let record = Record::decode(&first.bytes).map_err(ReplayError::from);
                    if let Some(life) = record.map_err(TakeAgainError::from)?.life() {
                        (alarm, written_at) = (life.alarm(), life.last_now());
                    }
                }
                None
            }
        };
        let (seq, ids_reserved) = (summary.record.seq, summary.record.ids_reserved);
        let address = RoomAddress::clone(&address);
        let base = RoomFile { address, written_at, seq, alarm, ids_reserved, memory, entries };
        Ok(RecordedRoom { base, component: component_bytes, journal })
    }

    /// The room with what its recorded turns, taken again on its component, have made of it.
    pub(super) async fn take_again(
        self,
        store: &dyn Store,
        component: &Component,
        written_at: Timestamp,
    ) -> Result<RoomFile, ExportError> {
        let Recorded {
            address,
            summary,
            component: digest,
            component_bytes,
            checkpoint,
            journal,
            mut entries,
        } = self;
        let writes = salvage(&journal).map_err(TakeAgainError::from)?;
        if writes.cleared {
            entries.clear();
        }
        for (key, value) in writes.entries {
            match value {
                Some(value) => entries.insert(key, value),
                None => entries.remove(&key),
            };
        }
        check("keys", entries.len() as u64, ENTRIES_MAX)?;
        let bytes = entries.iter().map(|(key, value)| (key.len() + value.len()) as u64).sum();
        check("keys and values in bytes", bytes, ENTRIES_BYTES_MAX)?;
        let config = Arc::new(RoomConfig {
            storage: store.storage(&address),
            address: Arc::clone(&address),
            limits: Arc::default(),
            handlers: component.handlers(),
            vars: Arc::default(),
            duplicate_keys: Default::default(),
            // The record says which it was.
            profile: Default::default(),
            durable: Some(digest),
        });
        let image = memory(config, component, checkpoint, journal, summary.record.seq).await?;
        let memory =
            image.map(|checkpoint| RoomFileMemory { component: digest, component_bytes, checkpoint });
        let (address, record) = (RoomAddress::clone(&address), summary.record);
        let (seq, alarm, ids_reserved) = (record.seq, record.alarm, record.ids_reserved);
        Ok(RoomFile { address, written_at, seq, alarm, ids_reserved, memory, entries })
    }
}

/// Why nothing is recorded of a room, and what can be done: a hint for whoever wanted to see it.
pub fn why_nothing_is_recorded(store: &dyn Store, address: &RoomAddress) -> &'static str {
    match store.summary(address) {
        Ok(Some(RoomSummary { checkpoint: Some(_), .. })) => {
            "nothing has happened in it since its last checkpoint, with which its journal begins anew: a room makes one when \
             it sleeps (after idle_ms without anything to do, 10 s if nothing is said), when its host stops in order, when a \
             copy of it is taken (`fork`, `checkpoint export`), and now and then while it changes; save before that, or raise idle_ms under [limits] to have more time"
        }
        Ok(_) | Err(_) => "rooms with memory = \"durable\" record them, from one checkpoint to the next",
    }
}

/// The checkpoint with which the journal ends; none if the life that it tells of has ended.
async fn memory(
    config: Arc<RoomConfig>,
    component: &Component,
    checkpoint: Option<KeptCheckpoint>,
    journal: Vec<JournalEntry>,
    last: CommitSeq,
) -> Result<Option<Bytes>, TakeAgainError> {
    let checkpoint = match checkpoint {
        Some(kept) => Some(Checkpoint::decode(&kept.bytes)?),
        None => None,
    };
    let mut again = Again::begin(config, component, checkpoint).await?;
    for entry in &journal {
        again.take(entry).await?;
    }
    let Again { mut past, mut instance } = again;
    if past.seq() != last {
        return Err(TakeAgainError::Cut { found: past.seq(), last });
    }
    if !past.goes_on() {
        return Ok(None);
    }
    let refused = |refused: NoMemory| TakeAgainError::NoMemory(refused.to_string());
    let image = instance.capture()?.encode().map_err(refused)?;
    Ok(Some(past.as_checkpoint(image.into()).encode().map_err(refused)?))
}
