//! How an error reaches the person: what happened, why, and what to do next.

use std::process::ExitCode;

/// An error in how the command was used: exit code 2, as for unknown flags.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub(crate) struct Usage {
    pub(crate) message: String,
}

/// What to do next; printed on a line of its own.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub(crate) struct Hinted {
    pub(crate) message: String,
    pub(crate) hint: String,
    pub(crate) is_usage: bool,
}

/// An error in how the command was used.
pub(crate) fn usage(message: impl Into<String>) -> anyhow::Error {
    Usage { message: message.into() }.into()
}

/// An error of usage, with what to do next.
pub(crate) fn usage_with_hint(message: impl Into<String>, hint: impl Into<String>) -> anyhow::Error {
    Hinted { message: message.into(), hint: hint.into(), is_usage: true }.into()
}

/// A failure, with what to do next.
pub(crate) fn failure_with_hint(message: impl Into<String>, hint: impl Into<String>) -> anyhow::Error {
    Hinted { message: message.into(), hint: hint.into(), is_usage: false }.into()
}

/// Prints an error with its causes; gives the exit code.
pub(crate) fn print(error: &anyhow::Error) -> ExitCode {
    eprintln!("error: {error}");
    for cause in error.chain().skip(1) {
        eprintln!("  because: {cause}");
    }
    let hinted = error.chain().find_map(|cause| cause.downcast_ref::<Hinted>());
    if let Some(hinted) = hinted {
        eprintln!("hint: {}", hinted.hint);
    }
    let is_usage =
        hinted.is_some_and(|hinted| hinted.is_usage) || error.chain().any(|cause| cause.is::<Usage>());
    ExitCode::from(if is_usage { 2 } else { 1 })
}
