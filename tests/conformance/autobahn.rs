//! The Autobahn|Testsuite against the real binary, which serves a party that sends back what it gets: every case there is,
//! none left out.
//!
//! The suite runs on Python 2.7 alone. `tests/run` finds one, installs the suite below the target directory, and says so in the
//! environment; without it the suite is not run, and `tests/run` names it in its summary. A report for people is left in
//! `target/party-tests/autobahn/report/index.html`.

use std::collections::{BTreeMap, BTreeSet};
use std::env;
use std::ffi::OsStr;
use std::fs;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use party_tests::guests::scratch;
use party_tests::host::temporary;
use party_tests::program::Program;
use party_tests::root;
use rustix::process::Signal;
use serde_json::{Value, json};

use crate::echo::echo;

/// Set by `tests/run` to a Python 2.7.
const PYTHON: &str = "PARTY_TESTS_PYTHON27";
/// Where `tests/run` installs the suite, below the target directory.
const SUITE: &str = "autobahn/site";
/// Runs the suite from there. The directory must be a site, because some of its packages share a namespace.
const WSTEST: &str = "import site, sys; site.addsitedir(sys.argv.pop(1)); \
                      from autobahntestsuite.wstest import run; run()";
/// The largest message of group 9.
const MESSAGE_BYTES_MAX: u64 = 16 << 20;
/// The name under which the suite reports.
const AGENT: &str = "party-host";
/// How long all cases may take together. 25 s is usual on two cores.
const SUITE_BOUND: Duration = Duration::from_secs(300);
/// Cases of version 0.8.2: one more or less is another suite, or one in which cases are left out.
const CASES: usize = 517;
/// The cases that the suite judges of nobody: how a message of 256 KiB and a close behind it, and two closes with codes that
/// stand nowhere in the RFC, are answered.
const INFORMATIONAL: [&str; 3] = ["7.1.6", "7.13.1", "7.13.2"];
/// The groups of permessage-deflate, which is off.
const COMPRESSION: [&str; 2] = ["12.", "13."];
/// How often a case that is passed, but not strictly, is tried again, see [`strictly`].
const TRIES: usize = 5;

/// What the suite finds in one case: before the connection was closed, and in how it was.
type Verdict = (String, String);

/// Has the suite try these cases, and gives what it finds in each.
fn run(python: &OsStr, port: u16, cases: &[&str]) -> Result<BTreeMap<String, Verdict>> {
    let dir = scratch("autobahn/report");
    if dir.exists() {
        fs::remove_dir_all(&dir)?;
    }
    fs::create_dir_all(&dir)?;
    let spec = dir.join("spec.json");
    let servers = json!([{"agent": AGENT, "url": format!("ws://127.0.0.1:{port}/parties/echo/autobahn")}]);
    let wanted = json!({"outdir": dir, "servers": servers, "cases": cases, "exclude-cases": []});
    fs::write(&spec, wanted.to_string())?;
    let mut command = Command::new(python);
    command.current_dir(&dir).args(["-c", WSTEST]).arg(scratch(SUITE));
    command.args(["--mode", "fuzzingclient", "--spec"]).arg(&spec);
    let ended = Program::run(&mut command, SUITE_BOUND)?;
    ensure!(ended.code == Some(0), "wstest ends with {:?}\n{}{}", ended.code, ended.out, ended.err);
    verdicts(&fs::read_to_string(dir.join("index.json")).context("wstest writes a report")?)
}

/// What a report says of each case.
fn verdicts(report: &str) -> Result<BTreeMap<String, Verdict>> {
    let report: Value = serde_json::from_str(report)?;
    let cases = report[AGENT].as_object().context("the report is about this host")?;
    let word = |case: &Value, key| case[key].as_str().map(str::to_owned).context("a verdict is a word");
    let verdict = |(name, case): (&String, &Value)| -> Result<(String, Verdict)> {
        Ok((name.clone(), (word(case, "behavior")?, word(case, "behaviorClose")?)))
    };
    cases.iter().map(verdict).collect()
}

/// Whether a case that is called so may be judged so.
fn may_be(case: &str, (behavior, close): &Verdict) -> bool {
    match (behavior.as_str(), close.as_str()) {
        ("OK", "OK") => true,
        ("UNIMPLEMENTED", "OK") => COMPRESSION.iter().any(|group| case.starts_with(group)),
        ("INFORMATIONAL", "INFORMATIONAL") => INFORMATIONAL.contains(&case),
        _ => false,
    }
}

