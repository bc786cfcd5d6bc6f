//! What the command line says of a data directory.

use std::path::Path;

use anyhow::{Result, ensure};
use party_tests::host::party_host;
use party_tests::program::{BOUND, Ended, Program};

/// Runs a command on a data directory.
pub(crate) fn on(data: &Path, arguments: &[&str]) -> Result<Ended> {
    Program::run(party_host().args(arguments).arg("--data").arg(data), BOUND)
}

/// A command that ends well; if it does not, that is the error.
pub(crate) fn ends_well(data: &Path, arguments: &[&str]) -> Result<Ended> {
    let ended = on(data, arguments)?;
    ensure!(ended.code == Some(0), "{arguments:?}: {}{}", ended.out, ended.err);
    Ok(ended)
}

/// What a command says on standard output that ends well.
#[track_caller]
pub(crate) fn says(data: &Path, arguments: &[&str]) -> String {
    ends_well(data, arguments).expect("it ends well").out
}

/// A command was refused, with these words and one hint.
#[track_caller]
pub(crate) fn is_refused(ended: &Ended, code: i32, words: &[&str]) {
    assert_eq!(ended.code, Some(code), "{}{}", ended.out, ended.err);
    assert!(!ended.err.contains("panicked"), "{}", ended.err);
    assert_eq!(ended.err.matches("hint: ").count(), 1, "{}", ended.err);
    for part in words {
        assert!(ended.err.contains(part), "{part:?} is not in:\n{}", ended.err);
    }
}

/// A command on a data directory is refused, with these words and one hint.
#[track_caller]
pub(crate) fn refused(data: &Path, arguments: &[&str], code: i32, words: &[&str]) {
    is_refused(&on(data, arguments).expect("it runs"), code, words);
}
