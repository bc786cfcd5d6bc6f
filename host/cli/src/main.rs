//! `party-host`: the commands, nothing else. `main` is the table of what can happen.

mod args;
mod commands;
mod host;
mod listening;
mod logging;
mod problem;
mod signals;
mod toolchain;
mod watching;

use std::process::ExitCode;

use clap::Parser;

use crate::args::{Arguments, Command};

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let result = match arguments.command {
        Command::New(new) => commands::new::run(&new),
        Command::Build(build) => commands::build::run(&build),
        Command::Serve(serve) => commands::serve::run(&serve),
        Command::Dev(dev) => commands::dev::run(&dev),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => problem::print(&error),
    }
}
