//! How fast a client may be: buckets that fill with time.
//!
//! A bucket holds as much as comes in a second, and is full at first: so a client may do a second's worth at once, and no more
//! than its rate for any longer. Time is an argument, in ticks, which nobody sets back.

use party_node::clock::Ticks;

/// So many parts are one: so that a rate of one in a second is a whole number of parts in a millisecond.
const PARTS: u64 = 1_000;

/// How much there may be in a second; 0: as much as there is.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Rates {
    /// Messages, pings and pongs that one WebSocket may send in a second; beyond, it is not read for so long.
    pub messages_per_second_max: u64,
    /// Bytes that one WebSocket may send in a second, with all that frames them; beyond, it is not read for so long.
    pub bytes_per_second_max: u64,
    /// Requests that one client address may send in a second, WebSocket handshakes among them; beyond, 429.
    pub requests_per_second_max: u64,
    /// Connections that one address may open in a second; beyond, 429 and closed.
    pub connects_per_second_max: u64,
}

/// One bucket.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Bucket {
    /// How much comes in a second, which is also the most that it holds; more than 0.
    per_second: u64,
    /// What is in it, in parts. Less than nothing while more was spent than there was.
    level: i64,
    /// When that was so.
    at: Ticks,
}

impl Bucket {
    /// A full one.
    pub(crate) fn new(per_second: u64, now: Ticks) -> Bucket {
        let per_second = per_second.max(1);
        Bucket { per_second, level: full(per_second), at: now }
    }

    fn fill(&mut self, now: Ticks) {
        let ms = now.0.saturating_sub(self.at.0);
        let more = i64::try_from(ms.saturating_mul(self.per_second)).unwrap_or(i64::MAX);
        self.level = self.level.saturating_add(more).min(full(self.per_second));
        self.at = Ticks(self.at.0.max(now.0));
    }

    /// Takes so much, if there is as much; else says how many milliseconds that takes. More than a second's worth there never is.
    pub(crate) fn take(&mut self, now: Ticks, amount: u64) -> Result<(), u64> {
        self.fill(now);
        let left = self.level.saturating_sub(parts(amount));
        match left >= 0 {
            true => {
                self.level = left;
                Ok(())
            }
            false => Err(self.ms_until(left.unsigned_abs())),
        }
    }

    /// Takes so much, whether there is as much or not; says how many milliseconds it is until nothing is owed.
    pub(crate) fn spend(&mut self, now: Ticks, amount: u64) -> u64 {
        self.fill(now);
        self.level = self.level.saturating_sub(parts(amount));
        match self.level {
            0.. => 0,
            owed => self.ms_until(owed.unsigned_abs()),
        }
    }

    fn ms_until(&self, parts: u64) -> u64 {
        parts.div_ceil(self.per_second)
    }
}

fn parts(amount: u64) -> i64 {
    i64::try_from(amount.saturating_mul(PARTS)).unwrap_or(i64::MAX)
}

fn full(per_second: u64) -> i64 {
    parts(per_second)
}

#[cfg(test)]
mod tests {
    use party_node::clock::Ticks;

    use super::Bucket;

    #[test]
    fn a_seconds_worth_is_had_at_once_and_then_as_it_comes() {
        let mut bucket = Bucket::new(4, Ticks(100));
        for _ in 0..4 {
            assert_eq!(bucket.take(Ticks(100), 1), Ok(()));
        }
        assert_eq!(bucket.take(Ticks(100), 1), Err(250));
        assert_eq!(bucket.take(Ticks(349), 1), Err(1));
        assert_eq!(bucket.take(Ticks(350), 1), Ok(()));
        assert_eq!(bucket.take(Ticks(10_000), 4), Ok(()), "no more than a second's worth has come");
        assert_eq!(bucket.take(Ticks(10_000), 1), Err(250));
    }

    #[test]
    fn what_is_owed_is_waited_for() {
        let mut bucket = Bucket::new(1_000, Ticks(0));
        assert_eq!(bucket.spend(Ticks(0), 1_000), 0);
        assert_eq!(bucket.spend(Ticks(0), 64_000), 64_000);
        assert_eq!(bucket.spend(Ticks(63_000), 0), 1_000);
        assert_eq!(bucket.spend(Ticks(64_000), 0), 0);
        assert_eq!(bucket.take(Ticks(64_000), 1), Err(1));
    }

    #[test]
    fn nothing_that_can_be_asked_overflows() {
        for per_second in [0, 1, u64::MAX] {
            for now in [0, 1, u64::MAX] {
                for amount in [0, 1, u64::MAX] {
                    let mut bucket = Bucket::new(per_second, Ticks(1));
                    let _ = bucket.spend(Ticks(now), amount);
                    let _ = bucket.spend(Ticks(u64::MAX), amount);
                    let _ = bucket.take(Ticks(0), amount);
                }
            }
        }
    }

    /// Against what a rate means: in no window of time is more taken than its length and a second allow; and who waits as long
    /// as it is told always has its turn, not a millisecond early.
    #[test]
    fn no_window_of_time_has_more_than_its_rate_and_who_waits_as_told_is_served() {
        for seed in 1..=500_u64 {
            let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
            let mut draw = |bound: u64| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                (state >> 33) % bound
            };
            let per_second = 1 + draw(2_000);
            let mut bucket = Bucket::new(per_second, Ticks(0));
            let (mut now, mut taken): (u64, Vec<(u64, u64)>) = (0, Vec::new());
            for _ in 0..200 {
                now += draw(400);
                let amount = 1 + draw(per_second);
                if let Err(ms) = bucket.take(Ticks(now), amount) {
                    let mut early = bucket;
                    assert!(
                        early.take(Ticks(now + ms - 1), amount).is_err(),
                        "seed {seed}: {ms} ms are too long"
                    );
                    now += ms;
                    assert_eq!(bucket.take(Ticks(now), amount), Ok(()), "seed {seed}: {ms} ms are too short");
                }
                taken.push((now, amount));
            }
            for (first, (from, _)) in taken.iter().enumerate() {
                let mut sum = 0;
                for (at, amount) in &taken[first..] {
                    sum += amount;
                    let allowed = per_second * 1_000 + (at - from) * per_second;
                    assert!(
                        sum * 1_000 <= allowed,
                        "seed {seed}: {sum} from {from} to {at} at {per_second}/s"
                    );
                }
            }
        }
    }
}
