//! The scenarios as one closed set: what to do, what was seen, and how it is told.
//!
//! What must hold: every report says whether the server did right (`passed`), and that alone decides the exit code,
//! so that a fast server that loses messages is a failed run and not a good figure.

use serde::{Deserialize, Serialize};

use super::admin::AdminSocket;
use super::cold::{self, ColdError, ColdReport, ColdSettings};
use super::counter::{self, CounterError, CounterReport, CounterSettings};
use super::latency::LatencySummary;
use super::memory::{self, MemoryError, MemoryReport, MemorySettings};
use super::process::ServerProcess;
use super::sleepers::{self, SleepersError, SleepersReport, SleepersSettings};
use super::target::Target;
use super::traffic::engine;
use super::traffic::{FanOut, Pace, TrafficError, TrafficReport, TrafficSettings};
use super::wake::{self, WakeError, WakeReport, WakeSettings};

/// What to do.
#[derive(Clone, Debug, PartialEq)]
pub enum Scenario {
    /// Messages through rooms.
    Traffic(TrafficSettings),
    /// First contact with rooms.
    Cold(ColdSettings),
    /// Memory of rooms and connections.
    Memory(MemorySettings, ServerProcess),
    /// Durable increments.
    Counter(CounterSettings),
    /// Rooms that sleep and are woken.
    Wake(WakeSettings, Option<AdminSocket>),
    /// Sockets whose rooms sleep.
    Sleepers(SleepersSettings, ServerProcess, AdminSocket),
}

/// What was seen.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "scenario", rename_all = "snake_case")]
pub enum Report {
    /// Messages through rooms.
    Traffic(TrafficReport),
    /// First contact with rooms.
    Cold(ColdReport),
    /// Memory of rooms and connections.
    Memory(MemoryReport),
    /// Durable increments.
    Counter(CounterReport),
    /// Rooms that sleep and are woken.
    Wake(WakeReport),
    /// Sockets whose rooms sleep.
    Sleepers(SleepersReport),
}

