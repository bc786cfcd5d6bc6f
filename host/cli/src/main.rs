//! `party-host`: the commands, nothing else. `main` is the table of what can happen.

mod args;
mod asking;
mod commands;
mod host;
mod listening;
mod logging;
mod problem;
mod signals;
mod telling;
mod toolchain;
mod tools;
mod watching;

use std::process::ExitCode;

use clap::Parser;

use crate::args::admin::AdminCommand;
use crate::args::{Arguments, Command};

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let result = match arguments.command {
        Command::New(new) => commands::new::run(&new),
        Command::Build(build) => commands::build::run(&build),
        Command::Serve(serve) => commands::serve::run(&serve),
        Command::Dev(dev) => commands::dev::run(&dev),
        Command::Test(test) => commands::test::run(&test),
        Command::Deploy(deploy) => commands::deploy::run(&deploy),
        Command::Admin(AdminCommand::Rooms(rooms)) => commands::rooms::run(&rooms),
        Command::Admin(AdminCommand::Inspect(inspect)) => commands::inspect::run(&inspect),
        Command::Admin(AdminCommand::Checkpoint(checkpoint)) => commands::checkpoint::run(&checkpoint),
        Command::Admin(AdminCommand::Fork(fork)) => commands::fork::run(&fork),
        Command::Admin(AdminCommand::Replay(replay)) => commands::replay::run(&replay),
        Command::Admin(AdminCommand::Room(room)) => commands::room::run(&room),
        Command::Admin(AdminCommand::Check(check)) => commands::check::run(&check),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => problem::print(&error),
    }
}
