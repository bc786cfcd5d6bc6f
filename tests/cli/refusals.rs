//! What `serve` cannot serve: one clear line, what to do, and an exit code (2: what was given; 1: the machine).

use std::fs;
use std::net::TcpListener;
use std::path::Path;

use anyhow::Result;
use party_tests::guests::guest_path;
use party_tests::host::{Host, free_port, party_host, temporary};
use party_tests::program::{BOUND, Ended, Program};
use rustix::process::Signal;

/// A core module that is empty.
const CORE_MODULE: &[u8] = b"\0asm\x01\0\0\0";
/// A component that is empty, so of another world.
const EMPTY_COMPONENT: &[u8] = b"\0asm\x0d\0\x01\0";

/// Runs `serve` in a directory on a free port.
fn serve_in(dir: &Path, arguments: &[&str]) -> Result<Ended> {
    let port = free_port().to_string();
    let mut command = party_host();
    command.current_dir(dir).args(["serve", "--host", "127.0.0.1", "--port", &port]).args(arguments);
    Program::run(&mut command, BOUND)
}

/// `serve` ends with this code, says one `error:` with each of these, and one `hint:` with this (or none, if empty).
#[track_caller]
fn check(dir: &Path, arguments: &[&str], code: i32, error: &[&str], hint: &str) {
    let ended = serve_in(dir, arguments).expect("it runs and ends");
    check_ended(&ended, code, error, hint);
}

#[track_caller]
fn check_ended(ended: &Ended, code: i32, error: &[&str], hint: &str) {
    assert_eq!(ended.code, Some(code), "{}", ended.err);
    assert_eq!(ended.out, "", "nothing is served, so nothing is said");
    let lines = |start: &str| ended.err.lines().filter(|line| line.starts_with(start)).collect::<Vec<_>>();
    assert_eq!(
        (lines("error: ").len(), lines("hint: ").len()),
        (1, usize::from(!hint.is_empty())),
        "{}",
        ended.err
    );
    // The error is its line and the causes under it; what is logged before is not part of it.
    let told = ended.err.find("error: ").map(|at| &ended.err[at..]).unwrap_or_default();
    for part in error {
        assert!(told.contains(part), "{part:?} is not in:\n{told}");
    }
    assert!(lines("hint: ").iter().all(|line| line.contains(hint)), "{hint:?} is not in:\n{told}");
    assert!(!ended.err.contains("panicked"), "{}", ended.err);
    for cause in lines("  because: ") {
        let words = cause.trim_start_matches("  because: ");
        assert_eq!(ended.err.matches(words).count(), 1, "said twice: {words:?} in\n{told}");
    }
}

#[test]
fn a_path_that_leads_nowhere_is_told() -> Result<()> {
    let dir = temporary()?;
    let create = "party-host new";
    check(dir.path(), &["nowhere"], 2, &["error: nowhere is not there"], "a directory with party.toml");
    check(dir.path(), &["nowhere.wasm"], 2, &["error: nowhere.wasm is not there"], "party-host build");
    check(dir.path(), &[], 2, &["error: . has no parties"], create);
    fs::write(dir.path().join("file"), "")?;
    check(dir.path(), &["file"], 2, &["error: file: it is not a directory"], "ends in .wasm");
    fs::create_dir(dir.path().join("empty.wasm"))?;
    check(dir.path(), &["empty.wasm"], 2, &["error: empty.wasm has no parties"], create);
    assert!(!dir.path().join(".party").exists(), "nothing is left behind");
    Ok(())
}

#[test]
fn a_party_toml_that_is_wrong_is_told_with_its_line() -> Result<()> {
    let dir = temporary()?;
    fs::write(dir.path().join("party.wasm"), EMPTY_COMPONENT)?;
    let check_toml = |text: &str, error: &str, hint: &str| {
        fs::write(dir.path().join("party.toml"), text).expect("written");
        check(dir.path(), &[], 2, &[&format!("error: ./party.toml:{error}")], hint);
    };
    check_toml("main = \"party.wasm\"\nprot = 80", "2: unknown key \"prot\"", "did you mean \"port\"?");
    check_toml(
        "[limits]\nmessage_in_max = 5",
        "2: unknown key \"limits.message_in_max\"",
        "did you mean \"message_in_bytes_max\"?",
    );
    check_toml("port = \"80\"", "1: \"port\" must be an integer, not a string", "without quotes");
    check_toml("port = 65536", "1: \"port\" is 65536; it must be between 1 and 65535", "leave it out");
    check_toml("main = ", "1: ", "a text in double quotes");
    check_toml("main = .", "1: ", "a text in double quotes");
    check_toml(
        "main = \"party.wasm\"\nmemory = \"forever\"",
        "2: \"memory\" is \"forever\"",
        "\"durable\" if kill -9 must take nothing",
    );
    check_toml(
        "memory = \"hibernat\"",
        "1: \"memory\" is \"hibernat\"; it must be \"volatile\", \"hibernate\" or \"durable\"",
        "did you mean \"hibernate\"?",
    );
    check_toml("main = \"nowhere\"", "1: \"main\" is \"nowhere\", which is not there", "Cargo.toml");
    Ok(())
}

