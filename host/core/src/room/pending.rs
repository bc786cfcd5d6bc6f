//! Events whose export has returned and that have not ended, with their deadlines.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;

use crate::checkpoint::SleepingEvent;
use crate::emptied::Emptied;
use crate::ids::{EventId, Timestamp};
use crate::turn::Subject;

/// An event that goes on after its turn.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PendingEvent {
    /// What it is about.
    pub(crate) subject: Subject,
    /// How long it may take, if that is bounded.
    pub(crate) deadline_ms: Option<u64>,
}

/// The pending events of a room.
#[derive(Clone, Debug, Default)]
pub(crate) struct PendingEvents {
    open: BTreeMap<EventId, (Subject, Option<Deadline>)>,
    by_deadline: BTreeSet<(Timestamp, EventId)>,
    by_subject: BTreeSet<(Subject, EventId)>,
}

#[derive(Clone, Copy, Debug)]
struct Deadline {
    at: Timestamp,
    ms: u64,
}

/// An event that has not settled in time.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct OverdueEvent {
    pub(crate) id: EventId,
    pub(crate) subject: Subject,
    /// The bound that it passed.
    pub(crate) deadline_ms: u64,
}

impl Emptied for PendingEvents {
    fn give_back(&mut self) {
        self.open.give_back();
        self.by_deadline.give_back();
        self.by_subject.give_back();
    }
}

impl PendingEvents {
    pub(crate) fn len(&self) -> usize {
        self.open.len()
    }

    pub(crate) fn contains(&self, event: EventId) -> bool {
        self.open.contains_key(&event)
    }

    pub(crate) fn add(&mut self, id: EventId, event: PendingEvent, now: Timestamp) {
        let deadline = event.deadline_ms.map(|ms| Deadline { at: now.after_ms(ms), ms });
        self.open.insert(id, (event.subject, deadline));
        self.by_subject.insert((event.subject, id));
        if let Some(deadline) = deadline {
            self.by_deadline.insert((deadline.at, id));
        }
    }

    pub(crate) fn remove(&mut self, event: EventId) -> Option<Subject> {
        let (subject, deadline) = self.open.remove(&event)?;
        if let Some(deadline) = deadline {
            self.by_deadline.remove(&(deadline.at, event));
        }
        self.by_subject.remove(&(subject, event));
        Some(subject)
    }

    /// The time that an event may take begins again.
    pub(crate) fn begin_again(&mut self, subject: Subject, now: Timestamp) {
        for (_, id) in self.by_subject.range(all_about(subject)) {
            if let Some((_, Some(deadline))) = self.open.get_mut(id) {
                self.by_deadline.remove(&(deadline.at, *id));
                deadline.at = now.after_ms(deadline.ms);
                self.by_deadline.insert((deadline.at, *id));
            }
        }
    }

    pub(crate) fn next_deadline(&self) -> Option<Timestamp> {
        self.by_deadline.first().map(|(at, _)| *at)
    }

    pub(crate) fn take_overdue(&mut self, now: Timestamp) -> Option<OverdueEvent> {
        let (at, id) = *self.by_deadline.first()?;
        if at > now {
            return None;
        }
        self.by_deadline.pop_first();
        let (subject, deadline) = self.open.remove(&id).expect("what has a deadline is pending");
        self.by_subject.remove(&(subject, id));
        let deadline_ms = deadline.expect("what is among the deadlines has one").ms;
        Some(OverdueEvent { id, subject, deadline_ms })
    }

    /// Whether one of them is about this.
    pub(crate) fn is_about(&self, subject: Subject) -> bool {
        self.by_subject.range(all_about(subject)).next().is_some()
    }

    /// How many of them are about this.
    pub(crate) fn count_about(&self, subject: Subject) -> usize {
        self.by_subject.range(all_about(subject)).count()
    }

    /// All of them, in order of id, as a checkpoint keeps them.
    pub(crate) fn sleeping(&self) -> Vec<SleepingEvent> {
        let events = self.open.iter().map(|(id, (subject, deadline))| SleepingEvent {
            id: *id,
            subject: *subject,
            deadline: deadline.map(|deadline| (deadline.at, deadline.ms)),
        });
        events.collect()
    }