/// Why a scenario could not be finished.
#[derive(Debug, thiserror::Error)]
pub enum ScenarioError {
    /// Messages through rooms.
    #[error(transparent)]
    Traffic(#[from] TrafficError),
    /// First contact with rooms.
    #[error(transparent)]
    Cold(#[from] ColdError),
    /// Memory of rooms and connections.
    #[error(transparent)]
    Memory(#[from] MemoryError),
    /// Durable increments.
    #[error(transparent)]
    Counter(#[from] CounterError),
    /// Rooms that sleep and are woken.
    #[error(transparent)]
    Wake(#[from] WakeError),
    /// Sockets whose rooms sleep.
    #[error(transparent)]
    Sleepers(#[from] SleepersError),
}

/// Runs one scenario. `server` is the process whose CPU time is charged.
pub fn run(
    target: &Target,
    scenario: &Scenario,
    server: Option<ServerProcess>,
) -> Result<Report, ScenarioError> {
    match scenario {
        Scenario::Traffic(settings) => Ok(Report::Traffic(engine::run(target, settings, server)?)),
        Scenario::Cold(settings) => Ok(Report::Cold(cold::run(target, settings, server)?)),
        Scenario::Memory(settings, process) => Ok(Report::Memory(memory::run(target, settings, *process)?)),
        Scenario::Counter(settings) => Ok(Report::Counter(counter::run(target, settings, server)?)),
        Scenario::Wake(settings, admin) => {
            Ok(Report::Wake(wake::run(target, settings, server, admin.as_ref())?))
        }
        Scenario::Sleepers(settings, process, admin) => {
            Ok(Report::Sleepers(sleepers::run(target, settings, *process, admin)?))
        }
    }
}

impl Report {
    /// Whether the server did everything right.
    pub fn passed(&self) -> bool {
        match self {
            Report::Traffic(report) => report.integrity.is_whole() && report.integrity.sent > 0,
            // A wrong answer ends these two with an error.
            Report::Cold(_) | Report::Memory(_) => true,
            Report::Counter(report) => report.is_whole() && report.acknowledged > 0,
            Report::Wake(report) => report.is_whole(),
            Report::Sleepers(report) => report.woken == 0,
        }
    }

    /// What other processes used of the machine meanwhile, in percent of one core, where that was measured.
    pub fn others_cpu_percent(&self) -> Option<f64> {
        match self {
            Report::Traffic(report) => report.others_cpu_percent,
            Report::Cold(report) => report.others_cpu_percent,
            Report::Memory(_) | Report::Sleepers(_) => None,
            Report::Counter(report) => report.others_cpu_percent,
            Report::Wake(report) => report.others_cpu_percent,
        }
    }

    /// The report in lines for a person.
    pub fn lines(&self) -> Vec<String> {
        let mut lines = match self {
            Report::Traffic(report) => traffic_lines(report),
            Report::Cold(report) => vec![
                latency_line("GET, known room", &report.known_room),
                latency_line("GET, new room", &report.new_room),
                latency_line(
                    &format!("GET, {} new rooms at once", report.settings.burst),
                    &report.new_rooms_at_once,
                ),
                latency_line("connect to echo, new room", &report.connect_to_echo),
            ],
            Report::Memory(report) => memory_lines(report),
            Report::Counter(report) => counter_lines(report),
            Report::Wake(report) => wake_lines(report),
            Report::Sleepers(report) => sleepers_lines(report),
        };
        if let Some(percent) = self.others_cpu_percent() {
            lines.push(format!("other processes used {percent:.0} % of a core meanwhile"));
        }
        lines.push(if self.passed() { "passed".to_owned() } else { "FAILED".to_owned() });
        lines
    }
}

fn traffic_lines(report: &TrafficReport) -> Vec<String> {
    let TrafficSettings { fan_out, rooms, clients, senders, pace, .. } = &report.settings;
    let what = match fan_out {
        FanOut::Echo => format!("echo, {rooms} rooms x {clients} clients"),
        FanOut::Broadcast => format!("broadcast, {rooms} rooms x {clients} clients, {senders} senders each"),
    };
    let how = match pace {
        Pace::Closed { in_flight } => format!("closed loop, {in_flight} in flight"),
        Pace::Open { deliveries_per_s } => format!("open loop, {deliveries_per_s} deliveries/s due"),
    };
    let integrity = &report.integrity;
    let mut lines = vec![
        format!("{what}, {how}"),
        format!(
            "{:.0} messages/s in {:.2} s; server {} µs CPU per message, {} % of a core; this tool {:.0} %",
            report.messages_per_s,
            report.window_s,
            or_unknown(report.server_cpu_us_per_message, 2),
            or_unknown(report.server_cpu_percent, 0),
            report.own_cpu_percent
        ),
        latency_line("latency", &report.latency),
    ];
    match pace {
        Pace::Open { .. } => lines.push(latency_line("sent late by this tool", &report.send_late)),
        Pace::Closed { .. } if report.is_bound_by_this_tool() => lines.push(
            "warning: this tool was busier than the server, so the rate is the tool's and not the server's"
                .to_owned(),
        ),
        Pace::Closed { .. } => {}
    }
    lines.push(format!(
        "{} sent, {} owed: {} lost, {} duplicated, {} reordered, {} corrupted, {} foreign, {} receivers disagree on order",
        integrity.sent,
        integrity.expected,
        integrity.lost,
        integrity.duplicated,
        integrity.reordered,
        integrity.corrupted,
        integrity.foreign,
        integrity.order_disagreements
    ));
    lines
}

fn memory_lines(report: &MemoryReport) -> Vec<String> {
    let kib = |bytes: Option<f64>| or_unknown(bytes.map(|bytes| bytes / 1_024.0), 1);
    let mib = |bytes: u64| bytes as f64 / 1_048_576.0;
    vec![
        format!(
            "resident {:.1} MiB at start, {:.1} before the rooms, {:.1} after them, {:.1} with idle connections",
            mib(report.at_start),
            mib(report.before_rooms),
            mib(report.after_rooms),
            mib(report.with_connections)
        ),
        format!("{} KiB per awake room ({} rooms)", kib(report.per_room), report.settings.rooms),
        format!("{} KiB per idle connection ({})", kib(report.per_connection), report.settings.connections),
    ]
}

fn counter_lines(report: &CounterReport) -> Vec<String> {
    vec![
        format!(
            "counter, {} clients: {:.0} increments/s in {:.2} s; server {} µs CPU per increment; this tool {:.0} %",
            report.settings.clients,
            report.increments_per_s,
            report.window_s,
            or_unknown(report.server_cpu_us_per_increment, 1),
            report.own_cpu_percent
        ),
        latency_line("latency", &report.latency),
        format!(
            "{} + {} acknowledged = {} read; {} answers repeated, {} receded",
            report.value_before, report.acknowledged, report.value_after, report.repeated, report.receded
        ),
    ]
}

fn wake_lines(report: &WakeReport) -> Vec<String> {
    let WakeSettings { rooms, wakes, per_s, .. } = &report.settings;
    let counted = match &report.counted {
        None => "the host was not asked whether they slept".to_owned(),
        Some(counted) => format!(
            "the host counted {} wakes, {} checkpoints, {} commits",
            counted.wakes, counted.checkpoints, counted.commits
        ),
    };
    vec![
        format!(
            "wake, {wakes} of {rooms} sleeping rooms, {per_s} due/s in {:.2} s (made in {:.1} s); server {} µs CPU per wake; this tool {:.0} %",
            report.window_s,
            report.prepared_s,
            or_unknown(report.server_cpu_us_per_wake, 1),
            report.own_cpu_percent
        ),
        latency_line("latency", &report.latency),
        latency_line("sent late by this tool", &report.send_late),
        format!("{} answers were not the room's own next number; {counted}", report.forgot),
    ]
}

fn sleepers_lines(report: &SleepersReport) -> Vec<String> {
    let mib = |bytes: u64| bytes as f64 / 1_048_576.0;
    let SleepersSettings { sockets, per_room, left_alone, .. } = &report.settings;
    vec![
        format!(
            "{sockets} sockets, {per_room} a room: resident {:.1} MiB at start, {:.1} before them, {:.1} when all slept, {:.1} after {} s",
            mib(report.at_start),
            mib(report.before),
            mib(report.asleep),
            mib(report.left_alone),
            left_alone.as_secs()
        ),
        format!("{:.2} KiB per socket whose room sleeps", report.per_socket / 1_024.0),
        format!(
            "{} pings came meanwhile and woke {} rooms; {} sockets were echoed afterwards",
            report.pings, report.woken, report.echoed
        ),
    ]
}

fn latency_line(what: &str, summary: &LatencySummary) -> String {
    let LatencySummary { count, p50_ms, p90_ms, p99_ms, p999_ms, max_ms } = summary;
    format!(
        "{what}: p50 {p50_ms:.3} ms, p90 {p90_ms:.3}, p99 {p99_ms:.3}, p99.9 {p999_ms:.3}, max {max_ms:.3} ({count} measured)"
    )
}

fn or_unknown(value: Option<f64>, digits: usize) -> String {
    value.map_or_else(|| "?".to_owned(), |value| format!("{value:.digits$}"))
}
