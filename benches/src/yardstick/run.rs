//! The whole run: candidates in turn, scenario by scenario, round by round; then table, files and verdict.
//!
//! What must hold: within a scenario the candidates follow each other at once, in an order that changes with each
//! round; files appear only when the run is complete, in a directory that no other run has used.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::Serialize;

use super::super::load::process::ProcessError;
use super::super::load::scenario::Report;
use super::arguments::{Arguments, CandidateName, ScenarioName};
use super::candidate::{Candidate, CandidateError};
use super::conditions::{of_the_host, of_the_yardstick};
use super::machine::{Machine, day_of, load_average, wait_for_quiet};
use super::measurement::{MeasurementError, Places, measure};
use super::results::{Record, Results};
use super::summary::{Circumstances, failures, page};

/// Ports used in turn, so that no server meets the remains of the last.
const PORTS: u16 = 200;

/// Runs with the same day and machine whose files are kept.
const RUNS_PER_DAY_MAX: u32 = 1_000;

/// Why a run could not be finished.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// A file or directory cannot be used.
    #[error("cannot use {path}")]
    File {
        /// Which.
        path: String,
        /// What the system said.
        source: io::Error,
    },
    /// The directory with the peers is not there.
    #[error("{path} is not the benches directory: it has no yardstick/party.toml")]
    Benches {
        /// What was given.
        path: String,
    },
    /// No candidate is left.
    #[error("no candidate can be measured: {}", reasons.join("; "))]
    Nobody {
        /// Why each was skipped.
        reasons: Vec<String>,
    },
    /// A candidate cannot be prepared.
    #[error(transparent)]
    Candidate(#[from] CandidateError),
    /// A measurement gave nothing.
    #[error("{candidate}, {scenario}")]
    Measurement {
        /// The server.
        candidate: &'static str,
        /// The scenario.
        scenario: &'static str,
        /// Why.
        source: MeasurementError,
    },
    /// How busy the machine is cannot be read.
    #[error("cannot see how busy the machine is")]
    Process(#[from] ProcessError),
    /// The results cannot be written as JSON.
    #[error("cannot write the results")]
    Json(#[from] serde_json::Error),
}

/// What a run came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// No message was lost, duplicated, reordered or altered, and no increment miscounted.
    pub whole: bool,
    /// Every condition of the yardstick that was measured holds.
    pub yardstick_counts: bool,
    /// party-host reaches every target.
    pub targets_reached: bool,
}

/// The raw file.
#[derive(Debug, Serialize)]
struct Raw<'a> {
    date: &'a str,
    cores: usize,
    cpu: &'a str,
    kernel: &'a str,
    load_average_before: &'a str,
    load_average_after: &'a str,
    rounds: u32,
    window_s: f64,
    skipped: &'a [String],
    records: &'a [Record],
}

/// Measures everything, prints the page, writes the files.
pub fn run(arguments: &Arguments) -> Result<Verdict, RunError> {
    let benches = absolute(&arguments.benches)?;
    if !benches.join("yardstick/party.toml").is_file() {
        return Err(RunError::Benches { path: arguments.benches.display().to_string() });
    }
    let own = std::env::current_exe().map_err(|source| file_error(Path::new("this program"), source))?;
    let binaries = own.parent().unwrap_or(Path::new("/")).to_owned();
    let machine = Machine::read().map_err(|source| file_error(Path::new("/proc"), source))?;
    let before = read_load_average()?;
    let (candidates, skipped) = prepare(arguments, &binaries, &benches)?;
    let scratch = Scratch::make(&binaries)?;
    let places = Places { binaries: &binaries, scratch: &scratch.directory };
    let results = measure_all(arguments, &candidates, places)?;
    let circumstances = Circumstances {
        date: arguments.date.clone().unwrap_or_else(today),
        machine,
        load_averages: [before, read_load_average()?],
        rounds: arguments.rounds,
        window_s: arguments.window_s,
    };
    let names: Vec<CandidateName> = candidates.iter().map(|candidate| candidate.name).collect();
    let page = page(&circumstances, &results, &names, &skipped);
    println!("{page}");
    if !arguments.no_files {
        write_files(arguments, &circumstances, &results, &skipped, &page)?;
    }
    Ok(Verdict {
        whole: failures(&results).is_empty(),
        yardstick_counts: of_the_yardstick(&results).iter().all(|condition| condition.holds() != Some(false)),
        targets_reached: of_the_host(&results).iter().all(|condition| condition.holds() == Some(true)),
    })
}

/// The candidates that can be measured, and why the others cannot.
fn prepare(
    arguments: &Arguments,
    binaries: &Path,
    benches: &Path,
) -> Result<(Vec<Candidate>, Vec<String>), RunError> {
    let (mut candidates, mut skipped) = (Vec::new(), Vec::new());
    for name in &arguments.candidates {
        let candidate = Candidate::new(*name, binaries, benches, &arguments.host_command)?;
        match candidate.prepare(benches)? {
            None => candidates.push(candidate),
            Some(reason) => {
                eprintln!("skipping {}: {reason}", name.as_str());
                skipped.push(format!("{} (its program was not there)", name.as_str()));
            }
        }
    }
    if candidates.is_empty() {
        return Err(RunError::Nobody { reasons: skipped });
    }
    Ok((candidates, skipped))
}

