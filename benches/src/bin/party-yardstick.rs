//! `party-yardstick`: measures party-host beside other servers. Everything is in `party_benches::yardstick`.

use std::process::ExitCode;

use anyhow::Context;
use clap::Parser;
use party_benches::limits::raise_open_files;
use party_benches::yardstick::arguments::Arguments;
use party_benches::yardstick::run::{Verdict, run};

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match measure(&arguments) {
        Ok(Verdict { whole, yardstick_counts, targets_reached }) => {
            if whole && yardstick_counts && (targets_reached || !arguments.require_targets) {
                ExitCode::SUCCESS
            } else {
                ExitCode::FAILURE
            }
        }
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// The servers that are started inherit the raised limit.
fn measure(arguments: &Arguments) -> anyhow::Result<Verdict> {
    raise_open_files().context("cannot raise the limit of open files")?;
    Ok(run(arguments)?)
}
