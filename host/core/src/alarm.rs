//! The room's one durable alarm: it rings at least once, never early, and is tried again when it fails.
//!
//! What is in the store is either the alarm that is set or the one that rang and has not been settled; so a host
//! that dies while the alarm rings lets it ring again.

use crate::commit::Alarm;
use crate::ids::Timestamp;
use crate::limits::{ALARM_RETRIES_MAX, ALARM_RETRY_FIRST_MS};
use crate::planted::{self, PlantedBug};

/// The alarm of a room.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct AlarmClock {
    scheduled: Option<Alarm>,
    firing: Option<Alarm>,
}

impl AlarmClock {
    /// A clock as the store remembers it.
    pub fn new(record: Option<Alarm>) -> AlarmClock {
        AlarmClock { scheduled: record, firing: None }
    }

    /// The alarm that is set, and the one that rings: for a checkpoint.
    pub(crate) fn parts(&self) -> [Option<Alarm>; 2] {
        [self.scheduled, self.firing]
    }

    /// What [`AlarmClock::parts`] gave.
    pub(crate) fn of_parts(scheduled: Option<Alarm>, firing: Option<Alarm>) -> AlarmClock {
        AlarmClock { scheduled, firing }
    }

    /// What the store is to remember.
    pub fn record(&self) -> Option<Alarm> {
        if planted::is(PlantedBug::AlarmForgottenWhileRinging) {
            return self.scheduled;
        }
        self.scheduled.or(self.firing)
    }

    /// When it will ring: what `alarms.get` says.
    pub fn scheduled(&self) -> Option<Timestamp> {
        self.scheduled.map(|alarm| alarm.at)
    }

    /// When the host must look at it next; none while it rings.
    pub fn due(&self) -> Option<Timestamp> {
        if self.firing.is_some() { None } else { self.scheduled() }
    }

    /// Sets it, or with `None` clears it.
    pub fn set(&mut self, at: Option<Timestamp>) {
        self.scheduled = at.map(|at| Alarm { at, attempts: 0 });
    }

    /// Lets it ring if it is due.
    pub fn ring(&mut self, now: Timestamp) -> bool {
        if self.due().is_none_or(|at| at > now) {
            return false;
        }
        self.firing = self.scheduled.take();
        true
    }

    /// `on-alarm` has ended well.
    pub fn settle(&mut self) {
        self.firing = None;
    }

    /// `on-alarm` has failed: a newer alarm replaces the retry, else it is tried again, unless it has been tried
    /// too often. Gives back whether it was given up.
    pub fn fail(&mut self, now: Timestamp) -> bool {
        let Some(alarm) = self.firing.take() else { return false };
        if self.scheduled.is_some() {
            return false;
        }
        if alarm.attempts >= ALARM_RETRIES_MAX {
            return true;
        }
        let pause_ms = ALARM_RETRY_FIRST_MS << alarm.attempts;
        self.scheduled = Some(Alarm { at: now.after_ms(pause_ms), attempts: alarm.attempts + 1 });
        false
    }
}

#[cfg(test)]
mod tests {
    use super::AlarmClock;
    use crate::ids::Timestamp;

    #[test]
    fn a_failing_alarm_is_tried_six_more_times_with_doubling_pauses() {
        let mut clock = AlarmClock::default();
        clock.set(Some(Timestamp(1_000)));
        let mut now = Timestamp(1_000);
        let mut pauses = Vec::new();
        loop {
            assert!(clock.ring(now));
            assert_eq!(clock.scheduled(), None, "alarms.get is none while it rings");
            assert!(clock.record().is_some(), "the store remembers it until it has settled");
            if clock.fail(now) {
                break;
            }
            let at = clock.scheduled().unwrap();
            pauses.push(at.since_ms(now));
            assert!(!clock.ring(Timestamp(at.0 - 1)), "never early");
            now = at;
        }
        assert_eq!(pauses, [2_000, 4_000, 8_000, 16_000, 32_000, 64_000]);
        assert_eq!(clock.record(), None);
    }

    #[test]
    fn an_alarm_set_while_it_rings_replaces_the_retry() {
        let mut clock = AlarmClock::default();
        clock.set(Some(Timestamp(5)));
        assert!(clock.ring(Timestamp(7)));
        clock.set(Some(Timestamp(100)));
        assert!(!clock.fail(Timestamp(8)));
        assert_eq!(clock.scheduled(), Some(Timestamp(100)));
    }
}