/// Tries cases again that were passed, but not strictly. What the suite asks for there is that a message is answered which
/// stands right before a fault. The host answers it if the room does so at once, and does not wait with the close; a guest
/// that is kept from its processor for a millisecond just then is too late. So each must be strict once in some tries.
fn strictly(python: &OsStr, port: u16, found: &mut BTreeMap<String, Verdict>) -> Result<()> {
    for _ in 0..TRIES {
        let is_late = |(_, verdict): &(&String, &Verdict)| verdict.0 == "NON-STRICT" && verdict.1 == "OK";
        let late: Vec<String> = found.iter().filter(is_late).map(|(case, _)| case.clone()).collect();
        if late.is_empty() {
            break;
        }
        println!("not strict, and tried again: {}", late.join(" "));
        let late: Vec<&str> = late.iter().map(String::as_str).collect();
        found.extend(run(python, port, &late)?);
    }
    Ok(())
}

/// How many cases of each kind, in words: as docs/conformance.md has them.
fn sums(found: &BTreeMap<String, Verdict>) -> String {
    let count = |word: &str| found.values().filter(|verdict| verdict.0 == word).count();
    format!(
        "{} cases: {} OK, {} informational, {} unimplemented",
        found.len(),
        count("OK"),
        count("INFORMATIONAL"),
        count("UNIMPLEMENTED")
    )
}

#[test]
fn every_case_of_the_autobahn_testsuite_is_ok() -> Result<()> {
    let Some(python) = env::var_os(PYTHON) else {
        println!("not run: {PYTHON} is not set (tests/run sets it)");
        return Ok(());
    };
    let project = temporary()?;
    let mut host = echo(project.path(), MESSAGE_BYTES_MAX)?;
    let mut found = run(&python, host.port, &["*"])?;
    strictly(&python, host.port, &mut found)?;
    let wrong: Vec<_> = found.iter().filter(|(case, verdict)| !may_be(case, verdict)).collect();
    ensure!(wrong.is_empty(), "{wrong:#?}\n{}", host.program.said());
    ensure!(found.len() == CASES, "{} cases were run, and there are {CASES}", found.len());
    let informational: BTreeSet<&str> = INFORMATIONAL.into();
    ensure!(informational.iter().all(|case| found[*case].0 == "INFORMATIONAL"), "judged now: {found:?}");
    let page = fs::read_to_string(root().join("docs/conformance.md"))?;
    ensure!(page.contains(&sums(&found)), "docs/conformance.md does not say: {}", sums(&found));
    println!("{}", sums(&found));
    let ended = host.stop(Signal::TERM)?;
    ensure!(ended.code == Some(0), "the host ends with {:?}\n{}", ended.code, ended.err);
    ensure!(!ended.err.contains("panicked"), "the host has panicked\n{}", ended.err);
    Ok(())
}

#[test]
fn a_report_is_read_as_the_suite_means_it() {
    let of = |case: &str, behavior: &str, close: &str| may_be(case, &(behavior.into(), close.into()));
    assert!(of("1.1.1", "OK", "OK") && of("12.1.1", "UNIMPLEMENTED", "OK"));
    assert!(of("7.1.6", "INFORMATIONAL", "INFORMATIONAL"));
    for (case, behavior, close) in [
        ("1.1.1", "FAILED", "OK"),
        ("1.1.1", "NON-STRICT", "OK"),
        ("1.1.1", "OK", "FAILED BY CLIENT"),
        ("1.1.1", "OK", "UNCLEAN"),
        ("1.1.1", "UNIMPLEMENTED", "OK"),
        ("1.2.1", "UNIMPLEMENTED", "OK"),
        ("7.1.5", "INFORMATIONAL", "INFORMATIONAL"),
        ("12.1.1", "FAILED", "OK"),
    ] {
        assert!(!of(case, behavior, close), "{case} {behavior} {close}");
    }
    let report = format!(
        "{{\"{AGENT}\": {{\"1.1.1\": {{\"behavior\": \"OK\", \"behaviorClose\": \"WRONG CODE\"}}}}}}"
    );
    let found = verdicts(&report).expect("it is a report");
    assert_eq!(found["1.1.1"], ("OK".to_owned(), "WRONG CODE".to_owned()));
    assert!(verdicts("{}").is_err() && verdicts(&report.replace("\"OK\"", "1")).is_err());
}
