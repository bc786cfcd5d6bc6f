//! Help that teaches, and what a slip of the pen gets.

use anyhow::Result;

use crate::run;

/// The help of a command holds these, in this order; lines are compared without the space around them.
#[track_caller]
fn check_help(arguments: &[&str], expected: &[&str]) {
    let ended = run(arguments).expect("it runs");
    assert_eq!(ended.code, Some(0), "{arguments:?}: {}", ended.err);
    assert_eq!(ended.err, "", "{arguments:?}");
    let mut rest = ended.out.as_str();
    for part in expected {
        let Some(at) = rest.find(part) else {
            panic!("{arguments:?} does not say {part:?} in its place:\n{}", ended.out)
        };
        rest = &rest[at + part.len()..];
    }
    for line in ended.out.lines() {
        assert!(line.chars().count() <= 120, "{arguments:?} has a line that is too long: {line}");
    }
}

#[test]
fn help_says_what_it_is_and_how_to_begin() {
    let expected = [
        "A self-hosted server for stateful, realtime rooms",
        "/parties/PARTY/ROOM",
        "Usage: party-host <COMMAND>",
        "new ",
        "build ",
        "serve ",
        "dev ",
        "A first minute:",
        "party-host new hello && cd hello",
        "party-host dev",
        "http://127.0.0.1:1999/",
        "PARTY_LOG",
        "Exit codes:",
    ];
    check_help(&["--help"], &expected);
    check_help(&["help"], &expected);
}

#[test]
fn the_help_of_each_command_says_what_can_be_given_and_what_is_the_default() {
    check_help(
        &["new", "--help"],
        &["Write a new party", "Usage: party-host new", "<PATH>", "a-z, 0-9, _ and -"],
    );
    check_help(
        &["build", "--help"],
        &["[PATH]", "[default: .]", "party.toml", "wasm32-wasip2", "party-host serve COMPONENT.wasm"],
    );
    check_help(
        &["serve", "--help"],
        &[
            "Usage: party-host serve",
            "Directories with party.toml or Cargo.toml, each a project of its own, or a .wasm component",
            "--host",
            "[default: 0.0.0.0]",
            "--trusted-proxy <NET>",
            "10.0.0.0/8",
            "--tls-cert <FILE>",
            "--tls-key <FILE>",
            "--port",
            "0: any that is free",
            "default: `port` in party.toml, else 1999",
            "--data <DIR>",
            ".party/data",
            "One host at a time",
            "--workers <N>",
            "--drain <SECONDS>",
            "[default: 10]",
        ],
    );
    check_help(&["dev", "--help"], &["reload", "--host", "[default: 127.0.0.1]", "--port", "--data <DIR>"]);
}

#[test]
fn the_version_is_told() -> Result<()> {
    let ended = run(&["--version"])?;
    assert_eq!(
        (ended.code, ended.out.as_str()),
        (Some(0), concat!("party-host ", env!("CARGO_PKG_VERSION"), "\n"))
    );
    Ok(())
}

#[test]
fn without_a_command_the_help_is_shown_and_nothing_was_done() -> Result<()> {
    let ended = run(&[])?;
    assert_eq!(ended.code, Some(2));
    assert!(ended.err.contains("A first minute:"), "{}", ended.err);
    Ok(())
}

/// A slip of the pen ends with exit code 2 and these words.
#[track_caller]
fn check_slip(arguments: &[&str], expected: &[&str]) {
    let ended = run(arguments).expect("it runs");
    assert_eq!(ended.code, Some(2), "{arguments:?}: {}", ended.err);
    assert_eq!(ended.out, "", "{arguments:?}");
    assert!(ended.err.starts_with("error: "), "{arguments:?}: {}", ended.err);
    for part in expected {
        assert!(ended.err.contains(part), "{arguments:?} does not say {part:?}:\n{}", ended.err);
    }
}

#[test]
fn a_slip_of_the_pen_is_told_with_what_was_meant() {
    check_slip(&["sreve"], &["'sreve'", "'serve'"]);
    check_slip(&["frobnicate"], &["unrecognized subcommand 'frobnicate'", "--help"]);
    check_slip(&["serve", "--prot", "80"], &["'--prot'", "'--port'"]);
    check_slip(&["serve", "--frobnicate"], &["'--frobnicate'", "Usage: party-host serve"]);
    check_slip(&["dev", "one", "two"], &["'two'", "Usage: party-host dev"]);
    check_slip(
        &["serve", "--trusted-proxy", "nginx"],
        &["'nginx'", "is no network and no address", "10.0.0.0/8"],
    );
    check_slip(&["serve", "--tls-cert", "cert.pem"], &["--tls-key <FILE>"]);
    check_slip(&["new"], &["<PATH>", "Usage: party-host new"]);
}

#[test]
fn a_value_that_is_almost_right_is_told_with_what_was_meant_and_all_that_can_be() {
    check_slip(
        &["rooms", "--state", "aslep"],
        &["'aslep'", "--state", "possible values: awake, starting, asleep, suspended, stored", "'asleep'"],
    );
}

#[test]
fn a_value_that_means_nothing_is_told_with_its_bounds() {
    check_slip(&["serve", "--port", "65536"], &["'65536'", "--port", "65535"]);
    check_slip(&["serve", "--port", "http"], &["'http'", "--port"]);
    check_slip(&["serve", "--port"], &["a value is required", "--port"]);
    check_slip(&["serve", "--host", "localhost:80"], &["'localhost:80'", "--host", "give it with --port"]);
    check_slip(&["serve", "--host", "http://x"], &["'http://x'", "--host", "a name such as localhost"]);
    check_slip(&["serve", "--port", "-1"], &["'-1'", "--port", "65535"]);
    check_slip(&["serve", "--workers", "0"], &["'0'", "1..=1024"]);
    check_slip(&["serve", "--drain", "soon"], &["'soon'", "--drain"]);
    check_slip(&["serve", "--drain", "86401"], &["'86401'", "86400"]);
}