#[test]
fn what_is_no_party_is_refused_with_the_reason() -> Result<()> {
    let dir = temporary()?;
    let write = |name: &str, bytes: &[u8]| fs::write(dir.path().join(name), bytes).expect("written");
    write("text.wasm", b"this is not WebAssembly");
    write("nothing.wasm", b"");
    write("module.wasm", CORE_MODULE);
    write("other.wasm", EMPTY_COMPONENT);
    let whole = fs::read(guest_path("counter"))?;
    write("cut.wasm", &whole[..whole.len() / 2]);
    let mut newer = EMPTY_COMPONENT.to_vec();
    newer[4] = 0x7f;
    write("newer.wasm", &newer);
    let not_a_party = |name: &str| format!("error: {name} is not a party");
    for name in ["nothing.wasm", "cut.wasm", "newer.wasm"] {
        check(dir.path(), &[name], 2, &[&not_a_party(name)], "build it again");
    }
    check(dir.path(), &["text.wasm"], 2, &[&not_a_party("text.wasm"), "not WebAssembly"], "not its source");
    let large = fs::File::create(dir.path().join("large.wasm"))?;
    large.set_len(1 << 40)?;
    check(dir.path(), &["large.wasm"], 2, &[&not_a_party("large.wasm"), "the limit is 67108864"], "strip");
    check(
        dir.path(),
        &["module.wasm"],
        2,
        &[&not_a_party("module.wasm"), "core WebAssembly module"],
        "wasm32-wasip2",
    );
    let other = not_a_party("other.wasm");
    check(dir.path(), &["other.wasm"], 2, &[&other, "does not export party:server/guest@0.1.0"], "party SDK");
    Ok(())
}

#[test]
fn a_port_in_use_is_told() -> Result<()> {
    let dir = temporary()?;
    let port = free_port();
    let _taken = TcpListener::bind(("127.0.0.1", port))?;
    let component = guest_path("counter");
    let mut command = party_host();
    command.args(["serve", "--host", "127.0.0.1", "--port", &port.to_string()]);
    command.arg("--data").arg(dir.path()).arg(component);
    let ended = Program::run(&mut command, BOUND)?;
    check_ended(
        &ended,
        1,
        &[&format!("error: 127.0.0.1:{port} is in use")],
        "choose another port with --port",
    );
    Ok(())
}

#[test]
fn a_name_is_listened_on_and_one_that_does_not_resolve_is_told() -> Result<()> {
    let dir = temporary()?;
    let (port, component) = (free_port().to_string(), guest_path("counter"));
    let serve = |name: &str| {
        let mut command = party_host();
        command.args(["serve", "--host", name, "--port", &port, "--data"]).arg(dir.path()).arg(&component);
        command
    };
    let mut host = Program::start(&mut serve("localhost"))?;
    host.wait_for(&format!("on http://localhost:{port} ("), BOUND)?;
    host.signal(Signal::TERM)?;
    assert_eq!(host.end(BOUND)?.code, Some(0));
    // A part of a name has at most 63 characters, so no resolver asks anybody.
    let nowhere = "x".repeat(64);
    let ended = Program::run(&mut serve(&nowhere), BOUND)?;
    check_ended(&ended, 2, &[&format!("error: --host {nowhere} has no address: ")], "localhost");
    // An address for documentation, which no machine has.
    let ended = Program::run(&mut serve("192.0.2.1"), BOUND)?;
    check_ended(&ended, 1, &[&format!("error: 192.0.2.1:{port} cannot be listened on")], "--host");
    Ok(())
}

#[test]
fn a_second_host_on_the_same_data_is_refused_and_told_who_has_it() -> Result<()> {
    let dir = temporary()?;
    let component = guest_path("counter");
    let first = Host::serve(&component, dir.path())?;
    let mut command = party_host();
    command.args(["serve", "--host", "127.0.0.1", "--port", &free_port().to_string()]);
    command.arg("--data").arg(dir.path()).arg(&component);
    let ended = Program::run(&mut command, BOUND)?;
    let holder = format!("is in use by process {}", first.program.id());
    check_ended(&ended, 1, &[&dir.path().display().to_string(), &holder], "--data");
    assert!(first.program.is_running());
    Ok(())
}

#[test]
fn a_data_directory_that_cannot_be_used_is_told() -> Result<()> {
    let dir = temporary()?;
    let component = guest_path("counter");
    let component = component.display().to_string();
    fs::write(dir.path().join("file"), "mine")?;
    for data in ["file", "file/below", "/sys/party-host-test"] {
        let error = ["error: the data directory", data];
        check(dir.path(), &[&component, "--data", data], 1, &error, "--data");
    }
    assert_eq!(fs::read_to_string(dir.path().join("file"))?, "mine");
    fs::create_dir(dir.path().join("other"))?;
    fs::write(dir.path().join("other/rooms.store"), "mine too")?;
    let error = ["error: the data directory other cannot be used", "the file is no store"];
    check(dir.path(), &[&component, "--data", "other"], 1, &error, "--data");
    assert_eq!(fs::read_to_string(dir.path().join("other/rooms.store"))?, "mine too");
    Ok(())
}

#[test]
fn a_log_level_that_cannot_be_read_is_told() -> Result<()> {
    let dir = temporary()?;
    let mut command = party_host();
    command.args(["serve", "."]).current_dir(dir.path());
    for (wanted, error) in [
        ("party_node=loud", "\"loud\" is no level"),
        ("debgu", "\"debgu\" is no level; did you mean \"debug\"?"),
    ] {
        let ended = Program::run(command.env("PARTY_LOG", wanted), BOUND)?;
        let told = format!("PARTY_LOG={wanted:?} cannot be used: {error}");
        check_ended(&ended, 2, &[&told], "off, error, warn, info, debug, trace");
    }
    Ok(())
}
