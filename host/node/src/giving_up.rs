//! Giving a room's memory up when it cannot be made again: what is wrong with it, a copy of it as it is, and one commit
//! after which the room starts afresh from its storage.
//!
//! A durable room whose checkpoint or journal is damaged refuses everyone, because going on would lose turns that somebody
//! was told of. That is a person's decision. Its tables stand where the checkpoint left them; what was written since stands
//! in the journal's records, each of which says so even if no turn can be taken again. So the storage can be kept.

use std::io::{self, Write};
use std::sync::Arc;

use bytes::Bytes;
use party_core::address::RoomAddress;
use party_core::checkpoint::Checkpoint;
use party_core::commit::{KvChanges, MemoryChange, RoomCommit, RoomRecord};
use party_core::ids::{CommitSeq, Epoch};
use party_core::journal::Record;
use party_core::storage::{KeyRange, StorageReadError, Visit};
use party_runtime::component::Digest;
use party_runtime::snapshot::Snapshot;
use party_store::kept::RoomSummary;
use party_store::leftovers::{Left, LeftRecord, Leftovers};
use party_store::redb_store::RedbStore;
use party_store::store::{CommitError, Store};
use thiserror::Error;

/// The largest memory that a room can have: the most that `limits.memory_bytes_max` can be.
pub(crate) const MEMORY_BYTES_MAX: u64 = 4 << 30;

/// Which storage a room goes on with.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Keep {
    /// What the checkpoint left and what was recorded until the first record that cannot be read: a state that the
    /// storage has had.
    Readable,
    /// What every record that can be read has written, also behind one that cannot: more, but perhaps what never was.
    PastDamage,
    /// What the checkpoint left.
    Checkpoint,
}

/// What is kept of a room's memory, and what is wrong with it.
#[derive(Clone, Debug)]
pub struct Diagnosis {
    /// Which room.
    pub address: Arc<RoomAddress>,
    /// What the store says of it.
    pub summary: RoomSummary,
    /// Checkpoint and journal as they are.
    pub leftovers: Leftovers,
    /// All that is wrong. That a turn, taken again, does something else is found only by a host.
    pub problems: Vec<String>,
    /// What each record wrote, by its place; `None` if that cannot be read.
    writes: Vec<Option<KvChanges>>,
    /// How many records there are until the first that cannot be read.
    readable: usize,
}

/// What has become of a room.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct GivenUp {
    /// The commit that gave its memory up.
    pub commit: CommitSeq,
    /// Of how many records the writes are kept.
    pub records_kept: usize,
    /// Bytes of its keys and values.
    pub storage_bytes: u64,
}

