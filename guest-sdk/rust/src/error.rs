//! What a handler may fail with.
//!
//! Any error converts into [`Error`] with `?`. A handler that returns one has failed, and its turn commits all the
//! same: a request is answered with it, a connecting client is turned away with it, an alarm is tried again, and
//! the host logs it. Only a panic drops the turn.

use std::error;
use std::fmt;

use crate::bindings::party::server::types::{FailureParam, FailureResult};

/// The result of a handler or a task.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a handler or a task failed: the error that caused it, and the HTTP status to answer with.
///
/// It is deliberately no `std::error::Error` itself: that is what lets every such error convert into it.
pub struct Error {
    cause: Box<dyn error::Error + 'static>,
    status: Option<u16>,
}

impl Error {
    /// An error that is a text: the body of the 500, or the reason of the close.
    pub fn new(message: impl Into<String>) -> Self {
        Self::from(Text(message.into()))
    }

    /// The same error, answering a request with this HTTP status (200 to 599) instead of 500.
    #[must_use]
    pub fn with_status(mut self, status: u16) -> Self {
        self.status = Some(status);
        self
    }

    /// The HTTP status that was asked for.
    pub fn status(&self) -> Option<u16> {
        self.status
    }

    /// The error that caused this one, if it is an `E`.
    pub fn downcast_ref<E: error::Error + 'static>(&self) -> Option<&E> {
        self.cause.downcast_ref()
    }

    /// The causes behind the message, outermost first; what the host logs as the place of the failure.
    fn causes(&self) -> Option<String> {
        let mut text = String::new();
        let mut next = self.cause.source();
        while let Some(cause) = next {
            if !text.is_empty() {
                text.push('\n');
            }
            text.push_str("caused by: ");
            text.push_str(&cause.to_string());
            next = cause.source();
        }
        (!text.is_empty()).then_some(text)
    }

    /// As the host takes it from an export.
    pub(crate) fn into_failure(self) -> FailureResult {
        FailureResult { message: self.cause.to_string(), stack: self.causes(), status: self.status }
    }

    /// Give it to `with` as an import takes it.
    pub(crate) fn with_failure<T>(&self, with: impl FnOnce(FailureParam<'_>) -> T) -> T {
        let (message, stack) = (self.cause.to_string(), self.causes());
        with(FailureParam { message: &message, stack: stack.as_deref(), status: self.status })
    }
}

impl<E: error::Error + 'static> From<E> for Error {
    fn from(cause: E) -> Self {
        Self { cause: Box::new(cause), status: None }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.cause, formatter)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.cause, formatter)
    }
}

/// An error that is nothing but words.
struct Text(String);

impl fmt::Display for Text {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl error::Error for Text {}

#[cfg(test)]
mod tests {
    use super::Error;

    #[derive(Debug, thiserror::Error)]
    #[error("the score is 12; the limit is 10")]
    struct Outer(#[source] std::num::ParseIntError);

    #[test]
    fn a_failure_says_its_message_causes_and_status() {
        let inner = "x".parse::<u8>().expect_err("x is no number");
        let failure = Error::from(Outer(inner)).with_status(400).into_failure();
        assert_eq!(failure.message, "the score is 12; the limit is 10");
        assert_eq!(failure.stack.as_deref(), Some("caused by: invalid digit found in string"));
        assert_eq!(failure.status, Some(400));
    }

    #[test]
    fn the_cause_keeps_its_type() {
        let error = Error::from("x".parse::<u8>().expect_err("x is no number"));
        assert!(error.downcast_ref::<std::num::ParseIntError>().is_some());
        assert!(Error::new("words").downcast_ref::<std::num::ParseIntError>().is_none());
    }
}
