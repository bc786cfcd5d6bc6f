//! All that was measured, and the figures that are drawn from it.
//!
//! What must hold: a median is taken over rounds; a ratio is the median of the ratios within each round, because
//! the two sides of one round were measured next to each other.

use serde::{Deserialize, Serialize};

use super::super::load::scenario::Report;
use super::arguments::{CandidateName, ScenarioName};

/// One measurement that was kept.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Record {
    /// The server, by its name in tables.
    pub(super) candidate: String,
    /// The scenario, by its name in tables.
    pub(super) scenario: String,
    /// The round, from 0.
    pub(super) round: u32,
    /// How often it was measured because of other processes; this is the quietest.
    pub(super) repeats: u32,
    /// What was seen.
    pub(super) report: Report,
}

/// A figure of a scenario's report.
#[derive(Clone, Copy, Debug)]
pub(super) struct Figure {
    /// The scenario.
    pub(super) scenario: ScenarioName,
    /// What it is, with its unit.
    pub(super) label: &'static str,
    /// Digits behind the point.
    pub(super) digits: usize,
    value: fn(&Report) -> Option<f64>,
}

const fn figure(
    scenario: ScenarioName,
    label: &'static str,
    digits: usize,
    value: fn(&Report) -> Option<f64>,
) -> Figure {
    Figure { scenario, label, digits, value }
}

/// CPU time of the server per echo.
pub(super) const ECHO_CPU: Figure = figure(ScenarioName::Echo, "echo, CPU µs/message", 2, cpu_us_per_message);
/// CPU time of the server per delivery of a broadcast.
pub(super) const BROADCAST_CPU: Figure =
    figure(ScenarioName::Broadcast, "broadcast, CPU µs/delivery", 3, cpu_us_per_message);
/// Durable increments per second by one client.
pub(super) const COUNTER_ONE_RATE: Figure =
    figure(ScenarioName::CounterOne, "counter x1, increments/s", 0, increments_per_s);
/// Durable increments per second by 16 clients.
pub(super) const COUNTER_SIXTEEN_RATE: Figure =
    figure(ScenarioName::CounterSixteen, "counter x16, increments/s", 0, increments_per_s);
/// Median time of a durable increment by one client.
pub(super) const COUNTER_ONE_P50: Figure =
    figure(ScenarioName::CounterOne, "counter x1, p50 ms", 3, counter_p50_ms);
/// Median time of a durable increment by 16 clients.
pub(super) const COUNTER_SIXTEEN_P50: Figure =
    figure(ScenarioName::CounterSixteen, "counter x16, p50 ms", 3, counter_p50_ms);
/// Increments per second of a variable of a durable room by one client.
pub(super) const DURABLE_ONE_RATE: Figure =
    figure(ScenarioName::DurableOne, "durable x1, increments/s", 0, increments_per_s);
/// Increments per second of a variable of a durable room by 16 clients.
pub(super) const DURABLE_SIXTEEN_RATE: Figure =
    figure(ScenarioName::DurableSixteen, "durable x16, increments/s", 0, increments_per_s);
/// Median time of an increment of a variable of a durable room by one client.
pub(super) const DURABLE_ONE_P50: Figure =
    figure(ScenarioName::DurableOne, "durable x1, p50 ms", 3, counter_p50_ms);
/// Median time of an increment of a variable of a durable room by 16 clients.
pub(super) const DURABLE_SIXTEEN_P50: Figure =
    figure(ScenarioName::DurableSixteen, "durable x16, p50 ms", 3, counter_p50_ms);
/// First answer of a room never seen.
pub(super) const NEW_ROOM: Figure =
    figure(ScenarioName::Cold, "GET new room, p50 ms", 3, |report| match report {
        Report::Cold(cold) => Some(cold.new_room.p50_ms),
        _ => None,
    });
/// First answers of 100 rooms never seen, asked for at once.
pub(super) const NEW_ROOMS_AT_ONCE: Figure =
    figure(ScenarioName::Cold, "GET 100 new rooms at once, p50 ms", 2, |report| match report {
        Report::Cold(cold) => Some(cold.new_rooms_at_once.p50_ms),
        _ => None,
    });
/// Memory of a room that is awake.
pub(super) const ROOM_MEMORY: Figure =
    figure(ScenarioName::Memory, "KiB per awake room", 1, |report| match report {
        Report::Memory(memory) => memory.per_room.map(|bytes| bytes / 1_024.0),
        _ => None,
    });
