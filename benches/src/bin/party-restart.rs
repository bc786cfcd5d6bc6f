//! `party-restart`: how long a server takes to answer again after a kill. Everything is in `party_benches::restart`.

use std::process::ExitCode;

use anyhow::Context;
use clap::Parser;
use party_benches::limits::raise_open_files;
use party_benches::restart::{Arguments, lines, run};

fn main() -> ExitCode {
    match measure(&Arguments::parse()) {
        Ok(text) => {
            println!("{text}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn measure(arguments: &Arguments) -> anyhow::Result<String> {
    raise_open_files().context("cannot raise the limit of open files")?;
    let starts = run(arguments)?;
    Ok(match arguments.json {
        true => serde_json::to_string_pretty(&starts)?,
        false => lines(&starts).join("\n"),
    })
}
