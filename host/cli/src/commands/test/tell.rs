//! How results are told. Nothing here depends on when they were played, or how long it took.

use std::fmt::Write as _;

use anyhow::{Context, Result};
use party_testkit::transcript::Failure;
use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};

use crate::args::test::{Format, Test};
use crate::commands::test::play::{End, Played};

impl Played {
    fn failure(&self) -> Option<&Failure> {
        match &self.end {
            End::Failed(failure) | End::NotUnderstood(failure) => Some(failure),
            End::Passed | End::Updated => None,
        }
    }

    /// `tests/chat.party:12: bob received nothing`
    fn headline(&self, failure: &Failure) -> String {
        format!("{}:{}: {}", self.path.display(), failure.line, failure.what)
    }

    /// `tests/chat.party:9: main/lobby goes on from its checkpoint`
    fn notes(&self) -> impl Iterator<Item = String> {
        self.notes.iter().map(|note| format!("{}:{}: {}", self.path.display(), note.line, note.what))
    }

    /// What helps to understand it, and to see it again.
    fn details(&self, failure: &Failure) -> Vec<String> {
        let mut details = failure.details.clone();
        if matches!(self.end, End::Failed(_)) {
            details.push(format!("seed {}", self.seed));
        }
        details
    }
}

/// Tells what came of all, as it was asked for.
pub(super) fn all(test: &Test, played: &[Played]) -> Result<()> {
    match test.format {
        Format::Text => text(played),
        Format::Tap => tap(played),
    }
    if let Some(file) = &test.junit {
        let told = junit(played)?;
        std::fs::write(file, told).with_context(|| format!("{} cannot be written", file.display()))?;
    }
    Ok(())
}

/// For people.
fn text(all: &[Played]) {
    for played in all {
        match (&played.end, played.failure()) {
            (_, Some(failure)) => {
                println!("FAIL     {}", played.headline(failure));
                played.details(failure).iter().for_each(|line| println!("           {line}"));
            }
            (End::Updated, None) => println!("updated  {}", played.path.display()),
            (_, None) => println!("ok       {}", played.path.display()),
        }
        played.notes().for_each(|note| println!("note     {note}"));
    }
    let failed = all.iter().filter(|played| played.failure().is_some()).count();
    println!("{} passed, {failed} failed", all.len() - failed);
}

/// Test Anything Protocol, version 14.
fn tap(all: &[Played]) {
    println!("TAP version 14\n1..{}", all.len());
    for (number, played) in (1..).zip(all) {
        let path = played.path.display().to_string().replace('\\', "\\\\").replace('#', "\\#");
        match played.failure() {
            None => println!("ok {number} - {path}"),
            Some(failure) => {
                println!("not ok {number} - {path}\n  ---\n  message: {}", yaml(&failure.what));
                println!("  line: {}\n  details:", failure.line);
                played.details(failure).iter().for_each(|line| println!("    - {}", yaml(line)));
                println!("  ...");
            }
        }
        played.notes().for_each(|note| println!("# {note}"));
    }
}

/// A text in YAML: JSON's strings are YAML's.
fn yaml(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// JUnit's XML.
fn junit(all: &[Played]) -> Result<String> {
    let mut suite = TestSuite::new("party-host test");
    for played in all {
        let status = match played.failure() {
            None => TestCaseStatus::success(),
            Some(failure) => {
                let kind = match played.end {
                    End::NotUnderstood(_) => NonSuccessKind::Error,
                    End::Passed | End::Updated | End::Failed(_) => NonSuccessKind::Failure,
                };
                let mut status = TestCaseStatus::non_success(kind);
                let mut whole = played.headline(failure);
                for line in played.details(failure) {
                    write!(whole, "\n{line}")?;
                }
                status.set_message(failure.what.as_str());
                status.set_description(whole);
                status
            }
        };
        suite.add_test_case(TestCase::new(played.path.display().to_string(), status));
    }
    let mut report = Report::new("party-host test");
    report.add_test_suite(suite);
    Ok(report.to_string()?)
}