    /// Those of a checkpoint.
    pub(crate) fn awake(events: &[SleepingEvent]) -> PendingEvents {
        let mut pending = PendingEvents::default();
        for SleepingEvent { id, subject, deadline } in events {
            let deadline = deadline.map(|(at, ms)| Deadline { at, ms });
            pending.open.insert(*id, (*subject, deadline));
            pending.by_subject.insert((*subject, *id));
            pending.by_deadline.extend(deadline.map(|deadline| (deadline.at, *id)));
        }
        pending
    }

    /// Ends all; gives back what they were about.
    pub(crate) fn take_all(&mut self) -> Vec<Subject> {
        self.by_deadline.clear();
        self.by_subject.clear();
        std::mem::take(&mut self.open).into_values().map(|(subject, _)| subject).collect()
    }
}

fn all_about(subject: Subject) -> RangeInclusive<(Subject, EventId)> {
    (subject, EventId(0))..=(subject, EventId(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::{PendingEvent, PendingEvents};
    use crate::ids::{EventId, StreamId, Timestamp};
    use crate::turn::Subject;

    #[test]
    fn overdue_events_come_in_order_of_deadline_and_the_unbounded_never() {
        let mut pending = PendingEvents::default();
        let alarm = PendingEvent { subject: Subject::Alarm, deadline_ms: Some(50) };
        let start = PendingEvent { subject: Subject::Start, deadline_ms: Some(20) };
        let completed = PendingEvent { subject: Subject::Completed, deadline_ms: None };
        pending.add(EventId(1), alarm, Timestamp(100));
        pending.add(EventId(2), start, Timestamp(100));
        pending.add(EventId(3), completed, Timestamp(100));
        assert_eq!(pending.next_deadline(), Some(Timestamp(120)));
        assert_eq!(pending.take_overdue(Timestamp(119)), None);
        let overdue: Vec<_> = std::iter::from_fn(|| pending.take_overdue(Timestamp::NEVER)).collect();
        assert_eq!(overdue.iter().map(|event| event.deadline_ms).collect::<Vec<_>>(), [20, 50]);
        assert!(pending.contains(EventId(3)));
        assert_eq!(pending.remove(EventId(3)), Some(Subject::Completed));
        assert_eq!(pending.len(), 0);
    }

    #[test]
    fn they_are_found_by_what_they_are_about_until_they_have_ended() {
        let stream = |id| Subject::Stream(StreamId(id));
        let mut pending = PendingEvents::default();
        for (id, subject, deadline_ms) in [
            (1, stream(7), None),
            (2, stream(7), Some(10)),
            (3, stream(8), Some(20)),
            (4, Subject::Alarm, None),
        ] {
            pending.add(EventId(id), PendingEvent { subject, deadline_ms }, Timestamp(0));
        }
        let mut pending = PendingEvents::awake(&pending.sleeping());
        assert_eq!([7, 8, 9].map(|id| pending.count_about(stream(id))), [2, 1, 0]);
        pending.begin_again(stream(7), Timestamp(100));
        assert_eq!(pending.next_deadline(), Some(Timestamp(20)), "that of the other");
        assert_eq!(pending.take_overdue(Timestamp(20)).map(|event| event.id), Some(EventId(3)));
        assert!(!pending.is_about(stream(8)));
        assert_eq!(pending.remove(EventId(2)), Some(stream(7)));
        assert!(pending.is_about(stream(7)));
        assert_eq!(pending.take_all(), [stream(7), Subject::Alarm]);
        assert!(!pending.is_about(stream(7)) && !pending.is_about(Subject::Alarm));
    }

    #[test]
    fn what_has_ended_has_no_deadline_any_more() {
        let mut pending = PendingEvents::default();
        let alarm = PendingEvent { subject: Subject::Alarm, deadline_ms: Some(50) };
        pending.add(EventId(1), alarm, Timestamp(0));
        assert_eq!(pending.remove(EventId(1)), Some(Subject::Alarm));
        assert_eq!(pending.next_deadline(), None);
        assert_eq!(pending.take_overdue(Timestamp::NEVER), None);
    }
}
