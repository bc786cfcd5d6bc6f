//! Reading everything there is, to say what is damaged: what `party-host check` shows.

use std::collections::BTreeMap;

use party_core::address::RoomAddress;
use party_core::commit::ComponentDigest;

use crate::redb_store::index::JournalIndex;
use crate::redb_store::layout::memory_rows::{StoredMemory, component_key};
use crate::redb_store::layout::{decode_record, open, parse_prefix};
use crate::redb_store::snapshot::Snapshot;
use crate::redb_store::trouble::Trouble;

/// How many damaged rooms a report names.
pub const NAMED_ROOMS_MAX: usize = 1_000;

/// What a full reading of a store has found.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct CheckReport {
    /// How many rooms there are, sound or not, as far as they can be told.
    pub rooms: u64,
    /// How many of them are damaged.
    pub damaged: u64,
    /// The first [`NAMED_ROOMS_MAX`] of those whose address can still be read, and what is wrong with each.
    pub damaged_rooms: Vec<(RoomAddress, String)>,
    /// What is wrong with the list of rooms as a whole, if something is: some are missing, or cannot be told.
    pub rooms_problem: Option<String>,
    /// Whether the table of alarms is damaged. It is then made good from the rooms at every start.
    pub alarms_damaged: bool,
    /// The components that are damaged, or whose rooms are counted wrongly, and how.
    pub components_problems: Vec<String>,
    /// Chunks of checkpoints and components that nothing leads to: they take space and do no harm.
    pub stray_chunks: u64,
    /// How many damaged pages have been read, see [`crate::redb_store::RedbStore::doubts`].
    pub doubts: u64,
}

impl CheckReport {
    /// Whether nothing is wrong.
    pub fn is_sound(&self) -> bool {
        self.damaged == 0
            && self.rooms_problem.is_none()
            && !self.alarms_damaged
            && self.components_problems.is_empty()
            && self.doubts == 0
    }
}

impl Snapshot {
    /// Reads everything. `journals` are where the records of journals are.
    pub(crate) fn check(&self, journals: &JournalIndex) -> Result<CheckReport, Trouble> {
        let mut report = CheckReport::default();
        let mut rooms = Vec::new();
        self.walk_records(&mut |prefix, key, sealed| {
            report.rooms += 1;
            match open(key, sealed).and_then(|body| decode_record(key, body)) {
                Ok(stored) => rooms.push((prefix.to_vec(), stored.memory)),
                Err(damage) => report.add(prefix, damage.0),
            }
            Ok(())
        })?;
        let mut chunks = 0;
        let mut references: BTreeMap<ComponentDigest, u64> = BTreeMap::new();
        for (prefix, memory) in rooms {
            if let Err(trouble) = self.check_room(&prefix, memory.as_ref(), journals) {
                report.add(&prefix, trouble.to_string());
            }
            let Some(memory) = memory else { continue };
            *references.entry(memory.component).or_default() += 1;
            if let Some(pointer) = memory.checkpoint {
                chunks += self.count_chunks(&prefix, pointer.blob)?;
            }
        }
        for (blob, owner) in self.loose_blobs()? {
            chunks += self.count_chunks(&owner, blob)?;
        }
        chunks += self.check_components(&references, &mut report)?;
        report.stray_chunks = self.chunks()?.saturating_sub(chunks);
        report.rooms_problem = self.survey()?.check_whole().err().map(|trouble| trouble.to_string());
        report.alarms_damaged = !self.alarms_are_whole();
        Ok(report)
    }

    fn check_room(
        &self,
        prefix: &[u8],
        memory: Option<&StoredMemory>,
        journals: &JournalIndex,
    ) -> Result<(), Trouble> {
        self.whole_room(prefix)?;
        if let Some(memory) = memory {
            self.checkpoint(prefix, memory)?;
            self.journal(prefix, memory, &journals.places(prefix))?;
        }
        Ok(())
    }

    /// How many chunks the components have.
    fn check_components(
        &self,
        references: &BTreeMap<ComponentDigest, u64>,
        report: &mut CheckReport,
    ) -> Result<u64, Trouble> {
        let mut chunks = 0;
        let components = self.components()?;
        for (component, stored) in &components {
            if let Err(trouble) = self.component(*component) {
                report.components_problems.push(trouble.to_string());
            }
            let Ok(stored) = stored else { continue };
            chunks += self.count_chunks(&component_key(*component), stored.pointer.blob)?;
            let counted = references.get(component).copied().unwrap_or_default();
            if counted != stored.references {
                let said = stored.references;
                let problem = format!("{counted} rooms need component {component}, not {said} as is said");
                report.components_problems.push(problem);
            }
        }
        for component in references.keys() {
            if !components.iter().any(|(found, _)| found == component) {
                report.components_problems.push(format!("component {component} is missing"));
            }
        }
        Ok(chunks)
    }
}

impl CheckReport {
    fn add(&mut self, prefix: &[u8], problem: String) {
        self.damaged += 1;
        if let Ok(address) = parse_prefix(prefix)
            && self.damaged_rooms.len() < NAMED_ROOMS_MAX
        {
            self.damaged_rooms.push((address, problem));
        }
    }
}
