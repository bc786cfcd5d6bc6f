//! `party-native`: the bare native server. Everything is in `party_benches::native`.

use std::process::ExitCode;

use anyhow::Context;
use clap::Parser;
use party_benches::limits::raise_open_files;
use party_benches::native::arguments::Arguments;
use party_benches::native::serve;

fn main() -> ExitCode {
    match serve(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn serve(arguments: &Arguments) -> anyhow::Result<()> {
    raise_open_files().context("cannot raise the limit of open files")?;
    serve::run(arguments.port, &arguments.data, |address| println!("listening on http://{address}"))?;
    Ok(())
}
