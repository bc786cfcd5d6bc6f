//! Real clients against the real binary: the unmodified `partysocket` under Node.js, and pages in Chromium.
//!
//! The programs are in `tests/npm`. Each is run beside a host of its own, which it can have killed and started again
//! (`tests/npm/support/host.js`). `tests/run` installs what they need and says so in the environment; without it
//! they are not run, and `tests/run` names them in its summary.

use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use party_tests::guests::guest_path;
use party_tests::host::{Host, temporary};
use party_tests::program::{BOUND, Program};
use party_tests::root;
use rustix::process::Signal;

/// The longest silence of a program, which says something whenever it wants something: all its waits have shorter
/// bounds of their own.
const PROGRAM_BOUND: Duration = Duration::from_secs(180);

/// Set by `tests/run` when Node.js and the npm packages are there.
const NODE: &str = "PARTY_TESTS_NODE";
/// Set by `tests/run` to the path of a Chromium.
const CHROMIUM: &str = "PARTY_TESTS_CHROMIUM";

/// A wish of the environment; says so if it is not there.
fn wish(name: &str) -> Option<OsString> {
    let value = env::var_os(name);
    if value.is_none() {
        println!("not run: {name} is not set (tests/run sets it)");
    }
    value
}

fn example(name: &str) -> PathBuf {
    root().join("examples").join(name)
}

/// Runs a program beside a host that serves this.
fn run(program: &str, served: &Path, chromium: Option<&OsString>) -> Result<()> {
    let data = temporary()?;
    let mut host = Host::serve(served, data.path())?;
    let mut command = Command::new("node");
    command.current_dir(root().join("tests/npm")).arg(program).arg(host.port.to_string()).args(chromium);
    let mut node = Program::start(&mut command)?;
    let played = play(&mut node, &mut host);
    played.with_context(|| format!("{program}\n{}{}", node.said(), host.program.said()))?;
    let ended = host.stop(Signal::TERM)?;
    ensure!(ended.code == Some(0), "the host ends with {:?}\n{}", ended.code, ended.err);
    ensure!(!ended.err.contains("panicked"), "the host has panicked\n{}", ended.err);
    Ok(())
}

/// Does what the program asks for until it ends.
fn play(node: &mut Program, host: &mut Host) -> Result<()> {
    while let Some(line) = node.next_line(PROGRAM_BOUND)? {
        let Some(wish) = line.strip_prefix('@') else { continue };
        let answer = match fulfil(wish, host) {
            Ok(()) => "done".into(),
            Err(error) => format!("{error:#}").replace('\n', " "),
        };
        node.say(&answer)?;
    }
    let ended = node.end(BOUND)?;
    ensure!(ended.code == Some(0), "it ends with {:?}", ended.code);
    Ok(())
}

fn fulfil(wish: &str, host: &mut Host) -> Result<()> {
    match wish {
        "kill" => host.kill(),
        "start" => host.start(),
        "stop" => {
            let ended = host.stop(Signal::TERM)?;
            ensure!(ended.code == Some(0), "the host ends with {:?}: {}", ended.code, ended.err);
            Ok(())
        }
        _ => anyhow::bail!("a wish that nobody knows: {wish}"),
    }
}

fn in_node(program: &str, served: &Path) -> Result<()> {
    match wish(NODE) {
        Some(_) => run(program, served, None),
        None => Ok(()),
    }
}

fn in_chromium(program: &str, served: &Path) -> Result<()> {
    match wish(CHROMIUM) {
        Some(chromium) => run(program, served, Some(&chromium)),
        None => Ok(()),
    }
}

#[test]
fn partysocket_shares_the_counter() -> Result<()> {
    in_node("partysocket/counter.js", &example("counter"))
}

#[test]
fn partysocket_chats() -> Result<()> {
    in_node("partysocket/chat.js", &example("chat"))
}

#[test]
fn partysocket_comes_back_after_the_end_of_the_host() -> Result<()> {
    in_node("partysocket/reconnects.js", &example("counter"))
}

#[test]
fn partysocket_gets_all_that_it_can_ask_for() -> Result<()> {
    in_node("partysocket/protocol.js", &guest_path("test_guests"))
}

#[test]
fn two_tabs_share_the_counter() -> Result<()> {
    in_chromium("browser/counter.js", &example("counter"))
}

#[test]
fn two_tabs_chat() -> Result<()> {
    in_chromium("browser/chat.js", &example("chat"))
}
