//! Events whose export has returned and that have not ended, with their deadlines.

use std::collections::{BTreeMap, BTreeSet};

use crate::ids::{EventId, Timestamp};
use crate::turn::Subject;

/// The pending events of a room.
#[derive(Clone, Debug, Default)]
pub(crate) struct PendingEvents {
    open: BTreeMap<EventId, (Subject, Timestamp)>,
    by_deadline: BTreeSet<(Timestamp, EventId)>,
}

impl PendingEvents {
    pub(crate) fn is_empty(&self) -> bool {
        self.open.is_empty()
    }

    pub(crate) fn contains(&self, event: EventId) -> bool {
        self.open.contains_key(&event)
    }

    pub(crate) fn add(&mut self, event: EventId, subject: Subject, deadline: Timestamp) {
        self.open.insert(event, (subject, deadline));
        if deadline < Timestamp::NEVER {
            self.by_deadline.insert((deadline, event));
        }
    }

    pub(crate) fn remove(&mut self, event: EventId) -> Option<Subject> {
        let (subject, deadline) = self.open.remove(&event)?;
        self.by_deadline.remove(&(deadline, event));
        Some(subject)
    }

    pub(crate) fn next_deadline(&self) -> Option<Timestamp> {
        self.by_deadline.first().map(|(deadline, _)| *deadline)
    }

    pub(crate) fn take_overdue(&mut self, now: Timestamp) -> Option<(EventId, Subject)> {
        let (deadline, event) = *self.by_deadline.first()?;
        if deadline > now {
            return None;
        }
        let subject = self.remove(event).expect("what has a deadline is pending");
        Some((event, subject))
    }

    /// Ends all; gives back what they were about.
    pub(crate) fn take_all(&mut self) -> Vec<Subject> {
        self.by_deadline.clear();
        std::mem::take(&mut self.open).into_values().map(|(subject, _)| subject).collect()
    }
}
