//! Reading everything there is, to say what is damaged: what `party-host check` shows.

use party_core::address::RoomAddress;

use crate::redb_store::layout::{open, parse_prefix};
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
    /// How many damaged pages have been read, see [`crate::redb_store::RedbStore::doubts`].
    pub doubts: u64,
}

impl CheckReport {
    /// Whether nothing is wrong.
    pub fn is_sound(&self) -> bool {
        self.damaged == 0 && self.rooms_problem.is_none() && !self.alarms_damaged && self.doubts == 0
    }
}

impl Snapshot {
    /// Reads everything.
    pub(crate) fn check(&self) -> Result<CheckReport, Trouble> {
        let mut report = CheckReport::default();
        let mut prefixes = Vec::new();
        self.walk_records(&mut |prefix, key, sealed| {
            report.rooms += 1;
            match open(key, sealed) {
                Ok(_) => prefixes.push(prefix.to_vec()),
                Err(damage) => report.add(prefix, damage.0),
            }
            Ok(())
        })?;
        for prefix in prefixes {
            if let Err(trouble) = self.whole_room(&prefix) {
                report.add(&prefix, trouble.to_string());
            }
        }
        report.rooms_problem = self.survey()?.check_whole().err().map(|trouble| trouble.to_string());
        report.alarms_damaged = !self.alarms_are_whole();
        Ok(report)
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
