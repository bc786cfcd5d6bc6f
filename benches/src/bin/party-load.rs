//! `party-load`: drives a server, checks every message, reports. Everything is in `party_benches::load`.

use std::fs;
use std::io::{self, Write};
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::Context;
use clap::Parser;
use party_benches::limits::raise_open_files;
use party_benches::load::arguments::Arguments;
use party_benches::load::arguments::meant::ArgumentsError;
use party_benches::load::scenario::{self, Scenario};
use party_benches::load::target::Target;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match meant(&arguments) {
        Ok((target, scenario)) => match drive(&arguments, &target, &scenario) {
            Ok(true) => ExitCode::SUCCESS,
            Ok(false) => ExitCode::FAILURE,
            Err(error) => {
                eprintln!("error: {error:#}");
                ExitCode::FAILURE
            }
        },
        Err(error) => {
            eprintln!("error: {error}");
            if let Some(hint) = error.hint() {
                eprintln!("hint: {hint}");
            }
            ExitCode::from(2)
        }
    }
}

/// The flags as meant. Chance enters here alone: it names the run's rooms unless a flag does.
fn meant(arguments: &Arguments) -> Result<(Target, Scenario), ArgumentsError> {
    let drawn = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.subsec_nanos());
    Ok((arguments.target()?, arguments.scenario(drawn)?))
}

/// Runs the scenario and tells of it. Returns whether the server did right.
fn drive(arguments: &Arguments, target: &Target, scenario: &Scenario) -> anyhow::Result<bool> {
    raise_open_files().context("cannot raise the limit of open files")?;
    let report = scenario::run(target, scenario, arguments.server())?;
    let text = report.lines().join("\n") + "\n";
    match io::stdout().write_all(text.as_bytes()) {
        // Whoever reads has seen enough.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {}
        written => written.context("cannot print the report")?,
    }
    if let Some(path) = &arguments.json {
        let json = serde_json::to_string_pretty(&report)?;
        fs::write(path, json + "\n").with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(report.passed())
}
