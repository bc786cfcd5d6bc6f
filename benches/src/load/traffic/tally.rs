//! What the receivers saw: every message judged, counted and timed.
//!
//! What must hold: a message counts as delivered only if it is one that was sent, to this room, in this run, and had
//! not come before; the latencies are those of all messages that were due while the window was open, whenever they
//! came.

use super::super::latency::Latencies;
use super::super::payload::Stamp;
use super::super::sequence::{Arrival, Sequence};

/// What one client has received.
#[derive(Debug)]
pub(super) struct Receiver {
    /// The first of the senders whose messages this client gets.
    first_sender: u32,
    sequences: Vec<Sequence>,
    /// A hash over (sender, number) in the order of arrival.
    order: u64,
    /// Messages that came again, or late: with any, `order` is no longer comparable.
    faults: u64,
}

impl Receiver {
    /// A client that gets the messages of `senders` senders, numbered from `first_sender`.
    pub(super) fn new(first_sender: u32, senders: u32) -> Receiver {
        let sequences = vec![Sequence::default(); senders as usize];
        Receiver { first_sender, sequences, order: 0, faults: 0 }
    }

    /// Deliveries that never came; `sent` is indexed by sender.
    pub(super) fn lost(&self, sent: &[u64]) -> u64 {
        let sent = &sent[self.first_sender as usize..];
        self.sequences.iter().zip(sent).map(|(sequence, sent)| sequence.lost(*sent)).sum()
    }

    /// The order in which everything arrived, if all of it did, once each.
    pub(super) fn order(&self, sent: &[u64]) -> Option<u64> {
        (self.faults == 0 && self.lost(sent) == 0).then_some(self.order)
    }
}

/// Counts over all receivers.
#[derive(Debug)]
pub(super) struct Tally {
    run: u32,
    window_from_ns: u64,
    window_to_ns: u64,
    /// Deliveries, each counted once.
    pub(super) delivered: u64,
    /// Those that came while the window was open.
    pub(super) delivered_in_window: u64,
    /// Deliveries that came again.
    pub(super) duplicated: u64,
    /// Deliveries that came after a later one.
    pub(super) reordered: u64,
    /// Messages altered or never sent.
    pub(super) corrupted: u64,
    /// Messages of another room or run.
    pub(super) foreign: u64,
    last_arrival_ns: u64,
    /// Latencies of messages due in the window.
    pub(super) latencies: Latencies,
}

impl Tally {
    /// Nothing seen, the window not open.
    pub(super) fn new(run: u32) -> Tally {
        Tally {
            run,
            window_from_ns: u64::MAX,
            window_to_ns: u64::MAX,
            delivered: 0,
            delivered_in_window: 0,
            duplicated: 0,
            reordered: 0,
            corrupted: 0,
            foreign: 0,
            last_arrival_ns: 0,
            latencies: Latencies::new(),
        }
    }

    /// Measuring begins.
    pub(super) fn open_window(&mut self, now_ns: u64) {
        self.window_from_ns = now_ns;
    }

    /// Measuring ends; messages due before still count when they come.
    pub(super) fn close_window(&mut self, now_ns: u64) {
        self.window_to_ns = now_ns;
    }

    /// When the last message came or the window closed, whichever was later.
    pub(super) fn last_event_ns(&self) -> u64 {
        match self.window_to_ns {
            u64::MAX => self.last_arrival_ns,
            closed => self.last_arrival_ns.max(closed),
        }
    }

    /// Whether a message due at this time counts.
    pub(super) fn window_covers(&self, intended_ns: u64) -> bool {
        intended_ns >= self.window_from_ns && intended_ns < self.window_to_ns
    }

