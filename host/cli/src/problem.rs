//! How an error reaches the person: what happened, why, and what to do next.
//!
//! Libraries say what to do on a `hint:` line at the end of a message. It is told once, last, wherever in the chain of
//! causes it stood. Exit code 2 means that what was given cannot be used (a flag, a path, party.toml, a component):
//! trying again is of no use. A command that a signal has ended before it served has the exit code that shells give to that
//! signal. Everything else is 1.

use std::fmt::Write as _;
use std::io::{IsTerminal, stderr};
use std::process::ExitCode;

use party_runtime::load::LoadError;
use party_server::config::problem::ConfigError;
use party_server::tls::TlsError;

use crate::signals::Caught;

/// Between a message and its hint.
const HINT: &str = "\nhint: ";
/// Takes away what cargo has left of its progress on the line that a terminal is at.
const CLEAR_LINE: &str = "\r\x1b[2K";
/// For a component that is unfit in a way of which its author can do little but make it again.
const HINT_COMPONENT: &str = "build it again; `party-host new NAME` writes a party that can be served";

/// An error that the command itself has found.
#[derive(Debug, thiserror::Error)]
#[error("{message}{HINT}{hint}")]
struct Problem {
    message: String,
    hint: String,
    is_usage: bool,
}

/// A signal came before there was anything to end in order. No error of anybody's.
#[derive(Debug, thiserror::Error)]
#[error("stopped by {signal}: {what}")]
pub(crate) struct Interrupted {
    pub(crate) signal: Caught,
    /// What has become of what was under way.
    pub(crate) what: &'static str,
}

/// Transcripts failed, which has been told.
#[derive(Debug, thiserror::Error)]
#[error("transcripts failed")]
pub(crate) struct TestsFailed {
    /// One of them cannot be understood.
    pub(crate) is_usage: bool,
}

/// What was given cannot be used; what to do next.
pub(crate) fn usage(message: impl Into<String>, hint: impl Into<String>) -> anyhow::Error {
    Problem { message: message.into(), hint: hint.into(), is_usage: true }.into()
}

/// A failure, with what to do next.
pub(crate) fn failure(message: impl Into<String>, hint: impl Into<String>) -> anyhow::Error {
    Problem { message: message.into(), hint: hint.into(), is_usage: false }.into()
}

/// A context for an error that may not say itself what to do next; if it does, its own hint is told.
pub(crate) fn with_hint(message: &str, hint: &str) -> String {
    format!("{message}{HINT}{hint}")
}

/// Prints an error with its causes and what to do next; gives the exit code.
pub(crate) fn print(error: &anyhow::Error) -> ExitCode {
    if let Some(interrupted) = error.downcast_ref::<Interrupted>() {
        let clear = if stderr().is_terminal() { CLEAR_LINE } else { "" };
        eprintln!("{clear}{interrupted}");
        return ExitCode::from(interrupted.signal.exit_code());
    }
    if let Some(failed) = error.downcast_ref::<TestsFailed>() {
        return ExitCode::from(if failed.is_usage { 2 } else { 1 });
    }
    eprint!("{}", text(error));
    ExitCode::from(if is_usage(error) { 2 } else { 1 })
}

fn is_usage(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        let found = cause.downcast_ref::<Problem>().is_some_and(|problem| problem.is_usage);
        found || cause.is::<ConfigError>() || cause.is::<LoadError>() || cause.is::<TlsError>()
    })
}

fn text(error: &anyhow::Error) -> String {
    let mut text = String::new();
    let mut hint = None;
    for cause in error.chain() {
        let whole = cause.to_string();
        let message = match whole.split_once(HINT) {
            Some((message, its_hint)) => {
                hint = Some(its_hint.to_owned());
                message
            }
            None => whole.as_str(),
        };
        if let Some(of_component) = cause.downcast_ref::<LoadError>() {
            hint = Some(of_component.hint().unwrap_or(HINT_COMPONENT).into());
        }
        let start = if text.is_empty() { "error" } else { "  because" };
        // Some messages hold their cause already.
        if !text.trim_end().ends_with(message) {
            writeln!(text, "{start}: {message}").expect("a string takes everything");
        }
    }
    if let Some(hint) = hint {
        writeln!(text, "hint: {hint}").expect("a string takes everything");
    }
    text
}

#[cfg(test)]
mod tests {
    use anyhow::anyhow;
    use party_runtime::load::LoadError;

    use super::{failure, is_usage, text, usage, with_hint};

    #[test]
    fn a_hint_is_told_once_and_last() {
        let error = failure("it is in use", "stop the other one").context("the data cannot be used");
        assert_eq!(
            text(&error),
            "error: the data cannot be used\n  because: it is in use\nhint: stop the other one\n"
        );
        assert!(!is_usage(&error) && is_usage(&usage("no such place", "look elsewhere")));
    }

    #[test]
    fn the_hint_nearest_to_the_cause_is_told() {
        let general = with_hint("the data cannot be used", "choose another");
        let error = failure("process 7 has it", "stop process 7").context(general.clone());
        assert!(text(&error).ends_with("\nhint: stop process 7\n"), "{}", text(&error));
        let error = anyhow!("no space left").context(general);
        assert!(text(&error).ends_with("\nhint: choose another\n"), "{}", text(&error));
    }

    #[test]
    fn a_cause_that_was_said_is_not_said_again() {
        let error =
            anyhow!("not there").context("it cannot be opened: not there").context("it cannot be used");
        assert_eq!(text(&error), "error: it cannot be used\n  because: it cannot be opened: not there\n");
    }

    #[test]
    fn a_component_that_is_refused_is_usage_with_a_hint() {
        let error = anyhow::Error::from(LoadError::Empty).context("x.wasm is not a party");
        assert!(is_usage(&error));
        assert!(text(&error).contains("\nhint: build it again"), "{}", text(&error));
    }
}
