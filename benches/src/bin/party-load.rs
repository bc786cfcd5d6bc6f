//! `party-load`: drives a server, checks every message, reports. Everything is in `party_benches::load`.

use std::fs;
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::Context;
use clap::Parser;
use clap::error::ErrorKind;
use party_benches::limits::raise_open_files;
use party_benches::load::arguments::Arguments;
use party_benches::load::scenario;

fn main() -> anyhow::Result<ExitCode> {
    let arguments = Arguments::parse();
    let drawn = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.subsec_nanos());
    let usage = |error| clap::Error::raw(ErrorKind::ValueValidation, format!("{error}\n")).exit();
    let scenario = arguments.scenario(drawn).unwrap_or_else(usage);
    let target = arguments
        .target()
        .unwrap_or_else(|error| clap::Error::raw(ErrorKind::ValueValidation, format!("{error}\n")).exit());
    raise_open_files().context("cannot raise the limit of open files")?;
    let report = scenario::run(&target, &scenario, arguments.server())?;
    for line in report.lines() {
        println!("{line}");
    }
    if let Some(path) = &arguments.json {
        let json = serde_json::to_string_pretty(&report)?;
        fs::write(path, json + "\n").with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(if report.passed() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
