//! One measurement: a fresh server, one scenario, one report.
//!
//! What must hold: the load tool is a process of its own on a core of its own, exactly as a user would run it; a
//! report is read from the file that it wrote, never from its text.

use std::fs;
use std::io;
use std::path::Path;
use std::process::{Command, Stdio};

use super::super::load::scenario::Report;
use super::arguments::ScenarioName;
use super::candidate::{Candidate, CandidateError};

/// The core that the load tool runs on.
const LOAD_CORE: &str = "1";

/// Why a measurement gave nothing.
#[derive(Debug, thiserror::Error)]
pub enum MeasurementError {
    /// The server could not be started.
    #[error(transparent)]
    Candidate(#[from] CandidateError),
    /// The load tool could not be started, or its report not read.
    #[error("cannot run the load tool or read its report")]
    Load(#[from] io::Error),
    /// The load tool broke off.
    #[error("the load tool broke off: {message}\nthe server's last words:\n{output}")]
    BrokeOff {
        /// What it said.
        message: String,
        /// The end of the server's output.
        output: String,
    },
    /// The report is not one.
    #[error("the load tool's report cannot be understood")]
    Report(#[from] serde_json::Error),
}

/// Where programs and scratch files are.
#[derive(Clone, Copy, Debug)]
pub(super) struct Places<'a> {
    /// The directory of the programs.
    pub(super) binaries: &'a Path,
    /// A directory for data and reports, on the disk that syncs are to be measured on.
    pub(super) scratch: &'a Path,
}

/// Starts the server, runs the scenario, stops the server.
pub(super) fn measure(
    candidate: &Candidate,
    scenario: ScenarioName,
    window_s: f64,
    port: u16,
    places: Places<'_>,
) -> Result<Report, MeasurementError> {
    let server = candidate.start(scenario, port, &places.scratch.join("data"))?;
    let json = places.scratch.join("report.json");
    if json.exists() {
        fs::remove_file(&json)?;
    }
    let output = Command::new("taskset")
        .args(["-c", LOAD_CORE])
        .arg(places.binaries.join("party-load"))
        .args(flags(scenario, window_s))
        .args(["--url", &format!("http://127.0.0.1:{port}"), "--pid", &server.pid().to_string(), "--json"])
        .arg(&json)
        .stdin(Stdio::null())
        .output()?;
    if !json.exists() {
        let message = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        return Err(MeasurementError::BrokeOff { message, output: server.last_words() });
    }
    Ok(serde_json::from_slice(&fs::read(&json)?)?)
}

/// The load tool's flags for a scenario.
fn flags(scenario: ScenarioName, window_s: f64) -> Vec<String> {
    let words: &[&str] = match scenario {
        ScenarioName::Echo => &["echo"],
        ScenarioName::EchoOpen => &["echo", "--rate", "1000"],
        ScenarioName::Broadcast => &["broadcast"],
        ScenarioName::BroadcastOpen => &["broadcast", "--rooms", "4", "--clients", "32", "--rate", "3200"],
        ScenarioName::CounterOne => &["counter", "--clients", "1"],
        ScenarioName::CounterSixteen => &["counter", "--clients", "16"],
        ScenarioName::DurableOne => &["counter", "--party", "tally", "--clients", "1"],
        ScenarioName::DurableSixteen => &["counter", "--party", "tally", "--clients", "16"],
        ScenarioName::Cold => &["cold"],
        ScenarioName::Memory => &["memory"],
    };
    let mut flags: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
    if !matches!(scenario, ScenarioName::Cold | ScenarioName::Memory) {
        flags.extend(["--window-s".to_owned(), window_s.to_string()]);
    }
    flags
}

#[cfg(test)]
mod tests {
    use clap::{Parser, ValueEnum};

    use super::super::super::load::arguments::Arguments;
    use super::super::arguments::ScenarioName;
    use super::flags;

    #[test]
    fn the_load_tool_understands_the_flags_of_every_scenario() {
        for scenario in ScenarioName::value_variants() {
            let line = ["party-load".to_owned()].into_iter().chain(flags(*scenario, 0.5));
            let arguments =
                Arguments::try_parse_from(line.chain(["--pid".to_owned(), "1".to_owned()])).unwrap();
            arguments.scenario(1).unwrap();
        }
    }
}