fn measure_all(
    arguments: &Arguments,
    candidates: &[Candidate],
    places: Places<'_>,
) -> Result<Results, RunError> {
    let mut results = Results::default();
    let mut ports = (0..PORTS).map(|offset| arguments.port.saturating_add(offset)).cycle();
    for round in 0..arguments.rounds {
        for (place, scenario) in arguments.scenarios.iter().enumerate() {
            let mut order: Vec<&Candidate> =
                candidates.iter().filter(|candidate| candidate.supports(*scenario)).collect();
            let turn = (round as usize + place) % order.len().max(1);
            order.rotate_left(turn);
            for candidate in order {
                let (report, repeats) = quietest(arguments, candidate, *scenario, &mut ports, places)?;
                let record = Record {
                    candidate: candidate.name.as_str().to_owned(),
                    scenario: scenario.as_str().to_owned(),
                    round,
                    repeats,
                    report,
                };
                eprintln!(
                    "round {} of {}, {}, {}: {}",
                    round + 1,
                    arguments.rounds,
                    record.scenario,
                    record.candidate,
                    record.report.lines().join("; ")
                );
                results.records.push(record);
            }
        }
    }
    Ok(results)
}

/// Measures until other processes were quiet or the repeats are spent; keeps the quietest, but never hides a failure.
fn quietest(
    arguments: &Arguments,
    candidate: &Candidate,
    scenario: ScenarioName,
    ports: &mut impl Iterator<Item = u16>,
    places: Places<'_>,
) -> Result<(Report, u32), RunError> {
    let mut kept: Option<Report> = None;
    for repeats in 0..=arguments.repeats_max {
        let port = ports.next().unwrap_or(arguments.port);
        wait_for_quiet(arguments.others_percent_max, Duration::from_secs(arguments.quiet_wait_s))?;
        let report = measure(candidate, scenario, arguments.window_s, port, places).map_err(|source| {
            let (candidate, scenario) = (candidate.name.as_str(), scenario.as_str());
            RunError::Measurement { candidate, scenario, source }
        })?;
        if !report.passed() {
            return Ok((report, repeats));
        }
        let share = |report: &Report| report.others_cpu_percent().unwrap_or(0.0);
        let found = share(&report);
        if kept.as_ref().is_none_or(|kept| share(kept) > found) {
            kept = Some(report);
        }
        if found <= arguments.others_percent_max || repeats == arguments.repeats_max {
            if let Some(report) = kept {
                return Ok((report, repeats));
            }
        } else {
            eprintln!("other processes used {found:.0} % of a core; measuring again");
        }
    }
    unreachable!("the last repeat returns what was kept")
}

fn write_files(
    arguments: &Arguments,
    circumstances: &Circumstances,
    results: &Results,
    skipped: &[String],
    page: &str,
) -> Result<(), RunError> {
    let Circumstances { date, machine, load_averages: [before, after], rounds, window_s } = circumstances;
    let raw = Raw {
        date,
        cores: machine.cores,
        cpu: &machine.cpu,
        kernel: &machine.kernel,
        load_average_before: before,
        load_average_after: after,
        rounds: *rounds,
        window_s: *window_s,
        skipped,
        records: &results.records,
    };
    let name = format!("{date}-{}", arguments.machine.clone().unwrap_or_else(|| machine.slug()));
    let directory = new_directory(&arguments.runs, &name)?;
    for (file, text) in
        [("raw.json", serde_json::to_string_pretty(&raw)? + "\n"), ("summary.md", page.to_owned())]
    {
        let path = directory.join(file);
        fs::write(&path, text).map_err(|source| file_error(&path, source))?;
    }
    eprintln!("written to {}", directory.display());
    Ok(())
}

/// A directory of that name that did not exist, with a number behind it if it did.
fn new_directory(runs: &Path, name: &str) -> Result<PathBuf, RunError> {
    fs::create_dir_all(runs).map_err(|source| file_error(runs, source))?;
    for number in 1..=RUNS_PER_DAY_MAX {
        let directory = match number {
            1 => runs.join(name),
            later => runs.join(format!("{name}-{later}")),
        };
        match fs::create_dir(&directory) {
            Ok(()) => return Ok(directory),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(source) => return Err(file_error(&directory, source)),
        }
    }
    Err(file_error(runs, io::Error::from(io::ErrorKind::AlreadyExists)))
}

/// A directory for data and reports beside the programs: they are on a disk, while the system's directory for
/// temporary files may be in memory, where a sync costs nothing.
#[derive(Debug)]
struct Scratch {
    directory: PathBuf,
}

impl Scratch {
    fn make(binaries: &Path) -> Result<Scratch, RunError> {
        let directory = binaries.join(format!("yardstick-{}", std::process::id()));
        fs::create_dir_all(&directory).map_err(|source| file_error(&directory, source))?;
        Ok(Scratch { directory })
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What is left behind is only scratch.
        let _ = fs::remove_dir_all(&self.directory);
    }
}

fn absolute(path: &Path) -> Result<PathBuf, RunError> {
    std::path::absolute(path).map_err(|source| file_error(path, source))
}

fn read_load_average() -> Result<String, RunError> {
    load_average().map_err(|source| file_error(Path::new("/proc/loadavg"), source))
}

fn today() -> String {
    day_of(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default())
}

fn file_error(path: &Path, source: io::Error) -> RunError {
    RunError::File { path: path.display().to_string(), source }
}

#[cfg(test)]
mod tests {
    use super::new_directory;

    #[test]
    fn a_second_run_of_a_day_gets_a_directory_of_its_own() {
        let runs = tempfile::tempdir().unwrap();
        let names: Vec<_> = (0..3)
            .map(|_| new_directory(runs.path(), "day").unwrap().file_name().unwrap().to_owned())
            .collect();
        assert_eq!(names, ["day", "day-2", "day-3"]);
    }
}