/// Memory of a connection that is idle.
pub(super) const CONNECTION_MEMORY: Figure =
    figure(ScenarioName::Memory, "KiB per idle connection", 1, |report| match report {
        Report::Memory(memory) => memory.per_connection.map(|bytes| bytes / 1_024.0),
        _ => None,
    });

/// All figures, in the order of the table.
pub(super) const FIGURES: &[Figure] = &[
    figure(ScenarioName::Echo, "echo, messages/s", 0, messages_per_s),
    ECHO_CPU,
    figure(ScenarioName::Echo, "echo, p99 ms", 3, p99_ms),
    figure(ScenarioName::EchoOpen, "echo at 1,000/s, p50 ms", 3, p50_ms),
    figure(ScenarioName::EchoOpen, "echo at 1,000/s, p99 ms", 3, p99_ms),
    figure(ScenarioName::Broadcast, "broadcast, deliveries/s", 0, messages_per_s),
    BROADCAST_CPU,
    figure(ScenarioName::Broadcast, "broadcast, p99 ms", 3, p99_ms),
    figure(ScenarioName::BroadcastOpen, "broadcast at 3,200/s, p50 ms", 3, p50_ms),
    figure(ScenarioName::BroadcastOpen, "broadcast at 3,200/s, p99 ms", 3, p99_ms),
    figure(ScenarioName::BroadcastOpen, "broadcast at 3,200/s, CPU µs/delivery", 2, cpu_us_per_message),
    COUNTER_ONE_RATE,
    COUNTER_ONE_P50,
    COUNTER_SIXTEEN_RATE,
    COUNTER_SIXTEEN_P50,
    figure(ScenarioName::CounterSixteen, "counter x16, CPU µs/increment", 1, |report| match report {
        Report::Counter(counter) => counter.server_cpu_us_per_increment,
        _ => None,
    }),
    figure(ScenarioName::CounterSixteen, "counter x16, p99 ms", 3, |report| match report {
        Report::Counter(counter) => Some(counter.latency.p99_ms),
        _ => None,
    }),
    DURABLE_ONE_RATE,
    DURABLE_ONE_P50,
    DURABLE_SIXTEEN_RATE,
    DURABLE_SIXTEEN_P50,
    figure(ScenarioName::DurableSixteen, "durable x16, CPU µs/increment", 1, |report| match report {
        Report::Counter(counter) => counter.server_cpu_us_per_increment,
        _ => None,
    }),
    figure(ScenarioName::Cold, "GET known room, p50 ms", 3, |report| match report {
        Report::Cold(cold) => Some(cold.known_room.p50_ms),
        _ => None,
    }),
    NEW_ROOM,
    NEW_ROOMS_AT_ONCE,
    figure(ScenarioName::Cold, "connect to echo, new room, p50 ms", 3, |report| match report {
        Report::Cold(cold) => Some(cold.connect_to_echo.p50_ms),
        _ => None,
    }),
    figure(ScenarioName::Memory, "MiB at start", 1, |report| match report {
        Report::Memory(memory) => Some(memory.at_start as f64 / 1_048_576.0),
        _ => None,
    }),
    ROOM_MEMORY,
    CONNECTION_MEMORY,
];

fn messages_per_s(report: &Report) -> Option<f64> {
    match report {
        Report::Traffic(traffic) => Some(traffic.messages_per_s),
        _ => None,
    }
}

fn cpu_us_per_message(report: &Report) -> Option<f64> {
    match report {
        Report::Traffic(traffic) => traffic.server_cpu_us_per_message,
        _ => None,
    }
}

fn p50_ms(report: &Report) -> Option<f64> {
    match report {
        Report::Traffic(traffic) => Some(traffic.latency.p50_ms),
        _ => None,
    }
}

fn p99_ms(report: &Report) -> Option<f64> {
    match report {
        Report::Traffic(traffic) => Some(traffic.latency.p99_ms),
        _ => None,
    }
}

fn increments_per_s(report: &Report) -> Option<f64> {
    match report {
        Report::Counter(counter) => Some(counter.increments_per_s),
        _ => None,
    }
}

fn counter_p50_ms(report: &Report) -> Option<f64> {
    match report {
        Report::Counter(counter) => Some(counter.latency.p50_ms),
        _ => None,
    }
}

/// All measurements of a run.
#[derive(Clone, Debug, Default)]
pub(super) struct Results {
    /// In the order in which they were made.
    pub(super) records: Vec<Record>,
}

