//! How long things took: a histogram of nanoseconds and the few figures that are reported of it.
//!
//! What must hold: a figure is within 0.1 % of what was measured, and nothing is too long to be counted.

use std::time::Duration;

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

/// Longest time told apart from longer ones; a longer one counts as this.
const LONGEST_NS: u64 = 600_000_000_000;

/// A collection of times.
#[derive(Clone, Debug)]
pub struct Latencies {
    histogram: Histogram<u64>,
}

impl Latencies {
    /// None yet.
    pub fn new() -> Latencies {
        let histogram = Histogram::new_with_bounds(1, LONGEST_NS, 3)
            .expect("the bounds are constants that the histogram accepts");
        Latencies { histogram }
    }

    /// Adds one, in nanoseconds.
    pub fn record_ns(&mut self, nanoseconds: u64) {
        self.histogram.saturating_record(nanoseconds);
    }

    /// Adds one.
    pub fn record(&mut self, time: Duration) {
        self.record_ns(u64::try_from(time.as_nanos()).unwrap_or(u64::MAX));
    }

    /// The figures to report.
    pub fn summary(&self) -> LatencySummary {
        let at = |quantile| self.histogram.value_at_quantile(quantile) as f64 / 1e6;
        LatencySummary {
            count: self.histogram.len(),
            p50_ms: at(0.5),
            p90_ms: at(0.9),
            p99_ms: at(0.99),
            p999_ms: at(0.999),
            max_ms: self.histogram.max() as f64 / 1e6,
        }
    }
}

impl Default for Latencies {
    fn default() -> Latencies {
        Latencies::new()
    }
}

/// A collection of times in a few figures, in milliseconds. All are 0 when nothing was measured.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct LatencySummary {
    /// How many times were measured.
    pub count: u64,
    /// Half took at most this.
    pub p50_ms: f64,
    /// Nine in ten took at most this.
    pub p90_ms: f64,
    /// 99 in 100 took at most this.
    pub p99_ms: f64,
    /// 999 in 1,000 took at most this.
    pub p999_ms: f64,
    /// The longest.
    pub max_ms: f64,
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::Latencies;

    #[test]
    fn the_summary_is_within_a_thousandth_of_what_was_measured() {
        let mut latencies = Latencies::new();
        for microseconds in 1..=10_000 {
            latencies.record(Duration::from_micros(microseconds));
        }
        let summary = latencies.summary();
        assert_eq!(summary.count, 10_000);
        for (figure, expected) in [
            (summary.p50_ms, 5.0),
            (summary.p90_ms, 9.0),
            (summary.p99_ms, 9.9),
            (summary.p999_ms, 9.99),
            (summary.max_ms, 10.0),
        ] {
            assert!((figure / expected - 1.0).abs() < 0.001, "{figure} is not {expected}");
        }
    }

    #[test]
    fn nothing_is_too_long_or_too_short_to_be_counted() {
        let mut latencies = Latencies::new();
        latencies.record(Duration::ZERO);
        latencies.record(Duration::MAX);
        assert_eq!(latencies.summary().count, 2);
    }
}
