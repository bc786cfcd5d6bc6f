//! Real clients against the real binary: the unmodified `partysocket` under Node.js, and pages in Chromium.
//!
//! The programs are in `tests/npm`. Each is run beside a host of its own, which it can have killed and started again
//! (`tests/npm/support/host.js`). `partysocket.txt` is all that PartySocket does, row by row (`behaviours.rs`). `tests/run`
//! installs what they need and says so in the environment; without it they are not run, and `tests/run` names them in its
//! summary.

mod behaviours;

use std::env;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use party_tests::guests::guest_path;
use party_tests::host::{Host, free_port, temporary};
use party_tests::program::{BOUND, BUILD_BOUND, Program};
use party_tests::project::{change_source, new_project, party_host_in};
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

/// examples/workflow with days of three seconds.
fn quick_shop() -> Result<tempfile::TempDir> {
    changed("workflow", "DAY_SECONDS = \"20\"", "DAY_SECONDS = \"3\"")
}

/// An example with other words in its settings, and its component built.
fn changed(name: &str, from: &str, to: &str) -> Result<tempfile::TempDir> {
    let (source, dir) = (example(name), temporary()?);
    let settings = fs::read_to_string(source.join("party.toml"))?;
    ensure!(settings.contains("= \".\"") && settings.contains(from), "party.toml has changed\n{settings}");
    let settings = settings.replace("= \".\"", &format!("= {:?}", guest_path(name))).replace(from, to);
    fs::write(dir.path().join("party.toml"), settings)?;
    fs::create_dir(dir.path().join("public"))?;
    for asset in fs::read_dir(source.join("public"))? {
        let asset = asset?;
        fs::copy(asset.path(), dir.path().join("public").join(asset.file_name()))?;
    }
    Ok(dir)
}

/// Runs a program beside a host that serves this, with more arguments, and hands on what it says.
fn run(
    program: &str,
    served: &Path,
    more: &[&str],
    chromium: Option<&OsString>,
    said: &mut dyn FnMut(&str) -> Result<()>,
) -> Result<()> {
    let data = temporary()?;
    let mut host = Host::serve_with(served, data.path(), more)?;
    let port = host.port;
    let played = play(
        program,
        port,
        chromium,
        &mut |wish| match wish {
            "kill" => host.kill(),
            "start" => host.start(),
            "stop" => stop(&mut host),
            "pause" => host.program.signal(Signal::STOP),
            "resume" => host.program.signal(Signal::CONT),
            _ => bail!("a wish that nobody knows: {wish}"),
        },
        said,
    );
    played.with_context(|| host.program.said())?;
    stop(&mut host)
}

fn stop(host: &mut Host) -> Result<()> {
    let ended = host.stop(Signal::TERM)?;
    ensure!(ended.code == Some(0), "the host ends with {:?}\n{}", ended.code, ended.err);
    ensure!(!ended.err.contains("panicked"), "the host has panicked\n{}", ended.err);
    Ok(())
}

/// Runs a program and does what it asks for, until it ends.
fn play(
    program: &str,
    port: u16,
    chromium: Option<&OsString>,
    fulfil: &mut dyn FnMut(&str) -> Result<()>,
    said: &mut dyn FnMut(&str) -> Result<()>,
) -> Result<()> {
    let mut command = Command::new("node");
    command.current_dir(root().join("tests/npm")).arg(program).arg(port.to_string()).args(chromium);
    let mut node = Program::start(&mut command)?;
    while let Some(line) = node.next_line(PROGRAM_BOUND)? {
        let Some(wish) = line.strip_prefix('@') else {
            said(&line)?;
            continue;
        };
        let answer = match fulfil(wish) {
            Ok(()) => "done".into(),
            Err(error) => format!("{error:#}").replace('\n', " "),
        };
        node.say(&answer)?;
    }
    let ended = node.end(BOUND)?;
    ensure!(ended.code == Some(0), "{program} ends with {:?}\n{}", ended.code, node.said());
    Ok(())
}

fn in_node(program: &str, served: &Path) -> Result<()> {
    match wish(NODE) {
        Some(_) => run(program, served, &[], None, &mut |_| Ok(())),
        None => Ok(()),
    }
}

fn in_chromium(program: &str, served: &Path) -> Result<()> {
    match wish(CHROMIUM) {
        Some(chromium) => run(program, served, &[], Some(&chromium), &mut |_| Ok(())),
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
fn partysocket_orders_and_pays_over_the_end_of_the_host() -> Result<()> {
    in_node("partysocket/workflow.js", quick_shop()?.path())
}

#[test]
fn partysocket_points_from_the_country_that_a_trusted_proxy_says() -> Result<()> {
    match wish(NODE) {
        Some(_) => run(
            "partysocket/cursors.js",
            &example("cursors"),
            &["--trusted-proxy", "127.0.0.1"],
            None,
            &mut |_| Ok(()),
        ),
        None => Ok(()),
    }
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

#[test]
fn two_tabs_order_and_pay_over_the_end_of_the_host() -> Result<()> {
    in_chromium("browser/workflow.js", quick_shop()?.path())
}

#[test]
fn two_tabs_see_each_other_point() -> Result<()> {
    in_chromium("browser/cursors.js", &example("cursors"))
}

#[test]
fn two_tabs_play_and_a_third_watches() -> Result<()> {
    in_chromium("browser/tictactoe.js", &example("tictactoe"))
}

#[test]
fn two_tabs_and_a_program_vote() -> Result<()> {
    in_chromium("browser/poll.js", &example("poll"))
}

#[test]
fn two_tabs_ask_grant_and_watch() -> Result<()> {
    in_chromium("browser/lookup.js", &example("lookup"))
}

/// Another host is the endpoint, so that it goes on when the chat's is killed.
#[test]
fn two_tabs_see_a_bot_answer_and_the_host_end_in_the_midst() -> Result<()> {
    if wish(CHROMIUM).is_none() {
        return Ok(());
    }
    let data = temporary()?;
    let mut endpoint = Host::serve(&example("bots"), data.path())?;
    let chat = changed("bots", "127.0.0.1:1999", &format!("127.0.0.1:{}", endpoint.port))?;
    in_chromium("browser/bots.js", chat.path()).with_context(|| endpoint.program.said())?;
    stop(&mut endpoint)
}

#[test]
fn two_tabs_of_a_new_party_go_on_with_the_code_that_was_changed() -> Result<()> {
    let Some(chromium) = wish(CHROMIUM) else { return Ok(()) };
    let project = new_project("first-page")?;
    let port = free_port();
    let mut dev = Program::start(party_host_in(&project).args(["dev", "--port", &port.to_string()]))?;
    dev.wait_for("watching for changes", BUILD_BOUND)?;
    let played = play(
        "browser/new_party.js",
        port,
        Some(&chromium),
        &mut |wish| {
            ensure!(wish == "change", "a wish that nobody knows: {wish}");
            change_source(&project, "self.cheers += 1;", "self.cheers += 10;")?;
            dev.wait_for("reloaded after", BUILD_BOUND).map(drop)
        },
        &mut |_| Ok(()),
    );
    played.with_context(|| dev.said())?;
    dev.signal(Signal::INT)?;
    let ended = dev.end(BOUND)?;
    ensure!(ended.code == Some(0), "it ends with {:?}\n{}", ended.code, ended.err);
    Ok(())
}
