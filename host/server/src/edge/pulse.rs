//! Whether a client is still there: it is pinged at every interval, and must be heard within a timeout of a ping.
//!
//! As data: times in, what to do and the next time out.

use party_core::ids::Timestamp;

/// What to do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Beat {
    /// Nothing.
    Wait,
    /// Send a ping.
    Ping,
    /// Cut the connection.
    Dead,
}

/// The pulse of one connection.
#[derive(Debug)]
pub(crate) struct Pulse {
    interval_ms: u64,
    timeout_ms: u64,
    pinged_at: Option<Timestamp>,
    heard: bool,
}

impl Pulse {
    /// A connection that begins now, and when to ask for the first beat. No interval and no timeout is shorter
    /// than a millisecond.
    pub(crate) fn new(now: Timestamp, interval_ms: u64, timeout_ms: u64) -> (Pulse, Timestamp) {
        let (interval_ms, timeout_ms) = (interval_ms.max(1), timeout_ms.max(1));
        (Pulse { interval_ms, timeout_ms, pinged_at: None, heard: true }, now.after_ms(interval_ms))
    }

    /// Something came from the client.
    pub(crate) fn heard(&mut self) {
        self.heard = true;
    }

    /// What to do now, and when to ask again. `listening` is false while we do not read the socket ourselves.
    pub(crate) fn beat(&mut self, now: Timestamp, listening: bool) -> (Beat, Timestamp) {
        if let Some(pinged_at) = self.pinged_at {
            let (answer_due, ping_due) =
                (pinged_at.after_ms(self.timeout_ms), pinged_at.after_ms(self.interval_ms));
            if !self.heard && now < answer_due {
                return (Beat::Wait, answer_due);
            }
            if !self.heard && listening {
                return (Beat::Dead, now);
            }
            if !self.heard {
                return (Beat::Wait, now.after_ms(self.timeout_ms));
            }
            if now < ping_due {
                return (Beat::Wait, ping_due);
            }
        }
        self.pinged_at = Some(now);
        self.heard = false;
        (Beat::Ping, now.after_ms(self.interval_ms.min(self.timeout_ms)))
    }
}

#[cfg(test)]
mod tests {
    use super::{Beat, Pulse};
    use party_core::ids::Timestamp;

    fn start(interval_ms: u64, timeout_ms: u64) -> Pulse {
        let (pulse, first) = Pulse::new(Timestamp(0), interval_ms, timeout_ms);
        assert_eq!(first, Timestamp(interval_ms));
        pulse
    }

    #[test]
    fn a_client_that_answers_is_pinged_at_every_interval() {
        let mut pulse = start(30, 30);
        for round in 1..5 {
            let now = Timestamp(round * 30);
            assert_eq!(pulse.beat(now, true), (Beat::Ping, now.after_ms(30)));
            pulse.heard();
        }
    }

    #[test]
    fn a_silent_client_is_dead_a_timeout_after_its_ping() {
        for (interval, timeout, asked) in [(30, 30, &[60][..]), (30, 10, &[40]), (30, 100, &[60, 130])] {
            let mut pulse = start(interval, timeout);
            let (_, mut next) = pulse.beat(Timestamp(interval), true);
            for (index, at) in asked.iter().enumerate() {
                assert_eq!(next, Timestamp(*at), "{interval} {timeout}");
                let last = index + 1 == asked.len();
                let (beat, after) = pulse.beat(next, true);
                assert_eq!(beat, if last { Beat::Dead } else { Beat::Wait });
                next = after;
            }
        }
    }

    #[test]
    fn a_short_timeout_does_not_make_pings_more_frequent() {
        let mut pulse = start(30, 10);
        assert_eq!(pulse.beat(Timestamp(30), true), (Beat::Ping, Timestamp(40)));
        pulse.heard();
        assert_eq!(pulse.beat(Timestamp(40), true), (Beat::Wait, Timestamp(60)));
        assert_eq!(pulse.beat(Timestamp(60), true), (Beat::Ping, Timestamp(70)));
    }

    #[test]
    fn a_client_that_we_do_not_read_is_not_dead() {
        let mut pulse = start(30, 30);
        assert_eq!(pulse.beat(Timestamp(30), false).0, Beat::Ping);
        assert_eq!(pulse.beat(Timestamp(60), false), (Beat::Wait, Timestamp(90)));
        assert_eq!(pulse.beat(Timestamp(90), true).0, Beat::Dead);
    }
}
