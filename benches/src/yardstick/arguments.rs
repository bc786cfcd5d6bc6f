//! The command line of `party-yardstick`.

use std::path::PathBuf;

use clap::{Parser, ValueEnum};

const EXPLANATION: &str = "\
Runs echo, broadcast, cold start, durable counter and memory against each candidate, each measurement with a fresh
server pinned to core 0 and the load tool on core 1, and prints medians and ratios to the native server.

The command of --host-command is split at spaces; {bin} stands for the directory of this program, {benches} for the
benches directory, {config} for the one in it that a scenario is served from, {port} and {data} for the port to listen on (on 127.0.0.1) and for an empty data directory.

Exit code: 0 if every message came as it should and the yardstick is fast enough to count, and, with
--require-targets, if party-host reaches its targets; 1 if not; 2 for wrong flags.";

/// A server to measure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub enum CandidateName {
    /// The bare native server: what every ratio is relative to.
    Native,
    /// party-host with the yardstick's party.
    Host,
    /// npm's ws on Node.
    Ws,
}

impl CandidateName {
    /// The name in tables and files.
    pub fn as_str(self) -> &'static str {
        match self {
            CandidateName::Native => "native",
            CandidateName::Host => "party-host",
            CandidateName::Ws => "ws",
        }
    }
}

/// What to measure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub enum ScenarioName {
    /// Echo, 8 rooms x 8 clients, one in flight each.
    Echo,
    /// Echo, 1,000 messages per second due.
    EchoOpen,
    /// Broadcast, 64 clients in one room, 4 of them with 4 in flight.
    Broadcast,
    /// Broadcast, 4 rooms x 32 clients, 3,200 deliveries per second due.
    BroadcastOpen,
    /// Durable increments by one client.
    #[value(name = "counter-1")]
    CounterOne,
    /// Durable increments by 16 clients.
    #[value(name = "counter-16")]
    CounterSixteen,
    /// Increments of a variable of a durable room by one client.
    #[value(name = "durable-1")]
    DurableOne,
    /// Increments of a variable of a durable room by 16 clients.
    #[value(name = "durable-16")]
    DurableSixteen,
    /// First contact with rooms.
    Cold,
    /// Memory per awake room and per idle connection.
    Memory,
}

impl ScenarioName {
    /// The name in tables and files.
    pub fn as_str(self) -> &'static str {
        match self {
            ScenarioName::Echo => "echo",
            ScenarioName::EchoOpen => "echo-open",
            ScenarioName::Broadcast => "broadcast",
            ScenarioName::BroadcastOpen => "broadcast-open",
            ScenarioName::CounterOne => "counter-1",
            ScenarioName::CounterSixteen => "counter-16",
            ScenarioName::DurableOne => "durable-1",
            ScenarioName::DurableSixteen => "durable-16",
            ScenarioName::Cold => "cold",
            ScenarioName::Memory => "memory",
        }
    }

    /// The directory in benches/ whose party.toml party-host serves for it.
    pub fn config(self) -> &'static str {
        match self {
            ScenarioName::DurableOne | ScenarioName::DurableSixteen => "durable",
            ScenarioName::Echo
            | ScenarioName::EchoOpen
            | ScenarioName::Broadcast
            | ScenarioName::BroadcastOpen
            | ScenarioName::CounterOne
            | ScenarioName::CounterSixteen
            | ScenarioName::Cold
            | ScenarioName::Memory => "yardstick",
        }
    }
}

/// Measures party-host beside a bare native server and npm's ws.
#[derive(Debug, Parser)]
#[command(name = "party-yardstick", version, after_help = EXPLANATION)]
pub struct Arguments {
    /// Candidates; a missing one is skipped and said so.
    #[arg(long, value_delimiter = ',', default_values = ["native", "host", "ws"])]
    pub candidates: Vec<CandidateName>,
    /// Scenarios.
    #[arg(
        long,
        value_delimiter = ',',
        default_values = ["echo", "echo-open", "broadcast", "broadcast-open", "counter-1", "durable-1", "counter-16", "durable-16", "cold", "memory"]
    )]
    pub scenarios: Vec<ScenarioName>,
    /// How often each candidate goes through each scenario.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=100))]
    pub rounds: u32,
    /// Seconds measured of each scenario that lasts.
    #[arg(long, default_value_t = 4.0, value_parser = window)]
    pub window_s: f64,
    /// How party-host is started.
    #[arg(
        long,
        value_name = "COMMAND",
        default_value = "{bin}/party-host serve {benches}/{config} --host 127.0.0.1 --port {port} --data {data}"
    )]
    pub host_command: String,
    /// First of the ports to listen on.
    #[arg(long, default_value_t = 21_000)]
    pub port: u16,
    /// Repeat a measurement during which other processes used more than this share of one core, in percent.
    #[arg(long, default_value_t = 20.0)]
    pub others_percent_max: f64,
    /// How often a measurement is repeated for that reason; the quietest is kept.
    #[arg(long, default_value_t = 3)]
    pub repeats_max: u32,
    /// Before each measurement wait up to so many seconds for other processes to be that quiet.
    #[arg(long, default_value_t = 5)]
    pub quiet_wait_s: u64,
    /// Fail if party-host misses a target.
    #[arg(long)]
    pub require_targets: bool,
    /// The benches directory, with the peers and the yardstick's party.toml.
    #[arg(long, value_name = "DIR", default_value = "benches")]
    pub benches: PathBuf,
    /// Where results go, in a directory of their own.
    #[arg(long, value_name = "DIR", default_value = "benches/runs")]
    pub runs: PathBuf,
    /// Print the table only; keep no files.
    #[arg(long)]
    pub no_files: bool,
    /// The day, as YYYY-MM-DD; by default the system's, in UTC.
    #[arg(long, value_parser = day)]
    pub date: Option<String>,
    /// The machine's name in files; by default cores and CPU model.
    #[arg(long, value_parser = machine)]
    pub machine: Option<String>,
}

fn window(text: &str) -> Result<f64, String> {
    text.parse::<f64>()
        .ok()
        .filter(|seconds| (0.1..=600.0).contains(seconds))
        .ok_or_else(|| "not a number of seconds from 0.1 to 600".to_owned())
}

fn day(text: &str) -> Result<String, String> {
    let parts: Vec<&str> = text.split('-').collect();
    let digits = |part: &&str, count| part.len() == count && part.bytes().all(|byte| byte.is_ascii_digit());
    match parts.as_slice() {
        [year, month, day] if digits(year, 4) && digits(month, 2) && digits(day, 2) => Ok(text.to_owned()),
        _ => Err("not a day like 2026-11-21".to_owned()),
    }
}

fn machine(text: &str) -> Result<String, String> {
    let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    if !text.is_empty() && text.len() <= 64 && text.bytes().all(fits) {
        Ok(text.to_owned())
    } else {
        Err("not 1 to 64 small letters, digits and hyphens".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory, Parser};

    use super::Arguments;

    #[test]
    fn the_command_line_is_sound() {
        Arguments::command().debug_assert();
        let arguments = Arguments::parse_from(["party-yardstick"]);
        assert_eq!((arguments.candidates.len(), arguments.scenarios.len()), (3, 10));
    }

    #[test]
    fn names_that_would_leave_the_directory_are_refused() {
        for flags in [["--machine", "../x"], ["--machine", ""], ["--date", "today"], ["--date", "2026-1-1"]] {
            assert!(
                Arguments::try_parse_from(["party-yardstick"].into_iter().chain(flags)).is_err(),
                "{flags:?}"
            );
        }
    }
}