impl Results {
    /// A figure's median over the rounds; `None` if it was not measured.
    pub(super) fn median(&self, figure: &Figure, candidate: CandidateName) -> Option<f64> {
        median(self.by_round(figure, candidate).into_iter().map(|(_, value)| value).collect())
    }

    /// The median of the candidate's figure divided by another's in the same round.
    pub(super) fn ratio(&self, figure: &Figure, candidate: CandidateName, to: CandidateName) -> Option<f64> {
        self.ratio_between((figure, candidate), (figure, to))
    }

    /// The median of one figure divided by another in the same round.
    pub(super) fn ratio_between(
        &self,
        (figure, candidate): (&Figure, CandidateName),
        (to_figure, to): (&Figure, CandidateName),
    ) -> Option<f64> {
        let below = self.by_round(to_figure, to);
        let ratios = self.by_round(figure, candidate).into_iter().filter_map(|(round, value)| {
            let (_, divisor) = below.iter().find(|(other, _)| *other == round)?;
            (*divisor > 0.0).then(|| value / divisor)
        });
        median(ratios.collect())
    }

    /// By how much one figure is above another in the same round, in the median.
    pub(super) fn excess(&self, candidate: CandidateName, figure: &Figure, over: &Figure) -> Option<f64> {
        let below = self.by_round(over, candidate);
        let excesses = self.by_round(figure, candidate).into_iter().filter_map(|(round, value)| {
            let (_, lower) = below.iter().find(|(other, _)| *other == round)?;
            Some(value - lower)
        });
        median(excesses.collect())
    }

    fn by_round(&self, figure: &Figure, candidate: CandidateName) -> Vec<(u32, f64)> {
        self.records
            .iter()
            .filter(|record| {
                record.candidate == candidate.as_str() && record.scenario == figure.scenario.as_str()
            })
            .filter_map(|record| Some((record.round, (figure.value)(&record.report)?)))
            .collect()
    }
}

fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() {
        0 => None,
        odd if odd % 2 == 1 => Some(values[middle]),
        _ => Some((values[middle - 1] + values[middle]) / 2.0),
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::time::Duration;

    use super::super::super::load::counter::{CounterReport, CounterSettings};
    use super::super::super::load::latency::Latencies;
    use super::super::super::load::scenario::Report;
    use super::super::arguments::CandidateName;
    use super::{COUNTER_ONE_RATE, COUNTER_SIXTEEN_RATE, ECHO_CPU, Record, Results, median};

    /// A record of so many durable increments per second by `clients`.
    pub(crate) fn counted(candidate: CandidateName, clients: u32, round: u32, rate: f64) -> Record {
        let report = CounterReport {
            settings: CounterSettings {
                party: "counter".to_owned(),
                clients,
                warm_up: Duration::ZERO,
                window: Duration::ZERO,
                increments_max: None,
                run: 0,
            },
            window_s: 1.0,
            increments_per_s: rate,
            server_cpu_us_per_increment: None,
            own_cpu_percent: 0.0,
            others_cpu_percent: None,
            latency: Latencies::new().summary(),
            value_before: 0,
            value_after: 1,
            acknowledged: 1,
            repeated: 0,
            receded: 0,
        };
        Record {
            candidate: candidate.as_str().to_owned(),
            scenario: format!("counter-{clients}"),
            round,
            repeats: 0,
            report: Report::Counter(report),
        }
    }

    #[test]
    fn a_median_is_the_middle() {
        assert_eq!(median(vec![]), None);
        assert_eq!(median(vec![3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(vec![4.0, 1.0, 2.0, 3.0]), Some(2.5));
    }

    #[test]
    fn a_ratio_compares_within_a_round() {
        let (native, host) = (CandidateName::Native, CandidateName::Host);
        // The machine is three times as slow in the second round and twice as slow in the third.
        let rates = [(0, 900.0, 600.0), (1, 300.0, 200.0), (2, 450.0, 310.0)];
        let records = rates.into_iter().flat_map(|(round, one, other)| {
            [counted(native, 16, round, one), counted(host, 16, round, other)]
        });
        let results = Results { records: records.collect() };
        assert_eq!(results.ratio(&COUNTER_SIXTEEN_RATE, host, native), Some(200.0 / 300.0));
        assert_eq!(results.median(&COUNTER_SIXTEEN_RATE, native), Some(450.0));
        assert_eq!(results.ratio(&COUNTER_SIXTEEN_RATE, CandidateName::Ws, native), None);
        assert_eq!(results.median(&COUNTER_ONE_RATE, native), None);
        assert_eq!(results.median(&ECHO_CPU, native), None);
    }
}