    /// Judges one message that `receiver` got at `now_ns`. `sent` is indexed by sender. Returns who sent it, as
    /// which number, if it is one of this run for this room.
    pub(super) fn judge(
        &mut self,
        receiver: &mut Receiver,
        sent: &[u64],
        now_ns: u64,
        is_text: bool,
        payload: &[u8],
    ) -> Option<(u32, u64)> {
        self.last_arrival_ns = now_ns;
        let Some(stamp) = Stamp::decode(payload).filter(|_| is_text) else {
            self.corrupted += 1;
            return None;
        };
        let place = stamp.sender.wrapping_sub(receiver.first_sender) as usize;
        let Some(sequence) = receiver.sequences.get_mut(place).filter(|_| stamp.run == self.run) else {
            self.foreign += 1;
            return None;
        };
        if stamp.sequence >= sent[stamp.sender as usize] || stamp.intended_ns > now_ns {
            self.corrupted += 1;
            return None;
        }
        match sequence.arrived(stamp.sequence) {
            Arrival::InOrder => {}
            Arrival::Reordered => {
                self.reordered += 1;
                receiver.faults += 1;
            }
            Arrival::Duplicate => {
                self.duplicated += 1;
                receiver.faults += 1;
                return Some((stamp.sender, stamp.sequence));
            }
        }
        let mark = u64::from(stamp.sender) << 48 ^ stamp.sequence;
        receiver.order = (receiver.order ^ mark).wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(23);
        self.delivered += 1;
        if self.window_covers(now_ns) {
            self.delivered_in_window += 1;
        }
        if self.window_covers(stamp.intended_ns) {
            self.latencies.record_ns(now_ns - stamp.intended_ns);
        }
        Some((stamp.sender, stamp.sequence))
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::payload::Stamp;
    use super::{Receiver, Tally};

    const RUN: u32 = 7;

    /// Lets one receiver, who hears senders 4 and 5, judge messages; 10 messages of each were sent.
    fn judge_all(messages: &[Stamp]) -> (Tally, Receiver) {
        let mut tally = Tally::new(RUN);
        tally.open_window(1_000);
        let mut receiver = Receiver::new(4, 2);
        for stamp in messages {
            tally.judge(&mut receiver, &[0, 0, 0, 0, 10, 10], 5_000, true, &stamp.encode());
        }
        (tally, receiver)
    }

    fn message(sender: u32, sequence: u64) -> Stamp {
        Stamp { run: RUN, sender, sequence, intended_ns: 2_000 }
    }

    #[test]
    fn a_message_of_another_room_or_run_is_foreign() {
        let other_run = Stamp { run: 8, ..message(4, 0) };
        let (tally, receiver) = judge_all(&[message(3, 0), message(6, 0), other_run, message(4, 0)]);
        assert_eq!((tally.foreign, tally.delivered), (3, 1));
        assert_eq!(receiver.lost(&[0, 0, 0, 0, 10, 10]), 19);
    }

    #[test]
    fn a_message_that_was_never_sent_is_corrupted() {
        let from_the_future = Stamp { intended_ns: 5_001, ..message(4, 0) };
        let (tally, _) = judge_all(&[message(4, 10), from_the_future]);
        assert_eq!((tally.corrupted, tally.delivered), (2, 0));
        let mut tally = Tally::new(RUN);
        let mut receiver = Receiver::new(0, 1);
        tally.judge(&mut receiver, &[1], 5_000, false, &message(0, 0).encode());
        assert_eq!(tally.corrupted, 1, "binary instead of text");
    }

    #[test]
    fn two_receivers_agree_on_the_order_only_if_it_was_the_same() {
        let sent = [0, 0, 0, 0, 1, 1];
        let order = |messages: &[Stamp]| judge_all(messages).1.order(&sent);
        let one = order(&[message(4, 0), message(5, 0)]);
        assert!(one.is_some());
        assert_eq!(one, order(&[message(4, 0), message(5, 0)]));
        assert_ne!(one, order(&[message(5, 0), message(4, 0)]));
        assert_eq!(order(&[message(4, 0)]), None, "one was lost");
    }

    #[test]
    fn only_messages_due_in_the_window_are_timed_whenever_they_come() {
        let mut tally = Tally::new(RUN);
        let mut receiver = Receiver::new(0, 1);
        let mut judge = |tally: &mut Tally, sequence, intended_ns, now_ns| {
            let stamp = Stamp { run: RUN, sender: 0, sequence, intended_ns };
            tally.judge(&mut receiver, &[10], now_ns, true, &stamp.encode());
        };
        judge(&mut tally, 0, 100, 200);
        tally.open_window(1_000);
        judge(&mut tally, 1, 900, 1_100);
        judge(&mut tally, 2, 1_500, 1_600);
        tally.close_window(2_000);
        judge(&mut tally, 3, 1_900, 9_900);
        judge(&mut tally, 4, 2_100, 9_900);
        let summary = tally.latencies.summary();
        assert_eq!((summary.count, tally.delivered, tally.delivered_in_window), (2, 5, 2));
        assert!((summary.max_ms - 0.008).abs() < 0.000_1, "{}", summary.max_ms);
    }
}
