//! What a record tells whoever is no room: what has happened, step by step, without what the room needs to go on.
//!
//! For people who want to see it, and for whoever makes a test of it.

use std::collections::BTreeMap;

use crate::checkpoint::Checkpoint;
use crate::event::{Event, NewConnection};
use crate::ids::{EventId, OperationId, Seed, Timestamp};
use crate::journal::{Record, Settings, Step, Taken};
use crate::limits::Limits;
use crate::profile::Profile;

/// Something that has happened to a room.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Happening<'r> {
    /// A life began, with the room as it then was and a fresh instance.
    Life(&'r Checkpoint),
    /// From here on the guest has read these settings.
    Settings {
        /// By name.
        vars: &'r BTreeMap<String, String>,
        /// All of them.
        limits: &'r Limits,
        /// In whose words its clients were answered.
        profile: Profile,
    },
    /// Another host took the room up; all its clients were gone.
    Resumed,
    /// Time ended something that the guest was not told of.
    Time(Timestamp),
    /// An event was taken.
    Event {
        /// Which.
        event: &'r Event,
        /// The client that came with it, if it is a connect.
        arriving: Option<&'r NewConnection>,
        /// The room's time then.
        now: Timestamp,
        /// What became of it.
        fate: Fate,
    },
}

/// What became of an event.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fate {
    /// The guest has no handler for it.
    Unheard,
    /// The turn was dropped.
    Dropped,
    /// The guest took a turn, and drew from this seed.
    Turn(Seed),
}

impl Record {
    /// The life that begins with it, if one does.
    pub fn life(&self) -> Option<&Checkpoint> {
        self.steps.iter().find_map(|step| match step {
            Step::Life(checkpoint) => Some(&**checkpoint),
            Step::Settings(_)
            | Step::Resumed
            | Step::Time(_)
            | Step::Unheard(_)
            | Step::Dropped(..)
            | Step::Turn(_) => None,
        })
    }

    /// The ids that were next when it was taken, of events and of operations, if there is a turn in it.
    pub fn next_ids(&self) -> Option<(EventId, OperationId)> {
        self.steps.iter().find_map(|step| match step {
            Step::Turn(turn) => Some((turn.event_id, OperationId(turn.next_operation))),
            Step::Life(_)
            | Step::Settings(_)
            | Step::Resumed
            | Step::Time(_)
            | Step::Unheard(_)
            | Step::Dropped(..) => None,
        })
    }

    /// What it tells, in the order in which it happened.
    pub fn happenings(&self) -> impl Iterator<Item = Happening<'_>> {
        self.steps.iter().map(|step| match step {
            Step::Life(checkpoint) => Happening::Life(checkpoint),
            Step::Settings(settings) => {
                let Settings { vars, limits, profile } = &**settings;
                Happening::Settings { vars, limits, profile: *profile }
            }
            Step::Resumed => Happening::Resumed,
            Step::Time(now) => Happening::Time(*now),
            Step::Unheard(taken) => taken.happening(Fate::Unheard),
            Step::Dropped(taken, _) => taken.happening(Fate::Dropped),
            Step::Turn(turn) => turn.taken.happening(Fate::Turn(turn.seed)),
        })
    }
}

impl Taken {
    fn happening(&self, fate: Fate) -> Happening<'_> {
        let arriving = self.arriving.as_ref().map(|arriving| &arriving.0);
        Happening::Event { event: &self.event, arriving, now: self.now, fate }
    }
}
