//! One room in full: what runs of it, what is kept of it, and why it is not asleep.

use std::rc::Rc;

use bytes::Bytes;
use party_core::address::RoomAddress;
use party_core::checkpoint::Checkpoint;
use party_core::commit::ComponentDigest;
use party_core::ids::{CommitSeq, Incarnation, Timestamp};
use party_core::room::Phase;
use party_core::storage::StorageReadError;
use party_store::kept::RoomSummary;
use party_store::store::Store;

use crate::hibernation::{digest_of, sleeps};
use crate::inspection::damage::{LookedAt, look};
use crate::inspection::{InspectError, LiveRoom, RoomState, RoomView, live, state_of};
use crate::node::Node;
use crate::party::{Memory, Party};
use crate::registry::RoomEntry;
use crate::unsaved;
use crate::worker::Worker;

/// All that is known of a room.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RoomDetails {
    /// What a list shows of it.
    pub view: RoomView,
    /// Why it is awake, or is not asleep although it was; `None` if it sleeps, or only its storage is kept.
    pub why_awake: Option<String>,
    /// Commits under way, if the room is in memory.
    pub uncommitted: Option<u64>,
    /// What its checkpoint holds, if it has one that can be read.
    pub checkpoint: Option<CheckpointFacts>,
    /// Why its checkpoint is of no use, if it has one and that is so.
    pub checkpoint_problem: Option<String>,
    /// What is found to be wrong with what is kept of its memory, or was found when it was to be woken.
    pub damage: Vec<String>,
    /// How closely that was looked at.
    pub looked_at: LookedAt,
    /// The component that this host serves its party with; `None` if it serves no such party, or no host runs.
    pub served: Option<ComponentDigest>,
}

/// What a checkpoint says of its room.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CheckpointFacts {
    /// The commit that carries it.
    pub seq: CommitSeq,
    /// Without which it is worth nothing.
    pub component: ComponentDigest,
    /// The life that goes on with it.
    pub incarnation: Incarnation,
    /// The room's own time then: that of its last turn.
    pub at: Timestamp,
    /// Clients that the room knows.
    pub sessions: usize,
    /// Requests without an answer.
    pub requests: usize,
    /// Open operations.
    pub operations: usize,
    /// Events that have not settled.
    pub pending_events: usize,
    /// Bytes of the guest's memory, packed.
    pub image_bytes: u64,
}

/// A room of a store, when no host runs. `None` if it has never committed.
pub fn kept_details(
    store: &dyn Store,
    address: &RoomAddress,
) -> Result<Option<RoomDetails>, StorageReadError> {
    let Some(summary) = store.summary(address)? else { return Ok(None) };
    let state = RoomState::kept(&summary);
    let view = RoomView { address: address.clone(), state, live: None, kept: Some(summary) };
    let mut details = details(store, view)?;
    if !details.damage.is_empty() && summary.journal.records > 0 {
        // Only durable rooms have a journal.
        details.view.state = RoomState::Damaged;
    }
    Ok(Some(details))
}

fn details(store: &dyn Store, view: RoomView) -> Result<RoomDetails, StorageReadError> {
    let (checkpoint, checkpoint_problem) = match &view.kept {
        Some(summary) if summary.checkpoint.is_some() => read_checkpoint(store, &view.address, summary)?,
        Some(_) | None => (None, None),
    };
    let (damage, looked_at) = match &view.kept {
        Some(summary) => look(store, &view.address, summary)?,
        None => (Vec::new(), LookedAt::Nothing),
    };
    Ok(RoomDetails {
        view,
        why_awake: None,
        uncommitted: None,
        checkpoint,
        checkpoint_problem,
        damage,
        looked_at,
        served: None,
    })
}

fn read_checkpoint(
    store: &dyn Store,
    address: &RoomAddress,
    summary: &RoomSummary,
) -> Result<(Option<CheckpointFacts>, Option<String>), StorageReadError> {
    let kept = match store.checkpoint(address) {
        Ok(Some(kept)) => kept,
        Ok(None) => return Ok((None, None)),
        Err(StorageReadError::Damaged(what)) => return Ok((None, Some(what))),
        Err(error @ (StorageReadError::Io(_) | StorageReadError::NoMemory(_))) => return Err(error),
    };
    let problem = match summary.journal.records == 0 && kept.seq < summary.record.moved_at {
        true => {
            let (seq, moved_at) = (kept.seq, summary.record.moved_at);
            Some(format!("it is of commit {seq}, and storage has moved since, with commit {moved_at}"))
        }
        false => None,
    };
    Ok(match facts(kept.seq, &kept.bytes) {
        Ok(facts) => (Some(facts), problem),
        Err(error) => (None, Some(error)),
    })
}