/// Why a room's memory cannot be given up. Nothing has changed.
#[derive(Debug, Error)]
pub enum GiveUpError {
    /// There never was such a room.
    #[error("there is no room {0}")]
    NoSuchRoom(RoomAddress),
    /// It has nothing to give up.
    #[error("no memory of room {0} is kept: it starts from its storage")]
    NoMemory(RoomAddress),
    /// Its record, its keys or values cannot be read.
    #[error("what the room has stored cannot be read")]
    Storage(#[from] StorageReadError),
    /// The store did not take it.
    #[error(transparent)]
    Commit(#[from] CommitError),
}

/// Looks at what is kept of a room's memory. Changes nothing.
pub fn diagnose(store: &RedbStore, address: &Arc<RoomAddress>) -> Result<Diagnosis, GiveUpError> {
    let named = || RoomAddress::clone(address);
    let summary = store.summary(address)?.ok_or_else(|| GiveUpError::NoSuchRoom(named()))?;
    let leftovers = store.leftovers(address)?.ok_or_else(|| GiveUpError::NoMemory(named()))?;
    let mut problems = Vec::new();
    match store.component(leftovers.component) {
        Ok(Some(bytes)) if Digest::of(&bytes).0 == leftovers.component.0 => {}
        Ok(Some(_)) => problems.push(format!("its component is not {}, as it is named", leftovers.component)),
        Ok(None) => problems.push(format!("its component {} is not in the store", leftovers.component)),
        Err(error) => problems.push(format!("its component cannot be read: {error}")),
    }
    if let Some(left) = &leftovers.checkpoint
        && let Err(problem) = check_checkpoint(left, &leftovers)
    {
        problems.push(problem);
    }
    let (writes, readable) = check_journal(&leftovers, &summary.record, &mut problems);
    Ok(Diagnosis { address: Arc::clone(address), summary, leftovers, problems, writes, readable })
}

fn check_checkpoint(left: &Left, leftovers: &Leftovers) -> Result<(), String> {
    if let Some(problem) = &left.problem {
        return Err(problem.clone());
    }
    let checkpoint = Checkpoint::decode(&left.bytes).map_err(|error| error.to_string())?;
    if checkpoint.component != leftovers.component {
        return Err(format!("its checkpoint is of another component: {}", checkpoint.component));
    }
    if checkpoint.seq != leftovers.since {
        let (found, kept) = (checkpoint.seq, leftovers.since);
        return Err(format!("its checkpoint is of commit {found}, and is kept as that of commit {kept}"));
    }
    match Snapshot::decode(&checkpoint.image, MEMORY_BYTES_MAX) {
        Ok(_) => Ok(()),
        Err(error) => Err(format!("the memory in its checkpoint cannot be read: {error}")),
    }
}

fn check_journal(
    leftovers: &Leftovers,
    record: &RoomRecord,
    problems: &mut Vec<String>,
) -> (Vec<Option<KvChanges>>, usize) {
    let (mut writes, mut readable, mut expected) = (Vec::new(), None, leftovers.since.next());
    for (place, found) in leftovers.records.iter().enumerate() {
        let read = read_record(found).and_then(|writes| match found.seq {
            Some(seq) if seq != expected => {
                expected = seq.next();
                Err((format!("record {seq} stands where one of commit {expected} should"), Some(writes)))
            }
            Some(_) | None => {
                expected = expected.next();
                Ok(writes)
            }
        });
        writes.push(match read {
            Ok(read) => Some(read),
            Err((problem, read)) => {
                problems.push(problem);
                readable.get_or_insert(place);
                read
            }
        });
    }
    let last = CommitSeq(expected.0 - 1);
    if leftovers.records_expected > 0 && last != record.seq {
        problems.push(format!("its journal ends with commit {last}; its last commit is {}", record.seq));
    }
    let found = leftovers.records.iter().filter(|found| found.left.problem.is_none()).count() as u64;
    if found != leftovers.records_expected {
        problems.push(format!("of {} records in its journal {found} are whole", leftovers.records_expected));
    }
    (writes, readable.unwrap_or(leftovers.records.len()))
}

/// What a record wrote; or what is wrong with it, and what it wrote if that can be told.
fn read_record(found: &LeftRecord) -> Result<KvChanges, (String, Option<KvChanges>)> {
    let name = found.seq.map_or_else(|| "a record".to_owned(), |seq| format!("record {seq}"));
    if let Some(problem) = &found.left.problem {
        return Err((format!("{name}: {problem}"), None));
    }
    match Record::decode(&found.left.bytes) {
        Ok(record) => Ok(record.writes().cloned().unwrap_or_default()),
        Err(error) => Err((format!("{name}: {error}"), None)),
    }
}

impl Diagnosis {
    /// Of how many records the writes would be kept.
    pub fn records_kept(&self, keep: Keep) -> usize {
        match keep {
            Keep::Readable => self.readable,
            Keep::PastDamage => self.writes.iter().filter(|writes| writes.is_some()).count(),
            Keep::Checkpoint => 0,
        }
    }

    /// The last commit whose writes would be kept in an unbroken row.
    pub fn kept_to(&self, keep: Keep) -> CommitSeq {
        let rows = match keep {
            Keep::Readable | Keep::PastDamage => self.readable,
            Keep::Checkpoint => 0,
        };
        CommitSeq(self.leftovers.since.0 + rows as u64)
    }

    fn writes(&self, keep: Keep) -> KvChanges {
        let records = match keep {
            Keep::Readable => &self.writes[..self.readable],
            Keep::PastDamage => &self.writes[..],
            Keep::Checkpoint => &[],
        };
        let mut all = KvChanges::default();
        records.iter().flatten().for_each(|writes| all.then(writes.clone()));
        all
    }

    /// Writes down all that is kept of the memory, as it is: the form is told in `docs/durability.md`.
    pub fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        let Leftovers { component, since, checkpoint, records, .. } = &self.leftovers;
        writeln!(out, "party-host recovered 1")?;
        writeln!(out, "room {}", self.address)?;
        writeln!(out, "component {component}")?;
        writeln!(out, "commit {}", self.summary.record.seq)?;
        for problem in &self.problems {
            writeln!(out, "problem {}", problem.escape_debug())?;
        }
        if let Some(left) = checkpoint {
            write_part(out, &format!("checkpoint {since}"), &left.bytes)?;
        }
        for LeftRecord { seq, left } in records {
            let seq = seq.map_or_else(|| "-".to_owned(), |seq| seq.to_string());
            write_part(out, &format!("record {seq}"), &left.bytes)?;
        }
        writeln!(out, "end")
    }
}

fn write_part(out: &mut dyn Write, name: &str, bytes: &Bytes) -> io::Result<()> {
    writeln!(out, "{name} {}", bytes.len())?;
    out.write_all(bytes)?;
    writeln!(out)
}

/// Gives a room's memory up with one commit. No host may have the room in its memory. Whoever calls this has put aside what
/// is lost with it.
pub fn give_up(
    store: &RedbStore,
    epoch: Epoch,
    diagnosis: &Diagnosis,
    keep: Keep,
) -> Result<GivenUp, GiveUpError> {
    let address = Arc::clone(&diagnosis.address);
    let changes = diagnosis.writes(keep);
    let storage_bytes = storage_bytes(store, &address, &changes)?;
    let commit = diagnosis.summary.record.seq.next();
    let record = RoomRecord {
        seq: commit,
        storage_bytes,
        moved_at: commit,
        memory_due: None,
        ..diagnosis.summary.record
    };
    let memory = Some(Box::new(MemoryChange::Forget { then: None }));
    store.commit(epoch, &[RoomCommit { address, record, changes, memory }])?;
    Ok(GivenUp { commit, records_kept: diagnosis.records_kept(keep), storage_bytes })
}

/// Bytes of all keys and values when these changes have come to what is in the tables.
fn storage_bytes(
    store: &RedbStore,
    address: &Arc<RoomAddress>,
    changes: &KvChanges,
) -> Result<u64, StorageReadError> {
    let mut bytes = changes.bytes();
    for (key, value) in &changes.entries {
        if value.is_none() {
            bytes -= key.len() as u64;
        }
    }
    if !changes.cleared {
        store.storage(address).scan(&KeyRange::default(), false, &mut |key, value| {
            if !changes.entries.contains_key(key) {
                bytes += (key.len() + value.len()) as u64;
            }
            Visit::Continue
        })?;
    }
    Ok(bytes)
}