fn facts(seq: CommitSeq, bytes: &Bytes) -> Result<CheckpointFacts, String> {
    let checkpoint = Checkpoint::decode(bytes).map_err(|error| error.to_string())?;
    Ok(CheckpointFacts {
        seq,
        component: checkpoint.component,
        incarnation: checkpoint.incarnation,
        at: checkpoint.last_now(),
        sessions: checkpoint.sessions(),
        requests: checkpoint.requests(),
        operations: checkpoint.operations(),
        pending_events: checkpoint.pending_events(),
        image_bytes: checkpoint.image.len() as u64,
    })
}

impl Node {
    /// All that is known of a room; `None` if there is no such room.
    pub async fn room(&self, address: &RoomAddress) -> Result<Option<RoomDetails>, InspectError> {
        let asked = address.clone();
        let look = move |worker: &Rc<Worker>| {
            let entry = worker.rooms().by_address(&asked)?;
            let now = worker.now();
            let why = why_awake(worker, &entry, now);
            Some((state_of(&entry, now), live(&entry), why, entry.core.borrow().uncommitted()))
        };
        let running = self.look_on(self.worker_of(address), look).await?;
        let kept = self.store().summary(address)?;
        if running.is_none() && kept.is_none() {
            return Ok(None);
        }
        let (mut why, mut uncommitted) = (None, None);
        let mut state = kept.as_ref().map_or(RoomState::Stored, RoomState::kept);
        let live: Option<LiveRoom> = running.map(|(its_state, live, its_why, its_uncommitted)| {
            (state, why, uncommitted) = (its_state, its_why, Some(its_uncommitted));
            live
        });
        let found = live.as_ref().and_then(|live| live.damage.clone());
        let view = RoomView { address: address.clone(), state, live, kept };
        let mut details = details(self.store().as_ref(), view)?;
        (details.why_awake, details.uncommitted) = (why, uncommitted);
        let party = self.party_of(address);
        if let Some(found) = found {
            (details.damage, details.looked_at) = (vec![found], LookedAt::Woken);
        } else if matches!(state, RoomState::Awake | RoomState::Starting) {
            // What its last checkpoint holds was made of it.
            (details.damage, details.looked_at) = (Vec::new(), LookedAt::Woken);
        } else if !details.damage.is_empty() && fails_closed(party.as_deref(), kept.as_ref()) {
            details.view.state = RoomState::Damaged;
        }
        details.served = party.map(|party| digest_of(&party.component));
        Ok(Some(details))
    }
}

/// Whether a room of which something is damaged refuses everyone: a durable one, or one with the journal of one.
fn fails_closed(party: Option<&Party>, kept: Option<&RoomSummary>) -> bool {
    let has_journal = kept.is_some_and(|kept| kept.journal.records > 0);
    party.is_some_and(|party| match party.memory {
        Memory::Durable => true,
        Memory::Hibernate => has_journal,
        Memory::Volatile => false,
    })
}

/// Why a room does not sleep: its party keeps no memory, or its memory cannot be captured, or could not be written.
pub(crate) fn never_sleeps(entry: &RoomEntry) -> Option<String> {
    let party = entry.party();
    if party.memory == Memory::Volatile {
        return Some("its party keeps no memory (memory = \"volatile\")".into());
    }
    if let Err(reason) = party.component.capturable() {
        return Some(reason.to_string());
    }
    if entry.save_again_at.get().is_some() {
        return Some(unsaved::WHY.into());
    }
    let last = entry.stays_awake.get().then(|| entry.not_captured.borrow().clone()).flatten();
    last.map(|reason| reason.to_string())
}

fn why_awake(worker: &Worker, entry: &RoomEntry, now: Timestamp) -> Option<String> {
    if entry.damage.borrow().is_some() {
        return None;
    }
    if entry.waits.since(entry.is_awake.get()).is_some() {
        let why = worker.why_it_waits(entry);
        return Some(format!("it waits for a place to run in: {}", why.lines().next().unwrap_or_default()));
    }
    let core = entry.core.borrow();
    match core.phase() {
        Phase::Suspended { until } if until > now => {
            let for_s = until.since_ms(now).div_ceil(1_000);
            return Some(format!("it is suspended for {for_s} s more, because too many turns were dropped"));
        }
        Phase::Suspended { .. } | Phase::Fresh(_) => return None,
        Phase::Starting | Phase::Running => {}
    }
    if core.is_asleep() {
        return None;
    }
    if let Some(reason) = never_sleeps(entry) {
        return Some(reason);
    }
    if entry.gives_way.stands_still() {
        return Some("it is being saved, because others wait for its place".into());
    }
    if let Some(reason) = core.restless() {
        return Some(reason.to_string());
    }
    let idle_ms = match sleeps(&entry.party()) {
        true => entry.limits().idle_ms,
        false => worker.node().idle_ms(),
    };
    let quiet_ms = now.since_ms(entry.active_at.get());
    Some(match quiet_ms < idle_ms {
        true => format!("something happened {quiet_ms} ms ago; it sleeps after {idle_ms} ms of nothing"),
        false => "it is about to sleep".into(),
    })
}
